/* Interleaving rows, and back. May call: quant. Block layouts as in quant.h. */
#include "kernel/pack.h"

#include <string.h>

typedef struct field { uint8_t at, bytes, element; } field;
#define MOST_FIELDS 3

/* Codes go by four bytes, halves by two, scales by one. */
static const field *fields_of(lq_type t) {
  static const field q8_0[] = {{0, 2, 2}, {2, 32, 4}, {0, 0, 0}}, q4_0[] = {{0, 2, 2}, {2, 16, 4}, {0, 0, 0}},
                     q4_1[] = {{0, 4, 2}, {4, 16, 4}, {0, 0, 0}}, q5_0[] = {{0, 2, 2}, {2, 20, 4}, {0, 0, 0}},
                     q5_1[] = {{0, 4, 2}, {4, 20, 4}, {0, 0, 0}}, q2_k[] = {{0, 16, 1}, {16, 64, 4}, {80, 4, 2}},
                     q3_k[] = {{0, 96, 4}, {96, 12, 1}, {108, 2, 2}}, q4_k[] = {{0, 4, 2}, {4, 12, 1}, {16, 128, 4}},
                     q5_k[] = {{0, 4, 2}, {4, 12, 1}, {16, 160, 4}}, q6_k[] = {{0, 192, 4}, {192, 16, 1}, {208, 2, 2}};
  switch ((int)t) {
    case LQ_Q8_0: return q8_0;
    case LQ_Q4_0: return q4_0;
    case LQ_Q4_1: return q4_1;
    case LQ_Q5_0: return q5_0;
    case LQ_Q5_1: return q5_1;
    case LQ_Q2_K: return q2_k;
    case LQ_Q3_K: return q3_k;
    case LQ_Q4_K: return q4_k;
    case LQ_Q5_K: return q5_k;
    default: return q6_k;
  }
}

/* A constant size for each case lets the copies become single moves. */
static inline void interleave(uint8_t *dst, const uint8_t *const *rows, size_t group, size_t at, size_t bytes, size_t element) {
  for (size_t e = 0; e < bytes; e += element)
    for (size_t r = 0; r < group; r++, dst += element) memcpy(dst, rows[r] + at + e, element);
}

void lq_pack_block(lq_type t, size_t group, uint8_t *dst, const uint8_t *const *rows) {
  const field *f = fields_of(t);
  for (int i = 0; i < MOST_FIELDS; i++) {
    uint8_t *to = dst + group * f[i].at;
    if (f[i].element == 4) interleave(to, rows, group, f[i].at, f[i].bytes, 4);
    else if (f[i].element == 2) interleave(to, rows, group, f[i].at, f[i].bytes, 2);
    else if (f[i].element == 1) interleave(to, rows, group, f[i].at, f[i].bytes, 1);
  }
}

void lq_pack_rows(lq_type t, size_t group, void *w, void *tmp, size_t n_in) {
  const lq_type_info *info = lq_type_get((uint32_t)t);
  size_t n_blocks = n_in / info->block_values, row_bytes = n_blocks * info->block_bytes;
  const uint8_t *rows[LQ_MAX_GROUP];
  memcpy(tmp, w, group * row_bytes);
  for (size_t b = 0; b < n_blocks; b++) {
    for (size_t r = 0; r < group; r++) rows[r] = (const uint8_t *)tmp + r * row_bytes + b * info->block_bytes;
    lq_pack_block(t, group, (uint8_t *)w + b * group * info->block_bytes, rows);
  }
}

void lq_packed_row(lq_type t, size_t group, const void *w, size_t row, float *y, size_t n_in) {
  const lq_type_info *info = lq_type_get((uint32_t)t);
  const field *f = fields_of(t);
  uint8_t block[LQ_MAX_BLOCK_BYTES];
  for (size_t b = 0; b < n_in / info->block_values; b++) {
    const uint8_t *from = (const uint8_t *)w + b * group * info->block_bytes;
    for (int i = 0; i < MOST_FIELDS; i++)
      for (size_t e = 0; e < f[i].bytes; e += f[i].element)
        memcpy(block + f[i].at + e, from + group * (f[i].at + e) + row * f[i].element, f[i].element);
    lq_dequantize_row(t, block, y + b * info->block_values, info->block_values);
  }
}
