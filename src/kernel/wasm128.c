/* Table wasm128: WebAssembly SIMD, 128 bits. May call: kernel headers, quant, libm. */
#include "kernel/tables.h"

#if defined(__wasm_simd128__)

#include "kernel/simd_wasm.h"
#define LQ_TABLE_NAME "wasm128"
#include "kernel/simd_table.h"

const lq_kernels *lq_kernels_wasm128(void) { return &table; }

#endif
