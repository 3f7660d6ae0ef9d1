/* The vectors of AVX2 (with FMA and F16C; with AVX-VNNI when LQ_DPBUSD is defined) as simd_quant.h wants them.
 * Eight rows side by side. Included by one .c file per table, which sets the target first. May call: quant. */
#ifndef LQ_SIMD_AVX2_H
#define LQ_SIMD_AVX2_H

#include "kernel/simd_x86.h"

#define LQ_R 8        /* rows in a group: 32-bit lanes */
#define LQ_TILE_X 4   /* activation rows in a register tile */
#ifdef LQ_DPBUSD
#define LQ_TILE_G 2   /* groups in a register tile */
#define LQ_WIDE_ZERO 128
#else
#define LQ_TILE_G 1
#define LQ_WIDE_ZERO 0
#endif
#define LQ_PANEL 32   /* groups of 32 values decoded at once */
#define LQ_X_ROWS 32  /* activation rows that share a decoded panel */
#define LQ_X_STEP 40  /* bytes from one block of activations to the next, as the dots read them */

/* ---- floats for sums whose lanes have nothing to do with each other ---- */
typedef vf wf;
#define WF_N 8
#define LQ_SCORE_V 2 /* vectors of keys in a tile of scores */
#define LQ_SUM_D 2   /* vectors of values in a tile of the weighted sum */
LQ_INLINE wf wf_load(const float *p) { return vf_load(p); }
LQ_INLINE void wf_store(float *p, wf a) { vf_store(p, a); }
LQ_INLINE wf wf_splat(float a) { return vf_splat(a); }
LQ_INLINE wf wf_fma(wf a, wf b, wf c) { return vf_fma(a, b, c); }
/* Four floats from each of rows[0], [4]. */
LQ_INLINE wf wf_load_quads(const float *const *rows, size_t d) { return _mm256_set_m128(_mm_loadu_ps(rows[4] + d), _mm_loadu_ps(rows[0] + d)); }
/* Turns each quad of four vectors: v[i] = value i of every row. */
LQ_INLINE void wf_turn_quads(wf *v) {
  __m256 a = _mm256_unpacklo_ps(v[0], v[1]), b = _mm256_unpackhi_ps(v[0], v[1]);
  __m256 c = _mm256_unpacklo_ps(v[2], v[3]), d = _mm256_unpackhi_ps(v[2], v[3]);
  v[0] = _mm256_shuffle_ps(a, c, 0x44), v[1] = _mm256_shuffle_ps(a, c, 0xEE);
  v[2] = _mm256_shuffle_ps(b, d, 0x44), v[3] = _mm256_shuffle_ps(b, d, 0xEE);
}

/* ---- bytes: four values of each row ---- */
typedef __m256i vb;
LQ_INLINE vb vb_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
LQ_INLINE vb vb_mask(vb a, int m) { return _mm256_and_si256(a, _mm256_set1_epi8((char)m)); }
LQ_INLINE vb vb_or(vb a, vb b) { return _mm256_or_si256(a, b); }
/* Bits may come in from the byte beside: mask after shifting. */
LQ_INLINE vb vb_shr(vb a, unsigned n) { return _mm256_srl_epi16(a, _mm_cvtsi32_si128((int)n)); }
LQ_INLINE vb vb_shl(vb a, unsigned n) { return _mm256_sll_epi16(a, _mm_cvtsi32_si128((int)n)); }
/* Bits n..n+3 (n a multiple of 4) of each row's word -> 16 or 0 in its four bytes. */
LQ_INLINE vb vb_fifth(vb h, int n) {
  int k = n / 8 * 0x01010101;
  vb which = _mm256_add_epi8(_mm256_set1_epi32(k), _mm256_set_epi32(0x0C0C0C0C, 0x08080808, 0x04040404, 0, 0x0C0C0C0C, 0x08080808, 0x04040404, 0));
  vb bit = _mm256_set1_epi32(n % 8 ? (int)0x80402010 : 0x08040201);
  vb set = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(h, which), bit), bit);
  return vb_mask(set, 16);
}

