/* One process, many records, for compare.py:  tokens MODEL encode FLAGS | decode KEEP_SPECIAL | open
 * encode: records of u32 n, n bytes of text on stdin -> u32 count, count i32 ids.
 * decode: records of u32 n, n i32 ids -> u32 bytes, text. Checks on the way that a streamed text comes in whole characters and adds up.
 * open: prints the best of 20 times to open the tokenizer, in microseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "text/tokenizer.h"

static void fail(const char *what) {
  fprintf(stderr, "tokens: %s\n", what);
  exit(1);
}

static void *grow(void *p, size_t n) {
  void *q = realloc(p, n ? n : 1);
  if (!q) fail("no memory");
  return q;
}

static bool read_u32(uint32_t *v) { return fread(v, sizeof(*v), 1, stdin) == 1; }

static void read_all(void *p, size_t n) {
  if (n && fread(p, 1, n, stdin) != n) fail("input cut short");
}

static void write_all(const void *p, size_t n) {
  if (n && fwrite(p, 1, n, stdout) != n) fail("cannot write");
}

static void encode(const lq_tokenizer *t, unsigned flags) {
  char *text = NULL;
  int32_t *ids = NULL;
  lq_error err = {0};
  for (uint32_t n; read_u32(&n);) {
    size_t cap = n + 64u, n_ids;
    text = grow(text, n); /* exactly n bytes, so that the sanitizer sees a read past the end */
    read_all(text, n);
    for (;;) {
      ids = grow(ids, cap * sizeof(*ids));
      if (lq_tok_encode(t, text, n, flags, ids, cap, &n_ids, &err) != LQ_OK) fail(err.msg);
      if (n_ids <= cap) break;
      cap = n_ids;
    }
    uint32_t count = (uint32_t)n_ids;
    write_all(&count, sizeof(count));
    write_all(ids, n_ids * sizeof(*ids));
  }
  free(text);
  free(ids);
}

static void check_stream(const lq_tokenizer *t, const int32_t *ids, size_t n, bool keep, const lq_buf *whole) {
  lq_buf out = {0};
  lq_stream s;
  lq_stream_init(&s, t, keep);
  for (size_t i = 0; i < n; i++) {
    size_t from = out.n;
    lq_stream_push(&s, ids[i], &out);
    if (!lq_utf8_valid(out.p + from, out.n - from)) fail("a streamed piece is no whole UTF-8");
  }
  lq_stream_end(&s, &out);
  if (out.n != whole->n || (out.n && memcmp(out.p, whole->p, out.n) != 0)) fail("the streamed text is not the decoded one");
  lq_buf_free(&out);
}

static void decode(const lq_tokenizer *t, bool keep) {
  int32_t *ids = NULL;
  lq_buf text = {0};
  lq_error err = {0};
  for (uint32_t n; read_u32(&n);) {
    ids = grow(ids, n * sizeof(*ids));
    read_all(ids, n * sizeof(*ids));
    text.n = 0;
    if (lq_tok_decode(t, ids, n, keep, &text, &err) != LQ_OK) fail(err.msg);
    check_stream(t, ids, n, keep, &text);
    uint32_t count = (uint32_t)text.n;
    write_all(&count, sizeof(count));
    write_all(text.p, text.n);
  }
  free(ids);
  lq_buf_free(&text);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

int main(int argc, char **argv) {
  lq_file f;
  lq_gguf g;
  lq_arena a, b; /* directory, tokenizer */
  lq_tokenizer *t = NULL;
  lq_error err = {0};
  if (argc < 3) fail("usage: tokens MODEL encode FLAGS | decode KEEP_SPECIAL | open");
  lq_arena_growing(&a, 1 << 16);
  if (lq_file_open(&f, argv[1], &err) != LQ_OK || lq_gguf_open(&g, f.bytes, f.n, &a, &err) != LQ_OK) fail(err.msg);
  double best = 1e12;
  for (int i = 0; i < (argv[2][0] == 'o' ? 20 : 1); i++) {
    if (i) lq_arena_free(&b);
    lq_arena_growing(&b, 1 << 16);
    double from = now();
    if (lq_tok_open(&g, &b, &t, &err) != LQ_OK) fail(err.msg);
    if (now() - from < best) best = now() - from;
  }
  if (argv[2][0] == 'o') printf("%.0f\n", best);
  else if (!t) fail("the file has no tokenizer");
  else if (argv[2][0] == 'e') encode(t, argc > 3 ? (unsigned)atoi(argv[3]) : 0);
  else decode(t, argc > 3 && argv[3][0] == '1');
  lq_arena_free(&b);
  lq_arena_free(&a);
  lq_file_close(&f);
  return 0;
}
