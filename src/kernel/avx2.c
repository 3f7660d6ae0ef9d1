/* Table avx2: AVX2 with FMA and F16C. May call: kernel headers, quant, libm. */
#include "kernel/tables.h"

#if defined(__x86_64__)
#include "kernel/cpu_x86.h"

static const lq_kernels table;

const lq_kernels *lq_kernels_avx2(void) { return lq_cpu_avx2() ? &table : NULL; }

/* Everything below is built for the set; nothing above, which any CPU runs. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#include "kernel/simd_avx2.h"
#define LQ_TABLE_NAME "avx2"
#include "kernel/simd_table.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
