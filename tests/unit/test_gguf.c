/* gguf: what opens, and every way a file may lie. Numbers in comments: the advisories whose class a test covers. */
#include "gguf/gguf.h"
#include "gguf_make.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>

/* ---- opening it ---- */

static lq_arena arena;
static lq_gguf g;
static lq_error err;

/* Opens a copy of exactly n bytes, so that the sanitizer sees a read past the end. Stays open until close_all. */
static uint8_t *copy;
static lq_status open_n(const lq_buf *b, size_t n) {
  copy = malloc(n ? n : 1);
  if (copy && n) memcpy(copy, b->p, n);
  err = (lq_error){0};
  lq_arena_growing(&arena, 4096);
  return lq_gguf_open(&g, copy, n, &arena, &err);
}

static void close_all(lq_buf *b) {
  free(copy);
  copy = NULL;
  lq_arena_free(&arena);
  if (b) lq_buf_free(b);
}

/* Opens and forgets b. */
static lq_status verdict(lq_buf *b) {
  lq_status s = open_n(b, b->n);
  close_all(b);
  return s;
}

#define REFUSED(BUF, STATUS, PART)                                                          \
  do {                                                                                      \
    lq_status s_ = verdict(BUF);                                                            \
    CHECK_MSG(s_ == (STATUS), "got %s (%s)", lq_status_name(s_), s_ ? err.msg : "no error"); \
    CHECK_HAS(err.msg, PART);                                                               \
  } while (0)

/* One of everything. */
static void whole(lq_buf *b, uint32_t version) {
  head(b, version, 2, 14);
  kv_head(b, "u8", LQ_GT_U8), lq_buf_add(b, "\xC8", 1);
  kv_head(b, "i8", LQ_GT_I8), lq_buf_add(b, "\xC8", 1);
  kv_head(b, "u16", LQ_GT_U16), lq_buf_add(b, "\x00\x90", 2);
  kv_head(b, "i16", LQ_GT_I16), lq_buf_add(b, "\x00\x90", 2);
  kv_u32(b, "u32", 4000000000u);
  kv_head(b, "i32", LQ_GT_I32), u32(b, 0xFFFFFFFEu);
  kv_head(b, "f32", LQ_GT_F32), u32(b, 0x3FC00000u);
  kv_head(b, "yes", LQ_GT_BOOL), lq_buf_add(b, "\1", 1);
  kv_head(b, "text", LQ_GT_STRING), str(b, "h\xC3\xA9");
  kv_head(b, "u64", LQ_GT_U64), u64(b, UINT64_MAX);
  kv_head(b, "i64", LQ_GT_I64), u64(b, (uint64_t)-5);
  kv_head(b, "f64", LQ_GT_F64), u64(b, 0x4000000000000000u);
  arr(b, "words", LQ_GT_STRING, 3), str(b, "a"), str(b, ""), str(b, "ccc");
  arr(b, "nums", LQ_GT_I16, 2), lq_buf_add(b, "\x01\x00\xFF\xFF", 4);
  tensor(b, "w", LQ_F32, 4, 3, 0);
  tensor(b, "a", LQ_Q8_0, 32, 1, 64);
  data(b, 64 + 34);
}

