/* Half floats, and every block type decoded to float: the meaning of the bits.
 * May call: nothing. Bit-exact with gguf-py's quants.py: the same products in the same order. */
#include "quant/quant.h"

#include <string.h>

static float from_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

static uint32_t to_bits(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

float lq_f16_to_f32(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, mag = (uint32_t)(h & 0x7FFFu) << 13;
  if (mag >= 0x0F800000u) return from_bits(sign | 0x70000000u | mag); /* infinity, NaN */
  /* The product re-biases the exponent and normalises subnormals, exactly. */
  return from_bits(sign | to_bits(from_bits(mag) * 0x1p112f));
}

uint16_t lq_f32_to_f16(float f) {
  uint32_t u = to_bits(f), sign = u >> 16 & 0x8000u, mag = u & 0x7FFFFFFFu;
  if (mag > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | (mag >> 13 & 0x3FFu));
  if (mag >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* rounds to 65536 or more */
  /* Below 2^-14 the sum with 0.5 lets the FPU round at the last subnormal bit. */
  if (mag < 0x38800000u) return (uint16_t)(sign | (to_bits(from_bits(mag) + 0.5f) - 0x3F000000u));
  return (uint16_t)(sign | ((mag - 0x38000000u + 0xFFFu + (mag >> 13 & 1u)) >> 13));
}

float lq_bf16_to_f32(uint16_t h) {
  return from_bits((uint32_t)h << 16);
}

uint16_t lq_f32_to_bf16(float f) {
  uint32_t u = to_bits(f);
  if ((u & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(u >> 16 | 0x40u);
  return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1u)) >> 16);
}

static void decode_f16(const uint8_t *p, float *y, size_t n, float (*one)(uint16_t)) {
  for (size_t i = 0; i < n; i++) {
    uint16_t h;
    memcpy(&h, p + 2 * i, sizeof h);
    y[i] = one(h);
  }
}

static void decode_q4_0(const void *p, float *y) {
  lq_block_q4_0 b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d);
  for (int i = 0; i < 16; i++) {
    y[i] = d * (float)((b.qs[i] & 15) - 8);
    y[i + 16] = d * (float)((b.qs[i] >> 4) - 8);
  }
}

static void decode_q4_1(const void *p, float *y) {
  lq_block_q4_1 b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d), m = lq_f16_to_f32(b.m);
  for (int i = 0; i < 16; i++) {
    y[i] = d * (float)(b.qs[i] & 15) + m;
    y[i + 16] = d * (float)(b.qs[i] >> 4) + m;
  }
}

/* The i-th of 32 five-bit values: low halves in nibbles, fifth bits together. */
static int five_bits(const uint8_t *qs, const uint8_t *qh, int i) {
  int low = i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
  return low | (qh[i / 8] >> (i % 8) & 1) << 4;
}

static void decode_q5_0(const void *p, float *y) {
  lq_block_q5_0 b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d);
  for (int i = 0; i < LQ_QK; i++) y[i] = d * (float)(five_bits(b.qs, b.qh, i) - 16);
}

static void decode_q5_1(const void *p, float *y) {
  lq_block_q5_1 b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d), m = lq_f16_to_f32(b.m);
  for (int i = 0; i < LQ_QK; i++) y[i] = d * (float)five_bits(b.qs, b.qh, i) + m;
}

static void decode_q8_0(const void *p, float *y) {
  lq_block_q8_0 b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d);
  for (int i = 0; i < LQ_QK; i++) y[i] = (float)b.qs[i] * d;
}

/* The i-th of 256 two-bit values of Q2_K and Q3_K: two halves, each four planes of 32. */
static int two_bits(const uint8_t *qs, int i) {
  return qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

static void decode_q2_k(const void *p, float *y) {
  lq_block_q2_k b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d), dmin = lq_f16_to_f32(b.dmin);
  for (int s = 0; s < 16; s++) {
    float dl = d * (float)(b.scales[s] & 15), ml = dmin * (float)(b.scales[s] >> 4);
    for (int i = s * 16; i < s * 16 + 16; i++) y[i] = dl * (float)two_bits(b.qs, i) - ml;
  }
}

