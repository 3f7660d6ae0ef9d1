/* Float products and vector functions, written once over the vectors of an instruction set (VF_N floats).
 * Included by one .c file per table. May call: kernel (ref for what is not worth vectors), libm. */
#ifndef LQ_SIMD_FLOAT_H
#define LQ_SIMD_FLOAT_H

#include <math.h>

#include "kernel/kernel.h"

/* ---- matrix products with float weights: VF_N partial sums per (row, x) pair, folded at the end, then the rest in order ---- */

typedef enum float_type { FLOAT_32, FLOAT_16, FLOAT_B16 } float_type;

LQ_INLINE vf load_weights(float_type t, const uint8_t *p, size_t j) {
  switch (t) {
    case FLOAT_16: return vf_f16(p + 2 * j);
    case FLOAT_B16: return vf_bf16(p + 2 * j);
    default: return vf_load((const float *)(const void *)p + j);
  }
}

LQ_INLINE float load_weight(float_type t, const uint8_t *p, size_t j) {
  uint16_t h;
  if (t == FLOAT_32) return ((const float *)(const void *)p)[j];
  memcpy(&h, p + 2 * j, 2);
  return t == FLOAT_16 ? lq_f16_to_f32(h) : lq_bf16_to_f32(h);
}

#define FLOAT_TILE 4

LQ_INLINE void float_tile(float_type t, float *y, size_t ldy, const uint8_t *w, size_t ws, int nw, const uint8_t *x, size_t xs, int nx,
                          size_t n_in) {
  vf sum[FLOAT_TILE][FLOAT_TILE]; /* nw is 1 or 4 */
  LQ_UNROLL for (int i = 0; i < nw; i++) LQ_UNROLL for (int r = 0; r < nx; r++) sum[i][r] = vf_splat(0);
  size_t j = 0;
  for (; j + VF_N <= n_in; j += VF_N) {
    vf v[FLOAT_TILE];
    LQ_UNROLL for (int r = 0; r < nx; r++) v[r] = vf_load((const float *)(const void *)(x + (size_t)r * xs) + j);
    LQ_UNROLL for (int i = 0; i < nw; i++) {
      vf q = load_weights(t, w + (size_t)i * ws, j);
      LQ_UNROLL for (int r = 0; r < nx; r++) sum[i][r] = vf_fma(q, v[r], sum[i][r]);
    }
  }
  LQ_UNROLL for (int r = 0; r < nx; r++) {
    float *to = y + (size_t)r * ldy;
    if (nw == 4) vf_sum4(to, sum[0][r], sum[1][r], sum[2][r], sum[3][r]);
    else to[0] = vf_sum(sum[0][r]);
    for (int i = 0; j < n_in && i < nw; i++)
      for (size_t k = j; k < n_in; k++) to[i] += load_weight(t, w + (size_t)i * ws, k) * ((const float *)(const void *)(x + (size_t)r * xs))[k];
  }
}

LQ_INLINE void float_rows(float_type t, float *y, size_t ldy, const uint8_t *w, size_t ws, size_t n_rows, const uint8_t *x,
                          size_t xs, int nx, size_t n_in) {
  size_t i = 0;
  for (; i + 4 <= n_rows; i += 4) float_tile(t, y + i, ldy, w + i * ws, ws, 4, x, xs, nx, n_in);
  for (; i < n_rows; i++) float_tile(t, y + i, ldy, w + i * ws, ws, 1, x, xs, nx, n_in);
}

LQ_INLINE void float_matmul(float_type t, float *y, size_t ldy, const uint8_t *w, size_t ws, size_t n_rows, const uint8_t *x,
                            size_t xs, size_t n_x, size_t n_in) {
  enum { BLOCK = 32 }; /* weight rows that stay in the cache while all rows of x pass */
  for (size_t i = 0; i < n_rows; i += BLOCK) {
    size_t n = n_rows - i < BLOCK ? n_rows - i : BLOCK, r = 0;
    const uint8_t *at = w + i * ws;
    for (; r + LQ_FLOAT_X <= n_x; r += LQ_FLOAT_X) float_rows(t, y + r * ldy + i, ldy, at, ws, n, x + r * xs, xs, LQ_FLOAT_X, n_in);
    for (; r < n_x; r++) float_rows(t, y + r * ldy + i, ldy, at, ws, n, x + r * xs, xs, 1, n_in);
  }
}

