/* Tokenizer files made key by key, opened, and asked for ids and text. For the tests of the tokenizers; each includes its own copy. */
#ifndef LQ_TOKENIZER_MAKE_H
#define LQ_TOKENIZER_MAKE_H

#include <stdlib.h>

#include "gguf_make.h"
#include "test.h"
#include "text/tokenizer.h"

static lq_buf file;
static lq_arena arena;
static lq_gguf gguf_file;
static lq_tokenizer *tok;
static lq_error err;
static uint64_t n_keys;

static inline void start(const char *model) {
  head(&file, 3, 0, 0);
  n_keys = 1;
  kv_head(&file, "tokenizer.ggml.model", LQ_GT_STRING), str(&file, model);
}

static inline void strings(const char *key, size_t n, const char *const *list) {
  n_keys++;
  arr(&file, key, LQ_GT_STRING, n);
  for (size_t i = 0; i < n; i++) str(&file, list[i]);
}

static inline void ints(const char *key, uint32_t elem, size_t n, const int *list) {
  n_keys++;
  arr(&file, key, elem, n);
  for (size_t i = 0; i < n; i++) u32(&file, (uint32_t)list[i]);
}

static inline void floats(const char *key, size_t n, const float *list) {
  n_keys++;
  arr(&file, key, LQ_GT_F32, n);
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &list[i], 4);
    u32(&file, bits);
  }
}

static inline void bytes(const char *key, size_t n, const void *p) {
  n_keys++;
  arr(&file, key, LQ_GT_U8, n);
  lq_buf_add(&file, p, n);
}

static inline void id(const char *key, uint32_t v) {
  n_keys++;
  kv_u32(&file, key, v);
}

static inline void flag(const char *key, bool v) {
  n_keys++;
  kv_head(&file, key, LQ_GT_BOOL);
  lq_buf_add(&file, v ? "\1" : "\0", 1);
}

static inline void text(const char *key, const char *v) {
  n_keys++;
  kv_head(&file, key, LQ_GT_STRING), str(&file, v);
}

static uint8_t *copy;
static inline lq_status open_failing(int64_t fail_at) {
  for (unsigned i = 0; i < 8; i++) file.p[16 + i] = (char)(n_keys >> 8 * i);
  copy = malloc(file.n); /* exactly so many bytes, so that the sanitizer sees a read past the end */
  if (copy) memcpy(copy, file.p, file.n);
  err = (lq_error){0};
  lq_arena_growing(&arena, 4096);
  lq_status s = lq_gguf_open(&gguf_file, copy, file.n, &arena, &err);
  arena.fail_at = fail_at;
  return s ? s : lq_tok_open(&gguf_file, &arena, &tok, &err);
}

static inline void close_again(void) {
  lq_arena_free(&arena);
  free(copy);
}

static inline void done(void) {
  close_again();
  lq_buf_free(&file);
}

#define OPENS() CHECK_MSG(open_failing(-1) == LQ_OK && tok, "%s", err.msg)
#define REFUSED(STATUS, PART)                                                                                  \
  do {                                                                                                         \
    lq_status s_ = open_failing(-1);                                                                           \
    CHECK_MSG(s_ == (STATUS), "line %d: got %s (%s)", __LINE__, lq_status_name(s_), s_ ? err.msg : "no error"); \
    CHECK_HAS(err.msg, PART);                                                                                  \
    done();                                                                                                    \
  } while (0)

/* ids of a text as "1 2 3" */
static inline const char *encoded_n(const char *p, size_t n, unsigned flags) {
  static char out[256];
  int32_t ids[40];
  size_t count, at = 0;
  out[0] = 0;
  if (lq_tok_encode(tok, p, n, flags, ids, 40, &count, &err) != LQ_OK) return err.msg;
  for (size_t i = 0; i < count && i < 40; i++) at += (size_t)snprintf(out + at, sizeof out - at, i ? " %d" : "%d", (int)ids[i]);
  return out;
}
static inline const char *encoded(const char *z, unsigned flags) { return encoded_n(z, strlen(z), flags); }

static inline const char *decoded(size_t n, const int32_t *ids, bool keep) {
  static char out[256];
  lq_buf b = {0};
  lq_status s = lq_tok_decode(tok, ids, n, keep, &b, &err);
  snprintf(out, sizeof out, "%s", s ? err.msg : b.p ? b.p : "");
  lq_buf_free(&b);
  return out;
}

#endif