/* ---- 32-bit integers and floats: one of each row ---- */
typedef __m256i ri;
typedef __m256 rf;
LQ_INLINE ri ri_u8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)); }
LQ_INLINE ri ri_s8(const uint8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)); }
LQ_INLINE ri ri_add(ri a, int b) { return _mm256_add_epi32(a, _mm256_set1_epi32(b)); }
LQ_INLINE ri ri_and(ri a, int m) { return _mm256_and_si256(a, _mm256_set1_epi32(m)); }
LQ_INLINE ri ri_or(ri a, ri b) { return _mm256_or_si256(a, b); }
LQ_INLINE ri ri_shr(ri a, unsigned n) { return _mm256_srl_epi32(a, _mm_cvtsi32_si128((int)n)); }
LQ_INLINE ri ri_shl(ri a, unsigned n) { return _mm256_sll_epi32(a, _mm_cvtsi32_si128((int)n)); }
LQ_INLINE rf rf_from(ri a) { return _mm256_cvtepi32_ps(a); }
LQ_INLINE rf rf_load(const float *p) { return _mm256_loadu_ps(p); }
LQ_INLINE void rf_store(float *p, rf a) { _mm256_storeu_ps(p, a); }
LQ_INLINE rf rf_splat(float a) { return _mm256_set1_ps(a); }
LQ_INLINE rf rf_mul(rf a, rf b) { return _mm256_mul_ps(a, b); }
LQ_INLINE rf rf_fma(rf a, rf b, rf c) { return _mm256_fmadd_ps(a, b, c); }
LQ_INLINE rf rf_f16(const uint8_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)); }

/* ---- dots: eight sums of four products, added up over the chunks c of a group ---- */
typedef vb vw; /* decoded weights */
LQ_INLINE vw vw_make(vb a) { return a; }
LQ_INLINE __m256i x_splat(const uint8_t *x, int c) {
  int32_t four;
  memcpy(&four, x + 4 * c, 4);
  return _mm256_set1_epi32(four);
}
#ifdef LQ_DPBUSD
typedef ri vacc;
LQ_INLINE vacc acc_init(int32_t z) { return _mm256_set1_epi32(z); }
LQ_INLINE vacc acc_dot(vacc a, vw w, const uint8_t *x, int c, bool halves) {
  (void)halves;
  return LQ_DPBUSD(a, w, x_splat(x, c));
}
LQ_INLINE vw vw_make_wide(vb a) { return _mm256_xor_si256(a, _mm256_set1_epi8(-128)); } /* w + 128: the zero is LQ_WIDE_ZERO */
LQ_INLINE vacc acc_dot_wide(vacc a, vw w, const uint8_t *x, int c) { return acc_dot(a, w, x, c, false); }
LQ_INLINE vacc acc_add(vacc a, vacc b) { return _mm256_add_epi32(a, b); }
LQ_INLINE ri acc_sum(vacc a) { return a; }
LQ_INLINE ri acc_sum_wide(vacc a) { return a; }
#else
/* Pairs of products are summed in 16 bits: of codes below 32 four pairs fit (4 * 2 * 31 * 127 = 31496), below 64 two (32004). */
typedef struct { ri all, part; } vacc;
LQ_INLINE vacc acc_init(int32_t z) { return (vacc){_mm256_set1_epi32(z), _mm256_setzero_si256()}; }
LQ_INLINE vacc acc_dot(vacc a, vw w, const uint8_t *x, int c, bool halves) {
  int period = halves ? 2 : 4;
  __m256i pairs = _mm256_maddubs_epi16(w, x_splat(x, c));
  a.part = c % period ? _mm256_add_epi16(a.part, pairs) : pairs;
  if (c % period == period - 1) a.all = _mm256_add_epi32(a.all, _mm256_madd_epi16(a.part, _mm256_set1_epi16(1)));
  return a;
}
LQ_INLINE vw vw_make_wide(vb a) { return a; }
/* The sign moves to the activation, which is never -128: |w| * x in 16 bits, 2 * 128 * 127 = 32512. */
LQ_INLINE vacc acc_dot_wide(vacc a, vw w, const uint8_t *x, int c) {
  __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x_splat(x, c), w));
  a.all = _mm256_add_epi32(a.all, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  return a;
}
LQ_INLINE vacc acc_add(vacc a, vacc b) { return (vacc){_mm256_add_epi32(a.all, b.all), a.part}; }
LQ_INLINE ri acc_sum(vacc a) { return a.all; }
LQ_INLINE ri acc_sum_wide(vacc a) { return a.all; }
#endif

#endif
