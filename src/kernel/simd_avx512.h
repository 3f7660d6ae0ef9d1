/* The vectors of AVX-512 with VNNI as simd_quant.h wants them. Sixteen rows side by side.
 * Included by avx512vnni.c, which sets the target first. May call: quant. */
#ifndef LQ_SIMD_AVX512_H
#define LQ_SIMD_AVX512_H

#include "kernel/simd_x86.h"

#define LQ_R 16       /* rows in a group: 32-bit lanes */
#define LQ_TILE_X 8   /* activation rows in a register tile */
#define LQ_TILE_G 1   /* groups in a register tile */
#define LQ_WIDE_ZERO 128
#define LQ_PANEL 24   /* groups of 32 values decoded at once */
#define LQ_X_ROWS 32  /* activation rows that share a decoded panel */
#define LQ_X_STEP 40  /* bytes from one block of activations to the next, as the dots read them */

/* ---- sixteen floats, for sums whose lanes have nothing to do with each other: the same bits as with eight ---- */
typedef __m512 wf;
#define WF_N 16
#define LQ_SCORE_V 4 /* vectors of keys in a tile of scores */
#define LQ_SUM_D 4   /* vectors of values in a tile of the weighted sum */
LQ_INLINE wf wf_load(const float *p) { return _mm512_loadu_ps(p); }
LQ_INLINE void wf_store(float *p, wf a) { _mm512_storeu_ps(p, a); }
LQ_INLINE wf wf_splat(float a) { return _mm512_set1_ps(a); }
LQ_INLINE wf wf_fma(wf a, wf b, wf c) { return _mm512_fmadd_ps(a, b, c); }
/* Four floats from each of rows[0], [4], [8], [12]. */
LQ_INLINE wf wf_load_quads(const float *const *rows, size_t d) {
  __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(rows[0] + d));
  v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[4] + d), 1);
  v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[8] + d), 2);
  return _mm512_insertf32x4(v, _mm_loadu_ps(rows[12] + d), 3);
}
/* Turns each quad of four vectors: v[i] = value i of every row. */
LQ_INLINE void wf_turn_quads(wf *v) {
  __m512 a = _mm512_unpacklo_ps(v[0], v[1]), b = _mm512_unpackhi_ps(v[0], v[1]);
  __m512 c = _mm512_unpacklo_ps(v[2], v[3]), d = _mm512_unpackhi_ps(v[2], v[3]);
  v[0] = _mm512_shuffle_ps(a, c, 0x44), v[1] = _mm512_shuffle_ps(a, c, 0xEE);
  v[2] = _mm512_shuffle_ps(b, d, 0x44), v[3] = _mm512_shuffle_ps(b, d, 0xEE);
}

/* simd_float.h's exp_sum, sixteen terms at a time, bit for bit: the same polynomial, and powers of two are exact above e^-87. */
LQ_INLINE __m512 exp_wide(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-120.0f), x); /* keeps a NaN in x */
  __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
  __m512 r = wf_fma(n, wf_splat(2.12194440e-4f), wf_fma(n, wf_splat(-0.693359375f), x)), p = wf_splat(1.0f / 5040);
  p = wf_fma(p, r, wf_splat(1.0f / 720));
  p = wf_fma(p, r, wf_splat(1.0f / 120));
  p = wf_fma(p, r, wf_splat(1.0f / 24));
  p = wf_fma(p, r, wf_splat(1.0f / 6));
  p = wf_fma(p, r, wf_splat(0.5f));
  p = wf_fma(p, r, wf_splat(1.0f));
  return _mm512_scalef_ps(wf_fma(p, r, wf_splat(1.0f)), n);
}

LQ_INLINE void exp_sum_wide(const float *x, float *to, size_t n, float top, vd *part) {
  __m512d sum = _mm512_insertf64x4(_mm512_castpd256_pd512(part->lo), part->hi, 1);
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 there = n - i < 16 ? 0xFF : 0xFFFF; /* whole vectors of eight */
    __m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(there, x + i), wf_splat(top));
    __m512 e = _mm512_maskz_mov_ps(_mm512_mask_cmp_ps_mask(there, v, wf_splat(-87.0f), _CMP_NLT_UQ), exp_wide(v));
    if (to) _mm512_mask_storeu_ps(to + i, there, e);
    sum = _mm512_add_pd(sum, _mm512_cvtps_pd(_mm512_castps512_ps256(e)));
    if (there == 0xFFFF) sum = _mm512_add_pd(sum, _mm512_cvtps_pd(_mm512_extractf32x8_ps(e, 1)));
  }
  *part = (vd){_mm512_castpd512_pd256(sum), _mm512_extractf64x4_pd(sum, 1)};
}
#define LQ_EXP_SUM exp_sum_wide

