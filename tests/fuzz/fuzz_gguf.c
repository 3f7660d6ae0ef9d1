/* Fuzz target: opens the bytes as GGUF and uses all that the directory promises. Replayed by replay.c in `make test`. */
#include "gguf/gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static volatile double sink; /* keeps the reads */

static void use_value(const lq_gguf *g, const lq_gguf_kv *kv) {
  char key[64];
  if (kv->key.n < sizeof key) {
    uint32_t u;
    int64_t i;
    float f;
    bool t;
    lq_str s;
    lq_error e;
    memcpy(key, kv->key.p, kv->key.n);
    key[kv->key.n] = 0;
    if (strlen(key) == kv->key.n && lq_gguf_find(g, key) != kv) abort();
    lq_gguf_u32(g, key, 0, &u, &e);
    lq_gguf_i64(g, key, 0, &i, &e);
    lq_gguf_f32(g, key, 0, &f, &e);
    lq_gguf_bool(g, key, false, &t, &e);
    lq_gguf_str(g, key, LQ_STR(""), &s, &e);
  }
  lq_str s;
  uint64_t pos = 0, strings = 0;
  while (lq_gguf_next_str(kv, &pos, &s)) {
    strings++;
    if (s.n) sink = s.p[0] + s.p[s.n - 1];
  }
  if (kv->elem == LQ_GT_STRING ? strings != kv->count : strings != 0) abort();
  if (kv->elem != LQ_GT_STRING)
    for (uint64_t i = 0; i < kv->count; i++) sink = lq_gguf_num_at(kv, i);
}

static void use_tensor(const lq_gguf_tensor *t) {
  float y[1024];
  sink = t->data[0] + t->data[t->n_bytes - 1];
  t->data[t->n_bytes - 1] ^= 1; /* weights may be repacked in place */
  if (t->ne[0] <= 1024) lq_dequantize_row(t->type, t->data + (t->n_bytes - t->row_bytes), y, (size_t)t->ne[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  uint8_t *bytes = malloc(n ? n : 1);
  if (!bytes) return 0;
  if (n) memcpy(bytes, data, n);
  lq_arena a;
  lq_gguf g;
  lq_error e = {0};
  lq_arena_growing(&a, 4096);
  if (lq_gguf_open(&g, bytes, n, &a, &e) == LQ_OK) {
    lq_buf head = {0};
    for (uint64_t i = 0; i < g.n_kv; i++) use_value(&g, &g.kv[i]);
    for (uint64_t i = 0; i < g.n_tensors; i++) use_tensor(&g.tensors[i]);
    if (g.alignment < 1u << 20) lq_gguf_write_head(&g, NULL, 0, 7, &head, &e);
    lq_buf_free(&head);
  } else if (e.status == LQ_OK || !e.msg[0]) {
    abort(); /* every refusal says why */
  }
  if (a.used > 16 * (uint64_t)n + 4096) abort(); /* a small file takes little memory */
  lq_arena_free(&a);
  free(bytes);
  return 0;
}
