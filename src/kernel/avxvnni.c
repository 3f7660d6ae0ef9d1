/* Table avxvnni: AVX2 with the byte dot product of AVX-VNNI. May call: kernel headers, quant, libm. */
#include "kernel/tables.h"

#if defined(__x86_64__)
#include "kernel/cpu_x86.h"

static const lq_kernels table;

const lq_kernels *lq_kernels_avxvnni(void) { return lq_cpu_avxvnni() ? &table : NULL; }

/* Everything below is built for the set; nothing above, which any CPU runs. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c,avxvnni")
#endif

#define LQ_DPBUSD(ACC, U8, S8) _mm256_dpbusd_avx_epi32(ACC, U8, S8)
#include "kernel/simd_avx2.h"
#define LQ_TABLE_NAME "avxvnni"
#include "kernel/simd_table.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
