/* Which table runs: the list, the choice and the self-test. May call: kernel tables, quant, libm. */
#include "kernel/pack.h"
#include "kernel/tables.h"

#include <math.h>
#include <string.h>

/* Best first. A table that lacks an entry is not listed: each is complete by itself. */
static const lq_kernels *(*const tables[])(void) = {
#if defined(__x86_64__)
    lq_kernels_avx512vnni, lq_kernels_avxvnni, lq_kernels_avx2,
#elif defined(__wasm_relaxed_simd__)
    lq_kernels_wasmrelaxed, lq_kernels_wasm128,
#elif defined(__wasm_simd128__)
    lq_kernels_wasm128,
#endif
    lq_kernels_ref};

size_t lq_kernels_list(const lq_kernels **out, size_t cap) {
  size_t n = 0;
  for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && n < cap; i++) {
    const lq_kernels *k = tables[i]();
    if (k) out[n++] = k;
  }
  return n;
}

const lq_kernels *lq_kernels_select(const char *name) {
  const lq_kernels *have[8];
  size_t n = lq_kernels_list(have, 8);
  for (size_t i = 0; i < n; i++)
    if (!name || strcmp(have[i]->name, name) == 0) return have[i];
  return NULL;
}

#define TEST_IN 256
#define TEST_ROWS 17 /* a whole group of every table, and one more */
#define TEST_X 3

/* Values in [-1, 1) from a fixed sequence. */
static float value(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return (float)(int32_t)*state * 0x1.0p-31f;
}

/* Fills a row with bytes that decode to finite numbers: encoded values where we can encode, else small scales over any bits. */
static void make_row(lq_type t, uint8_t *row, size_t bytes, const float *x) {
  const lq_type_info *info = lq_type_get((uint32_t)t);
  if (info->can_encode) {
    lq_quantize_row(t, x, row, TEST_IN);
    return;
  }
  for (size_t i = 0; i < bytes; i++) row[i] = (uint8_t)(37 * i + 11);
  uint16_t half = lq_f32_to_f16(0.01f);
  size_t at = t == LQ_Q2_K ? 80 : t == LQ_Q3_K ? 108 : 0;
  memcpy(row + at, &half, 2);
  if (t != LQ_Q3_K) memcpy(row + at + 2, &half, 2);
}

typedef struct matmul_case {
  uint8_t w[TEST_ROWS][TEST_IN * 4];
  float x[TEST_X][TEST_IN], want[TEST_X][TEST_ROWS];
  double scale[TEST_X][TEST_ROWS]; /* sum |w x| */
  lq_q8a q[TEST_X][TEST_IN / LQ_QK];
  size_t row_bytes;
  const void *in;
  size_t stride;
} matmul_case;

static void make_case(matmul_case *c, lq_type t) {
  float wide[TEST_IN];
  uint64_t bytes = 0;
  uint32_t seed = 7;
  bool floats = t == LQ_F32 || t == LQ_F16 || t == LQ_BF16;
  lq_row_bytes(t, TEST_IN, &bytes);
  c->row_bytes = (size_t)bytes;
  for (int r = 0; r < TEST_X; r++) {
    for (int j = 0; j < TEST_IN; j++) c->x[r][j] = value(&seed);
    lq_quantize_q8a(c->x[r], c->q[r], TEST_IN);
  }
  uint8_t *rows = &c->w[0][0]; /* rows one after the other, as packing wants them */
  for (size_t i = 0; i < TEST_ROWS; i++) {
    for (int j = 0; j < TEST_IN; j++) wide[j] = value(&seed);
    make_row(t, rows + i * c->row_bytes, c->row_bytes, wide);
    lq_dequantize_row(t, rows + i * c->row_bytes, wide, TEST_IN);
    for (int r = 0; r < TEST_X; r++) {
      c->scale[r][i] = 0;
      for (int j = 0; j < TEST_IN; j++) c->scale[r][i] += fabs((double)wide[j] * (double)c->x[r][j]);
    }
  }
  c->in = floats ? (const void *)c->x : (const void *)c->q;
  c->stride = floats ? sizeof(c->x[0]) : sizeof(c->q[0]);
  lq_kernels_ref()->matmul[t](&c->want[0][0], TEST_ROWS, rows, c->row_bytes, TEST_ROWS, c->in, c->stride, TEST_X, TEST_IN);
}

/* The first n_rows rows by fn, all rows of x at once and the first one alone. */
static bool same_product(const matmul_case *c, lq_matmul_fn fn, size_t n_rows) {
  float y[TEST_X][TEST_ROWS], one[TEST_ROWS];
  fn(&y[0][0], TEST_ROWS, c->w, c->row_bytes, n_rows, c->in, c->stride, TEST_X, TEST_IN);
  fn(one, TEST_ROWS, c->w, c->row_bytes, n_rows, c->in, c->stride, 1, TEST_IN);
  for (size_t r = 0; r < TEST_X; r++)
    for (size_t i = 0; i < n_rows; i++)
      if (!(fabs((double)y[r][i] - (double)c->want[r][i]) <= 2e-5 * c->scale[r][i])) return false;
  return memcmp(one, y[0], n_rows * sizeof(float)) == 0;
}

