/* Table avx512vnni: AVX-512 with VNNI, sixteen rows side by side. May call: kernel headers, quant, libm. */
#include "kernel/tables.h"

#if defined(__x86_64__)
#include "kernel/cpu_x86.h"

static const lq_kernels table;

const lq_kernels *lq_kernels_avx512vnni(void) { return lq_cpu_avx512vnni() ? &table : NULL; }

/* Everything below is built for the set; nothing above, which any CPU runs. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512dq,avx512bw,avx512vl,avx512vnni"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c,avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")
#endif

#include "kernel/simd_avx512.h"
#define LQ_TABLE_NAME "avx512vnni"
#include "kernel/simd_table.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
