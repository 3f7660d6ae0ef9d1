/* quant: bit parity with the Python package gguf (tests/data/quant.bin), and the qualities of our own encoders. */
#include "base/arena.h"
#include "base/bytes.h"
#include "quant/quant.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>

static uint32_t bits(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

/* Reads tests/data/quant.bin into the arena; false if it is not there. */
static bool load(lq_arena *a, lq_bytes *b) {
  char path[512];
  snprintf(path, sizeof path, "%s/data/quant.bin", lq_test_dir());
  FILE *f = fopen(path, "rb");
  if (!f) return false;
  uint8_t *p = lq_arena_take(a, 1 << 20, 1);
  size_t n = p ? fread(p, 1, 1 << 20, f) : 0;
  fclose(f);
  *b = (lq_bytes){p, n, 0};
  uint32_t magic = 0;
  return lq_read_u32(b, &magic) && magic == 0x5651514Cu;
}

typedef struct record {
  uint32_t type, encode, values, bytes;
  const uint8_t *x, *raw;
} record;

static bool next_record(lq_bytes *b, record *r) {
  return lq_read_u32(b, &r->type) && lq_read_u32(b, &r->encode) && lq_read_u32(b, &r->values) &&
         lq_read_u32(b, &r->bytes) && lq_read_skip(b, 4ull * r->values, &r->x) && lq_read_skip(b, r->bytes, &r->raw);
}

/* First differing byte or value, -1 if none. Rows start at an odd address: any alignment must do. */
static long differs(const record *r, lq_arena *a) {
  if (r->encode) {
    float *x = LQ_TAKE(a, float, r->values);
    uint8_t *out = LQ_TAKE(a, uint8_t, r->bytes + 1);
    memcpy(x, r->x, 4ull * r->values);
    lq_quantize_row((lq_type)r->type, x, out + 1, r->values);
    for (uint32_t i = 0; i < r->bytes; i++)
      if (out[i + 1] != r->raw[i]) return (long)i;
    return -1;
  }
  float *y = LQ_TAKE(a, float, r->values);
  uint8_t *in = LQ_TAKE(a, uint8_t, r->bytes + 1);
  memcpy(in + 1, r->raw, r->bytes);
  lq_dequantize_row((lq_type)r->type, in + 1, y, r->values);
  for (uint32_t i = 0; i < r->values; i++)
    if (bits(y[i]) != lq_load_u32(r->x + 4 * i)) return (long)i;
  return -1;
}

TEST(quant_equals_gguf_package) {
  lq_arena a;
  lq_arena_growing(&a, 1 << 16);
  lq_bytes b;
  uint32_t n = 0, seen = 0;
  char wrong[160] = "";
  bool there = load(&a, &b) && lq_read_u32(&b, &n);
  record r;
  while (there && !wrong[0] && seen < n && next_record(&b, &r)) {
    long at = differs(&r, &a);
    if (at >= 0)
      snprintf(wrong, sizeof wrong, "record %u: %s %s differs at %ld of %u", seen, lq_type_get(r.type)->name,
               r.encode ? "encode" : "decode", at, r.encode ? r.bytes : r.values);
    seen++;
  }
  lq_arena_free(&a);
  CHECK_MSG(there, "tests/data/quant.bin is missing: tests/parity/quant_vectors.py writes it");
  CHECK_STR(wrong, "");
  CHECK(seen == n && n >= 20);
}

TEST(quant_f16_round_trips_every_number) {
  for (uint32_t h = 0; h < 65536; h++) {
    float f = lq_f16_to_f32((uint16_t)h), g = lq_bf16_to_f32((uint16_t)h);
    if (isnan(f)) CHECK(isnan(lq_f16_to_f32(lq_f32_to_f16(f))));
    else CHECK_MSG(lq_f32_to_f16(f) == h, "f16 %04x", h);
    if (isnan(g)) CHECK(isnan(lq_bf16_to_f32(lq_f32_to_bf16(g))));
    else CHECK_MSG(lq_f32_to_bf16(g) == h, "bf16 %04x", h);
  }
  CHECK(lq_f32_to_f16(65519.996f) == 0x7BFF && lq_f32_to_f16(65520.0f) == 0x7C00);
  CHECK(lq_f32_to_f16(0x1p-25f) == 0 && lq_f32_to_f16(0x1.8p-24f) == 2); /* ties to even */
}

TEST(quant_names_every_type) {
  lq_type t;
  CHECK_STR(lq_type_get(12)->name, "Q4_K");
  CHECK_STR(lq_type_get(16)->name, "IQ2_XXS");
  CHECK(lq_type_get(16)->block_bytes == 0);
  CHECK(lq_type_get(50)->name == NULL && lq_type_get(4000000000u)->name == NULL);
  CHECK(lq_type_by_name("q8_0", &t) && t == LQ_Q8_0);
  CHECK(lq_type_by_name("Bf16", &t) && t == LQ_BF16);
  CHECK(!lq_type_by_name("", &t) && !lq_type_by_name("q8_", &t) && !lq_type_by_name("q8_00", &t));
}

TEST(quant_row_bytes_refuses_what_it_cannot_lay_out) {
  uint64_t n;
  CHECK(lq_row_bytes(LQ_Q4_K, 512, &n) && n == 288);
  CHECK(lq_row_bytes(LQ_F32, 3, &n) && n == 12);
  CHECK(!lq_row_bytes(LQ_Q4_K, 128, &n));
  CHECK(!lq_row_bytes(LQ_F32, UINT64_MAX / 2, &n));
  CHECK(!lq_row_bytes((lq_type)9, 32, &n));
}

static float sample(uint32_t *seed) {
  float sum = 0;
  for (int i = 0; i < 4; i++) {
    *seed = *seed * 1664525u + 1013904223u;
    sum += (float)(*seed >> 8) / 16777216.0f - 0.5f;
  }
  return sum;
}

/* Root mean square error of encoding, over the values' own. */
static double loss(lq_type t, const float *x, size_t n) {
  static uint8_t row[4 * 4096];
  static float y[4096];
  lq_quantize_row(t, x, row, n);
  lq_dequantize_row(t, row, y, n);
  double e = 0, s = 0;
  for (size_t i = 0; i < n; i++) {
    e += ((double)y[i] - (double)x[i]) * ((double)y[i] - (double)x[i]);
    s += (double)x[i] * (double)x[i];
  }
  return s > 0 ? sqrt(e / s) : sqrt(e);
}

TEST(quant_k_types_lose_less) {
  static float x[4096];
  uint32_t seed = 7;
  for (int i = 0; i < 4096; i++) x[i] = sample(&seed);
  double q4_0 = loss(LQ_Q4_0, x, 4096), q4_k = loss(LQ_Q4_K, x, 4096), q6_k = loss(LQ_Q6_K, x, 4096);
  CHECK_MSG(q4_k < 0.85 * q4_0 && q4_k < 0.075, "Q4_K %f, Q4_0 %f", q4_k, q4_0);
  CHECK_MSG(q6_k < 0.02, "Q6_K %f", q6_k);
  for (int i = 0; i < 4096; i++) x[i] = x[i] * 0.1f + 1; /* all positive: the minimum cannot be used */
  CHECK_MSG(loss(LQ_Q4_K, x, 4096) < 0.04, "%f", loss(LQ_Q4_K, x, 4096));
}

TEST(quant_k_types_bear_odd_blocks) {
  static float x[512];
  const float fills[] = {0, 1, -1, 1e-30f, -1e-30f, 1e30f, -1e30f, 3e38f, 65504};
  static float y[512];
  uint8_t row[2 * sizeof(lq_block_q6_k)];
  for (size_t k = 0; k < sizeof fills / sizeof fills[0]; k++) {
    for (int i = 0; i < 512; i++) x[i] = i < 256 ? fills[k] : i % 3 ? 0 : fills[k];
    const lq_type types[] = {LQ_Q4_K, LQ_Q6_K};
    for (int t = 0; t < 2; t++) {
      lq_quantize_row(types[t], x, row, 512);
      lq_dequantize_row(types[t], row, y, 512);
      for (int i = 0; i < 512; i++) CHECK_MSG(isfinite(y[i]), "%s of %g", lq_type_get(types[t])->name, (double)fills[k]);
      if (fabsf(fills[k]) == 1) CHECK_MSG(fabsf(y[0] - x[0]) < 0.02f, "%g", (double)y[0]);
      if (fills[k] == 0) CHECK(y[0] == 0 && y[300] == 0);
    }
  }
}

TEST(quant_encoders_never_trap) {
  static float x[256];
  uint8_t row[4 * 256];
  const float odd[] = {INFINITY, -INFINITY, NAN, 1e-44f, -1e-44f, 3.4e38f, 0};
  for (int k = 0; k < 7; k++) {
    for (int i = 0; i < 256; i++) x[i] = i % 5 ? odd[k] : 1e-40f;
    for (uint32_t t = 0; t < LQ_TYPE_COUNT; t++)
      if (lq_type_get(t)->can_encode) lq_quantize_row((lq_type)t, x, row, 256);
  }
}

TEST(quant_q8a_rounds_to_even_and_sums) {
  float x[64] = {0};
  lq_q8a y[2];
  x[0] = 127;
  x[1] = 0.5f, x[2] = 1.5f, x[3] = -2.5f, x[20] = -127;
  lq_quantize_q8a(x, y, 64);
  CHECK(y[0].d == 1 && y[0].qs[0] == 127 && y[0].qs[1] == 0 && y[0].qs[2] == 2 && y[0].qs[3] == -2);
  CHECK(y[0].s[0] == 127 && y[0].s[1] == -127);
  CHECK(y[1].d == 0 && y[1].qs[5] == 0 && y[1].s[0] == 0);
}

TEST(quant_q8a_keeps_nan_and_infinity) {
  float x[96];
  lq_q8a y[3];
  for (int i = 0; i < 96; i++) x[i] = 1;
  x[31] = NAN;
  x[32] = -INFINITY;
  for (int i = 64; i < 96; i++) x[i] = 1e-37f;
  lq_quantize_q8a(x, y, 96);
  CHECK(isnan(y[0].d) && y[0].qs[0] == 0 && isnan(y[1].d));
  CHECK(y[2].d == 0 && y[2].qs[0] == 0);
}
