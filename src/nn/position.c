/* Rotary and relative positions. May call: math. */
#include "nn/position.h"

#include <math.h>

void lq_rope_table(float *table, size_t n_pos, size_t n_rot, double base, double scale, const float *factors) {
  for (size_t i = 0; i < n_rot / 2; i++) {
    double freq = pow(base, -2.0 * (double)i / (double)n_rot) / scale;
    if (factors) freq /= (double)factors[i];
    for (size_t pos = 0; pos < n_pos; pos++) {
      double angle = (double)pos * freq;
      table[pos * n_rot + 2 * i] = (float)cos(angle);
      table[pos * n_rot + 2 * i + 1] = (float)sin(angle);
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
