/* Q4_K and Q6_K encoders: search for scales, then for the codes and the scales' own codes together.
 * May call: nothing beyond quant. Layout: ggml. The search is ours: least squares of the weighted error
 * sum w (x - y)^2 by turns over codes (rounding), sub-block scales (+-1) and super-block scales (closed form). */
#include "quant/quant_k.h"

#include <math.h>
#include <string.h>

#define ROUNDS 3 /* turns over the whole super-block; later ones gain under 0.1 % */

/* v rounded to even within lo..hi, NaN as lo; |lo|, |hi| < 2^22: adding 1.5 * 2^23 drops the fraction. */
static float round_in(float v, float lo, float hi) {
  v = v > lo ? v : lo;
  v = v < hi ? v : hi;
  return (v + 0x1.8p23f) - 0x1.8p23f;
}

static int nearest(float v, int lo, int hi) {
  return (int)round_in(v, (float)lo, (float)hi);
}

/* Large weights matter more than their share of the plain error: they meet large activations as often as small ones
 * do, and their relative error is what survives normalisation. */
static void weigh(const float *x, int n, float *w) {
  float sum = 0;
  for (int i = 0; i < n; i++) sum += x[i] * x[i];
  float mean = sqrtf(sum / (float)n);
  for (int i = 0; i < n; i++) w[i] = mean + fabsf(x[i]);
}

/* ---- Q4_K: x = s * q - m, q 0..15, s and m >= 0, 32 values share them ---- */

static float error_min(const float *x, const float *w, float s, float m) {
  float is = s > 0 ? 1 / s : 0, e = 0;
  for (int i = 0; i < 32; i++) {
    float d = s * round_in((x[i] + m) * is, 0, 15) - m - x[i];
    e += w[i] * d * d;
  }
  return e;
}

/* Best s and m for the codes that (s, m) rounds to. */
static void solve_min(const float *x, const float *w, float *s, float *m) {
  float is = *s > 0 ? 1 / *s : 0;
  float sw = 0, swq = 0, swqq = 0, swx = 0, swqx = 0;
  for (int i = 0; i < 32; i++) {
    float q = round_in((x[i] + *m) * is, 0, 15);
    sw += w[i];
    swq += w[i] * q;
    swqq += w[i] * q * q;
    swx += w[i] * x[i];
    swqx += w[i] * q * x[i];
  }
  float det = sw * swqq - swq * swq;
  if (det > 0) {
    *s = (sw * swqx - swq * swx) / det;
    *m = (swq * swqx - swqq * swx) / det;
  }
  if (!(det > 0) || *m < 0) {
    *m = 0;
    *s = swqq > 0 ? swqx / swqq : 0;
  }
  if (*s < 0) *s = 0;
}

/* Starts from several ranges about the true one: clipping the extremes a little often pays. */
static void fit_min(const float *x, const float *w, float *s, float *m) {
  float lo = 0, hi = 0;
  for (int i = 0; i < 32; i++) {
    if (x[i] < lo) lo = x[i];
    if (x[i] > hi) hi = x[i];
  }
  *s = (hi - lo) / 15;
  *m = -lo;
  float best = error_min(x, w, *s, *m);
  for (int k = -6; k <= 12; k += 2) {
    float ts = (hi - lo) / (15 + 0.25f * (float)k), tm = -lo;
    for (int turn = 0; turn < 2; turn++) {
      solve_min(x, w, &ts, &tm);
      float e = error_min(x, w, ts, tm);
      if (e < best) {
        best = e;
        *s = ts;
        *m = tm;
      }
    }
  }
}

typedef struct plan4 {
  float w[LQ_QK_K];
  float d, dmin; /* as float16 gives them back */
  int scale[8], min[8];
} plan4;

static float half(float v) {
  return lq_f16_to_f32(lq_f32_to_f16(v));
}

static void pick_codes4(const float *x, plan4 *p) {
  for (int s = 0; s < 8; s++) {
    int scale = p->scale[s], min = p->min[s], best_scale = scale, best_min = min;
    float best = INFINITY;
    for (int i = -1; i <= 1; i++) {
      for (int j = -1; j <= 1; j++) {
        int ts = scale + i, tm = min + j;
        if (ts < 0 || ts > 63 || tm < 0 || tm > 63) continue;
        float e = error_min(x + s * 32, p->w + s * 32, p->d * (float)ts, p->dmin * (float)tm);
        if (e >= best) continue;
        best = e;
        best_scale = ts;
        best_min = tm;
      }
    }
    p->scale[s] = best_scale;
    p->min[s] = best_min;
  }
}