#define LQ_SIMD_FLOAT_MATMUL(T, TYPE)                                                                                                        \
  static void matmul_##T(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs, size_t n_x, size_t n_in) {  \
    float_matmul(TYPE, y, ldy, w, ws, n_rows, x, xs, n_x, n_in);                                                                             \
  }
LQ_SIMD_FLOAT_MATMUL(F32, FLOAT_32)
LQ_SIMD_FLOAT_MATMUL(F16, FLOAT_16)
LQ_SIMD_FLOAT_MATMUL(BF16, FLOAT_B16)

/* ---- attention's scores: keys side by side, so that nothing is folded ---- */

#define SCORE_KEYS (LQ_SCORE_V * WF_N) /* keys turned at a time */
#define SCORE_D 64                     /* and how many of their values */

/* turned[n_d][SCORE_KEYS] = values [0, n_d) of the n keys at k; the last one stands in for those that are not there. */
LQ_INLINE void turn_keys(float *turned, const float *k, size_t ldk, size_t n, size_t n_d) {
  for (size_t j = 0; j < SCORE_KEYS && j < n; j += WF_N) {
    const float *rows[WF_N];
    for (size_t i = 0; i < WF_N; i++) rows[i] = k + (j + i < n ? j + i : n - 1) * ldk;
    size_t d = 0;
    for (; d + 4 <= n_d; d += 4) {
      wf v[4];
      LQ_UNROLL for (int i = 0; i < 4; i++) v[i] = wf_load_quads(rows + i, d);
      wf_turn_quads(v);
      LQ_UNROLL for (size_t i = 0; i < 4; i++) wf_store(turned + (d + i) * SCORE_KEYS + j, v[i]);
    }
    for (; d < n_d; d++)
      for (size_t i = 0; i < WF_N; i++) turned[d * SCORE_KEYS + j + i] = rows[i][d];
  }
}

/* s[nq][nv * WF_N] = (first ? 0 : s) + q times turned keys. */
LQ_INLINE void score_tile(float *s, size_t lds, const float *q, size_t ldq, int nq, const float *turned, size_t n_d, int nv, bool first) {
  wf sum[4][LQ_SCORE_V];
  LQ_UNROLL for (int r = 0; r < nq; r++)
    LQ_UNROLL for (int i = 0; i < nv; i++) sum[r][i] = first ? wf_splat(0) : wf_load(s + (size_t)r * lds + i * WF_N);
  for (size_t d = 0; d < n_d; d++) {
    wf k[LQ_SCORE_V];
    LQ_UNROLL for (int i = 0; i < nv; i++) k[i] = wf_load(turned + d * SCORE_KEYS + i * WF_N);
    LQ_UNROLL for (int r = 0; r < nq; r++) {
      wf x = wf_splat(q[(size_t)r * ldq + d]);
      LQ_UNROLL for (int i = 0; i < nv; i++) sum[r][i] = wf_fma(x, k[i], sum[r][i]);
    }
  }
  LQ_UNROLL for (int r = 0; r < nq; r++) LQ_UNROLL for (int i = 0; i < nv; i++) wf_store(s + (size_t)r * lds + i * WF_N, sum[r][i]);
}

/* n <= SCORE_KEYS turned keys; a vector that is not full goes through a copy. */
LQ_INLINE void score_rows(float *s, size_t lds, const float *q, size_t ldq, int nq, const float *turned, size_t n, size_t n_d, bool first) {
  size_t j = 0;
  if (n == SCORE_KEYS) {
    score_tile(s, lds, q, ldq, nq, turned, n_d, LQ_SCORE_V, first);
    return;
  }
  for (; j + WF_N <= n; j += WF_N) score_tile(s + j, lds, q, ldq, nq, turned + j, n_d, 1, first);
  if (j == n) return;
  float part[4 * WF_N];
  for (int r = 0; !first && r < nq; r++) memcpy(part + r * WF_N, s + (size_t)r * lds + j, (n - j) * sizeof(float));
  score_tile(part, WF_N, q, ldq, nq, turned + j, n_d, 1, first);
  for (int r = 0; r < nq; r++) memcpy(s + (size_t)r * lds + j, part + r * WF_N, (n - j) * sizeof(float));
}

