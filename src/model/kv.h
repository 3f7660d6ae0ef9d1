/* Key/value cache: [layer][sequence][head][position][d_head], float32. Memory is the session's.
 * May call: nn headers, base. */
#ifndef LQ_KV_H
#define LQ_KV_H

#include "base/arena.h"
#include "nn/attention.h"

typedef struct lq_kv {
  float *k, *v;
  const uint16_t *const *home; /* the caller's, set for a run: as in lq_kv_view. What is stored goes to each run's own sequence */
  uint32_t n_layer, n_seq, n_head, n_pos, d_head;
} lq_kv;

/* Takes the memory; false when the arena is full. In measure mode only counts. */
bool lq_kv_layout(lq_kv *kv, lq_arena *a, uint32_t n_layer, uint32_t n_seq, uint32_t n_head, uint32_t n_pos, uint32_t d_head);
lq_kv_view lq_kv_layer(const lq_kv *kv, uint32_t layer);
/* Stores rows k, v [n_rows][n_head * d_head] of run r at its positions. */
void lq_kv_store(const lq_kv *kv, uint32_t layer, const lq_run *r, const float *k, const float *v);

#endif