TEST(gguf_reads_every_type) {
  for (uint32_t version = 2; version <= 3; version++) {
    lq_buf b;
    whole(&b, version);
    lq_status s = open_n(&b, b.n);
    CHECK_MSG(s == LQ_OK, "%s", err.msg);
    uint32_t u = 0;
    int64_t i = 0;
    float f = 0;
    bool t = false;
    lq_str w;
    const lq_gguf_kv *kv;
    CHECK(lq_gguf_u32(&g, "u8", 0, &u, &err) == LQ_OK && u == 200);
    CHECK(lq_gguf_i64(&g, "i8", 0, &i, &err) == LQ_OK && i == -56);
    CHECK(lq_gguf_u32(&g, "u16", 0, &u, &err) == LQ_OK && u == 0x9000);
    CHECK(lq_gguf_i64(&g, "i16", 0, &i, &err) == LQ_OK && i == -0x7000);
    CHECK(lq_gguf_u32(&g, "u32", 0, &u, &err) == LQ_OK && u == 4000000000u);
    CHECK(lq_gguf_i64(&g, "i32", 0, &i, &err) == LQ_OK && i == -2);
    CHECK(lq_gguf_i64(&g, "i64", 0, &i, &err) == LQ_OK && i == -5);
    CHECK(lq_gguf_f32(&g, "f32", 0, &f, &err) == LQ_OK && f == 1.5f);
    CHECK(lq_gguf_f32(&g, "f64", 0, &f, &err) == LQ_OK && f == 2);
    CHECK(lq_gguf_f32(&g, "i32", 0, &f, &err) == LQ_OK && f == -2);
    CHECK(lq_gguf_bool(&g, "yes", false, &t, &err) == LQ_OK && t);
    CHECK(lq_gguf_str(&g, "text", LQ_STR(""), &w, &err) == LQ_OK && lq_str_eqz(w, "h\xC3\xA9"));
    CHECK(lq_gguf_array(&g, "nums", LQ_GT_I16, &kv, &err) == LQ_OK && kv->count == 2 && lq_gguf_num_at(kv, 1) == -1);
    CHECK(lq_gguf_array(&g, "words", LQ_GT_STRING, &kv, &err) == LQ_OK);
    uint64_t pos = 0;
    CHECK(lq_gguf_next_str(kv, &pos, &w) && lq_str_eqz(w, "a"));
    CHECK(lq_gguf_next_str(kv, &pos, &w) && w.n == 0);
    CHECK(lq_gguf_next_str(kv, &pos, &w) && lq_str_eqz(w, "ccc") && !lq_gguf_next_str(kv, &pos, &w));
    CHECK(g.version == version && g.alignment == 32 && g.data_offset % 32 == 0);
    const lq_gguf_tensor *ten = lq_gguf_tensor_find(&g, "w");
    CHECK(ten && ten->ne[0] == 4 && ten->ne[1] == 3 && ten->ne[2] == 1 && ten->row_bytes == 16 && ten->n_bytes == 48);
    CHECK(ten->data == g.bytes + g.data_offset && lq_gguf_tensor_find(&g, "a")->data == ten->data + 64);
    CHECK(!lq_gguf_tensor_find(&g, "b") && !lq_gguf_tensor_find(&g, "") && !lq_gguf_find(&g, "wor") && !lq_gguf_find(&g, "zz"));
    close_all(&b);
  }
}

TEST(gguf_getters_give_defaults_and_name_the_key) {
  lq_buf b;
  whole(&b, 3);
  CHECK(open_n(&b, b.n) == LQ_OK);
  uint32_t u = 0;
  int64_t i = 0;
  float f = 0;
  bool t = false;
  lq_str w;
  const lq_gguf_kv *kv = g.kv;
  CHECK(lq_gguf_u32(&g, "none", 7, &u, &err) == LQ_OK && u == 7);
  CHECK(lq_gguf_f32(&g, "none", 0.5f, &f, &err) == LQ_OK && f == 0.5f);
  CHECK(lq_gguf_bool(&g, "none", true, &t, &err) == LQ_OK && t);
  CHECK(lq_gguf_str(&g, "none", LQ_STR("x"), &w, &err) == LQ_OK && lq_str_eqz(w, "x"));
  CHECK(lq_gguf_array(&g, "none", LQ_GT_F32, &kv, &err) == LQ_OK && kv == NULL);
  CHECK(lq_gguf_u32(&g, "i32", 0, &u, &err) == LQ_E_FORMAT);
  CHECK_HAS(err.msg, "key 'i32' is -2, outside 0 to 4294967295");
  CHECK(lq_gguf_u32(&g, "u64", 0, &u, &err) == LQ_E_FORMAT);
  CHECK_HAS(err.msg, "18446744073709551615");
  CHECK(lq_gguf_i64(&g, "u64", 0, &i, &err) == LQ_E_FORMAT);
  CHECK(lq_gguf_u32(&g, "text", 0, &u, NULL) == LQ_E_FORMAT);
  CHECK(lq_gguf_u32(&g, "f32", 0, &u, &err) == LQ_E_FORMAT);
  CHECK_HAS(err.msg, "is f32 where an integer is needed");
  CHECK(lq_gguf_u32(&g, "nums", 0, &u, &err) == LQ_E_FORMAT);
  CHECK(lq_gguf_f32(&g, "words", 0, &f, &err) == LQ_E_FORMAT);
  CHECK(lq_gguf_bool(&g, "u8", false, &t, &err) == LQ_E_FORMAT);
  CHECK(lq_gguf_str(&g, "words", LQ_STR(""), &w, &err) == LQ_E_FORMAT);
  CHECK_HAS(err.msg, "an array of string");
  /* llama.cpp PR 26690: the type of an array's elements taken on trust */
  CHECK(lq_gguf_array(&g, "nums", LQ_GT_F32, &kv, &err) == LQ_E_FORMAT);
  CHECK_HAS(err.msg, "array of i16 where an array of f32");
  CHECK(lq_gguf_array(&g, "u8", LQ_GT_U8, &kv, &err) == LQ_E_FORMAT);
  close_all(&b);
}