static void decode_q3_k(const void *p, float *y) {
  lq_block_q3_k b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d);
  for (int s = 0; s < 16; s++) {
    int low = s < 8 ? b.scales[s] & 15 : b.scales[s - 8] >> 4;
    int scale = low | (b.scales[8 + s % 4] >> (s / 4 * 2) & 3) << 4;
    float dl = d * (float)(scale - 32);
    for (int i = s * 16; i < s * 16 + 16; i++) {
      int high = b.hmask[i % 32] >> (i / 32) & 1; /* set: nothing taken away */
      y[i] = dl * (float)(two_bits(b.qs, i) - (high ? 0 : 4));
    }
  }
}

/* Scale and minimum s (0..7) of Q4_K and Q5_K, six bits each. */
static void scale_min(const uint8_t *packed, int s, int *scale, int *min) {
  if (s < 4) {
    *scale = packed[s] & 63;
    *min = packed[s + 4] & 63;
  } else {
    *scale = (packed[s + 4] & 15) | (packed[s - 4] >> 6) << 4;
    *min = packed[s + 4] >> 4 | (packed[s] >> 6) << 4;
  }
}

static void decode_q4_k(const void *p, float *y) {
  lq_block_q4_k b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d), dmin = lq_f16_to_f32(b.dmin);
  for (int s = 0; s < 8; s++) {
    int scale, min;
    scale_min(b.scales, s, &scale, &min);
    float dl = d * (float)scale, ml = dmin * (float)min;
    for (int i = 0; i < 32; i++) {
      int q = b.qs[s / 2 * 32 + i] >> (s % 2 * 4) & 15;
      y[s * 32 + i] = dl * (float)q - ml;
    }
  }
}

static void decode_q5_k(const void *p, float *y) {
  lq_block_q5_k b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d), dmin = lq_f16_to_f32(b.dmin);
  for (int s = 0; s < 8; s++) {
    int scale, min;
    scale_min(b.scales, s, &scale, &min);
    float dl = d * (float)scale, ml = dmin * (float)min;
    for (int i = 0; i < 32; i++) {
      int q = (b.qs[s / 2 * 32 + i] >> (s % 2 * 4) & 15) | (b.qh[i] >> s & 1) << 4;
      y[s * 32 + i] = dl * (float)q - ml;
    }
  }
}

static void decode_q6_k(const void *p, float *y) {
  lq_block_q6_k b;
  memcpy(&b, p, sizeof b);
  float d = lq_f16_to_f32(b.d);
  for (int i = 0; i < LQ_QK_K; i++) {
    int half = i / 128, at = i % 128;
    int low = b.ql[half * 64 + at % 64] >> (at / 64 * 4) & 15;
    int high = b.qh[half * 32 + at % 32] >> (at / 32 * 2) & 3;
    y[i] = (d * (float)b.scales[i / 16]) * (float)((low | high << 4) - 32);
  }
}

void lq_dequantize_row(lq_type t, const void *row, float *y, size_t n) {
  void (*decode)(const void *, float *) = NULL;
  switch (t) {
    case LQ_F32: memcpy(y, row, n * sizeof *y); return;
    case LQ_F16: decode_f16(row, y, n, lq_f16_to_f32); return;
    case LQ_BF16: decode_f16(row, y, n, lq_bf16_to_f32); return;
    case LQ_Q4_0: decode = decode_q4_0; break;
    case LQ_Q4_1: decode = decode_q4_1; break;
    case LQ_Q5_0: decode = decode_q5_0; break;
    case LQ_Q5_1: decode = decode_q5_1; break;
    case LQ_Q8_0: decode = decode_q8_0; break;
    case LQ_Q2_K: decode = decode_q2_k; break;
    case LQ_Q3_K: decode = decode_q3_k; break;
    case LQ_Q4_K: decode = decode_q4_k; break;
    case LQ_Q5_K: decode = decode_q5_k; break;
    case LQ_Q6_K: decode = decode_q6_k; break;
    case LQ_TYPE_COUNT: return;
  }
  const lq_type_info *ti = lq_type_get((uint32_t)t);
  if (!decode) return;
  for (size_t i = 0; i < n / ti->block_values; i++)
    decode((const uint8_t *)row + i * ti->block_bytes, y + i * ti->block_values);
}