static bool same_matmul(const lq_kernels *k, lq_type t) {
  matmul_case c;
  float a[TEST_IN], b[TEST_IN];
  uint8_t tmp[LQ_MAX_GROUP * TEST_IN * 2]; /* only block types are packed */
  make_case(&c, t);
  if (!same_product(&c, k->matmul[t], TEST_ROWS)) return false;
  size_t group = k->repack_rows[t];
  if (!group) return true;
  lq_dequantize_row(t, &c.w[0][0] + c.row_bytes, a, TEST_IN);
  k->pack[t](c.w, tmp, TEST_IN);
  k->unpack_row[t](c.w, 1, b, TEST_IN);
  return memcmp(a, b, sizeof(a)) == 0 && same_product(&c, k->matmul_packed[t], group);
}

static bool near_all(const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!(fabsf(a[i] - b[i]) <= 1e-5f + 1e-5f * fabsf(b[i]))) return false;
  return true;
}

static const char *differing_vector(const lq_kernels *k) {
  const lq_kernels *ref = lq_kernels_ref();
  float x[TEST_IN], a[TEST_IN], b[TEST_IN];
  lq_q8a qa[TEST_IN / LQ_QK], qb[TEST_IN / LQ_QK];
  uint32_t seed = 3;
  for (int i = 0; i < TEST_IN; i++) x[i] = 4 * value(&seed);
  k->quantize(x, qa, TEST_IN);
  ref->quantize(x, qb, TEST_IN);
  if (memcmp(qa, qb, sizeof(qa)) != 0) return "quantize";
  memcpy(a, x, sizeof(a)), memcpy(b, x, sizeof(b));
  k->softmax(a, TEST_IN), ref->softmax(b, TEST_IN);
  if (!near_all(a, b, TEST_IN)) return "softmax";
  k->rmsnorm(a, x, x, TEST_IN, 1e-6f), ref->rmsnorm(b, x, x, TEST_IN, 1e-6f);
  if (!near_all(a, b, TEST_IN)) return "rmsnorm";
  k->layernorm(a, x, x, x, TEST_IN, 1e-6f), ref->layernorm(b, x, x, x, TEST_IN, 1e-6f);
  if (!near_all(a, b, TEST_IN)) return "layernorm";
  memset(a, 0, sizeof(a)), memset(b, 0, sizeof(b));
  k->weighted_sum(a, 16, x, 1, 5, x, 16, 15, 16), ref->weighted_sum(b, 16, x, 1, 5, x, 16, 15, 16);
  if (!near_all(a, b, 5 * 16)) return "weighted_sum";
  k->scores(a, 19, x, 12, 5, x, 12, 19, 11), ref->scores(b, 19, x, 12, 5, x, 12, 19, 11);
  if (!near_all(a, b, 5 * 19)) return "scores";
  double sum = ref->sum_exp(x, TEST_IN, 4);
  if (!(fabs(k->sum_exp(x, TEST_IN, 4) - sum) <= 1e-6 * sum)) return "sum_exp";
  for (int act = LQ_ACT_NONE; act <= LQ_ACT_TANH; act++) {
    memcpy(a, x, sizeof(a)), memcpy(b, x, sizeof(b));
    k->activate(act, a, x, TEST_IN), ref->activate(act, b, x, TEST_IN);
    if (!near_all(a, b, TEST_IN)) return "activate";
  }
  return NULL;
}

const char *lq_kernels_selftest(const lq_kernels *k) {
  static const struct { lq_type type; const char *entry; } types[] = {
      {LQ_F32, "matmul F32"}, {LQ_F16, "matmul F16"}, {LQ_BF16, "matmul BF16"}, {LQ_Q8_0, "matmul Q8_0"}, {LQ_Q4_0, "matmul Q4_0"},
      {LQ_Q4_1, "matmul Q4_1"}, {LQ_Q5_0, "matmul Q5_0"}, {LQ_Q5_1, "matmul Q5_1"}, {LQ_Q2_K, "matmul Q2_K"}, {LQ_Q3_K, "matmul Q3_K"},
      {LQ_Q4_K, "matmul Q4_K"}, {LQ_Q5_K, "matmul Q5_K"}, {LQ_Q6_K, "matmul Q6_K"}};
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
    if (!same_matmul(k, types[i].type)) return types[i].entry;
  return differing_vector(k);
}

const lq_kernels *lq_kernels_first_good(const lq_kernels *const *list, size_t n, const char **wrong) {
  *wrong = NULL;
  for (size_t i = 0; i < n; i++) {
    const char *entry = lq_kernels_selftest(list[i]);
    if (!entry) return list[i];
    *wrong = entry;
  }
  return NULL;
}