/* ---- bytes: four values of each row ---- */
typedef __m512i vb;
LQ_INLINE vb vb_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
LQ_INLINE vb vb_mask(vb a, int m) { return _mm512_and_si512(a, _mm512_set1_epi8((char)m)); }
LQ_INLINE vb vb_or(vb a, vb b) { return _mm512_or_si512(a, b); }
/* Bits may come in from the byte beside: mask after shifting. */
LQ_INLINE vb vb_shr(vb a, unsigned n) { return _mm512_srl_epi16(a, _mm_cvtsi32_si128((int)n)); }
LQ_INLINE vb vb_shl(vb a, unsigned n) { return _mm512_sll_epi16(a, _mm_cvtsi32_si128((int)n)); }
/* Bits n..n+3 (n a multiple of 4) of each row's word -> 16 or 0 in its four bytes. */
LQ_INLINE vb vb_fifth(vb h, int n) {
  int k = n / 8 * 0x01010101;
  vb which = _mm512_add_epi8(_mm512_set1_epi32(k), _mm512_broadcast_i32x4(_mm_set_epi32(0x0C0C0C0C, 0x08080808, 0x04040404, 0)));
  vb bit = _mm512_set1_epi32(n % 8 ? (int)0x80402010 : 0x08040201);
  return _mm512_maskz_set1_epi8(_mm512_test_epi8_mask(_mm512_shuffle_epi8(h, which), bit), 16);
}

/* ---- 32-bit integers and floats: one of each row ---- */
typedef __m512i ri;
typedef __m512 rf;
LQ_INLINE ri ri_u8(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
LQ_INLINE ri ri_s8(const uint8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
LQ_INLINE ri ri_add(ri a, int b) { return _mm512_add_epi32(a, _mm512_set1_epi32(b)); }
LQ_INLINE ri ri_and(ri a, int m) { return _mm512_and_si512(a, _mm512_set1_epi32(m)); }
LQ_INLINE ri ri_or(ri a, ri b) { return _mm512_or_si512(a, b); }
LQ_INLINE ri ri_shr(ri a, unsigned n) { return _mm512_srl_epi32(a, _mm_cvtsi32_si128((int)n)); }
LQ_INLINE ri ri_shl(ri a, unsigned n) { return _mm512_sll_epi32(a, _mm_cvtsi32_si128((int)n)); }
LQ_INLINE rf rf_from(ri a) { return _mm512_cvtepi32_ps(a); }
LQ_INLINE rf rf_load(const float *p) { return _mm512_loadu_ps(p); }
LQ_INLINE void rf_store(float *p, rf a) { _mm512_storeu_ps(p, a); }
LQ_INLINE rf rf_splat(float a) { return _mm512_set1_ps(a); }
LQ_INLINE rf rf_mul(rf a, rf b) { return _mm512_mul_ps(a, b); }
LQ_INLINE rf rf_fma(rf a, rf b, rf c) { return _mm512_fmadd_ps(a, b, c); }
LQ_INLINE rf rf_f16(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p)); }

/* ---- dots: sixteen sums of four products, added up over the chunks c of a group ---- */
typedef vb vw; /* decoded weights */
typedef ri vacc;
LQ_INLINE vw vw_make(vb a) { return a; }
LQ_INLINE vw vw_make_wide(vb a) { return _mm512_xor_si512(a, _mm512_set1_epi8(-128)); } /* w + 128: the zero is LQ_WIDE_ZERO */
LQ_INLINE vacc acc_init(int32_t z) { return _mm512_set1_epi32(z); }
LQ_INLINE vacc acc_dot(vacc a, vw w, const uint8_t *x, int c, bool halves) {
  int32_t four;
  (void)halves;
  memcpy(&four, x + 4 * c, 4);
  return _mm512_dpbusd_epi32(a, w, _mm512_set1_epi32(four));
}
LQ_INLINE vacc acc_dot_wide(vacc a, vw w, const uint8_t *x, int c) { return acc_dot(a, w, x, c, false); }
LQ_INLINE vacc acc_add(vacc a, vacc b) { return _mm512_add_epi32(a, b); }
LQ_INLINE ri acc_sum(vacc a) { return a; }
LQ_INLINE ri acc_sum_wide(vacc a) { return a; }

#endif
