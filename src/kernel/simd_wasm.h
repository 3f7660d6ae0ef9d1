/* The vectors of WebAssembly SIMD (relaxed SIMD when LQ_RELAXED is defined) as simd_quant.h and simd_float.h want them.
 * Four rows side by side. Included by one .c file per table. May call: quant. */
#ifndef LQ_SIMD_WASM_H
#define LQ_SIMD_WASM_H

#include <stdbool.h>
#include <string.h>
#include <wasm_simd128.h>

#include "quant/quant.h"

#define LQ_INLINE static inline __attribute__((always_inline))
#define LQ_UNROLL _Pragma("clang loop unroll(full)")

#define LQ_R 4        /* rows in a group: 32-bit lanes */
#define LQ_WIDE_ZERO 0
#define LQ_FLOAT_X 2  /* activation rows in a tile of floats */
#define LQ_SUM_D 2    /* vectors of values in a tile of the weighted sum */
#define LQ_REST_FMA(A, B, C) ((A) * (B) + (C))
#define LQ_X_ROWS 16  /* activation rows that share a decoded panel */
#define LQ_TILE_G 1   /* groups in a register tile */
#ifdef LQ_RELAXED
#define LQ_TILE_X 8   /* activation rows in a register tile */
#define LQ_PANEL 32   /* groups of 32 values decoded at once */
#define LQ_X_STEP 40  /* bytes from one block of activations to the next, as the dots read them */
#else
#define LQ_TILE_X 4
#define LQ_PANEL 16
#define LQ_X_STEP 64
#endif

/* ---- bytes: four values of each row ---- */
typedef v128_t vb;
LQ_INLINE vb vb_load(const uint8_t *p) { return wasm_v128_load(p); }
LQ_INLINE vb vb_mask(vb a, int m) { return wasm_v128_and(a, wasm_i8x16_splat((int8_t)m)); }
LQ_INLINE vb vb_or(vb a, vb b) { return wasm_v128_or(a, b); }
/* Bits may come in from the byte beside: mask after shifting. */
LQ_INLINE vb vb_shr(vb a, unsigned n) { return wasm_u16x8_shr(a, n); }
LQ_INLINE vb vb_shl(vb a, unsigned n) { return wasm_i16x8_shl(a, n); }
/* Bits n..n+3 (n a multiple of 4) of each row's word -> 16 or 0 in its four bytes. */
LQ_INLINE vb vb_fifth(vb h, int n) {
  vb bit = wasm_i32x4_splat(n % 8 ? (int)0x80402010 : 0x08040201), bytes;
  switch (n / 8) {
    case 0: bytes = wasm_i8x16_shuffle(h, h, 0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12); break;
    case 1: bytes = wasm_i8x16_shuffle(h, h, 1, 1, 1, 1, 5, 5, 5, 5, 9, 9, 9, 9, 13, 13, 13, 13); break;
    case 2: bytes = wasm_i8x16_shuffle(h, h, 2, 2, 2, 2, 6, 6, 6, 6, 10, 10, 10, 10, 14, 14, 14, 14); break;
    default: bytes = wasm_i8x16_shuffle(h, h, 3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11, 15, 15, 15, 15); break;
  }
  return vb_mask(wasm_i8x16_eq(wasm_v128_and(bytes, bit), bit), 16);
}