/* d and dmin for the codes as they are: x = d * a - dmin * b with a = scale * q, b = min. */
static void solve_super4(const float *x, plan4 *p) {
  double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
  for (int s = 0; s < 8; s++) {
    float ds = p->d * (float)p->scale[s], m = p->dmin * (float)p->min[s], is = ds > 0 ? 1 / ds : 0;
    for (int i = s * 32; i < s * 32 + 32; i++) {
      double a = p->scale[s] * nearest((x[i] + m) * is, 0, 15), b = p->min[s], w = (double)p->w[i];
      aa += w * a * a;
      ab += w * a * b;
      bb += w * b * b;
      ax += w * a * (double)x[i];
      bx += w * b * (double)x[i];
    }
  }
  double det = aa * bb - ab * ab;
  if (det > 1e-6 * aa * bb) {
    double d = (ax * bb - bx * ab) / det, dmin = (ax * ab - bx * aa) / det;
    if (d > 0 && dmin >= 0 && d < 65000 && dmin < 65000) {
      p->d = half((float)d);
      p->dmin = half((float)dmin);
    }
  } else if (aa > 0 && bb == 0 && ax > 0 && ax / aa < 65000) {
    p->d = half((float)(ax / aa));
  }
}

static float error4(const float *x, const plan4 *p) {
  float e = 0;
  for (int s = 0; s < 8; s++)
    e += error_min(x + s * 32, p->w + s * 32, p->d * (float)p->scale[s], p->dmin * (float)p->min[s]);
  return e;
}

static void pack4(const float *x, const plan4 *p, lq_block_q4_k *out) {
  memset(out, 0, sizeof *out);
  out->d = lq_f32_to_f16(p->d);
  out->dmin = lq_f32_to_f16(p->dmin);
  for (int s = 0; s < 8; s++) {
    int scale = p->scale[s], min = p->min[s];
    if (s < 4) {
      out->scales[s] = (uint8_t)(out->scales[s] | scale);
      out->scales[s + 4] = (uint8_t)(out->scales[s + 4] | min);
    } else {
      out->scales[s + 4] = (uint8_t)((scale & 15) | (min & 15) << 4);
      out->scales[s - 4] = (uint8_t)(out->scales[s - 4] | (scale >> 4) << 6);
      out->scales[s] = (uint8_t)(out->scales[s] | (min >> 4) << 6);
    }
    float ds = p->d * (float)scale, m = p->dmin * (float)min, is = ds > 0 ? 1 / ds : 0;
    for (int i = 0; i < 32; i++) {
      uint8_t *q = &out->qs[s / 2 * 32 + i];
      *q = (uint8_t)(*q | nearest((x[s * 32 + i] + m) * is, 0, 15) << (s % 2 * 4));
    }
  }
}

void lq_encode_q4_k(const float *x, lq_block_q4_k *out) {
  plan4 p, best;
  float s[8], m[8], max_s = 0, max_m = 0;
  for (int b = 0; b < 8; b++) {
    weigh(x + b * 32, 32, p.w + b * 32);
    fit_min(x + b * 32, p.w + b * 32, &s[b], &m[b]);
    max_s = fmaxf(max_s, s[b]);
    max_m = fmaxf(max_m, m[b]);
  }
  p.d = half(fminf(max_s / 63, 65504));
  p.dmin = half(fminf(max_m / 63, 65504));
  for (int b = 0; b < 8; b++) {
    p.scale[b] = p.d > 0 ? nearest(s[b] / p.d, 0, 63) : 0;
    p.min[b] = p.dmin > 0 ? nearest(m[b] / p.dmin, 0, 63) : 0;
  }
  best = p;
  float least = error4(x, &p);
  for (int r = 0; r < ROUNDS; r++) {
    pick_codes4(x, &p);
    float e = error4(x, &p);
    if (e < least) {
      least = e;
      best = p;
    }
    solve_super4(x, &p);
  }
  pack4(x, &best, out);
}