static void scores(float *s, size_t lds, const float *q, size_t ldq, size_t n_q, const float *k, size_t ldk, size_t n, size_t n_d) {
  _Alignas(64) float turned[SCORE_D * SCORE_KEYS];
  for (size_t j = 0; j < n; j += SCORE_KEYS) {
    size_t keys = n - j < SCORE_KEYS ? n - j : SCORE_KEYS;
    for (size_t d = 0; d < n_d; d += SCORE_D) {
      size_t r = 0, nd = n_d - d < SCORE_D ? n_d - d : SCORE_D;
      turn_keys(turned, k + j * ldk + d, ldk, keys, nd);
      for (; r + 4 <= n_q; r += 4) score_rows(s + r * lds + j, lds, q + r * ldq + d, ldq, 4, turned, keys, nd, d == 0);
      if (r + 3 == n_q) score_rows(s + r * lds + j, lds, q + r * ldq + d, ldq, 3, turned, keys, nd, d == 0), r += 3;
      for (; r < n_q; r++) score_rows(s + r * lds + j, lds, q + r * ldq + d, ldq, 1, turned, keys, nd, d == 0);
    }
  }
}

/* ---- attention's weighted sum ---- */

LQ_INLINE void weighted_tile(float *out, size_t ldo, const float *p, size_t ldp, int np, const float *v, size_t ldv, size_t n, int nd) {
  wf sum[4][4];
  LQ_UNROLL for (int r = 0; r < np; r++) LQ_UNROLL for (int d = 0; d < nd; d++) sum[r][d] = wf_load(out + (size_t)r * ldo + d * WF_N);
  for (size_t j = 0; j < n; j++) {
    wf row[4];
    LQ_UNROLL for (int d = 0; d < nd; d++) row[d] = wf_load(v + j * ldv + d * WF_N);
    LQ_UNROLL for (int r = 0; r < np; r++) {
      wf w = wf_splat(p[(size_t)r * ldp + j]);
      LQ_UNROLL for (int d = 0; d < nd; d++) sum[r][d] = wf_fma(w, row[d], sum[r][d]);
    }
  }
  LQ_UNROLL for (int r = 0; r < np; r++) LQ_UNROLL for (int d = 0; d < nd; d++) wf_store(out + (size_t)r * ldo + d * WF_N, sum[r][d]);
}

/* Rows in step with each other: a row's sum runs over j in order whatever the tile. */
LQ_INLINE void weighted_rows(float *out, size_t ldo, const float *p, size_t ldp, int np, const float *v, size_t ldv, size_t n, size_t n_d) {
  size_t d = 0;
  for (; d + LQ_SUM_D * WF_N <= n_d; d += LQ_SUM_D * WF_N) weighted_tile(out + d, ldo, p, ldp, np, v + d, ldv, n, LQ_SUM_D);
  for (; d + WF_N <= n_d; d += WF_N) weighted_tile(out + d, ldo, p, ldp, np, v + d, ldv, n, 1);
  for (; d < n_d; d++)
    for (int r = 0; r < np; r++)
      for (size_t j = 0; j < n; j++) {
        float *to = out + (size_t)r * ldo + d, a = p[(size_t)r * ldp + j], b = v[j * ldv + d];
        *to = LQ_REST_FMA(a, b, *to);
      }
}

#define SUM_KEYS 128 /* values that stay in the first cache while all rows pass */

static void weighted_sum(float *out, size_t ldo, const float *p, size_t ldp, size_t n_p, const float *v, size_t ldv, size_t n, size_t n_d) {
  for (size_t j = 0; j < n; j += SUM_KEYS, p += SUM_KEYS, v += SUM_KEYS * ldv) {
    size_t r = 0, nj = n - j < SUM_KEYS ? n - j : SUM_KEYS;
    for (; r + 4 <= n_p; r += 4) weighted_rows(out + r * ldo, ldo, p + r * ldp, ldp, 4, v, ldv, nj, n_d);
    if (r + 3 == n_p) weighted_rows(out + r * ldo, ldo, p + r * ldp, ldp, 3, v, ldv, nj, n_d), r += 3;
    for (; r < n_p; r++) weighted_rows(out + r * ldo, ldo, p + r * ldp, ldp, 1, v, ldv, nj, n_d);
  }
}

/* ---- exp ---- */

/* 2^n for n in [-252, 254], in two steps: neither alone leaves the floats. */
LQ_INLINE vf times_pow2(vf a, vf n) {
  vi whole = vf_to_int(n), half = vi_sra(whole, 1), rest = vi_sub(whole, half);
  vf lo = vf_bits(vi_shl(vi_add(half, vi_splat(127)), 23)), hi = vf_bits(vi_shl(vi_add(rest, vi_splat(127)), 23));
  return vf_mul(vf_mul(a, lo), hi);
}

