/* Encoding floats: weights to files, activations for the integer kernels.
 * May call: nothing. Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 bit-equal to gguf-py's quants.py; the K types in quant_k.c. */
#include "quant/quant.h"
#include "quant/quant_k.h"

#include <string.h>

/* Truncates and clips as the reference does; a scale so small that its inverse is infinite gives 0 here, not a trap. */
static uint8_t to_code(float v, int max) {
  return v >= (float)max ? (uint8_t)max : v > 0 ? (uint8_t)v : 0;
}

/* The value farthest from zero, with its sign; the first of equals. */
static float extreme(const float *x) {
  float best = x[0], size = -1;
  for (int i = 0; i < LQ_QK; i++) {
    float a = x[i] < 0 ? -x[i] : x[i];
    if (a > size) {
      size = a;
      best = x[i];
    }
  }
  return best;
}

static void range(const float *x, float *lo, float *hi) {
  *lo = *hi = x[0];
  for (int i = 1; i < LQ_QK; i++) {
    if (x[i] < *lo) *lo = x[i];
    if (x[i] > *hi) *hi = x[i];
  }
}

static float inverse(float d) {
  return d == 0 ? 0 : 1 / d;
}

static void pack_nibbles(const uint8_t *q, uint8_t *qs) {
  for (int i = 0; i < 16; i++) qs[i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

static void pack_fifth(const uint8_t *q, uint8_t *qh) {
  memset(qh, 0, 4);
  for (int i = 0; i < LQ_QK; i++) qh[i / 8] = (uint8_t)(qh[i / 8] | (q[i] >> 4) << (i % 8));
}

/* Codes 0..max around the middle: x = d * (q - zero); the extreme lands on code 0. */
static float codes_signed(const float *x, int zero, uint8_t *q) {
  float d = extreme(x) / (float)-zero, id = inverse(d);
  for (int i = 0; i < LQ_QK; i++) q[i] = to_code(x[i] * id + ((float)zero + 0.5f), 2 * zero - 1);
  return d;
}

/* Codes 0..max above a minimum: x = d * q + m. */
static float codes_min(const float *x, int max, uint8_t *q, float *m) {
  float lo, hi;
  range(x, &lo, &hi);
  float d = (hi - lo) / (float)max, id = inverse(d);
  for (int i = 0; i < LQ_QK; i++) q[i] = to_code((x[i] - lo) * id + 0.5f, max);
  *m = lo;
  return d;
}

static void encode_q4_0(const float *x, uint8_t *out) {
  lq_block_q4_0 b;
  uint8_t q[LQ_QK];
  b.d = lq_f32_to_f16(codes_signed(x, 8, q));
  pack_nibbles(q, b.qs);
  memcpy(out, &b, sizeof b);
}

static void encode_q5_0(const float *x, uint8_t *out) {
  lq_block_q5_0 b;
  uint8_t q[LQ_QK];
  b.d = lq_f32_to_f16(codes_signed(x, 16, q));
  pack_nibbles(q, b.qs);
  pack_fifth(q, b.qh);
  memcpy(out, &b, sizeof b);
}

static void encode_q4_1(const float *x, uint8_t *out) {
  lq_block_q4_1 b;
  uint8_t q[LQ_QK];
  float m;
  b.d = lq_f32_to_f16(codes_min(x, 15, q, &m));
  b.m = lq_f32_to_f16(m);
  pack_nibbles(q, b.qs);
  memcpy(out, &b, sizeof b);
}

static void encode_q5_1(const float *x, uint8_t *out) {
  lq_block_q5_1 b;
  uint8_t q[LQ_QK];
  float m;
  b.d = lq_f32_to_f16(codes_min(x, 31, q, &m));
  b.m = lq_f32_to_f16(m);
  pack_nibbles(q, b.qs);
  pack_fifth(q, b.qh);
  memcpy(out, &b, sizeof b);
}

/* Half away from zero, as the format's reference; activations below round to even. */
static int8_t round_away(float v) {
  float a = v < 0 ? -v : v;
  if (!(a < 127)) a = 127;
  int whole = (int)a;
  if (a - (float)whole >= 0.5f) whole++;
  return (int8_t)(v < 0 ? -whole : whole);
}

static void encode_q8_0(const float *x, uint8_t *out) {
  lq_block_q8_0 b;
  float max = extreme(x);
  float d = (max < 0 ? -max : max) / 127, id = inverse(d);
  b.d = lq_f32_to_f16(d);
  for (int i = 0; i < LQ_QK; i++) b.qs[i] = round_away(x[i] * id);
  memcpy(out, &b, sizeof b);
}

static void encode_q4_k(const float *x, uint8_t *out) {
  lq_block_q4_k b;
  lq_encode_q4_k(x, &b);
  memcpy(out, &b, sizeof b);
}

static void encode_q6_k(const float *x, uint8_t *out) {
  lq_block_q6_k b;
  lq_encode_q6_k(x, &b);
  memcpy(out, &b, sizeof b);
}

static void encode_halves(const float *x, uint8_t *out, size_t n, uint16_t (*one)(float)) {
  for (size_t i = 0; i < n; i++) {
    uint16_t h = one(x[i]);
    memcpy(out + 2 * i, &h, sizeof h);
  }
}

void lq_quantize_row(lq_type t, const float *x, void *row, size_t n) {
  void (*encode)(const float *, uint8_t *) = NULL;
  switch ((int)t) {
    case LQ_F32: memcpy(row, x, n * sizeof *x); return;
    case LQ_F16: encode_halves(x, row, n, lq_f32_to_f16); return;
    case LQ_BF16: encode_halves(x, row, n, lq_f32_to_bf16); return;
    case LQ_Q4_0: encode = encode_q4_0; break;
    case LQ_Q4_1: encode = encode_q4_1; break;
    case LQ_Q5_0: encode = encode_q5_0; break;
    case LQ_Q5_1: encode = encode_q5_1; break;
    case LQ_Q8_0: encode = encode_q8_0; break;
    case LQ_Q4_K: encode = encode_q4_k; break;
    case LQ_Q6_K: encode = encode_q6_k; break;
    default: return;
  }
  const lq_type_info *ti = lq_type_get((uint32_t)t);
  for (size_t i = 0; i < n / ti->block_values; i++)
    encode(x + i * ti->block_values, (uint8_t *)row + i * ti->block_bytes);
}

void lq_quantize_q8a(const float *x, lq_q8a *y, size_t n) {
  for (size_t k = 0; k < n / LQ_QK; k++, x += LQ_QK, y++) {
    float max = 0;
    bool finite = true;
    for (int i = 0; i < LQ_QK; i++) {
      float a = x[i] < 0 ? -x[i] : x[i];
      if (a > max) max = a;
      if (!(a <= 0x1.fffffep127f)) finite = false;
    }
    memset(y, 0, sizeof *y);
    if (!finite) {
      uint32_t nan = 0x7FC00000u;
      memcpy(&y->d, &nan, sizeof nan);
      continue;
    }
    if (max < 0x1p-119f) continue; /* 127 / max would be infinite */
    float id = 127 / max;
    y->d = max / 127;
    for (int i = 0; i < LQ_QK; i++) {
      /* Adding 1.5 * 2^23 drops the fraction, rounding to even. */
      int q = (int)((x[i] * id + 0x1.8p23f) - 0x1.8p23f);
      y->qs[i] = (int8_t)q;
      y->s[i / 16] = (int16_t)(y->s[i / 16] + q);
    }
  }
}