TEST(gguf_says_what_a_stranger_looks_like) {
  const struct { const char *bytes; size_t n; const char *say; } strangers[] = {
      {"", 0, "empty"},
      {"GGU", 3, "does not start"},
      {"<!DOCTYPE html><html>", 21, "HTML"},
      {"\xEF\xBB\xBF \n<html>", 11, "HTML"},
      {"PK\3\4....", 8, "zip"},
      {"\x40\0\0\0\0\0\0\0{\"a\":", 14, "safetensors"},
      {"{\"error\": 1}", 12, "JSON"},
      {"version https://git-lfs.github.com/spec/v1\n", 43, "LFS"},
      {"lmgg\1\0\0\0", 8, "old GGML"},
      {"tjgg\3\0\0\0", 8, "old GGML"},
      {"FUGG\0\0\0\3", 8, "big-endian"},
      {"\x1f\x8b\x08\0", 4, "gzip"},
      {"\x7f" "ELF", 4, "does not start"}};
  for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
    lq_buf b = {0};
    lq_buf_add(&b, strangers[i].bytes, strangers[i].n);
    REFUSED(&b, LQ_E_FORMAT, strangers[i].say);
  }
}

TEST(gguf_refuses_other_versions) {
  lq_buf b;
  head(&b, 1, 0, 0);
  REFUSED(&b, LQ_E_UNSUPPORTED, "version 1");
  head(&b, 4, 0, 0);
  REFUSED(&b, LQ_E_UNSUPPORTED, "version 4");
  head(&b, 0, 0, 0);
  REFUSED(&b, LQ_E_UNSUPPORTED, "version 0");
  head(&b, 0x03000000u, 0, 0);
  REFUSED(&b, LQ_E_UNSUPPORTED, "big-endian");
}

/* Every prefix of a good file is refused, and reads nothing past its end. */
TEST(gguf_refuses_every_truncation) {
  lq_buf b;
  whole(&b, 3);
  for (size_t n = 0; n < b.n; n++) {
    lq_status s = open_n(&b, n);
    close_all(NULL);
    CHECK_MSG(s == LQ_E_FORMAT && err.msg[0], "%zu bytes gave %s", n, lq_status_name(s));
  }
  CHECK(open_n(&b, b.n - 10) == LQ_E_FORMAT);
  CHECK_HAS(err.msg, "10 bytes are missing");
  close_all(&b);
}

/* CVE-2024-23605 (n_kv overflow), ggml 1516, ollama 17042 (a tiny file, a huge allocation) */
TEST(gguf_bounds_counts_by_the_bytes_left) {
  const uint64_t many[] = {1, 3, 1u << 20, 1ull << 32, 1ull << 60, UINT64_MAX / 48 + 1, UINT64_MAX};
  for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
    lq_buf b;
    head(&b, 3, 0, many[i]);
    REFUSED(&b, LQ_E_FORMAT, "metadata keys");
    head(&b, 3, many[i], 0);
    REFUSED(&b, LQ_E_FORMAT, "tensors");
  }
  lq_buf b;
  head(&b, 3, 0, UINT64_MAX);
  REFUSED(&b, LQ_E_FORMAT, "the limit is 1048576");
  head(&b, 3, 0, UINT64_MAX); /* nothing was taken for it */
  CHECK(open_n(&b, b.n) == LQ_E_FORMAT && arena.used == 0);
  close_all(&b);
}

