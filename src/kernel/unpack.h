/* One group of 32 weights of any quantised type as small integers: w[i] = a[i/16]*q[i] + b[i/16].
 * May call: quant. Layouts as in ggml. For `ref`; the vector tables decode packed rows in simd_quant.h. */
#ifndef LQ_UNPACK_H
#define LQ_UNPACK_H

#include "quant/quant.h"

#include <string.h>

typedef struct { float a[2], b[2]; int8_t q[32]; } lq_group;

static inline float lq_group_f16(const uint8_t *p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return lq_f16_to_f32(h);
}

/* Q4_0 Q4_1 Q5_0 Q5_1: nibbles, an optional minimum and an optional fifth bit; signed types are centred. */
static inline void lq_unpack_small(lq_group *o, const uint8_t *p, int has_min, int five) {
  const uint8_t *s = p + 2 + (has_min ? 2 : 0);
  uint32_t h = 0;
  if (five) memcpy(&h, s, 4), s += 4;
  int centre = has_min ? 0 : five ? 16 : 8;
  o->a[0] = o->a[1] = lq_group_f16(p);
  o->b[0] = o->b[1] = has_min ? lq_group_f16(p + 2) : 0.0f;
  for (int i = 0; i < 16; i++) {
    o->q[i] = (int8_t)((s[i] & 15) + (int)((h >> i & 1) << 4) - centre);
    o->q[i + 16] = (int8_t)((s[i] >> 4) + (int)((h >> (i + 16) & 1) << 4) - centre);
  }
}

static inline void lq_unpack_q2_k(lq_group *o, const lq_block_q2_k *w, size_t g) {
  float d = lq_group_f16((const uint8_t *)&w->d), m = lq_group_f16((const uint8_t *)&w->dmin);
  for (size_t i = 0; i < 2; i++) {
    o->a[i] = d * (float)(w->scales[2 * g + i] & 15);
    o->b[i] = -m * (float)(w->scales[2 * g + i] >> 4);
  }
  for (size_t i = 0; i < 32; i++) o->q[i] = (int8_t)(w->qs[g / 4 * 32 + i] >> 2 * (g % 4) & 3);
}

static inline void lq_unpack_q3_k(lq_group *o, const lq_block_q3_k *w, size_t g) {
  float d = lq_group_f16((const uint8_t *)&w->d);
  for (size_t i = 0; i < 2; i++) {
    size_t k = 2 * g + i;
    int low = k < 8 ? w->scales[k] & 15 : w->scales[k - 8] >> 4;
    o->a[i] = d * (float)((low | (w->scales[8 + k % 4] >> 2 * (k / 4) & 3) << 4) - 32);
    o->b[i] = 0;
  }
  for (size_t i = 0; i < 32; i++)
    o->q[i] = (int8_t)((w->qs[g / 4 * 32 + i] >> 2 * (g % 4) & 3) - (w->hmask[i] >> g & 1 ? 0 : 4));
}

/* Q4_K and Q5_K share the head of the block; qh is NULL for Q4_K. */
static inline void lq_unpack_q45_k(lq_group *o, const uint8_t *p, const uint8_t *qh, const uint8_t *qs, size_t g) {
  const uint8_t *s = p + 4;
  int sc = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | (s[g - 4] >> 6) << 4;
  int mn = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | (s[g] >> 6) << 4;
  o->a[0] = o->a[1] = lq_group_f16(p) * (float)sc;
  o->b[0] = o->b[1] = -lq_group_f16(p + 2) * (float)mn;
  for (size_t i = 0; i < 32; i++) {
    int q = qs[g / 2 * 32 + i] >> 4 * (g % 2) & 15;
    o->q[i] = (int8_t)(qh ? q | (qh[i] >> g & 1) << 4 : q);
  }
}

static inline void lq_unpack_q6_k(lq_group *o, const lq_block_q6_k *w, size_t g) {
  float d = lq_group_f16((const uint8_t *)&w->d);
  size_t h = g / 4, j = g % 4;
  for (size_t i = 0; i < 2; i++) o->a[i] = d * (float)w->scales[2 * g + i], o->b[i] = 0;
  for (size_t i = 0; i < 32; i++)
    o->q[i] = (int8_t)(((w->ql[h * 64 + (j & 1) * 32 + i] >> (j < 2 ? 0 : 4)) & 15) + (((w->qh[h * 32 + i] >> 2 * j) & 3) << 4) - 32);
}

/* Group g (32 values) of a row of type t. */
static inline void lq_unpack_group(lq_type t, lq_group *o, const uint8_t *row, size_t g) {
  const uint8_t *p;
  switch (t) {
    case LQ_Q8_0:
      p = row + g * 34;
      o->a[0] = o->a[1] = lq_group_f16(p);
      o->b[0] = o->b[1] = 0;
      memcpy(o->q, p + 2, 32);
      break;
    case LQ_Q4_0: lq_unpack_small(o, row + g * 18, 0, 0); break;
    case LQ_Q4_1: lq_unpack_small(o, row + g * 20, 1, 0); break;
    case LQ_Q5_0: lq_unpack_small(o, row + g * 22, 0, 1); break;
    case LQ_Q5_1: lq_unpack_small(o, row + g * 24, 1, 1); break;
    case LQ_Q2_K: { lq_block_q2_k b; memcpy(&b, row + g / 8 * 84, 84); lq_unpack_q2_k(o, &b, g % 8); break; }
    case LQ_Q3_K: { lq_block_q3_k b; memcpy(&b, row + g / 8 * 110, 110); lq_unpack_q3_k(o, &b, g % 8); break; }
    case LQ_Q4_K: p = row + g / 8 * 144; lq_unpack_q45_k(o, p, NULL, p + 16, g % 8); break;
    case LQ_Q5_K: p = row + g / 8 * 176; lq_unpack_q45_k(o, p, p + 16, p + 48, g % 8); break;
    case LQ_Q6_K: { lq_block_q6_k b; memcpy(&b, row + g / 8 * 210, 210); lq_unpack_q6_k(o, &b, g % 8); break; }
    default: memset(o, 0, sizeof *o); break;
  }
}

#define LQ_QUANT_TYPES(X) X(Q8_0) X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K)

#endif