/* ---- 32-bit integers and floats: one of each row ---- */
typedef v128_t vi;
typedef v128_t vf;
#define VF_N 4
LQ_INLINE vi vi_splat(int32_t a) { return wasm_i32x4_splat(a); }
LQ_INLINE vi vi_add(vi a, vi b) { return wasm_i32x4_add(a, b); }
LQ_INLINE vi vi_sub(vi a, vi b) { return wasm_i32x4_sub(a, b); }
LQ_INLINE vi vi_sra(vi a, unsigned n) { return wasm_i32x4_shr(a, n); }
LQ_INLINE vi vi_shl(vi a, unsigned n) { return wasm_i32x4_shl(a, n); }
LQ_INLINE vf vf_from(vi a) { return wasm_f32x4_convert_i32x4(a); }
LQ_INLINE vf vf_bits(vi a) { return a; }
LQ_INLINE vf vf_load(const float *p) { return wasm_v128_load(p); }
LQ_INLINE void vf_store(float *p, vf a) { wasm_v128_store(p, a); }
LQ_INLINE vf vf_splat(float a) { return wasm_f32x4_splat(a); }
LQ_INLINE vf vf_add(vf a, vf b) { return wasm_f32x4_add(a, b); }
LQ_INLINE vf vf_sub(vf a, vf b) { return wasm_f32x4_sub(a, b); }
LQ_INLINE vf vf_mul(vf a, vf b) { return wasm_f32x4_mul(a, b); }
LQ_INLINE vf vf_div(vf a, vf b) { return wasm_f32x4_div(a, b); }
#ifdef LQ_RELAXED
LQ_INLINE vf vf_fma(vf a, vf b, vf c) { return wasm_f32x4_relaxed_madd(a, b, c); }
LQ_INLINE vi vf_to_int(vf a) { return wasm_i32x4_relaxed_trunc_f32x4(wasm_f32x4_nearest(a)); } /* within int32 or NaN */
#else
LQ_INLINE vf vf_fma(vf a, vf b, vf c) { return wasm_f32x4_add(wasm_f32x4_mul(a, b), c); }
LQ_INLINE vi vf_to_int(vf a) { return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(a)); }
#endif
/* ---- floats for sums whose lanes have nothing to do with each other ---- */
typedef vf wf;
#define WF_N 4
#define LQ_SCORE_V 2 /* vectors of keys in a tile of scores */
LQ_INLINE wf wf_load(const float *p) { return vf_load(p); }
LQ_INLINE void wf_store(float *p, wf a) { vf_store(p, a); }
LQ_INLINE wf wf_splat(float a) { return vf_splat(a); }
LQ_INLINE wf wf_fma(wf a, wf b, wf c) { return vf_fma(a, b, c); }
LQ_INLINE wf wf_load_quads(const float *const *rows, size_t d) { return vf_load(rows[0] + d); }
/* v[i] = value i of every row. */
LQ_INLINE void wf_turn_quads(wf *v) {
  v128_t a = wasm_i32x4_shuffle(v[0], v[1], 0, 4, 1, 5), b = wasm_i32x4_shuffle(v[0], v[1], 2, 6, 3, 7);
  v128_t c = wasm_i32x4_shuffle(v[2], v[3], 0, 4, 1, 5), d = wasm_i32x4_shuffle(v[2], v[3], 2, 6, 3, 7);
  v[0] = wasm_i32x4_shuffle(a, c, 0, 1, 4, 5), v[1] = wasm_i32x4_shuffle(a, c, 2, 3, 6, 7);
  v[2] = wasm_i32x4_shuffle(b, d, 0, 1, 4, 5), v[3] = wasm_i32x4_shuffle(b, d, 2, 3, 6, 7);
}

/* max and min keep a NaN in x: pmax(a, b) = a < b ? b : a. */
LQ_INLINE vf vf_max(vf x, vf bound) { return wasm_f32x4_pmax(x, bound); }
LQ_INLINE vf vf_min(vf x, vf bound) { return wasm_f32x4_pmin(x, bound); }
/* a where x >= bound or x is NaN, else 0 */
LQ_INLINE vf vf_zero_below(vf a, vf x, vf bound) { return wasm_v128_andnot(a, wasm_f32x4_lt(x, bound)); }
LQ_INLINE float vf_sum(vf a) {
  a = wasm_f32x4_add(a, wasm_i32x4_shuffle(a, a, 2, 3, 2, 3));
  return wasm_f32x4_extract_lane(wasm_f32x4_add(a, wasm_i32x4_shuffle(a, a, 1, 1, 1, 1)), 0);
}
/* y[0..3] = vf_sum of each, bit for bit: the same additions, four at a time. */
LQ_INLINE void vf_sum4(float *y, vf a, vf b, vf c, vf d) {
  vf u = wasm_f32x4_add(wasm_i32x4_shuffle(a, b, 0, 1, 4, 5), wasm_i32x4_shuffle(a, b, 2, 3, 6, 7));
  vf v = wasm_f32x4_add(wasm_i32x4_shuffle(c, d, 0, 1, 4, 5), wasm_i32x4_shuffle(c, d, 2, 3, 6, 7));
  wasm_v128_store(y, wasm_f32x4_add(wasm_i32x4_shuffle(u, v, 0, 2, 4, 6), wasm_i32x4_shuffle(u, v, 1, 3, 5, 7)));
}
/* Four halves: sign, exponent and mantissa in place, the exponent re-biased by 2^112. The detour over 2^224 takes what has the
 * exponent 31 (infinities and NaN) to infinity and leaves the rest as it is. */
LQ_INLINE vf vf_f16(const uint8_t *p) {
  vi bits = wasm_v128_and(vi_shl(wasm_i32x4_load16x4(p), 13), wasm_i32x4_splat((int)0x8FFFE000));
  return vf_mul(vf_mul(vf_mul(bits, vf_splat(0x1p112f)), vf_splat(0x1p112f)), vf_splat(0x1p-112f));
}
LQ_INLINE vf vf_bf16(const uint8_t *p) { return vi_shl(wasm_u32x4_load16x4(p), 16); }