/* exp(r) for |r| <= ln 2 / 2: Taylor to r^7, error under 1 ulp. */
LQ_INLINE vf exp_small(vf r) {
  vf p = vf_splat(1.0f / 5040);
  p = vf_fma(p, r, vf_splat(1.0f / 720));
  p = vf_fma(p, r, vf_splat(1.0f / 120));
  p = vf_fma(p, r, vf_splat(1.0f / 24));
  p = vf_fma(p, r, vf_splat(1.0f / 6));
  p = vf_fma(p, r, vf_splat(0.5f));
  p = vf_fma(p, r, vf_splat(1.0f));
  return vf_fma(p, r, vf_splat(1.0f));
}

/* exp(x), a few ulp; NaN stays NaN, large x gives infinity, small x 0. ln 2 in two parts (Cody and Waite). */
LQ_INLINE vf vf_exp(vf x) {
  x = vf_min(vf_max(x, vf_splat(-120.0f)), vf_splat(120.0f));
  vf n = vf_from(vf_to_int(vf_mul(x, vf_splat(1.44269504f))));
  vf r = vf_fma(n, vf_splat(-0.693359375f), x);
  r = vf_fma(n, vf_splat(2.12194440e-4f), r);
  return times_pow2(exp_small(r), n);
}

/* exp of doubles as floats: for arguments that floats would hold too coarsely. */
LQ_INLINE vf vd_exp(vd x) {
  x = vd_min(vd_max(x, vd_splat(-120)), vd_splat(120));
  vd n = vd_nearest(vd_mul(x, vd_splat(1.4426950408889634)));
  return times_pow2(exp_small(vd_float(vd_add(x, vd_mul(n, vd_splat(-0.6931471805599453))))), vd_float(n));
}

/* The last n < VF_N values go through a padded copy, so that every value sees the same arithmetic. */
#define LQ_EACH_VECTOR(X, N, EXPR)                                 \
  do {                                                             \
    size_t i_ = 0;                                                 \
    for (; i_ + VF_N <= (N); i_ += VF_N) {                         \
      vf v = vf_load((X) + i_);                                    \
      vf_store((X) + i_, (EXPR));                                  \
    }                                                              \
    if (i_ < (N)) {                                                \
      float rest_[VF_N] = {0};                                     \
      memcpy(rest_, (X) + i_, ((N) - i_) * sizeof(float));         \
      vf v = vf_load(rest_);                                       \
      vf_store(rest_, (EXPR));                                     \
      memcpy((X) + i_, rest_, ((N) - i_) * sizeof(float));         \
    }                                                              \
  } while (0)

/* Sums exp(x[i] - top), i < n (whole vectors), lane by lane onto *part, 0 where that is below e^-87; to: where the terms go, or NULL. */
#ifndef LQ_EXP_SUM
LQ_INLINE void exp_sum(const float *x, float *to, size_t n, float top, vd *part) {
  float own[VF_N];
  for (size_t i = 0; i < n; i += VF_N) {
    vf v = vf_sub(vf_load(x + i), vf_splat(top));
    float *at = to ? to + i : own;
    vf_store(at, vf_zero_below(vf_exp(v), v, vf_splat(-87.0f)));
    *part = vd_add(*part, vd_from(at));
  }
}
#define LQ_EXP_SUM exp_sum
#endif

static float largest(const float *x, size_t n) {
  float top = x[0], lanes[VF_N];
  size_t i = 0;
  if (n >= 4 * VF_N) {
    vf m[4];
    for (int k = 0; k < 4; k++) m[k] = vf_load(x + k * VF_N);
    for (i = 4 * VF_N; i + 4 * VF_N <= n; i += 4 * VF_N)
      LQ_UNROLL for (int k = 0; k < 4; k++) m[k] = vf_max(vf_load(x + i + (size_t)k * VF_N), m[k]);
    vf_store(lanes, vf_max(vf_max(m[0], m[1]), vf_max(m[2], m[3])));
    for (int k = 0; k < VF_N; k++) top = lanes[k] > top ? lanes[k] : top;
  }
  for (; i < n; i++) top = x[i] > top ? x[i] : top;
  return top;
}

