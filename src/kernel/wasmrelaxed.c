/* Table wasmrelaxed: WebAssembly relaxed SIMD: the byte dot product and multiply-add. May call: kernel headers, quant, libm. */
#include "kernel/tables.h"

#if defined(__wasm_relaxed_simd__)

#define LQ_RELAXED
#include "kernel/simd_wasm.h"
#define LQ_TABLE_NAME "wasmrelaxed"
#include "kernel/simd_table.h"

const lq_kernels *lq_kernels_wasmrelaxed(void) { return &table; }

#endif
