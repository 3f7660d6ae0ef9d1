/* The tables beside `ref`: each function gives its table, or NULL where this binary or this CPU has none.
 * May call: kernel.h. */
#ifndef LQ_TABLES_H
#define LQ_TABLES_H

#include "kernel/kernel.h"

const lq_kernels *lq_kernels_avx512vnni(void);
const lq_kernels *lq_kernels_avxvnni(void);
const lq_kernels *lq_kernels_avx2(void);
const lq_kernels *lq_kernels_wasmrelaxed(void);
const lq_kernels *lq_kernels_wasm128(void);

#endif
