/* base: status, arena, bytes, utf8, unicode tables, thread pool. */
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/pool.h"
#include "base/status.h"
#include "base/utf8.h"
#include "test.h"

#include <math.h>
#include <time.h>

/* ---- status ---- */

TEST(status_names_are_stable) {
  CHECK_STR(lq_status_name(LQ_OK), "LQ_OK");
  CHECK_STR(lq_status_name(LQ_E_FORMAT), "LQ_E_FORMAT");
  CHECK_STR(lq_status_name(LQ_E_SELFTEST), "LQ_E_SELFTEST");
  CHECK_STR(lq_status_name((lq_status)99), "LQ_E_UNKNOWN");
  CHECK_STR(lq_status_name((lq_status)-1), "LQ_E_UNKNOWN");
  for (int i = 0; i < LQ_STATUS_COUNT; i++) CHECK(lq_status_name((lq_status)i)[3]);
}

TEST(fail_cleans_what_files_say) {
  lq_error e;
  CHECK(lq_fail(&e, LQ_E_FORMAT, "key '%s'", "a\x1b[2J\n\x7f") == LQ_E_FORMAT && e.status == LQ_E_FORMAT);
  CHECK_STR(e.msg, "key 'a?[2J?" "?'");
  lq_fail(&e, LQ_E_ARG, "%s", "\xC3\xA9\xFF\xC3");
  CHECK_STR(e.msg, "\xC3\xA9?" "?");
  lq_fail(&e, LQ_E_ARG, "%s", "x\xE2\x80\xAEy\xC2\x9Bz"); /* right-to-left override, C1 control */
  CHECK_STR(e.msg, "x?y?z");
  CHECK(lq_fail(NULL, LQ_E_IO, "nobody listens") == LQ_E_IO);
}

TEST(fail_cuts_at_a_character) {
  char text[600];
  for (int shift = 0; shift < 4; shift++) {
    memset(text, 'a', sizeof text);
    for (size_t i = (size_t)shift; i + 3 < sizeof text - 1; i += 3) memcpy(text + i, "\xE2\x82\xAC", 3);
    text[sizeof text - 1] = 0;
    lq_error e;
    lq_fail(&e, LQ_E_ARG, "%s", text);
    CHECK(strlen(e.msg) > 250 && lq_utf8_valid(e.msg, strlen(e.msg)) && !strchr(e.msg, '?'));
  }
}

/* ---- arena ---- */

static void lay_out(lq_arena *a) {
  char *s = lq_arena_str(a, "hello", 5);
  double *d = LQ_TAKE(a, double, 100);
  char *none = LQ_TAKE(a, char, 0);
  if (a->measuring) return;
  if (s && strcmp(s, "hello") != 0) lq_test_fail(__FILE__, __LINE__, "text was not copied");
  if (d && ((uintptr_t)d % 64 || d[99] != 0)) lq_test_fail(__FILE__, __LINE__, "not aligned or not zero");
  if (d) d[99] = 1;
  (void)none;
}

TEST(arena_measures_what_fixed_needs) {
  lq_arena m, a;
  lq_arena_measure(&m);
  lay_out(&m);
  CHECK(m.used == 64 + 832);
  CHECK(lq_arena_fixed(&a, m.used));
  lay_out(&a);
  CHECK(a.used == m.used);
  CHECK(lq_arena_take(&a, 0, 8) != NULL);
  CHECK(lq_arena_take(&a, 1, 1) == NULL);
  lq_arena_free(&a);
  lq_arena_free(&a);
}

TEST(arena_fixed_marks_and_releases) {
  lq_arena a;
  CHECK(lq_arena_fixed(&a, 256));
  char *p = LQ_TAKE(&a, char, 64);
  uint64_t mark = lq_arena_mark(&a);
  char *q = LQ_TAKE(&a, char, 192);
  CHECK(p && q && !LQ_TAKE(&a, char, 1));
  lq_arena_release(&a, mark);
  CHECK(LQ_TAKE(&a, char, 100) == q);
  lq_arena_free(&a);
}