/* ---- doubles of VF_N floats ---- */
typedef struct { v128_t lo, hi; } vd;
LQ_INLINE vd vd_from(const float *p) {
  return (vd){wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(p)), wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(p + 2))};
}
LQ_INLINE vd vd_splat(double a) { return (vd){wasm_f64x2_splat(a), wasm_f64x2_splat(a)}; }
LQ_INLINE vd vd_add(vd a, vd b) { return (vd){wasm_f64x2_add(a.lo, b.lo), wasm_f64x2_add(a.hi, b.hi)}; }
LQ_INLINE vd vd_mul(vd a, vd b) { return (vd){wasm_f64x2_mul(a.lo, b.lo), wasm_f64x2_mul(a.hi, b.hi)}; }
LQ_INLINE vd vd_nearest(vd a) { return (vd){wasm_f64x2_nearest(a.lo), wasm_f64x2_nearest(a.hi)}; }
LQ_INLINE vd vd_max(vd x, vd bound) { return (vd){wasm_f64x2_pmax(x.lo, bound.lo), wasm_f64x2_pmax(x.hi, bound.hi)}; }
LQ_INLINE vd vd_min(vd x, vd bound) { return (vd){wasm_f64x2_pmin(x.lo, bound.lo), wasm_f64x2_pmin(x.hi, bound.hi)}; }
LQ_INLINE vf vd_float(vd a) {
  return wasm_i32x4_shuffle(wasm_f32x4_demote_f64x2_zero(a.lo), wasm_f32x4_demote_f64x2_zero(a.hi), 0, 1, 4, 5);
}
LQ_INLINE double vd_sum(vd s) {
  v128_t d = wasm_f64x2_add(s.lo, s.hi);
  return wasm_f64x2_extract_lane(d, 0) + wasm_f64x2_extract_lane(d, 1);
}

/* ---- one 32-bit integer or float of each row ---- */
typedef vi ri;
typedef vf rf;
LQ_INLINE ri ri_u8(const uint8_t *p) { return wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p))); }
LQ_INLINE ri ri_s8(const uint8_t *p) { return wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p))); }
LQ_INLINE ri ri_add(ri a, int b) { return wasm_i32x4_add(a, wasm_i32x4_splat(b)); }
LQ_INLINE ri ri_and(ri a, int m) { return wasm_v128_and(a, wasm_i32x4_splat(m)); }
LQ_INLINE ri ri_or(ri a, ri b) { return wasm_v128_or(a, b); }
LQ_INLINE ri ri_shr(ri a, unsigned n) { return wasm_u32x4_shr(a, n); }
LQ_INLINE ri ri_shl(ri a, unsigned n) { return wasm_i32x4_shl(a, n); }
LQ_INLINE rf rf_from(ri a) { return wasm_f32x4_convert_i32x4(a); }
LQ_INLINE rf rf_load(const float *p) { return wasm_v128_load(p); }
LQ_INLINE void rf_store(float *p, rf a) { wasm_v128_store(p, a); }
LQ_INLINE rf rf_splat(float a) { return wasm_f32x4_splat(a); }
LQ_INLINE rf rf_mul(rf a, rf b) { return wasm_f32x4_mul(a, b); }
LQ_INLINE rf rf_fma(rf a, rf b, rf c) { return vf_fma(a, b, c); }
LQ_INLINE rf rf_f16(const uint8_t *p) { return vf_f16(p); }

/* ---- dots: four sums of four products, added up over the chunks c of a group ---- */
#ifdef LQ_RELAXED
/* The relaxed dot takes one operand as signed bytes and the other as 0..127, whichever way the machine reads its top bit; pairs of
 * products stay within 2 * 128 * 127 = 32512, so that 16-bit saturation never sets in: exact on every machine.
 * Codes below 64 go there as they are. A signed byte w is (w & 127) - 128 * (w < 0): two dots. */
typedef vb vw;
typedef struct { ri low, sign; } vacc;
LQ_INLINE vw vw_make(vb a) { return a; }
LQ_INLINE vw vw_make_wide(vb a) { return a; }
LQ_INLINE vacc acc_init(int32_t z) { return (vacc){wasm_i32x4_splat(z), wasm_i32x4_splat(0)}; }
LQ_INLINE vacc acc_dot(vacc a, vw w, const uint8_t *x, int c, bool halves) {
  (void)halves;
  a.low = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(wasm_v128_load32_splat(x + 4 * c), w, a.low);
  return a;
}
LQ_INLINE vacc acc_dot_wide(vacc a, vw w, const uint8_t *x, int c) {
  v128_t v = wasm_v128_load32_splat(x + 4 * c);
  a.low = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(v, vb_mask(w, 127), a.low);
  a.sign = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(v, wasm_u8x16_shr(w, 7), a.sign);
  return a;
}
LQ_INLINE vacc acc_add(vacc a, vacc b) { return (vacc){wasm_i32x4_add(a.low, b.low), wasm_i32x4_add(a.sign, b.sign)}; }
LQ_INLINE ri acc_sum(vacc a) { return a.low; }
LQ_INLINE ri acc_sum_wide(vacc a) { return wasm_i32x4_sub(a.low, wasm_i32x4_shl(a.sign, 7)); }
#else
/* Bytes are widened once, weights when decoded and activations when prepared; 16-bit pairs multiply exactly.
 * low: rows 0 and 1, two sums of two products each; high: rows 2 and 3. */