static void softmax(float *x, size_t n) {
  size_t whole = n / VF_N * VF_N;
  vd part = vd_splat(0);
  double sum = 0;
  /* All -infinity: nothing to subtract, everything becomes 0. A NaN reaches the sum and so every weight. */
  float top = largest(x, n);
  if (top == -INFINITY) top = 0;
  LQ_EXP_SUM(x, x, whole, top, &part);
  LQ_EACH_VECTOR(x + whole, n - whole, vf_zero_below(vf_exp(vf_sub(v, vf_splat(top))), vf_sub(v, vf_splat(top)), vf_splat(-87.0f)));
  for (size_t i = whole; i < n; i++) sum += (double)x[i];
  sum += vd_sum(part);
  float inv = sum > 0 ? (float)(1 / sum) : sum == 0 ? 0.0f : (float)sum;
  LQ_EACH_VECTOR(x, n, vf_mul(v, vf_splat(inv)));
}

static double sum_exp(const float *x, size_t n, float top) {
  size_t whole = n / VF_N * VF_N;
  vd part = vd_splat(0);
  LQ_EXP_SUM(x, NULL, whole, top, &part);
  double sum = vd_sum(part);
  for (size_t i = whole; i < n; i++) sum += (double)expf(x[i] - top);
  return sum;
}

/* ---- norms ---- */

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps) {
  size_t i = 0;
  vd part = vd_splat(0);
  for (; i + VF_N <= n; i += VF_N) {
    vd a = vd_from(x + i);
    part = vd_add(part, vd_mul(a, a));
  }
  double s = vd_sum(part);
  for (; i < n; i++) s += (double)x[i] * (double)x[i];
  float k = (float)(1 / sqrt(s / (double)n + (double)eps));
  vf scale = vf_splat(k);
  for (i = 0; i + VF_N <= n; i += VF_N) {
    vf v = vf_mul(vf_load(x + i), scale);
    vf_store(y + i, w ? vf_mul(v, vf_load(w + i)) : v);
  }
  for (; i < n; i++) y[i] = x[i] * k * (w ? w[i] : 1.0f);
}

static void layernorm(float *y, const float *x, const float *w, const float *b, size_t n, float eps) {
  size_t whole = n / VF_N * VF_N, i;
  vd part = vd_splat(0);
  for (i = 0; i < whole; i += VF_N) part = vd_add(part, vd_from(x + i));
  double s = vd_sum(part);
  for (; i < n; i++) s += (double)x[i];
  double mean = s / (double)n;
  part = vd_splat(0);
  for (i = 0; i < whole; i += VF_N) {
    vd a = vd_add(vd_from(x + i), vd_splat(-mean));
    part = vd_add(part, vd_mul(a, a));
  }
  double v = vd_sum(part);
  for (; i < n; i++) v += ((double)x[i] - mean) * ((double)x[i] - mean);
  double k = 1 / sqrt(v / (double)n + (double)eps);
  for (i = 0; i < n; i++) y[i] = (float)(((double)x[i] - mean) * k) * (w ? w[i] : 1.0f) + (b ? b[i] : 0.0f);
}

/* ---- activations ---- */

/* v / (1 + exp(-2u)), u = sqrt(2/pi) v (1 + 0.044715 v^2): the argument in doubles, else far negative v lose digits. */
LQ_INLINE vf gelu_tanh(vf v) {
  float lanes[VF_N];
  vf_store(lanes, v);
  vd a = vd_from(lanes);
  vd u = vd_mul(vd_mul(a, vd_splat(-2 * 0.7978845608028654)), vd_add(vd_splat(1), vd_mul(vd_mul(a, a), vd_splat(0.044715))));
  return vf_div(v, vf_add(vf_splat(1), vd_exp(u)));
}

LQ_INLINE vf sigmoid_times(vf v, float k) { return vf_div(v, vf_add(vf_splat(1), vf_exp(vf_mul(v, vf_splat(-k))))); }

static void activate(int act, float *x, const float *gate, size_t n) {
  switch (act) {
    case LQ_ACT_NONE: break;
    case LQ_ACT_RELU: LQ_EACH_VECTOR(x, n, vf_max(v, vf_splat(0))); break;
    case LQ_ACT_SILU: LQ_EACH_VECTOR(x, n, sigmoid_times(v, 1)); break;
    case LQ_ACT_QUICK_GELU: LQ_EACH_VECTOR(x, n, sigmoid_times(v, 1.702f)); break;
    case LQ_ACT_GELU_TANH: LQ_EACH_VECTOR(x, n, gelu_tanh(v)); break;
    default: lq_kernels_ref()->activate(act, x, NULL, n); break;
  }
  size_t i = 0;
  if (!gate) return;
  for (; i + VF_N <= n; i += VF_N) vf_store(x + i, vf_mul(vf_load(x + i), vf_load(gate + i)));
  for (; i < n; i++) x[i] *= gate[i];
}

#endif