/* CVE-2024-21825, -21836, -23496 (string and array lengths), CVE-2025-49847 */
TEST(gguf_bounds_string_and_array_lengths) {
  const uint64_t lens[] = {100, 1ull << 31, 1ull << 32, 1ull << 61, 1ull << 62, 1ull << 63, UINT64_MAX - 7, UINT64_MAX};
  for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
    lq_buf b;
    head(&b, 3, 0, 1), u64(&b, lens[i]), lq_buf_addz(&b, "key to nowhere");
    REFUSED(&b, LQ_E_FORMAT, "metadata key 0");
    head(&b, 3, 0, 1), kv_head(&b, "k", LQ_GT_STRING), u64(&b, lens[i]);
    REFUSED(&b, LQ_E_FORMAT, "'k'");
    for (uint32_t elem = 0; elem < LQ_GT_COUNT; elem++) {
      if (elem == LQ_GT_ARRAY) continue;
      head(&b, 3, 0, 1), arr(&b, "k", elem, lens[i]), u64(&b, 0);
      REFUSED(&b, LQ_E_FORMAT, "'k'");
    }
    head(&b, 3, 0, 1), arr(&b, "k", LQ_GT_STRING, 1), u64(&b, lens[i]);
    REFUSED(&b, LQ_E_FORMAT, "'k'");
  }
}

TEST(gguf_refuses_bad_metadata) {
  lq_buf b;
  head(&b, 3, 0, 1), kv_head(&b, "k", 13), u64(&b, 0);
  REFUSED(&b, LQ_E_FORMAT, "unknown value type 13");
  head(&b, 3, 0, 1), arr(&b, "k", 13, 0), u64(&b, 0);
  REFUSED(&b, LQ_E_FORMAT, "unknown type 13");
  head(&b, 3, 0, 1), arr(&b, "k", LQ_GT_ARRAY, 1), u32(&b, 0), u64(&b, 0);
  REFUSED(&b, LQ_E_UNSUPPORTED, "array of arrays");
  head(&b, 3, 0, 1), kv_head(&b, "", LQ_GT_U32), u64(&b, 0);
  REFUSED(&b, LQ_E_FORMAT, "0 bytes long");
  head(&b, 3, 0, 1), kv_head(&b, "on", LQ_GT_BOOL), lq_buf_add(&b, "\2       ", 8);
  REFUSED(&b, LQ_E_FORMAT, "boolean");
  head(&b, 3, 0, 1), arr(&b, "on", LQ_GT_BOOL, 2), lq_buf_add(&b, "\1\xFF", 2);
  REFUSED(&b, LQ_E_FORMAT, "255");
  head(&b, 3, 0, 3), kv_u32(&b, "same", 1), kv_u32(&b, "other", 1), kv_u32(&b, "same", 2);
  REFUSED(&b, LQ_E_FORMAT, "'same' stands twice");
  head(&b, 3, 0, 1), kv_head(&b, "evil\x1b[2J\xff", 99), u64(&b, 0);
  REFUSED(&b, LQ_E_FORMAT, "'evil?[2J?'");
  /* llama.cpp hyper-parameters: not a number must not become a divisor */
  head(&b, 3, 0, 1), kv_head(&b, "eps", LQ_GT_F32), u32(&b, 0x7FC00000u), u64(&b, 0);
  CHECK(open_n(&b, b.n) == LQ_OK);
  float f = 1;
  CHECK(lq_gguf_f32(&g, "eps", 0, &f, &err) == LQ_E_FORMAT && f == 1);
  close_all(&b);
}

