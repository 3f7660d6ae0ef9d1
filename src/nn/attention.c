/* Attention: one part = a block of rows of one run and one key/value head. May call: kernel, base. */
#include "nn/attention.h"

#include <string.h>

/* Query rows that share one pass over the keys. */
#define BLOCK_ROWS 8u

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

/* Turns raw scores of query position p into weights. n keys are seen. */
static void weigh(const attention_job *j, float *s, uint32_t head, uint32_t p, size_t n) {
  const lq_attention *a = j->a;
  for (size_t i = 0; i < n; i++) s[i] *= a->scale;
  if (a->bias) {
    const float *b = a->bias + head * a->n_bias + a->bias_zero - p;
    for (size_t i = 0; i < n; i++) s[i] += b[i];
  }
  j->k->softmax(s, n);
}

/* How many keys from position `at` (< n) of run r on lie one after the other, and where the first lies for key/value head h. */
static size_t stretch(const lq_kv_view *kv, const lq_run *r, uint32_t h, size_t at, size_t n, size_t *offset) {
  const uint16_t *home = kv->home ? kv->home[r->seq] : NULL;
  size_t seq = kv->by_row ? r->row0 : home ? home[at] : r->seq, end = n;
  if (home)
    for (end = at + 1; end < n && home[end] == home[at];) end++;
  *offset = seq * kv->seq_stride + h * kv->head_stride + at * kv->pos_stride;
  return end - at;
}

/* Keys and values that a block of rows looks at. */
typedef struct seen {
  const lq_run *r;
  uint32_t h; /* key/value head */
} seen;

/* s[n_q][n] = dot products of the queries with the first n keys. */
static void score_keys(const attention_job *j, seen at, float *s, const float *q, size_t ldq, uint32_t n_q, size_t n) {
  const lq_kv_view *kv = &j->a->kv;
  for (size_t i = 0, len, off; i < n; i += len) {
    len = stretch(kv, at.r, at.h, i, n, &off);
    j->k->matmul[LQ_F32](s + i, j->max_kv, kv->k + off, kv->pos_stride * sizeof(float), len, q, ldq * sizeof(float), n_q, j->a->d_head);
  }
}

/* out[n_rows] += the values of keys [from, to), weighted by s[n_rows]. */
static void add_values(const attention_job *j, seen at, float *out, size_t ldo, const float *s, uint32_t n_rows, size_t from, size_t to) {
  const lq_kv_view *kv = &j->a->kv;
  for (size_t i = from, len, off; i < to; i += len) {
    len = stretch(kv, at.r, at.h, i, to, &off);
    j->k->weighted_sum(out, ldo, s + i, j->max_kv, n_rows, kv->v + off, kv->pos_stride, len, j->a->d_head);
  }
}

/* out[n_rows] = weighted sums of the values: row i sees n + i * step keys; the n that all see in one call. */
static void sum_values(const attention_job *j, seen at, float *out, size_t ldo, const float *s, uint32_t n_rows, size_t n, size_t step) {
  for (uint32_t i = 0; i < n_rows; i++) memset(out + i * ldo, 0, j->a->d_head * sizeof(float));
  add_values(j, at, out, ldo, s, n_rows, 0, n);
  for (uint32_t i = 1; step && i < n_rows; i++) add_values(j, at, out + i * ldo, ldo, s + i * j->max_kv, 1, n, n + i * step);
}

/* Rows [first, first + n_rows) of run r, all query heads of key/value head h. */
static void attend_block(const attention_job *j, const lq_run *r, uint32_t first, uint32_t n_rows, uint32_t h, float *s) {
  const lq_attention *a = j->a;
  uint32_t group = a->n_head / a->n_head_kv;
  seen at = {r, h};
  size_t width = (size_t)a->n_head * a->d_head;
  uint32_t last_pos = r->pos0 + first + n_rows - 1;
  size_t n = a->causal ? (size_t)last_pos + 1 : r->n_kv;
  size_t row = (size_t)r->row0 + first;
  const float *q = a->q + row * width + (size_t)h * group * a->d_head;
  float *out = a->out + row * width + (size_t)h * group * a->d_head;
  if (n_rows == 1) {
    score_keys(j, at, s, q, a->d_head, group, n);
    for (uint32_t g = 0; g < group; g++) weigh(j, s + g * j->max_kv, h * group + g, last_pos, n);
    sum_values(j, at, out, a->d_head, s, group, n, 0);
    return;
  }
  for (uint32_t g = 0; g < group; g++, q += a->d_head, out += a->d_head) {
    score_keys(j, at, s, q, width, n_rows, n);
    for (uint32_t i = 0; i < n_rows; i++) {
      uint32_t p = r->pos0 + first + i;
      weigh(j, s + i * j->max_kv, h * group + g, p, a->causal ? (size_t)p + 1 : n);
    }
    sum_values(j, at, out, width, s, n_rows, a->causal ? n - n_rows + 1 : n, a->causal);
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

void lq_attention_run(const lq_nn *nn, const lq_attention *a, size_t max_kv) {
  attention_job j = {nn->k, a, lq_attention_scratch(a->n_head, a->n_head_kv, max_kv), max_kv};
  uint32_t blocks = 0;
  for (size_t i = 0; i < a->n_runs; i++) blocks += (a->runs[i].n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  lq_pool_run(nn->pool, attention_part, &j, (int)(blocks * a->n_head_kv));
}
