/* Linear layers: quantise the activations once, then share the output rows among the threads.
 * May call: kernel, quant, base. */
#include "nn/linear.h"

/* Output rows handed to a thread at a time: a multiple of every packed group, and few enough that a thread which lost its core
 * leaves most of the work to the others. */
#define PART_STEP 16u
#define PARTS_PER_THREAD 6u
/* Multiply-adds that a part should have at least: handing one out costs a fraction of a microsecond. */
#define PART_MACS (1u << 18)
/* As many rows of activations are worth a pass over the weights of their own: threads then share rows, not outputs. */
#define ROW_BLOCK 32u
/* Up to this many rows are quantised, normed and activated by the caller alone. */
#define FEW_ROWS 8u
/* Below this many multiply-adds (some microseconds), another thread's answer comes later than the caller's own. */
#define SERIAL_MACS (1u << 17)

static bool takes_floats(lq_type t) { return t == LQ_F32 || t == LQ_F16 || t == LQ_BF16; }

typedef struct linear_job {
  const lq_kernels *k;
  const lq_acts *x;
  const lq_product *products;
  size_t n_products;
  uint32_t part_rows; /* outputs, or rows of activations when by_rows */
  bool by_rows;
} linear_job;

/* Outputs [first, first + n) of rows [row0, row0 + n_rows), all packed or all not. */
static void multiply(const lq_acts *x, const lq_product *p, lq_matmul_fn fn, uint32_t row0, uint32_t n_rows, uint32_t first, uint32_t n) {
  const lq_mat *w = p->w;
  bool floats = takes_floats(w->type);
  const void *in = floats ? (const void *)(x->x + (size_t)row0 * x->n_in) : (const void *)(x->q + (size_t)row0 * (x->n_in / LQ_QK));
  size_t stride = floats ? x->n_in * sizeof(float) : (size_t)(x->n_in / LQ_QK) * sizeof(lq_q8a);
  float *y = p->y + (size_t)row0 * w->n_out + first;
  if (n) fn(y, w->n_out, w->data + (size_t)first * w->row_bytes, w->row_bytes, n, in, stride, n_rows, w->n_in);
}

/* What multiply left out: the same products of x->rest, added a tile at a time. */
static void multiply_rest(const lq_acts *x, const lq_product *p, lq_matmul_fn fn, uint32_t row0, uint32_t n_rows, uint32_t first, uint32_t n) {
  enum { ROWS = 32, OUTS = 64 }; /* OUTS: a multiple of every packed group */
  const lq_mat *w = p->w;
  size_t blocks = x->n_in / LQ_QK;
  float tile[ROWS * OUTS];
  for (uint32_t r = 0; r < n_rows; r += ROWS)
    for (uint32_t i = 0; i < n; i += OUTS) {
      uint32_t nr = n_rows - r < ROWS ? n_rows - r : ROWS, ni = n - i < OUTS ? n - i : OUTS;
      const uint8_t *rows = w->data + (size_t)(first + i) * w->row_bytes;
      fn(tile, OUTS, rows, w->row_bytes, ni, x->rest + (row0 + r) * blocks, blocks * sizeof(lq_q8a), nr, x->n_in);
      for (uint32_t a = 0; a < nr; a++)
        for (uint32_t b = 0; b < ni; b++) p->y[(size_t)(row0 + r + a) * w->n_out + first + i + b] += tile[a * OUTS + b];
    }
}

static void linear_block(const lq_kernels *k, const lq_acts *x, const lq_product *p, uint32_t row0, uint32_t n_rows, uint32_t first, uint32_t n) {
  const lq_mat *w = p->w;
  uint32_t packed = w->n_packed <= first ? 0 : w->n_packed - first < n ? w->n_packed - first : n;
  multiply(x, p, k->matmul_packed[w->type], row0, n_rows, first, packed);
  multiply(x, p, k->matmul[w->type], row0, n_rows, first + packed, n - packed);
  if (x->rest && !takes_floats(w->type)) {
    multiply_rest(x, p, k->matmul_packed[w->type], row0, n_rows, first, packed);
    multiply_rest(x, p, k->matmul[w->type], row0, n_rows, first + packed, n - packed);
  }
  if (!w->bias) return;
  for (uint32_t r = row0; r < row0 + n_rows; r++) {
    float *y = p->y + (size_t)r * w->n_out + first;
    for (uint32_t i = 0; i < n; i++) y[i] += w->bias[first + i];
  }
}

static uint32_t parts_of(uint32_t n, uint32_t per_part) { return (n + per_part - 1) / per_part; }

static void linear_part(void *ctx, int part, int thread) {
  (void)thread;
  const linear_job *j = ctx;
  uint32_t at = (uint32_t)part;
  const lq_product *p = j->products;
  if (j->by_rows) {
    uint32_t row0 = at * j->part_rows, left = j->x->n_rows - row0;
    for (size_t i = 0; i < j->n_products; i++) linear_block(j->k, j->x, &p[i], row0, left < j->part_rows ? left : j->part_rows, 0, p[i].w->n_out);
    return;
  }
  for (; at >= parts_of(p->w->n_out, j->part_rows); p++) at -= parts_of(p->w->n_out, j->part_rows);
  uint32_t first = at * j->part_rows, left = p->w->n_out - first;
  linear_block(j->k, j->x, p, 0, j->x->n_rows, first, left < j->part_rows ? left : j->part_rows);
}

typedef struct quantize_job {
  const lq_kernels *k;
  const lq_acts *x;
} quantize_job;