/* gguf-tools 25 (n_dims), oss-security 2026-05-15 (alignment, zero dims), ggml 709 */
TEST(gguf_refuses_bad_alignment_and_dims) {
  const uint32_t bad[] = {0, 1, 4, 3, 24, 33, 0x80000001u, UINT32_MAX};
  lq_buf b;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    head(&b, 3, 1, 1), kv_u32(&b, "general.alignment", bad[i]), tensor(&b, "t", LQ_F32, 8, 1, 0), data(&b, 64);
    REFUSED(&b, LQ_E_FORMAT, "power of two");
  }
  head(&b, 3, 1, 1), kv_u32(&b, "general.alignment", 0x80000000u), tensor(&b, "t", LQ_F32, 8, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "missing");
  head(&b, 3, 1, 1), kv_head(&b, "general.alignment", LQ_GT_STRING), str(&b, "32"), tensor(&b, "t", LQ_F32, 8, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "general.alignment");
  const uint32_t n_dims[] = {0, 5, 64, UINT32_MAX};
  for (size_t i = 0; i < 4; i++) {
    head(&b, 3, 1, 0), str(&b, "t"), u32(&b, n_dims[i]), data(&b, 128);
    REFUSED(&b, LQ_E_FORMAT, "dimensions; 1 to 4");
  }
  head(&b, 3, 1, 0), tensor(&b, "t", LQ_F32, 8, 0, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "dimension 1 is 0");
  head(&b, 3, 1, 0), tensor(&b, "t", LQ_F32, 0, 8, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "dimension 0 is 0");
  head(&b, 3, 1, 0), tensor(&b, "t", LQ_Q8_0, 33, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "block of 32");
}

/* CVE-2024-21802, CVE-2026-33298 (bytes of a tensor), 2^32 x 2^32 = 0 */
TEST(gguf_refuses_dim_overflow) {
  const uint64_t dims[][2] = {{1ull << 32, 1ull << 32}, {1ull << 63, 2}, {UINT64_MAX, 1}, {UINT64_MAX - 31, 1},
                              {(uint64_t)INT64_MAX + 1, 1}, {1ull << 62, 1}, {1ull << 33, 1ull << 31}, {1ull << 31, 1ull << 31}, {32, UINT64_MAX}};
  const lq_type types[] = {LQ_F32, LQ_F16, LQ_Q8_0, LQ_Q4_K};
  lq_buf b;
  for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
    for (size_t t = 0; t < 4; t++) {
      head(&b, 3, 1, 0), tensor(&b, "t", types[t], dims[i][0], dims[i][1], 0), data(&b, 64);
      lq_status s = verdict(&b);
      CHECK_MSG(s == LQ_E_FORMAT, "%s of dims %zu", lq_status_name(s), i);
    }
  }
  head(&b, 3, 1, 0), str(&b, "t"), u32(&b, 4);
  for (int d = 0; d < 4; d++) u64(&b, 1u << 16);
  u32(&b, LQ_F32), u64(&b, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "overflows");
}

/* CVE-2025-53630 and its bypass CVE-2026-27940 (sums of sizes and offsets), GGML_PAD overflow */
TEST(gguf_refuses_bad_offsets) {
  lq_buf b;
  head(&b, 3, 1, 0), tensor(&b, "t", LQ_F32, 8, 1, 16), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "multiple of the alignment");
  head(&b, 3, 1, 0), tensor(&b, "t", LQ_F32, 8, 1, UINT64_MAX - 31), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "overflows");
  head(&b, 3, 1, 0), tensor(&b, "t", LQ_F32, 1ull << 31, 1ull << 30, 1ull << 63), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "overflows");
  head(&b, 3, 1, 0), tensor(&b, "t", LQ_F32, 8, 1, (UINT64_MAX - 31) / 2 & ~31ull), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "missing");
  head(&b, 3, 2, 0), tensor(&b, "t", LQ_F32, 8, 1, 0), tensor(&b, "u", LQ_F32, 8, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "overlap");
  head(&b, 3, 2, 0), tensor(&b, "t", LQ_F32, 8, 1, 32), tensor(&b, "u", LQ_F32, 9, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "overlap");
  head(&b, 3, 2, 0), tensor(&b, "t", LQ_F32, 8, 1, 0), tensor(&b, "t", LQ_F32, 8, 1, 32), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "two tensors are named 't'");
  head(&b, 3, 2, 0), tensor(&b, "t", LQ_F32, 8, 1, 32), tensor(&b, "u", LQ_F32, 8, 1, 0), data(&b, 64); /* any order */
  CHECK(verdict(&b) == LQ_OK);
}

