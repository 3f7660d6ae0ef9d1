/* Attention: one part = a block of rows of one run and one key/value head. May call: kernel, base. */
#include "nn/attention.h"

#include <math.h>
#include <string.h>

/* Queries that share a pass over the keys of a head, about: the rows of a block times the query heads on one key/value head. */
#define BLOCK_QUERIES 48u
/* One row that sees fewer keys is done before another thread wakes. */
#define SERIAL_KEYS 128u

static uint32_t block_rows(uint32_t n_head, uint32_t n_head_kv) {
  uint32_t rows = BLOCK_QUERIES / (n_head / n_head_kv);
  return rows < 8 ? 8 : rows > 32 ? 32 : rows;
}

size_t lq_attention_scratch(uint32_t n_head, uint32_t n_head_kv, uint32_t d_head, size_t max_kv) {
  return (size_t)block_rows(n_head, n_head_kv) * (n_head / n_head_kv) * (max_kv + 2 * (size_t)d_head);
}

typedef struct attention_job {
  const lq_kernels *k;
  const lq_attention *a;
  size_t scratch; /* floats per thread */
  size_t max_kv;
  uint32_t block_rows;
} attention_job;

/* Turns scores of query position p into weights. n keys are there, the first `hidden` of them outside its window. */
static void weigh(const attention_job *j, float *s, uint32_t head, uint32_t p, size_t hidden, size_t n) {
  const lq_attention *a = j->a;
  for (size_t i = hidden; a->cap > 0.0f && i < n; i++) s[i] = a->cap * tanhf(s[i] / a->cap);
  if (a->bias) {
    const float *b = a->bias + head * a->n_bias + a->bias_zero - p;
    for (size_t i = hidden; i < n; i++) s[i] += b[i];
  }
  memset(s, 0, hidden * sizeof(float));
  j->k->softmax(s + hidden, n - hidden);
}

/* Keys before the window of the query at position p. */
static uint32_t before_window(const lq_attention *a, uint32_t p) {
  return a->causal && a->window && p >= a->window ? p + 1 - a->window : 0;
}

/* Keys and values that lie one after the other. */
typedef struct stretch {
  const float *k, *v;
  size_t n;
} stretch;

/* Those of head h, as run r's rows see them, from position `at` on and at most up to position `end` (> at). */
static stretch stretch_at(const lq_kv_view *kv, const lq_run *r, uint32_t h, size_t at, size_t end) {
  const uint16_t *home = kv->home ? kv->home[r->seq] : NULL;
  size_t seq = kv->by_row ? r->row0 : home ? home[at] : r->seq, n = end - at;
  if (home)
    for (n = 1; at + n < end && home[at + n] == home[at];) n++;
  size_t offset = seq * kv->seq_stride + h * kv->head_stride + at * kv->pos_stride;
  return (stretch){kv->k + offset, kv->v + offset, n};
}

/* Rows [first, first + n_rows) of run r, all query heads of key/value head h. Keys before the first row's window are left out: positions
 * are counted from the first key that is not. Keys that a row does not see get the weight 0. */
static void attend_block(const attention_job *j, const lq_run *r, uint32_t first, uint32_t n_rows, uint32_t h, float *scratch) {
  const lq_attention *a = j->a;
  uint32_t group = a->n_head / a->n_head_kv, skip = before_window(a, r->pos0 + first);
  size_t d = a->d_head, span = group * d, n_q = (size_t)n_rows * group, width = (size_t)a->n_head * d;
  size_t n = a->causal ? (size_t)r->pos0 + first + n_rows - skip : r->n_kv;
  size_t from = ((size_t)r->row0 + first) * width + h * span;
  float *q = scratch, *sum = q + n_q * d, *s = sum + n_q * d;
  for (uint32_t i = 0; i < n_rows; i++)
    for (size_t c = 0; c < span; c++) q[i * span + c] = a->q[from + i * width + c] * a->scale;
  for (size_t i = 0; i < n;) {
    stretch keys = stretch_at(&a->kv, r, h, skip + i, skip + n);
    j->k->scores(s + i, j->max_kv, q, d, n_q, keys.k, a->kv.pos_stride, keys.n, d);
    i += keys.n;
  }
  for (uint32_t i = 0; i < n_rows; i++) {
    uint32_t p = r->pos0 + first + i, hidden = before_window(a, p) - skip;
    size_t seen = a->causal ? (size_t)(p - skip) + 1 : n;
    for (uint32_t g = 0; g < group; g++) {
      float *row = s + ((size_t)i * group + g) * j->max_kv;
      weigh(j, row, h * group + g, p - skip, hidden, seen);
      memset(row + seen, 0, (n - seen) * sizeof(float));
    }
  }
  memset(sum, 0, n_q * d * sizeof(float));
  for (size_t i = 0; i < n;) {
    stretch values = stretch_at(&a->kv, r, h, skip + i, skip + n);
    j->k->weighted_sum(sum, d, s + i, j->max_kv, n_q, values.v, a->kv.pos_stride, values.n, d);
    i += values.n;
  }
  for (uint32_t i = 0; i < n_rows; i++) memcpy(a->out + from + i * width, sum + i * span, span * sizeof(float));
}

static void attention_part(void *ctx, int part, int thread) {
  const attention_job *j = ctx;
  const lq_attention *a = j->a;
  uint32_t h = (uint32_t)part % a->n_head_kv, block = (uint32_t)part / a->n_head_kv, rows = j->block_rows;
  for (size_t i = 0; i < a->n_runs; i++) {
    uint32_t n_blocks = (a->runs[i].n_rows + rows - 1) / rows;
    if (block >= n_blocks) {
      block -= n_blocks;
      continue;
    }
    uint32_t first = block * rows, left = a->runs[i].n_rows - first;
    attend_block(j, &a->runs[i], first, left < rows ? left : rows, h, a->scores + (size_t)thread * j->scratch);
    return;
  }
}

/* Keys that the first run sees. */
static size_t max_seen(const lq_attention *a) {
  return a->n_runs == 0 ? 0 : a->causal ? (size_t)a->runs[0].pos0 + a->runs[0].n_rows : a->runs[0].n_kv;
}

void lq_attention_run(const lq_nn *nn, const lq_attention *a, size_t max_kv) {
  uint32_t rows = block_rows(a->n_head, a->n_head_kv), blocks = 0;
  attention_job j = {nn->k, a, lq_attention_scratch(a->n_head, a->n_head_kv, a->d_head, max_kv), max_kv, rows};
  for (size_t i = 0; i < a->n_runs; i++) blocks += (a->runs[i].n_rows + rows - 1) / rows;
  lq_pool *pool = blocks > 1 || max_seen(a) >= SERIAL_KEYS ? nn->pool : NULL;
  lq_pool_run(pool, attention_part, &j, (int)(blocks * a->n_head_kv));
}
