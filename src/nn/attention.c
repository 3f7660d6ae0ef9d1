/* Attention: one part = a block of rows of one run and one key/value head. May call: kernel, base. */
#include "nn/attention.h"

#include <math.h>
#include <string.h>

/* Query rows that share one pass over the keys. */
#define BLOCK_ROWS 8u
/* One row that sees fewer keys is done before another thread wakes. */
#define SERIAL_KEYS 256u

size_t lq_attention_scratch(uint32_t n_head, uint32_t n_head_kv, size_t max_kv) {
  uint32_t group = n_head / n_head_kv;
  return (group > BLOCK_ROWS ? group : BLOCK_ROWS) * max_kv;
}

typedef struct attention_job {
  const lq_kernels *k;
  const lq_attention *a;
  size_t scratch; /* floats per thread */
  size_t max_kv;
} attention_job;

/* Turns raw scores of query position p into weights. n keys are there, the first `hidden` of them outside its window. */
static void weigh(const attention_job *j, float *s, uint32_t head, uint32_t p, size_t hidden, size_t n) {
  const lq_attention *a = j->a;
  for (size_t i = hidden; i < n; i++) s[i] *= a->scale;
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

/* out[n_rows] = weighted sums of the values: row i sees n + i * step keys; the n that all see in one call. */
static void sum_values(const attention_job *j, float *out, size_t ldo, const float *s, uint32_t n_rows, const float *v, size_t n, size_t step) {
  size_t ldv = j->a->kv.pos_stride, d = j->a->d_head;
  for (uint32_t i = 0; i < n_rows; i++) memset(out + i * ldo, 0, d * sizeof(float));
  j->k->weighted_sum(out, ldo, s, j->max_kv, n_rows, v, ldv, n, d);
  for (uint32_t i = 1; step && i < n_rows; i++)
    j->k->weighted_sum(out + i * ldo, ldo, s + i * j->max_kv + n, j->max_kv, 1, v + n * ldv, ldv, i * step, d);
}

/* Rows [first, first + n_rows) of run r, all query heads of key/value head h. Keys before the first row's window are left out: positions
 * are counted from the first key that is not. */
static void attend_block(const attention_job *j, const lq_run *r, uint32_t first, uint32_t n_rows, uint32_t h, float *s) {
  const lq_attention *a = j->a;
  uint32_t group = a->n_head / a->n_head_kv;
  size_t off = (size_t)(a->kv.by_row ? r->row0 : r->seq) * a->kv.seq_stride + h * a->kv.head_stride;
  uint32_t skip = before_window(a, r->pos0 + first);
  off += skip * a->kv.pos_stride;
  const float *k = a->kv.k + off, *v = a->kv.v + off;
  size_t width = (size_t)a->n_head * a->d_head, w_stride = a->kv.pos_stride * sizeof(float);
  uint32_t last_pos = r->pos0 + first + n_rows - 1 - skip;
  size_t n = a->causal ? (size_t)last_pos + 1 : r->n_kv;
  size_t row = (size_t)r->row0 + first;
  const float *q = a->q + row * width + (size_t)h * group * a->d_head;
  float *out = a->out + row * width + (size_t)h * group * a->d_head;
  if (n_rows == 1) {
    j->k->matmul[LQ_F32](s, j->max_kv, k, w_stride, n, q, a->d_head * sizeof(float), group, a->d_head);
    for (uint32_t g = 0; g < group; g++) weigh(j, s + g * j->max_kv, h * group + g, last_pos, 0, n);
    sum_values(j, out, a->d_head, s, group, v, n, 0);
    return;
  }
  for (uint32_t g = 0; g < group; g++, q += a->d_head, out += a->d_head) {
    j->k->matmul[LQ_F32](s, j->max_kv, k, w_stride, n, q, width * sizeof(float), n_rows, a->d_head);
    for (uint32_t i = 0; i < n_rows; i++) {
      uint32_t p = r->pos0 + first + i, hidden = before_window(a, p) - skip;
      p -= skip;
      weigh(j, s + i * j->max_kv, h * group + g, p, hidden, a->causal ? (size_t)p + 1 : n);
    }
    sum_values(j, out, width, s, n_rows, v, a->causal ? n - n_rows + 1 : n, a->causal);
  }
}

static void attention_part(void *ctx, int part, int thread) {
  const attention_job *j = ctx;
  const lq_attention *a = j->a;
  uint32_t h = (uint32_t)part % a->n_head_kv, block = (uint32_t)part / a->n_head_kv;
  for (size_t i = 0; i < a->n_runs; i++) {
    uint32_t n_blocks = (a->runs[i].n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    if (block >= n_blocks) {
      block -= n_blocks;
      continue;
    }
    uint32_t first = block * BLOCK_ROWS, left = a->runs[i].n_rows - first;
    attend_block(j, &a->runs[i], first, left < BLOCK_ROWS ? left : BLOCK_ROWS, h, a->scores + (size_t)thread * j->scratch);
    return;
  }
}

/* Keys that the first run sees. */
static size_t max_seen(const lq_attention *a) {
  return a->n_runs == 0 ? 0 : a->causal ? (size_t)a->runs[0].pos0 + a->runs[0].n_rows : a->runs[0].n_kv;
}

void lq_attention_run(const lq_nn *nn, const lq_attention *a, size_t max_kv) {
  attention_job j = {nn->k, a, lq_attention_scratch(a->n_head, a->n_head_kv, max_kv), max_kv};
  uint32_t blocks = 0;
  for (size_t i = 0; i < a->n_runs; i++) blocks += (a->runs[i].n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  lq_pool *pool = blocks > 1 || max_seen(a) >= SERIAL_KEYS ? nn->pool : NULL;
  lq_pool_run(pool, attention_part, &j, (int)(blocks * a->n_head_kv));
}