TEST(gguf_refuses_types_by_name) {
  lq_buf b;
  head(&b, 3, 1, 0), tensor(&b, "blk.0.w", 4, 32, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_UNSUPPORTED, "'blk.0.w' has type Q4_2");
  head(&b, 3, 1, 0), tensor(&b, "t", 39, 32, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_UNSUPPORTED, "MXFP4");
  head(&b, 3, 1, 0), tensor(&b, "t", 63, 32, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_UNSUPPORTED, "unknown type 63");
  head(&b, 3, 1, 0), tensor(&b, "t", UINT32_MAX, 32, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_UNSUPPORTED, "unknown type 4294967295");
}

TEST(gguf_refuses_long_names) {
  char name[400];
  memset(name, 'n', sizeof name);
  name[256] = 0;
  lq_buf b;
  head(&b, 3, 1, 0), tensor(&b, name, LQ_F32, 8, 1, 0), data(&b, 64);
  CHECK(verdict(&b) == LQ_OK);
  name[256] = 'n', name[399] = 0;
  head(&b, 3, 1, 0), tensor(&b, name, LQ_F32, 8, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "399 bytes long");
  head(&b, 3, 1, 0), tensor(&b, "", LQ_F32, 8, 1, 0), data(&b, 64);
  REFUSED(&b, LQ_E_FORMAT, "0 bytes long");
}

TEST(gguf_takes_empty_directories) {
  lq_buf b;
  head(&b, 3, 0, 0);
  CHECK(open_n(&b, b.n) == LQ_OK && g.n_kv == 0 && g.n_tensors == 0 && !lq_gguf_find(&g, "x") && g.data_offset <= g.n_bytes);
  close_all(&b);
  head(&b, 3, 0, 1), arr(&b, "k", LQ_GT_STRING, 0);
  CHECK(open_n(&b, b.n) == LQ_OK);
  uint64_t pos = 0;
  lq_str w;
  CHECK(!lq_gguf_next_str(lq_gguf_find(&g, "k"), &pos, &w));
  close_all(&b);
}

TEST(gguf_sorts_many) {
  lq_buf b;
  char name[32];
  head(&b, 3, 500, 500);
  for (unsigned i = 0; i < 500; i++) {
    snprintf(name, sizeof name, "key.%u", i * 7919 % 500);
    kv_u32(&b, name, i * 7919 % 500);
  }
  for (unsigned i = 0; i < 500; i++) {
    snprintf(name, sizeof name, "t%u", i * 7919 % 500);
    tensor(&b, name, LQ_F32, 1, 1, (499 - i) * 32);
  }
  data(&b, 500 * 32);
  lq_status s = open_n(&b, b.n);
  CHECK_MSG(s == LQ_OK, "%s", err.msg);
  for (unsigned i = 0; i < 500; i++) {
    uint32_t v = 0;
    snprintf(name, sizeof name, "key.%u", i);
    CHECK(lq_gguf_u32(&g, name, 9999, &v, &err) == LQ_OK && v == i);
    snprintf(name, sizeof name, "t%u", i);
    CHECK(lq_gguf_tensor_find(&g, name));
  }
  close_all(&b);
}

TEST(gguf_survives_every_failing_take) {
  lq_buf b;
  whole(&b, 3);
  for (int64_t k = 0;; k++) {
    lq_arena_growing(&arena, 4096);
    arena.fail_at = k;
    lq_status s = lq_gguf_open(&g, b.p, b.n, &arena, &err);
    lq_arena_free(&arena);
    CHECK(s == LQ_OK || s == LQ_E_NOMEM);
    if (s == LQ_OK) {
      CHECK(k >= 5);
      break;
    }
    CHECK_HAS(err.msg, "not enough memory for the directory");
  }
  lq_buf_free(&b);
}

