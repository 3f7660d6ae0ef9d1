/* Key/value cache. May call: base. */
#include "model/kv.h"

#include <string.h>

#include "base/bytes.h"

static uint64_t layer_floats(const lq_kv *kv) { return (uint64_t)kv->n_seq * kv->n_head * kv->n_pos * kv->d_head; }

bool lq_kv_layout(lq_kv *kv, lq_arena *a, uint32_t n_layer, uint32_t n_seq, uint32_t n_head, uint32_t n_pos, uint32_t d_head) {
  *kv = (lq_kv){.n_layer = n_layer, .n_seq = n_seq, .n_head = n_head, .n_pos = n_pos, .d_head = d_head};
  uint64_t heads = (uint64_t)n_layer * n_seq * n_head, n;
  if (!lq_mul_u64(heads, (uint64_t)n_pos * d_head, &n)) return false;
  kv->k = LQ_TAKE(a, float, n);
  kv->v = LQ_TAKE(a, float, n);
  return a->measuring || (kv->k && kv->v);
}

lq_kv_view lq_kv_layer(const lq_kv *kv, uint32_t layer) {
  size_t at = (size_t)(layer * layer_floats(kv)), head = (size_t)kv->n_pos * kv->d_head;
  return (lq_kv_view){.k = kv->k + at, .v = kv->v + at, .seq_stride = kv->n_head * head, .head_stride = head, .pos_stride = kv->d_head,
                      .home = kv->home};
}

void lq_kv_store(const lq_kv *kv, uint32_t layer, const lq_run *r, const float *k, const float *v) {
  size_t head = (size_t)kv->n_pos * kv->d_head, d = kv->d_head;
  size_t at = (size_t)(layer * layer_floats(kv)) + r->seq * kv->n_head * head;
  for (uint32_t i = 0; i < r->n_rows; i++) {
    size_t row = (size_t)(r->row0 + i) * kv->n_head * d;
    for (uint32_t h = 0; h < kv->n_head; h++) {
      size_t to = at + h * head + (size_t)(r->pos0 + i) * d;
      memcpy(kv->k + to, k + row + h * d, d * sizeof(float));
      memcpy(kv->v + to, v + row + h * d, d * sizeof(float));
    }
  }
}
