/* Rotary, relative and sinusoidal positions. May call: math. */
#include "nn/position.h"

#include <math.h>

/* The pair (a real number) that turns `beta` times in the trained positions. */
static double yarn_pair(const lq_rope_spec *s, size_t n_rot, double beta) {
  return (double)n_rot * log(s->n_orig / (beta * 2 * 3.14159265358979323846)) / (2 * log(s->base));
}

/* How much of the undivided frequency pair i keeps, 0..1. */
static double yarn_keep(const lq_rope_spec *s, size_t n_rot, size_t i) {
  double low = fmax(floor(yarn_pair(s, n_rot, s->beta_fast)), 0), high = fmin(ceil(yarn_pair(s, n_rot, s->beta_slow)), (double)n_rot - 1);
  double ramp = ((double)i - low) / fmax(high - low, 0.001);
  return 1 - fmin(fmax(ramp, 0), 1);
}

void lq_rope_table(float *table, size_t n_pos, size_t n_rot, const lq_rope_spec *spec, const float *factors) {
  for (size_t i = 0; i < n_rot / 2; i++) {
    double freq = pow(spec->base, -2.0 * (double)i / (double)n_rot), keep = spec->yarn ? yarn_keep(spec, n_rot, i) : 0;
    freq = keep * freq + (1 - keep) * freq / spec->scale;
    if (factors) freq /= (double)factors[i];
    for (size_t pos = 0; pos < n_pos; pos++) {
      double angle = (double)pos * freq;
      table[pos * n_rot + 2 * i] = (float)(cos(angle) * spec->magnitude);
      table[pos * n_rot + 2 * i + 1] = (float)(sin(angle) * spec->magnitude);
    }
  }
}

void lq_rope_apply(lq_rope_kind kind, float *x, size_t n_head, size_t d_head, size_t n_rot, const float *row) {
  size_t half = n_rot / 2;
  size_t step = kind == LQ_ROPE_PAIR ? 2 : 1, apart = kind == LQ_ROPE_PAIR ? 1 : half;
  for (size_t h = 0; h < n_head; h++, x += d_head) {
    for (size_t i = 0; i < half; i++) {
      float c = row[2 * i], s = row[2 * i + 1];
      float *a = x + i * step, *b = a + apart;
      float a0 = *a, b0 = *b;
      *a = a0 * c - b0 * s;
      *b = a0 * s + b0 * c;
    }
  }
}

uint32_t lq_t5_bucket(int64_t delta, bool bidirectional, uint32_t n_buckets, uint32_t max_distance) {
  uint32_t bucket = 0;
  if (bidirectional) {
    n_buckets /= 2;
    if (delta > 0) bucket = n_buckets;
  }
  uint64_t distance;
  if (bidirectional) distance = (uint64_t)(delta < 0 ? -delta : delta);
  else distance = delta < 0 ? (uint64_t)-delta : 0;
  uint32_t exact = n_buckets / 2;
  if (distance < exact) return bucket + (uint32_t)distance;
  /* float arithmetic as in the reference: the bucket edges depend on its rounding */
  float ratio = logf((float)distance / (float)exact) / (float)log((double)max_distance / (double)exact);
  uint32_t far = exact + (uint32_t)(ratio * (float)(n_buckets - exact));
  return bucket + (far < n_buckets - 1 ? far : n_buckets - 1);
}

void lq_t5_bias_table(float *table, int64_t first, size_t n_delta, const float *bias, size_t n_head, bool bidirectional,
                      uint32_t n_buckets, uint32_t max_distance) {
  for (size_t i = 0; i < n_delta; i++) {
    uint32_t b = lq_t5_bucket(first + (int64_t)i, bidirectional, n_buckets, max_distance);
    for (size_t h = 0; h < n_head; h++) table[h * n_delta + i] = bias[b * n_head + h];
  }
}

static double alibi_slope(size_t head, size_t n_head, double max_bias) {
  size_t power = 1;
  while (power * 2 <= n_head) power *= 2;
  if (head < power) return exp2(-max_bias * (double)(head + 1) / (double)power);
  return exp2(-max_bias * (double)(2 * (head - power) + 1) / (double)(2 * power));
}

void lq_alibi_table(float *table, int64_t first, size_t n_delta, size_t n_head, double max_bias) {
  for (size_t h = 0; h < n_head; h++) {
    double slope = alibi_slope(h, n_head, max_bias);
    for (size_t i = 0; i < n_delta; i++) table[h * n_delta + i] = (float)(-slope * fabs((double)(first + (int64_t)i)));
  }
}

void lq_sinusoid_add(lq_sinusoid_kind kind, float *x, size_t d, uint32_t pos) {
  size_t half = (d + 1) / 2;
  double span = kind == LQ_SIN_HALVES_INCLUSIVE ? (double)(half > 1 ? half - 1 : 1) : (double)d / 2;
  for (size_t i = 0; i < half; i++) {
    double angle = (double)pos * pow(10000.0, -(double)i / span);
    size_t at = kind == LQ_SIN_PAIRS ? 2 * i : i, next = kind == LQ_SIN_PAIRS ? at + 1 : half + i;
    x[at] += (float)sin(angle);
    if (next < d) x[next] += (float)cos(angle);
  }
}