TEST(gguf_refuses_bytes_off_their_alignment) {
  lq_buf b;
  whole(&b, 3);
  lq_arena_growing(&arena, 4096);
  CHECK(lq_gguf_open(&g, b.p + 1, b.n - 1, &arena, &err) == LQ_E_ARG);
  CHECK_HAS(err.msg, "multiple of 8");
  close_all(NULL);
  lq_buf_free(&b);
}

TEST(gguf_write_round_trips) {
  lq_buf b, out = {0};
  whole(&b, 2);
  CHECK(open_n(&b, b.n) == LQ_OK);
  lq_gguf src = g;
  lq_gguf_out_tensor outs[2] = {{LQ_STR("w"), LQ_F16, 2, {4, 3, 1, 1}}, {LQ_STR("a"), LQ_Q4_0, 1, {32, 1, 1, 1}}};
  CHECK(lq_gguf_write_head(&src, outs, 2, 7, &out, &err) == LQ_OK && out.n % 32 == 0);
  size_t head_bytes = out.n;
  data(&out, 32 + 18);
  lq_gguf back;
  lq_arena a2;
  lq_arena_growing(&a2, 4096);
  lq_status s = lq_gguf_open(&back, out.p, out.n, &a2, &err);
  CHECK_MSG(s == LQ_OK, "%s", err.msg);
  uint32_t ft = 0;
  CHECK(back.version == 3 && back.n_kv == src.n_kv + 1 && back.data_offset == head_bytes);
  CHECK(lq_gguf_u32(&back, "general.file_type", 0, &ft, &err) == LQ_OK && ft == 7);
  for (uint64_t i = 0; i < src.n_kv; i++) {
    const lq_gguf_kv *kv = &back.kv[i], *was = &src.kv[i];
    CHECK(lq_str_eq(kv->key, was->key) && kv->elem == was->elem && kv->count == was->count && kv->data_bytes == was->data_bytes);
    CHECK(memcmp(kv->data, was->data, kv->data_bytes) == 0);
  }
  CHECK(lq_gguf_tensor_find(&back, "w")->n_bytes == 24 && lq_gguf_tensor_find(&back, "a")->type == LQ_Q4_0);
  lq_buf again = {0}; /* file_type is replaced, not doubled */
  CHECK(lq_gguf_write_head(&back, outs, 2, 8, &again, &err) == LQ_OK && again.n == head_bytes);
  outs[0].ne[0] = 33, outs[0].type = LQ_Q8_0;
  CHECK(lq_gguf_write_head(&back, outs, 2, 8, &again, &err) == LQ_E_ARG);
  CHECK_HAS(err.msg, "tensor 'w'");
  again.failed = true, outs[0].ne[0] = 32;
  CHECK(lq_gguf_write_head(&back, outs, 2, 8, &again, &err) == LQ_E_NOMEM);
  lq_arena_free(&a2);
  lq_buf_free(&out);
  lq_buf_free(&again);
  close_all(&b);
}

TEST(file_maps_copy_on_write) {
  char path[512];
  lq_file f, g2;
  snprintf(path, sizeof path, "%s/data/quant.bin", lq_test_dir());
  CHECK(lq_file_open(&f, path, &err) == LQ_OK && f.n > 1000);
  ((char *)f.bytes)[0] = 'X';
  CHECK(lq_file_open(&g2, path, &err) == LQ_OK && ((char *)g2.bytes)[0] == 'L');
  lq_file_close(&f);
  lq_file_close(&g2);
  lq_file_close(&f);
  CHECK(lq_file_open(&f, lq_test_dir(), &err) == LQ_E_IO);
  CHECK_HAS(err.msg, "is a directory");
  CHECK(lq_file_open(&f, "no/such/file", &err) == LQ_E_IO);
  CHECK_HAS(err.msg, "cannot open 'no/such/file'");
  snprintf(path, sizeof path, "%s/fuzz/corpus/gguf/empty", lq_test_dir());
  CHECK(lq_file_open(&f, path, &err) == LQ_E_IO);
  CHECK_HAS(err.msg, "is empty");
}