TEST(arena_grows) {
  lq_arena a;
  lq_arena_growing(&a, 100);
  char *last = NULL;
  for (size_t i = 1; i < 300; i++) {
    char *p = LQ_TAKE(&a, char, i);
    CHECK(p && (uintptr_t)p % 64 == 0 && p != last);
    for (size_t k = 0; k < i; k++) CHECK(p[k] == 0);
    memset(p, 0xAB, i);
    last = p;
  }
  lq_arena_free(&a);
  CHECK(a.head == NULL && a.used == 0);
}

TEST(arena_refuses_overflow) {
  lq_arena a, m;
  lq_arena_growing(&a, 4096);
  CHECK(!lq_arena_take(&a, UINT64_MAX, 2) && !lq_arena_take(&a, UINT64_MAX, 1) && !lq_arena_take(&a, UINT64_MAX / 8, 8));
  CHECK(lq_arena_take(&a, 1, 1));
  lq_arena_free(&a);
  CHECK(!lq_arena_fixed(&a, UINT64_MAX) && !lq_arena_fixed(&a, UINT64_MAX - 200));
  lq_arena_free(&a);
  lq_arena_measure(&m);
  CHECK(!lq_arena_take(&m, UINT64_MAX, 8) && m.used == UINT64_MAX);
}

TEST(arena_fails_when_told) {
  lq_arena a;
  lq_arena_growing(&a, 4096);
  a.fail_at = 2;
  CHECK(LQ_TAKE(&a, int, 1) && LQ_TAKE(&a, int, 1) && !LQ_TAKE(&a, int, 1) && !LQ_TAKE(&a, int, 1));
  lq_arena_free(&a);
}

/* ---- bytes ---- */

TEST(checked_arithmetic) {
  uint64_t v = 77;
  CHECK(!lq_add_u64(UINT64_MAX, 1, &v) && v == 77 && lq_add_u64(UINT64_MAX, 0, &v) && v == UINT64_MAX);
  CHECK(!lq_mul_u64(1ull << 32, 1ull << 32, &v) && lq_mul_u64(1ull << 32, (1ull << 32) - 1, &v));
  CHECK(lq_mul_u64(0, UINT64_MAX, &v) && v == 0 && lq_mul_u64(UINT64_MAX, 0, &v) && v == 0);
  CHECK(lq_align_u64(33, 32, &v) && v == 64 && lq_align_u64(64, 32, &v) && v == 64 && lq_align_u64(0, 1, &v) && v == 0);
  v = 5;
  CHECK(!lq_align_u64(1, 0, &v) && !lq_align_u64(1, 24, &v) && !lq_align_u64(UINT64_MAX, 32, &v) && v == 5);
  size_t s;
  CHECK(lq_to_size(12, &s) && s == 12 && lq_to_size(UINT64_MAX, &s) == (sizeof(size_t) == 8));
}

