/* The table of tensor types: names and sizes.
 * May call: nothing. Numbers and names: GGUF specification, ggml_type. */
#include "quant/quant.h"

#define OURS(NAME, VALUES, BYTES, ENCODE) {NAME, VALUES, BYTES, ENCODE}
#define REFUSED(NAME) {NAME, 0, 0, false}

static const lq_type_info types[LQ_TYPE_COUNT] = {
    [LQ_F32] = OURS("F32", 1, sizeof(float), true),
    [LQ_F16] = OURS("F16", 1, sizeof(uint16_t), true),
    [LQ_Q4_0] = OURS("Q4_0", LQ_QK, sizeof(lq_block_q4_0), true),
    [LQ_Q4_1] = OURS("Q4_1", LQ_QK, sizeof(lq_block_q4_1), true),
    [4] = REFUSED("Q4_2"),
    [5] = REFUSED("Q4_3"),
    [LQ_Q5_0] = OURS("Q5_0", LQ_QK, sizeof(lq_block_q5_0), true),
    [LQ_Q5_1] = OURS("Q5_1", LQ_QK, sizeof(lq_block_q5_1), true),
    [LQ_Q8_0] = OURS("Q8_0", LQ_QK, sizeof(lq_block_q8_0), true),
    [9] = REFUSED("Q8_1"),
    [LQ_Q2_K] = OURS("Q2_K", LQ_QK_K, sizeof(lq_block_q2_k), false),
    [LQ_Q3_K] = OURS("Q3_K", LQ_QK_K, sizeof(lq_block_q3_k), false),
    [LQ_Q4_K] = OURS("Q4_K", LQ_QK_K, sizeof(lq_block_q4_k), true),
    [LQ_Q5_K] = OURS("Q5_K", LQ_QK_K, sizeof(lq_block_q5_k), false),
    [LQ_Q6_K] = OURS("Q6_K", LQ_QK_K, sizeof(lq_block_q6_k), true),
    [15] = REFUSED("Q8_K"),
    [16] = REFUSED("IQ2_XXS"),
    [17] = REFUSED("IQ2_XS"),
    [18] = REFUSED("IQ3_XXS"),
    [19] = REFUSED("IQ1_S"),
    [20] = REFUSED("IQ4_NL"),
    [21] = REFUSED("IQ3_S"),
    [22] = REFUSED("IQ2_S"),
    [23] = REFUSED("IQ4_XS"),
    [24] = REFUSED("I8"),
    [25] = REFUSED("I16"),
    [26] = REFUSED("I32"),
    [27] = REFUSED("I64"),
    [28] = REFUSED("F64"),
    [29] = REFUSED("IQ1_M"),
    [LQ_BF16] = OURS("BF16", 1, sizeof(uint16_t), true),
    [31] = REFUSED("Q4_0_4_4"),
    [32] = REFUSED("Q4_0_4_8"),
    [33] = REFUSED("Q4_0_8_8"),
    [34] = REFUSED("TQ1_0"),
    [35] = REFUSED("TQ2_0"),
    [36] = REFUSED("IQ4_NL_4_4"),
    [37] = REFUSED("IQ4_NL_4_8"),
    [38] = REFUSED("IQ4_NL_8_8"),
    [39] = REFUSED("MXFP4"),
    [40] = REFUSED("NVFP4"),
    [41] = REFUSED("Q1_0"),
};

const lq_type_info *lq_type_get(uint32_t type) {
  static const lq_type_info nobody = {0};
  return type < LQ_TYPE_COUNT ? &types[type] : &nobody;
}

static char upper(char c) {
  return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static bool same_name(const char *a, const char *b) {
  while (*a && upper(*a) == upper(*b)) a++, b++;
  return !*a && !*b;
}

bool lq_type_by_name(const char *name, lq_type *out) {
  for (uint32_t i = 0; i < LQ_TYPE_COUNT; i++) {
    if (!types[i].name || !same_name(types[i].name, name)) continue;
    *out = (lq_type)i;
    return true;
  }
  return false;
}

bool lq_row_bytes(lq_type t, uint64_t n, uint64_t *out) {
  const lq_type_info *ti = lq_type_get((uint32_t)t);
  if (!ti->block_bytes || n % ti->block_values) return false;
  uint64_t blocks = n / ti->block_values;
  if (blocks > UINT64_MAX / ti->block_bytes) return false;
  *out = blocks * ti->block_bytes;
  return true;
}