static void quantize_part(void *ctx, int part, int thread) {
  (void)thread;
  const quantize_job *j = ctx;
  size_t r = (size_t)part, n = j->x->n_in, blocks = n / LQ_QK;
  const float *x = j->x->x + r * n;
  lq_q8a *q = j->x->q + r * blocks;
  j->k->quantize(x, q, n);
  for (size_t b = 0; j->x->rest && b < blocks; b++) {
    float left[LQ_QK];
    for (size_t i = 0; i < LQ_QK; i++) left[i] = x[b * LQ_QK + i] - q[b].d * (float)q[b].qs[i];
    j->k->quantize(left, j->x->rest + r * blocks + b, LQ_QK);
  }
}

static void run_rows(const lq_nn *nn, void (*fn)(void *ctx, int part, int thread), void *ctx, uint32_t n_rows) {
  lq_pool_run(n_rows > FEW_ROWS ? nn->pool : NULL, fn, ctx, (int)n_rows);
}

void lq_linear(const lq_nn *nn, lq_acts *x, const lq_product *products, size_t n_products) {
  uint64_t n_out = 0;
  if (x->n_rows == 0) return;
  for (size_t i = 0; i < n_products; i++) {
    n_out += products[i].w->n_out;
    if (takes_floats(products[i].w->type) || x->quantized) continue;
    quantize_job q = {nn->k, x};
    run_rows(nn, quantize_part, &q, x->n_rows);
    x->quantized = true;
  }
  uint32_t threads = (uint32_t)lq_pool_threads(nn->pool);
  uint64_t macs = n_out * x->n_in * x->n_rows, per_thread = macs / threads / PART_MACS;
  per_thread = per_thread < 1 ? 1 : per_thread > PARTS_PER_THREAD ? PARTS_PER_THREAD : per_thread;
  uint32_t part_rows = parts_of((uint32_t)(n_out / per_thread), threads * PART_STEP) * PART_STEP;
  linear_job j = {nn->k, x, products, n_products, part_rows ? part_rows : PART_STEP, x->n_rows >= ROW_BLOCK * threads};
  if (j.by_rows) j.part_rows = ROW_BLOCK;
  uint32_t parts = j.by_rows ? parts_of(x->n_rows, ROW_BLOCK) : 0;
  for (size_t i = 0; !j.by_rows && i < n_products; i++) parts += parts_of(products[i].w->n_out, j.part_rows);
  lq_pool_run(macs < SERIAL_MACS ? NULL : nn->pool, linear_part, &j, (int)parts);
}

typedef struct row_job {
  const lq_kernels *k;
  float *y;
  const float *x, *w, *b;
  size_t n;
  float eps;
  lq_act act;
} row_job;

static void norm_part(void *ctx, int part, int thread) {
  (void)thread;
  const row_job *j = ctx;
  size_t at = (size_t)part * j->n;
  j->k->rmsnorm(j->y + at, j->x + at, j->w, j->n, j->eps);
}

static void layernorm_part(void *ctx, int part, int thread) {
  (void)thread;
  const row_job *j = ctx;
  size_t at = (size_t)part * j->n;
  j->k->layernorm(j->y + at, j->x + at, j->w, j->b, j->n, j->eps);
}

static void activate_part(void *ctx, int part, int thread) {
  (void)thread;
  const row_job *j = ctx;
  size_t at = (size_t)part * j->n;
  j->k->activate((int)j->act, j->y + at, j->x ? j->x + at : NULL, j->n);
}

void lq_rmsnorm_rows(const lq_nn *nn, float *y, const float *x, const float *w, uint32_t n_rows, size_t n, float eps) {
  row_job j = {.k = nn->k, .y = y, .x = x, .w = w, .n = n, .eps = eps};
  run_rows(nn, norm_part, &j, n_rows);
}

void lq_layernorm_rows(const lq_nn *nn, float *y, const float *x, const float *w, const float *b, uint32_t n_rows, size_t n, float eps) {
  row_job j = {.k = nn->k, .y = y, .x = x, .w = w, .b = b, .n = n, .eps = eps};
  run_rows(nn, layernorm_part, &j, n_rows);
}

void lq_activate_rows(const lq_nn *nn, lq_act act, float *x, const float *gate, uint32_t n_rows, size_t n) {
  row_job j = {.k = nn->k, .y = x, .x = gate, .n = n, .act = act};
  run_rows(nn, activate_part, &j, n_rows);
}

void lq_mat_row(const lq_nn *nn, const lq_mat *w, uint32_t i, float *y) {
  if (i >= w->n_packed) {
    lq_dequantize_row(w->type, w->data + (size_t)i * w->row_bytes, y, w->n_in);
    return;
  }
  uint32_t group = nn->k->repack_rows[w->type];
  const uint8_t *at = w->data + (size_t)(i / group) * group * w->row_bytes;
  nn->k->unpack_row[w->type](at, i % group, y, w->n_in);
}

size_t lq_mat_pack_scratch(const lq_nn *nn, const lq_mat *w) {
  uint32_t group = nn->k->repack_rows[w->type];
  if (w->n_packed || group == 0 || w->n_out < group) return 0;
  return group * w->row_bytes;
}

/* The file's bytes are ours to rewrite (lq_model_open's contract); only here is the const taken off. */
void lq_mat_pack(const lq_nn *nn, lq_mat *w, void *tmp) {
  size_t bytes = lq_mat_pack_scratch(nn, w);
  if (bytes == 0) return;
  uint32_t group = nn->k->repack_rows[w->type];
  uint8_t *at = (uint8_t *)(uintptr_t)w->data;
  for (; w->n_packed + group <= w->n_out; w->n_packed += group, at += bytes) nn->k->pack[w->type](at, tmp, w->n_in);
}