/* ---- Q6_K: x = s * q, q -32..31, 16 values share s, which may be negative ---- */

static float error_sym(const float *x, const float *w, float s) {
  float is = s != 0 ? 1 / s : 0, e = 0;
  for (int i = 0; i < 16; i++) {
    float d = s * round_in(x[i] * is, -32, 31) - x[i];
    e += w[i] * d * d;
  }
  return e;
}

static float fit_sym(const float *x, const float *w) {
  float far = 0, most = 0; /* most = |far|, kept apart: clang 19 for wasm takes the wrong far from fabsf(x[i]) > fabsf(far) */
  for (int i = 0; i < 16; i++) {
    if (!(fabsf(x[i]) > most)) continue;
    most = fabsf(x[i]);
    far = x[i];
  }
  if (far == 0) return 0;
  float s = far / -32, best = error_sym(x, w, s);
  for (int k = -8; k <= 8; k++) {
    float is = (-32 + 0.2f * (float)k) / far, wqq = 0, wqx = 0;
    for (int i = 0; i < 16; i++) {
      float q = round_in(x[i] * is, -32, 31);
      wqq += w[i] * q * q;
      wqx += w[i] * q * x[i];
    }
    if (!(wqq > 0)) continue;
    float e = error_sym(x, w, wqx / wqq);
    if (e < best) {
      best = e;
      s = wqx / wqq;
    }
  }
  return s;
}

typedef struct plan6 {
  float w[LQ_QK_K], d;
  int scale[16];
} plan6;

static float pick_codes6(const float *x, plan6 *p) {
  float sum = 0;
  for (int s = 0; s < 16; s++) {
    int scale = p->scale[s];
    float best = INFINITY;
    for (int t = scale - 1; t <= scale + 1; t++) {
      if (t < -128 || t > 127) continue;
      float e = error_sym(x + s * 16, p->w + s * 16, p->d * (float)t);
      if (e >= best) continue;
      best = e;
      p->scale[s] = t;
    }
    sum += best;
  }
  return sum;
}

static void solve_super6(const float *x, plan6 *p) {
  double aa = 0, ax = 0;
  for (int s = 0; s < 16; s++) {
    float ds = p->d * (float)p->scale[s], is = ds != 0 ? 1 / ds : 0;
    for (int i = s * 16; i < s * 16 + 16; i++) {
      double a = p->scale[s] * nearest(x[i] * is, -32, 31), w = (double)p->w[i];
      aa += w * a * a;
      ax += w * a * (double)x[i];
    }
  }
  if (aa > 0 && ax > 0 && ax / aa < 65000) p->d = half((float)(ax / aa));
}

static void pack6(const float *x, const plan6 *p, lq_block_q6_k *out) {
  memset(out, 0, sizeof *out);
  out->d = lq_f32_to_f16(p->d);
  for (int i = 0; i < LQ_QK_K; i++) {
    int h = i / 128, at = i % 128;
    float ds = p->d * (float)p->scale[i / 16], is = ds != 0 ? 1 / ds : 0;
    int q = nearest(x[i] * is, -32, 31) + 32;
    uint8_t *low = &out->ql[h * 64 + at % 64], *high = &out->qh[h * 32 + at % 32];
    *low = (uint8_t)(*low | (q & 15) << (at / 64 * 4));
    *high = (uint8_t)(*high | (q >> 4) << (at / 32 * 2));
    out->scales[i / 16] = (int8_t)p->scale[i / 16];
  }
}

void lq_encode_q6_k(const float *x, lq_block_q6_k *out) {
  plan6 p, best;
  float s[16], far = 0;
  for (int b = 0; b < 16; b++) {
    weigh(x + b * 16, 16, p.w + b * 16);
    s[b] = fit_sym(x + b * 16, p.w + b * 16);
    far = fmaxf(far, fabsf(s[b]));
  }
  p.d = half(fminf(far / 127, 65504));
  for (int b = 0; b < 16; b++) p.scale[b] = p.d > 0 ? nearest(s[b] / p.d, -128, 127) : 0;
  best = p;
  float least = INFINITY;
  for (int r = 0; r < ROUNDS; r++) {
    float e = pick_codes6(x, &p);
    if (e < least) {
      least = e;
      best = p;
    }
    solve_super6(x, &p);
  }
  pack6(x, &best, out);
}
