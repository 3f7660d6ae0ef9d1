/* Eight floats at a time on x86 (AVX2, FMA, F16C), as simd_float.h wants them, and quantising: the same for every x86 table, so that all
 * give the same bits. Included by one .c file per table, which sets the target first. May call: quant. */
#ifndef LQ_SIMD_X86_H
#define LQ_SIMD_X86_H

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "quant/quant.h"

#define LQ_INLINE static inline __attribute__((always_inline))
#define LQ_UNROLL _Pragma("GCC unroll 16")

#define LQ_FLOAT_X 2 /* activation rows in a tile of floats */
#define LQ_REST_FMA(A, B, C) __builtin_fmaf(A, B, C) /* what is left of a vector: the same bits as in one */

/* ---- eight floats or 32-bit integers ---- */
typedef __m256i vi;
typedef __m256 vf;
#define VF_N 8
LQ_INLINE vi vi_splat(int32_t a) { return _mm256_set1_epi32(a); }
LQ_INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
LQ_INLINE vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
LQ_INLINE vi vi_sra(vi a, unsigned n) { return _mm256_srai_epi32(a, (int)n); }
LQ_INLINE vi vi_shl(vi a, unsigned n) { return _mm256_slli_epi32(a, (int)n); }
LQ_INLINE vf vf_from(vi a) { return _mm256_cvtepi32_ps(a); }
LQ_INLINE vi vf_to_int(vf a) { return _mm256_cvtps_epi32(a); } /* nearest even */
LQ_INLINE vf vf_bits(vi a) { return _mm256_castsi256_ps(a); }
LQ_INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
LQ_INLINE void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
LQ_INLINE vf vf_splat(float a) { return _mm256_set1_ps(a); }
LQ_INLINE vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
LQ_INLINE vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
LQ_INLINE vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
LQ_INLINE vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
LQ_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
/* max and min keep a NaN in x. */
LQ_INLINE vf vf_max(vf x, vf bound) { return _mm256_max_ps(bound, x); }
LQ_INLINE vf vf_min(vf x, vf bound) { return _mm256_min_ps(bound, x); }
/* a where x >= bound or x is NaN, else 0 */
LQ_INLINE vf vf_zero_below(vf a, vf x, vf bound) { return _mm256_andnot_ps(_mm256_cmp_ps(x, bound, _CMP_LT_OQ), a); }
LQ_INLINE float vf_sum(vf a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
/* y[0..3] = vf_sum of each, bit for bit: the same additions, four at a time. */
LQ_INLINE void vf_sum4(float *y, vf a, vf b, vf c, vf d) {
  __m128 sa = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  __m128 sb = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  __m128 sc = _mm_add_ps(_mm256_castps256_ps128(c), _mm256_extractf128_ps(c, 1));
  __m128 sd = _mm_add_ps(_mm256_castps256_ps128(d), _mm256_extractf128_ps(d, 1));
  __m128 u = _mm_add_ps(_mm_movelh_ps(sa, sb), _mm_movehl_ps(sb, sa)), v = _mm_add_ps(_mm_movelh_ps(sc, sd), _mm_movehl_ps(sd, sc));
  _mm_storeu_ps(y, _mm_add_ps(_mm_shuffle_ps(u, v, 0x88), _mm_shuffle_ps(u, v, 0xDD)));
}
LQ_INLINE vf vf_f16(const uint8_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)); }
LQ_INLINE vf vf_bf16(const uint8_t *p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)), 16));
}

/* ---- doubles of VF_N floats ---- */
typedef struct { __m256d lo, hi; } vd;
LQ_INLINE vd vd_from(const float *p) { return (vd){_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))}; }
LQ_INLINE vd vd_splat(double a) { return (vd){_mm256_set1_pd(a), _mm256_set1_pd(a)}; }
LQ_INLINE vd vd_add(vd a, vd b) { return (vd){_mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi)}; }
LQ_INLINE vd vd_mul(vd a, vd b) { return (vd){_mm256_mul_pd(a.lo, b.lo), _mm256_mul_pd(a.hi, b.hi)}; }
LQ_INLINE vd vd_nearest(vd a) { return (vd){_mm256_round_pd(a.lo, 8), _mm256_round_pd(a.hi, 8)}; }
/* max and min keep a NaN in x. */
LQ_INLINE vd vd_max(vd x, vd bound) { return (vd){_mm256_max_pd(bound.lo, x.lo), _mm256_max_pd(bound.hi, x.hi)}; }
LQ_INLINE vd vd_min(vd x, vd bound) { return (vd){_mm256_min_pd(bound.lo, x.lo), _mm256_min_pd(bound.hi, x.hi)}; }
LQ_INLINE vf vd_float(vd a) { return _mm256_set_m128(_mm256_cvtpd_ps(a.hi), _mm256_cvtpd_ps(a.lo)); }
LQ_INLINE double vd_sum(vd s) {
  double d[4];
  _mm256_storeu_pd(d, _mm256_add_pd(s.lo, s.hi));
  return (d[0] + d[1]) + (d[2] + d[3]);
}

/* One block of lq_quantize_q8a, bit for bit. */
LQ_INLINE void quantize_block(const float *x, lq_q8a *y) {
  __m256 v[4];
  __m256i top = _mm256_setzero_si256(), no_sign = _mm256_set1_epi32(0x7FFFFFFF);
  for (int i = 0; i < 4; i++) {
    v[i] = _mm256_loadu_ps(x + 8 * i);
    top = _mm256_max_epi32(top, _mm256_and_si256(_mm256_castps_si256(v[i]), no_sign));
  }
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
  m = _mm_max_epi32(m, _mm_unpackhi_epi64(m, m));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 1));
  int bits = _mm_cvtsi128_si32(m);
  float max = _mm_cvtss_f32(_mm_castsi128_ps(m));
  if (bits >= 0x7F800000 || max < 0x1p-119f) { /* a NaN or an infinity, or next to zero */
    lq_quantize_q8a(x, y, LQ_QK);
    return;
  }
  __m256i q[4];
  __m256 id = _mm256_set1_ps(127 / max);
  for (int i = 0; i < 4; i++) q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], id));
  y->d = max / 127;
  __m256i lo = _mm256_packs_epi32(q[0], q[1]), hi = _mm256_packs_epi32(q[2], q[3]);
  __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(lo, hi), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256((__m256i *)(void *)y->qs, bytes);
  __m256i pair = _mm256_hadd_epi32(_mm256_add_epi32(q[0], q[1]), _mm256_add_epi32(q[2], q[3]));
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(pair), _mm256_extracti128_si256(pair, 1));
  s = _mm_hadd_epi32(s, s);
  y->s[0] = (int16_t)_mm_extract_epi32(s, 0), y->s[1] = (int16_t)_mm_extract_epi32(s, 1);
}

#endif