TEST(reader_stops_at_the_end) {
  const uint8_t p[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  lq_bytes b = {p, 9, 0};
  uint8_t u8;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  const uint8_t *at;
  CHECK(lq_read_u64(&b, &u64) && u64 == 0x0807060504030201ull);
  CHECK(!lq_read_u16(&b, &u16) && !lq_read_u32(&b, &u32) && !lq_read_u64(&b, &u64) && b.pos == 8);
  CHECK(!lq_read_skip(&b, 2, &at) && !lq_read_skip(&b, UINT64_MAX, NULL));
  CHECK(lq_read_u8(&b, &u8) && u8 == 9 && lq_bytes_left(&b) == 0 && !lq_read_u8(&b, &u8) && lq_read_skip(&b, 0, &at));
  b.pos = 1;
  CHECK(lq_read_u16(&b, &u16) && u16 == 0x0302 && lq_read_u32(&b, &u32) && u32 == 0x07060504u);
  CHECK(lq_load_f32("\0\0\xC0\x3F") == 1.5f && lq_load_f64("\0\0\0\0\0\0\0\xC0") == -2.0);
}

TEST(buf_grows_and_prints) {
  lq_buf b = {0};
  for (int i = 0; i < 1000; i++) lq_buf_printf(&b, "%d,", i);
  CHECK(!b.failed && b.n == 3890 && strlen(b.p) == b.n);
  b.n = 0;
  char big[5000];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = 0;
  lq_buf_printf(&b, "<%s>", big);
  CHECK(b.n == 5001 && b.p[5000] == '>' && b.p[5001] == 0);
  lq_buf_free(&b);
  lq_buf_add(&b, NULL, 0);
  CHECK(b.p && b.p[0] == 0);
  lq_buf_free(&b);
}

TEST(buf_keeps_its_limit) {
  lq_buf b = {.limit = 10};
  lq_buf_addz(&b, "0123456789");
  CHECK(!b.failed);
  lq_buf_addz(&b, "x");
  CHECK(b.failed && b.n == 10);
  lq_buf_add(&b, "", 0);
  lq_buf_printf(&b, "y");
  CHECK_STR(b.p, "0123456789");
  lq_buf_free(&b);
  CHECK(!b.failed);
  lq_buf_add(&b, "z", SIZE_MAX);
  CHECK(b.failed && b.n == 0);
  lq_buf_free(&b);
}

TEST(buf_writes_json) {
  lq_buf b = {0};
  lq_buf_json_str(&b, "a\"\\\n\t\x01\x7F\xC3\xA9\xFF\xE2\x80\xA8\0z", 15);
  CHECK_STR(b.p, "\"a\\\"\\\\\\n\\t\\u0001\\u007f\xC3\xA9\xEF\xBF\xBD\\u2028\\u0000z\"");
  lq_buf_free(&b);
  lq_buf_json_num(&b, 0.1), lq_buf_addz(&b, " ");
  lq_buf_json_num(&b, (double)INFINITY), lq_buf_addz(&b, " ");
  lq_buf_json_num(&b, (double)NAN), lq_buf_addz(&b, " ");
  lq_buf_json_num(&b, -3);
  CHECK_STR(b.p, "0.1 null null -3");
  lq_buf_free(&b);
}

TEST(str_compares) {
  CHECK(lq_str_eqz(LQ_STR("ab"), "ab") && !lq_str_eqz(LQ_STR("ab"), "abc") && !lq_str_eqz(LQ_STR("ab"), "a"));
  CHECK(lq_str_eq((lq_str){NULL, 0}, LQ_STR("")));
}

/* ---- utf8 ---- */

TEST(utf8_round_trips_every_scalar) {
  for (uint32_t cp = 0; cp < 0x110000; cp++) {
    if (cp == 0xD800) cp = 0xE000;
    char p[4];
    uint32_t back;
    size_t n = lq_utf8_encode(cp, p);
    CHECK_MSG(lq_utf8_decode(p, n, &back) == n && back == cp && lq_utf8_valid(p, n), "U+%04X", (unsigned)cp);
    for (size_t k = 1; k < n; k++) CHECK_MSG(lq_utf8_whole(p, k) == 0 && !lq_utf8_valid(p, k), "U+%04X", (unsigned)cp);
  }
  char p[4];
  CHECK(lq_utf8_encode(0xD800, p) == 3 && memcmp(p, "\xEF\xBF\xBD", 3) == 0);
  CHECK(lq_utf8_encode(0x110000, p) == 3);
}

/* The examples of Unicode 3.9 (tables 3-8 to 3-11) and neighbours: F stands for U+FFFD. */
TEST(utf8_replaces_maximal_subparts) {
  const struct { const char *in, *out; } cases[] = {
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "FFFFFFFFA"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "FFFFFFFFA"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "FFFFFAFFB"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "FFFFA"},
      {"\xF0\x9F\x98", "F"},
      {"a\xC3", "aF"},
      {"\xF5\x80\x80\x80", "FFFF"},
      {"\xE0\x9F\x80", "FFF"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char out[64], shown[64];
    size_t n = lq_utf8_clean(cases[i].in, strlen(cases[i].in), out), k = 0;
    CHECK(lq_utf8_valid(out, n));
    for (size_t at = 0; at < n;) {
      uint32_t cp;
      at += lq_utf8_decode(out + at, n - at, &cp);
      shown[k++] = cp == LQ_REPLACEMENT ? 'F' : (char)cp;
    }
    shown[k] = 0;
    CHECK_STR(shown, cases[i].out);
  }
}

TEST(utf8_whole_keeps_what_can_never_be_whole) {
  CHECK(lq_utf8_whole("ab", 2) == 2 && lq_utf8_whole("", 0) == 0);
  CHECK(lq_utf8_whole("a\xF0\x9F\x98", 4) == 1 && lq_utf8_whole("a\xF0\x9F\x98\x80", 5) == 5);
  CHECK(lq_utf8_whole("a\x80\x80", 3) == 3);       /* no lead */
  CHECK(lq_utf8_whole("a\xE0\x9F", 3) == 3);       /* overlong already */
  CHECK(lq_utf8_whole("\xC3\xA9\xC3", 3) == 2);
  CHECK(lq_utf8_whole("a\xFF", 2) == 2);
}

TEST(unicode_classes) {
  const struct { uint32_t cp; const char *is; } cases[] = {
      {'A', "LU"}, {'z', "Ll"}, {'5', "Nd"}, {'.', "P"}, {'+', "S"}, {' ', "s"}, {'\n', "s"}, {0, ""}, {'_', "P"},
      {0xE9, "Ll"}, {0xC9, "LU"}, {0xD7, "S"}, {0x3A9, "LU"}, {0x3C9, "Ll"}, {0x100, "LU"}, {0x101, "Ll"}, {0x139, "LU"},
      {0x13A, "Ll"}, {0x1C5, "LU"}, {0x2B0, "L"}, {0x4E2D, "L"}, {0x9FFF, "L"}, {0xAC00, "L"}, {0x3042, "L"}, {0x5D0, "L"},
      {0x300, "M"}, {0x20DD, "M"}, {0x93E, "M"}, {0x661, "Nd"}, {0xBD, "N"}, {0x2160, "N"}, {0x3007, "N"}, {0x1D7CE, "Nd"},
      {0x3002, "P"}, {0xAB, "P"}, {0x1F600, "S"}, {0x20AC, "S"}, {0xA0, "s"}, {0x3000, "s"}, {0x2028, "s"}, {0x200B, ""},
      {0x378, ""}, {0xD800, ""}, {0xE000, ""}, {0x1D400, "LU"}, {0x20000, "L"}, {0xE0100, "M"}, {0xE01EF, "M"},
      {0xE01F0, ""}, {0x10FFFF, ""}, {0x110000, ""}, {UINT32_MAX, ""}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint32_t c = cases[i].cp;
    char got[16];
    snprintf(got, sizeof got, "%s%s%s%s%s%s%s%s%s", lq_uni_letter(c) ? "L" : "", lq_uni_upper(c) ? "U" : "", lq_uni_lower(c) ? "l" : "",
             lq_uni_mark(c) ? "M" : "", lq_uni_number(c) ? "N" : "", lq_uni_digit(c) ? "d" : "", lq_uni_punct(c) ? "P" : "",
             lq_uni_symbol(c) ? "S" : "", lq_uni_space(c) ? "s" : "");
    CHECK_MSG(strcmp(got, cases[i].is) == 0, "U+%04X is \"%s\", want \"%s\"", (unsigned)c, got, cases[i].is);
  }
}

TEST(unicode_lower_case) {
  const uint32_t pairs[][2] = {{'A', 'a'}, {'z', 'z'}, {0xC9, 0xE9}, {0xD7, 0xD7}, {0x130, 0x69}, {0x178, 0xFF}, {0x3A3, 0x3C3},
                               {0x1E9E, 0xDF}, {0x410, 0x430}, {0x13A0, 0xAB70}, {0x10400, 0x10428}, {0x4E2D, 0x4E2D}, {0x110000, 0x110000}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
    CHECK_MSG(lq_uni_tolower(pairs[i][0]) == pairs[i][1], "U+%04X", (unsigned)pairs[i][0]);
}

/* ---- pool ---- */

typedef struct job {
  int hits[257], threads;
  bool wrong;
  _Atomic int next;
} job;

static void part(void *ctx, int i, int thread) {
  job *j = ctx;
  j->hits[i]++; /* each part runs once, so no race */
  if (thread < 0 || thread >= j->threads) j->wrong = true;
}

TEST(pool_runs_every_part_once) {
  for (int threads = 1; threads <= 5; threads++) {
    lq_pool *p = NULL;
    lq_error e;
    CHECK(lq_pool_new(threads, &p, &e) == LQ_OK);
    int real = lq_pool_threads(p);
    CHECK(real == 1 || real == threads);
    for (int round = 0; round < 300; round++) {
      job j = {.threads = real};
      int n = round % 258;
      lq_pool_run(p, part, &j, n);
      for (int i = 0; i < 257; i++) CHECK_MSG(j.hits[i] == (i < n), "part %d of %d", i, n);
      CHECK(!j.wrong);
    }
    lq_pool_free(p);
  }
}

static void in_order(void *ctx, int i, int thread) {
  job *j = ctx;
  (void)thread;
  if (j->next++ != i) j->wrong = true;
}

TEST(pool_null_is_serial) {
  job j = {.threads = 1};
  lq_pool_run(NULL, part, &j, 3);
  CHECK(j.hits[2] == 1 && lq_pool_threads(NULL) == 1);
  lq_pool_run(NULL, in_order, &j, 20);
  lq_pool_run(NULL, part, &j, 0);
  lq_pool_run(NULL, part, &j, -1);
  CHECK(!j.wrong);
  lq_pool_free(NULL);
}

static void slow(void *ctx, int i, int thread) {
  volatile double x = 1;
  for (int k = 0; k < (thread ? 200000 : 10); k++) x = x * 1.0000001;
  part(ctx, i, thread);
}

/* Parts long enough that caller and workers fall asleep waiting for each other. */
TEST(pool_sleeps_and_wakes) {
  lq_pool *p = NULL;
  lq_error e;
  CHECK(lq_pool_new(3, &p, &e) == LQ_OK);
  for (int round = 0; round < 30; round++) {
    job j = {.threads = 3};
    volatile double x = 1;
    for (int k = 0; k < 100000; k++) x = x * 1.0000001; /* workers go to sleep */
    lq_pool_run(p, slow, &j, 9);
    for (int i = 0; i < 9; i++) CHECK(j.hits[i] == 1);
  }
  lq_pool_free(p);
}

/* Waits for the other part, at most three seconds. */
static void meet(void *ctx, int i, int thread) {
  job *j = ctx;
  time_t until = time(NULL) + 3;
  (void)thread;
  j->hits[i]++;
  j->next++;
  while (j->next < 2 && time(NULL) < until) continue;
}

TEST(pool_wakes_sleeping_workers) {
  lq_pool *p = NULL;
  lq_error e;
  job j = {0};
  CHECK(lq_pool_new(2, &p, &e) == LQ_OK);
  if (!p) {
    lq_test_skip("no threads in this build");
    return;
  }
  struct timespec ms20 = {0, 20000000};
  nanosleep(&ms20, NULL); /* the worker gives up looking and sleeps */
  time_t start = time(NULL);
  lq_pool_run(p, meet, &j, 2);
  CHECK(time(NULL) - start < 2 && j.next == 2);
  lq_pool_free(p);
}

TEST(pool_refuses_odd_counts) {
  lq_pool *p = NULL;
  lq_error e;
  CHECK(lq_pool_new(0, &p, &e) == LQ_E_ARG && lq_pool_new(65, &p, &e) == LQ_E_ARG);
  CHECK_HAS(e.msg, "65 threads were asked for; the limit is 1 to 64");
}
