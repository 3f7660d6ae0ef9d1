/* See peaks.h. Each loop keeps 2 x 4 accumulators, so that six loads feed eight instructions, as a good matrix multiply does. */
#include "peaks.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static volatile int32_t sink;

/* A function NAME: VEC from LOAD(pointer) of STEP bytes each, MAC(acc, x, y) adds products, MACS of them an instruction. */
#define BLOCKED(NAME, ATTR, VEC, ZERO, LOAD, MAC, STEP, MACS)                                  \
  ATTR static uint64_t NAME(const uint8_t *a, const uint8_t *b, uint32_t repeat) {             \
    VEC c0 = ZERO, c1 = ZERO, c2 = ZERO, c3 = ZERO, c4 = ZERO, c5 = ZERO, c6 = ZERO, c7 = ZERO; \
    const size_t row = PEAK_BYTES / 4;                                                         \
    for (uint32_t k = 0; k < repeat; k++)                                                      \
      for (size_t i = 0; i < row; i += (STEP)) {                                               \
        VEC x0 = LOAD(a + i), x1 = LOAD(a + row + i);                                          \
        VEC y = LOAD(b + i);                                                                   \
        c0 = MAC(c0, x0, y), c1 = MAC(c1, x1, y);                                              \
        y = LOAD(b + row + i);                                                                 \
        c2 = MAC(c2, x0, y), c3 = MAC(c3, x1, y);                                              \
        y = LOAD(b + 2 * row + i);                                                             \
        c4 = MAC(c4, x0, y), c5 = MAC(c5, x1, y);                                              \
        y = LOAD(b + 3 * row + i);                                                             \
        c6 = MAC(c6, x0, y), c7 = MAC(c7, x1, y);                                              \
      }                                                                                        \
    union { VEC v[8]; int32_t i; } all = {{c0, c1, c2, c3, c4, c5, c6, c7}};                   \
    int32_t sum = 0;                                                                           \
    for (size_t j = 0; j < sizeof(all) / sizeof(int32_t); j++) sum += ((const int32_t *)(const void *)&all)[j]; \
    sink = sum;                                                                                \
    return (uint64_t)repeat * (row / (STEP)) * 8 * (MACS);                                     \
  }

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define LOAD256(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define LOADPS(p) _mm256_loadu_ps((const float *)(const void *)(p))
#define MADDUBS(c, x, y) _mm256_add_epi32(c, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), _mm256_set1_epi16(1)))
#define FMA(c, x, y) _mm256_fmadd_ps(x, y, c)
BLOCKED(fma_f32, AVX2, __m256, _mm256_setzero_ps(), LOADPS, FMA, 32, 8)
BLOCKED(maddubs, AVX2, __m256i, _mm256_setzero_si256(), LOAD256, MADDUBS, 32, 32)
#define VNNI __attribute__((target("avx2,avxvnni")))
#define DPBUSD(c, x, y) _mm256_dpbusd_avx_epi32(c, x, y)
BLOCKED(dpbusd, VNNI, __m256i, _mm256_setzero_si256(), LOAD256, DPBUSD, 32, 32)
#define VNNI512 __attribute__((target("avx512f,avx512vnni")))
#define LOAD512(p) _mm512_loadu_si512((const void *)(p))
#define DPBUSD512(c, x, y) _mm512_dpbusd_epi32(c, x, y)
BLOCKED(dpbusd512, VNNI512, __m512i, _mm512_setzero_si512(), LOAD512, DPBUSD512, 64, 64)

static size_t all_peaks(peak *p) {
  size_t n = 0;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    p[n++] = (peak){"avx2 fma f32", fma_f32};
    p[n++] = (peak){"avx2 maddubs i8", maddubs};
  }
  if (__builtin_cpu_supports("avxvnni")) p[n++] = (peak){"avxvnni dpbusd i8", dpbusd};
  if (__builtin_cpu_supports("avx512vnni")) p[n++] = (peak){"avx512vnni dpbusd i8", dpbusd512};
  return n;
}
#elif defined(__wasm_simd128__)
#define ZERO128 wasm_i32x4_const_splat(0)
#define ADDMUL(c, x, y) wasm_f32x4_add(c, wasm_f32x4_mul(x, y))
#define DOT16(c, x, y) wasm_i32x4_add(c, wasm_i32x4_dot_i16x8(x, y))
BLOCKED(addmul_f32, , v128_t, ZERO128, wasm_v128_load, ADDMUL, 16, 4)
BLOCKED(dot_i16, , v128_t, ZERO128, wasm_v128_load, DOT16, 16, 8)
#if defined(__wasm_relaxed_simd__)
#define MADD(c, x, y) wasm_f32x4_relaxed_madd(x, y, c)
#define RELAXED(c, x, y) wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, y, c)
BLOCKED(madd_f32, , v128_t, ZERO128, wasm_v128_load, MADD, 16, 4)
BLOCKED(relaxed_dot, , v128_t, ZERO128, wasm_v128_load, RELAXED, 16, 16)
#endif

static size_t all_peaks(peak *p) {
  size_t n = 0;
  p[n++] = (peak){"f32x4 mul, add", addmul_f32};
  p[n++] = (peak){"i32x4.dot_i16x8", dot_i16};
#if defined(__wasm_relaxed_simd__)
  p[n++] = (peak){"f32x4.relaxed_madd", madd_f32};
  p[n++] = (peak){"i32x4.relaxed_dot_i8x16_i7x16_add", relaxed_dot};
#endif
  return n;
}
#elif defined(__aarch64__)
#define LOADF(p) vld1q_f32((const float *)(const void *)(p))
#define FMLA(c, x, y) vfmaq_f32(c, x, y)
BLOCKED(fmla, , float32x4_t, vdupq_n_f32(0), LOADF, FMLA, 16, 4)

static size_t all_peaks(peak *p) {
  p[0] = (peak){"neon fmla f32", fmla};
  return 1;
}
#else
static size_t all_peaks(peak *p) {
  (void)p;
  return 0;
}
#endif

size_t peaks_list(peak *out, size_t cap) {
  peak all[8];
  size_t n = all_peaks(all);
  if (n > cap) n = cap;
  for (size_t i = 0; i < n; i++) out[i] = all[i];
  return n;
}

uint64_t peaks_read(const uint64_t *p, size_t n) {
  uint64_t s[8] = {0};
  for (size_t i = 0; i + 8 <= n / 8; i += 8)
    for (size_t j = 0; j < 8; j++) s[j] += p[i + j];
  return s[0] ^ s[1] ^ s[2] ^ s[3] ^ s[4] ^ s[5] ^ s[6] ^ s[7];
}
