/* Writes GGUF files piece by piece, good or bad, into an lq_buf: for tests of the loader and of models. */
#ifndef LQ_GGUF_MAKE_H
#define LQ_GGUF_MAKE_H

#include "gguf/gguf.h"

#include <string.h>

static inline void u32(lq_buf *b, uint32_t v) {
  uint8_t p[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
  lq_buf_add(b, p, 4);
}

static inline void u64(lq_buf *b, uint64_t v) {
  u32(b, (uint32_t)v);
  u32(b, (uint32_t)(v >> 32));
}

static inline void str(lq_buf *b, const char *z) {
  u64(b, strlen(z));
  lq_buf_addz(b, z);
}

static inline void head(lq_buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_kv) {
  *b = (lq_buf){0};
  lq_buf_add(b, "GGUF", 4);
  u32(b, version);
  u64(b, n_tensors);
  u64(b, n_kv);
}

static inline void kv_u32(lq_buf *b, const char *key, uint32_t v) {
  str(b, key);
  u32(b, LQ_GT_U32);
  u32(b, v);
}

static inline void kv_head(lq_buf *b, const char *key, uint32_t type) {
  str(b, key);
  u32(b, type);
}

static inline void arr(lq_buf *b, const char *key, uint32_t elem, uint64_t n) {
  kv_head(b, key, LQ_GT_ARRAY);
  u32(b, elem);
  u64(b, n);
}

static inline void tensor(lq_buf *b, const char *name, uint32_t type, uint64_t ne0, uint64_t ne1, uint64_t offset) {
  str(b, name);
  u32(b, 2);
  u64(b, ne0);
  u64(b, ne1);
  u32(b, type);
  u64(b, offset);
}

static inline void data(lq_buf *b, size_t n) {
  while (b->n % 32) lq_buf_add(b, "", 1);
  for (size_t i = 0; i < n; i++) lq_buf_add(b, "\x3c", 1);
}

#endif