typedef struct { v128_t low, high; } vw;
typedef vw vacc;
#define LQ_X_WIDEN(TO, QS)                                                                \
  for (int i_ = 0; i_ < 4; i_++) wasm_v128_store((TO) + 16 * i_, wasm_i16x8_load8x8((QS) + 8 * i_))
LQ_INLINE vw vw_make(vb a) { return (vw){wasm_i16x8_extend_low_i8x16(a), wasm_i16x8_extend_high_i8x16(a)}; }
LQ_INLINE vw vw_make_wide(vb a) { return vw_make(a); }
LQ_INLINE vacc acc_init(int32_t z) { return (vacc){wasm_i32x4_make(z, 0, z, 0), wasm_i32x4_make(z, 0, z, 0)}; }
LQ_INLINE vacc acc_dot(vacc a, vw w, const uint8_t *x, int c, bool halves) {
  v128_t v = wasm_v128_load64_splat(x + 8 * c);
  (void)halves;
  return (vacc){wasm_i32x4_add(a.low, wasm_i32x4_dot_i16x8(w.low, v)), wasm_i32x4_add(a.high, wasm_i32x4_dot_i16x8(w.high, v))};
}
LQ_INLINE vacc acc_dot_wide(vacc a, vw w, const uint8_t *x, int c) { return acc_dot(a, w, x, c, false); }
LQ_INLINE vacc acc_add(vacc a, vacc b) { return (vacc){wasm_i32x4_add(a.low, b.low), wasm_i32x4_add(a.high, b.high)}; }
LQ_INLINE ri acc_sum(vacc a) {
  return wasm_i32x4_add(wasm_i32x4_shuffle(a.low, a.high, 0, 2, 4, 6), wasm_i32x4_shuffle(a.low, a.high, 1, 3, 5, 7));
}
LQ_INLINE ri acc_sum_wide(vacc a) { return acc_sum(a); }
#endif

/* One block of lq_quantize_q8a, bit for bit. */
LQ_INLINE void quantize_block(const float *x, lq_q8a *y) {
  v128_t v[8], q[8], no_sign = wasm_i32x4_splat(0x7FFFFFFF), top = wasm_i32x4_splat(0);
  LQ_UNROLL for (int i = 0; i < 8; i++) {
    v[i] = wasm_v128_load(x + 4 * i);
    top = wasm_i32x4_max(top, wasm_v128_and(v[i], no_sign));
  }
  top = wasm_i32x4_max(top, wasm_i32x4_shuffle(top, top, 2, 3, 2, 3));
  top = wasm_i32x4_max(top, wasm_i32x4_shuffle(top, top, 1, 1, 1, 1));
  int bits = wasm_i32x4_extract_lane(top, 0);
  float max = wasm_f32x4_extract_lane(top, 0);
  if (bits >= 0x7F800000 || max < 0x1p-119f) { /* a NaN or an infinity, or next to zero */
    lq_quantize_q8a(x, y, LQ_QK);
    return;
  }
  v128_t id = wasm_f32x4_splat(127 / max);
  LQ_UNROLL for (int i = 0; i < 8; i++) q[i] = vf_to_int(wasm_f32x4_mul(v[i], id));
  v128_t a = wasm_i16x8_narrow_i32x4(q[0], q[1]), b = wasm_i16x8_narrow_i32x4(q[2], q[3]);
  v128_t c = wasm_i16x8_narrow_i32x4(q[4], q[5]), d = wasm_i16x8_narrow_i32x4(q[6], q[7]);
  wasm_v128_store(y->qs, wasm_i8x16_narrow_i16x8(a, b));
  wasm_v128_store(y->qs + 16, wasm_i8x16_narrow_i16x8(c, d));
  v128_t one = wasm_i16x8_splat(1), s = wasm_i32x4_dot_i16x8(wasm_i16x8_add(a, b), one), t = wasm_i32x4_dot_i16x8(wasm_i16x8_add(c, d), one);
  s = wasm_i32x4_add(wasm_i32x4_shuffle(s, t, 0, 1, 4, 5), wasm_i32x4_shuffle(s, t, 2, 3, 6, 7));
  s = wasm_i32x4_add(s, wasm_i32x4_shuffle(s, s, 1, 0, 3, 2));
  y->d = max / 127;
  y->s[0] = (int16_t)wasm_i32x4_extract_lane(s, 0), y->s[1] = (int16_t)wasm_i32x4_extract_lane(s, 2);
}

#endif
