/* The samplers' processors and the draw. May call: process, kernel, base. */
#include "decode/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/logsum.h"

/* e^x for x <= 0 within 2 ulp, from IEEE additions and multiplications alone: libm's exp differs between systems, and with it a draw. */
static double exp_fixed(double x) {
  static const double log2e = 1.4426950408889634, ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  if (!(x > -700.0)) return 0.0; /* e^-700 is no chance in any vocabulary */
  double n = floor(x * log2e + 0.5), r = (x - n * ln2_high) - n * ln2_low, sum = 1.0;
  for (int i = 14; i > 0; i--) sum = 1.0 + sum * r / i; /* |r| <= ln 2 / 2 */
  return ldexp(sum, (int)n);
}

static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

void lq_rng_seed(lq_rng *r, uint64_t seed) {
  for (int i = 0; i < 4; i++) { /* splitmix64 */
    uint64_t z = (seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    r->s[i] = z ^ (z >> 31);
  }
}

double lq_rng_next(lq_rng *r) {
  uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl(s[3], 45);
  return (double)(out >> 11) * 0x1.0p-53;
}

/* Sorts order[0..n) by falling logit, falling id, by heap: no recursion, no worst case. Among equals the lower id is dropped first, as
 * the reference's ascending sort does where it is stable. */
static bool after(const float *logits, uint32_t a, uint32_t b) { return logits[a] < logits[b] || (logits[a] == logits[b] && a < b); }

static void sift(const float *logits, uint32_t *order, size_t at, size_t n) {
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= n) return;
    if (child + 1 < n && after(logits, order[child + 1], order[child])) child++;
    if (!after(logits, order[child], order[at])) return;
    uint32_t t = order[at];
    order[at] = order[child];
    order[child] = t;
    at = child;
  }
}

static void sort_order(const float *logits, uint32_t *order, size_t n) {
  for (size_t i = n / 2; i-- > 0;) sift(logits, order, i, n);
  for (size_t end = n; end-- > 1;) {
    uint32_t t = order[0];
    order[0] = order[end];
    order[end] = t;
    sift(logits, order, 0, end);
  }
}

/* The k-th largest value, by a heap of the k largest (its root is the least of them). */
static float kth_largest(const float *logits, uint32_t n_vocab, uint32_t k, uint32_t *order) {
  for (uint32_t i = 0; i < k; i++) order[i] = i;
  for (size_t i = k / 2; i-- > 0;) sift(logits, order, i, k);
  for (uint32_t i = k; i < n_vocab; i++) {
    if (logits[i] <= logits[order[0]]) continue;
    order[0] = i;
    sift(logits, order, 0, k);
  }
  return logits[order[0]];
}

static void keep_top_k(uint32_t top_k, float *logits, uint32_t n_vocab, uint32_t *order) {
  if (top_k == 0 || top_k >= n_vocab) return;
  float least = kth_largest(logits, n_vocab, top_k, order);
  for (uint32_t i = 0; i < n_vocab; i++)
    if (logits[i] < least) logits[i] = -INFINITY;
}

enum { LANES = 16 };

uint32_t lq_next_from(const float *x, uint32_t n, uint32_t i, float bar) {
  for (int any = 0; i + LANES <= n; i += LANES) {
    for (int l = 0; l < LANES; l++) any |= x[i + (uint32_t)l] >= bar;
    if (any) break;
  }
  while (i < n && !(x[i] >= bar)) i++;
  return i;
}

/* The fewest of the likeliest tokens whose probability reaches top_p, found as the reference finds them: from the least likely up,
 * drop while the sum is <= 1 - top_p; the likeliest always stays. */
static void keep_top_p(double top_p, float *logits, uint32_t n_vocab, uint32_t *order) {
  size_t n = 0;
  double sum = 0, max = (double)lq_largest(logits, n_vocab);
  for (uint32_t i = 0; i < n_vocab; i++) {
    if (logits[i] == -INFINITY) continue;
    order[n++] = i;
    sum += exp_fixed((double)logits[i] - max);
  }
  sort_order(logits, order, n);
  double below = 0;
  for (size_t i = n; i-- > 1;) {
    below += exp_fixed((double)logits[order[i]] - max) / sum;
    if (below > 1.0 - top_p) return;
    logits[order[i]] = -INFINITY;
  }
}

static void keep_min_p(double min_p, float *logits, uint32_t n_vocab) {
  double max = (double)lq_largest(logits, n_vocab);
  for (uint32_t i = 0; i < n_vocab; i++)
    if (exp_fixed((double)logits[i] - max) < min_p) logits[i] = -INFINITY;
}

/* A temperature so small that the best scores would become infinite sharpens their distances instead: the same distribution. */
static void apply_temperature(float t, float *logits, uint32_t n_vocab) {
  float max = lq_largest(logits, n_vocab), shift = isfinite(max) && !isfinite(max / t) ? max : 0.0f;
  for (uint32_t i = 0; i < n_vocab; i++) logits[i] = (logits[i] - shift) / t;
}

void lq_sample_process(const lq_gen *g, float *logits, uint32_t n_vocab, lq_history h, lq_sample_scratch s) {
  lq_process(g, logits, n_vocab, &h, s.seen);
  if (!g->do_sample) return;
  if (g->temperature != 1.0f) apply_temperature(g->temperature, logits, n_vocab);
  keep_top_k(g->top_k, logits, n_vocab, s.order);
  if (g->top_p < 1.0f) keep_top_p((double)g->top_p, logits, n_vocab, s.order);
  if (g->min_p > 0.0f) keep_min_p((double)g->min_p, logits, n_vocab);
}

/* The first of the largest; 0 when none is a number. */
static int32_t likeliest(const float *logits, uint32_t n) {
  uint32_t i = lq_next_from(logits, n, 0, lq_largest(logits, n));
  return i < n ? (int32_t)i : 0;
}

static int32_t draw(lq_rng *rng, const float *logits, uint32_t n) {
  double sum = 0, max = (double)lq_largest(logits, n);
  for (uint32_t i = 0; i < n; i++)
    if (logits[i] != -INFINITY) sum += exp_fixed((double)logits[i] - max);
  double target = lq_rng_next(rng) * sum, at = 0;
  int32_t last = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (logits[i] == -INFINITY) continue;
    last = (int32_t)i;
    at += exp_fixed((double)logits[i] - max);
    if (at > target) break;
  }
  return last;
}

lq_status lq_sample(const lq_gen *g, const lq_kernels *k, lq_rng *rng, float *logits, uint32_t n_vocab, lq_history h, lq_sample_scratch s,
                    int32_t *token, float *logprob, lq_error *err) {
  int32_t top = likeliest(logits, n_vocab);
  double log_sum = (double)logits[top] + log(k->sum_exp(logits, n_vocab, logits[top]));
  if (!isfinite(log_sum)) return lq_fail(err, LQ_E_FORMAT, LQ_NO_NUMBER);
  if (!g->do_sample && lq_process_idle(g, &h)) {
    *token = top;
    *logprob = (float)((double)logits[top] - log_sum);
    return LQ_OK;
  }
  memcpy(s.work, logits, n_vocab * sizeof(float));
  lq_sample_process(g, s.work, n_vocab, h, s);
  if (lq_largest(s.work, n_vocab) == -INFINITY) return lq_fail(err, LQ_E_OPTION, LQ_NO_TOKEN_LEFT);
  *token = g->do_sample ? draw(rng, s.work, n_vocab) : likeliest(s.work, n_vocab);
  *logprob = (float)((double)logits[*token] - log_sum);
  return LQ_OK;
}
