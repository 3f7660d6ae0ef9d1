/* The scalar reference: complete but for the packed entries, and the judge of every other table.
 * May call: quant, libm. */
#include "kernel/kernel.h"
#include "kernel/unpack.h"

#include <math.h>

static float dot_group(const lq_group *w, const lq_q8a *x) {
  int32_t s[2] = {0, 0};
  for (int i = 0; i < 32; i++) s[i / 16] += w->q[i] * x->qs[i];
  float y = w->a[0] * (float)s[0] + w->a[1] * (float)s[1];
  return x->d * (y + (w->b[0] * (float)x->s[0] + w->b[1] * (float)x->s[1]));
}

static inline void matmul_q(lq_type t, float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x,
                            size_t xs, size_t n_x, size_t n_in) {
  for (size_t i = 0; i < n_rows; i++) {
    const uint8_t *row = (const uint8_t *)w + i * ws;
    for (size_t r = 0; r < n_x; r++) y[r * ldy + i] = 0;
    for (size_t g = 0; g < n_in / 32; g++) {
      lq_group u;
      lq_unpack_group(t, &u, row, g);
      for (size_t r = 0; r < n_x; r++)
        y[r * ldy + i] += dot_group(&u, (const lq_q8a *)(const void *)((const uint8_t *)x + r * xs) + g);
    }
  }
}

#define LQ_REF_MATMUL(T)                                                                                       \
  static void matmul_##T(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs, \
                         size_t n_x, size_t n_in) {                                                            \
    matmul_q(LQ_##T, y, ldy, w, ws, n_rows, x, xs, n_x, n_in);                                                 \
  }
LQ_QUANT_TYPES(LQ_REF_MATMUL)

static float weight_f32(const uint8_t *p) {
  float f;
  memcpy(&f, p, 4);
  return f;
}
static float weight_bf16(const uint8_t *p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return lq_bf16_to_f32(h);
}

#define LQ_REF_FLOAT(NAME, BYTES, LOAD)                                                                       \
  static void NAME(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs,   \
                   size_t n_x, size_t n_in) {                                                                 \
    for (size_t i = 0; i < n_rows; i++)                                                                       \
      for (size_t r = 0; r < n_x; r++) {                                                                      \
        const uint8_t *row = (const uint8_t *)w + i * ws;                                                     \
        const float *v = (const float *)(const void *)((const uint8_t *)x + r * xs);                          \
        double s = 0;                                                                                         \
        for (size_t j = 0; j < n_in; j++) s += (double)LOAD(row + j * BYTES) * (double)v[j];                  \
        y[r * ldy + i] = (float)s;                                                                            \
      }                                                                                                       \
  }
LQ_REF_FLOAT(matmul_F32, 4, weight_f32)
LQ_REF_FLOAT(matmul_F16, 2, lq_group_f16)
LQ_REF_FLOAT(matmul_BF16, 2, weight_bf16)

static void weighted_sum(float *out, size_t ldo, const float *p, size_t ldp, size_t n_p, const float *v, size_t ldv, size_t n, size_t n_d) {
  for (size_t r = 0; r < n_p; r++)
    for (size_t j = 0; j < n; j++)
      for (size_t d = 0; d < n_d; d++) out[r * ldo + d] += p[r * ldp + j] * v[j * ldv + d];
}

static void scores(float *s, size_t lds, const float *q, size_t ldq, size_t n_q, const float *k, size_t ldk, size_t n, size_t n_d) {
  for (size_t r = 0; r < n_q; r++)
    for (size_t j = 0; j < n; j++) {
      double sum = 0;
      for (size_t d = 0; d < n_d; d++) sum += (double)q[r * ldq + d] * (double)k[j * ldk + d];
      s[r * lds + j] = (float)sum;
    }
}

static double sum_exp(const float *x, size_t n, float top) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)expf(x[i] - top);
  return sum;
}

static void softmax(float *x, size_t n) {
  float top = x[0];
  for (size_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    x[i] = x[i] == -INFINITY ? 0.0f : expf(x[i] - top);
    sum += (double)x[i];
  }
  float inv = sum > 0 ? (float)(1 / sum) : sum == 0 ? 0.0f : (float)sum;
  for (size_t i = 0; i < n; i++) x[i] *= inv;
}

static void rmsnorm(float *y, const float *x, const float *w, size_t n, float eps) {
  double s = 0;
  for (size_t i = 0; i < n; i++) s += (double)x[i] * (double)x[i];
  float k = (float)(1 / sqrt(s / (double)n + (double)eps));
  for (size_t i = 0; i < n; i++) y[i] = x[i] * k * (w ? w[i] : 1.0f);
}

static void layernorm(float *y, const float *x, const float *w, const float *b, size_t n, float eps) {
  double s = 0, v = 0;
  for (size_t i = 0; i < n; i++) s += (double)x[i];
  double mean = s / (double)n;
  for (size_t i = 0; i < n; i++) v += ((double)x[i] - mean) * ((double)x[i] - mean);
  double k = 1 / sqrt(v / (double)n + (double)eps);
  for (size_t i = 0; i < n; i++)
    y[i] = (float)(((double)x[i] - mean) * k) * (w ? w[i] : 1.0f) + (b ? b[i] : 0.0f);
}

static float act_of(int act, float v) {
  switch (act) {
    case LQ_ACT_RELU: return v < 0 ? 0 : v;
    case LQ_ACT_SILU: return v / (1 + expf(-v));
    /* 0.5(1+tanh u) = 1/(1+exp(-2u)): no cancellation for negative u */
    case LQ_ACT_GELU_TANH: {
      double x = (double)v;
      return (float)(x / (1 + exp(-2 * 0.7978845608028654 * x * (1 + 0.044715 * x * x))));
    }
    case LQ_ACT_GELU_ERF: return 0.5f * v * erfcf(-v * 0.70710678f);
    case LQ_ACT_QUICK_GELU: return v / (1 + expf(-1.702f * v));
    case LQ_ACT_TANH: return tanhf(v);
    default: return v;
  }
}

static void activate(int act, float *x, const float *gate, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = act_of(act, x[i]) * (gate ? gate[i] : 1.0f);
}

#define LQ_REF_ROW(T) [LQ_##T] = matmul_##T,
static const lq_kernels table = {
    .name = "ref",
    .quantize = lq_quantize_q8a,
    .matmul = {LQ_QUANT_TYPES(LQ_REF_ROW)[LQ_F32] = matmul_F32, [LQ_F16] = matmul_F16, [LQ_BF16] = matmul_BF16},
    .scores = scores,
    .weighted_sum = weighted_sum,
    .sum_exp = sum_exp,
    .softmax = softmax,
    .rmsnorm = rmsnorm,
    .layernorm = layernorm,
    .activate = activate,
};

const lq_kernels *lq_kernels_ref(void) { return &table; }
