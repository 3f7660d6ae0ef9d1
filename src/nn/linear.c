/* Linear layers: quantise the activations once, then share the output rows among the threads.
 * May call: kernel, quant, base. */
#include "nn/linear.h"

/* Output rows handed to a thread at a time: a multiple of every packed group, and few enough that a thread which lost its core
 * leaves most of the work to the others. */
#define PART_STEP 16u
#define PARTS_PER_THREAD 6u
/* Up to this many rows are quantised, normed and activated by the caller alone. */
#define FEW_ROWS 8u
/* Below this many multiply-adds (some 10 microseconds), waking another thread costs more than it saves. */
#ifdef __wasm__
#define SERIAL_MACS (1u << 18)
#else
#define SERIAL_MACS (1u << 20)
#endif

static bool takes_floats(lq_type t) { return t == LQ_F32 || t == LQ_F16 || t == LQ_BF16; }

typedef struct linear_job {
  const lq_kernels *k;
  const lq_mat *w;
  const lq_acts *x;
  float *y;
  size_t ldy;
  uint32_t part_rows;
  bool floats;
} linear_job;

static void multiply(const linear_job *j, lq_matmul_fn fn, uint32_t first, uint32_t n) {
  const lq_mat *w = j->w;
  const lq_acts *x = j->x;
  const void *in = j->floats ? (const void *)x->x : (const void *)x->q;
  size_t stride = j->floats ? x->n_in * sizeof(float) : (size_t)(x->n_in / LQ_QK) * sizeof(lq_q8a);
  if (n) fn(j->y + first, j->ldy, w->data + (size_t)first * w->row_bytes, w->row_bytes, n, in, stride, x->n_rows, w->n_in);
}

static void linear_rows(const linear_job *j, uint32_t first, uint32_t n) {
  const lq_mat *w = j->w;
  const lq_acts *x = j->x;
  uint32_t packed = w->n_packed <= first ? 0 : w->n_packed - first < n ? w->n_packed - first : n;
  multiply(j, j->k->matmul_packed[w->type], first, packed);
  multiply(j, j->k->matmul[w->type], first + packed, n - packed);
  if (!w->bias) return;
  for (uint32_t r = 0; r < x->n_rows; r++) {
    float *y = j->y + r * j->ldy + first;
    for (uint32_t i = 0; i < n; i++) y[i] += w->bias[first + i];
  }
}

static void linear_part(void *ctx, int part, int thread) {
  (void)thread;
  const linear_job *j = ctx;
  uint32_t first = (uint32_t)part * j->part_rows;
  uint32_t left = j->w->n_out - first;
  linear_rows(j, first, left < j->part_rows ? left : j->part_rows);
}

typedef struct quantize_job {
  const lq_kernels *k;
  const lq_acts *x;
} quantize_job;

static void quantize_part(void *ctx, int part, int thread) {
  (void)thread;
  const quantize_job *j = ctx;
  size_t r = (size_t)part, n = j->x->n_in;
  j->k->quantize(j->x->x + r * n, j->x->q + r * (n / LQ_QK), n);
}

static void run_rows(const lq_nn *nn, void (*fn)(void *ctx, int part, int thread), void *ctx, uint32_t n_rows) {
  lq_pool_run(n_rows > FEW_ROWS ? nn->pool : NULL, fn, ctx, (int)n_rows);
}

void lq_linear(const lq_nn *nn, const lq_mat *w, lq_acts *x, float *y, size_t ldy) {
  bool floats = takes_floats(w->type);
  if (x->n_rows == 0) return;
  if (!floats && !x->quantized) {
    quantize_job q = {nn->k, x};
    run_rows(nn, quantize_part, &q, x->n_rows);
    x->quantized = true;
  }
  uint32_t per_part = w->n_out / ((uint32_t)lq_pool_threads(nn->pool) * PARTS_PER_THREAD);
  linear_job j = {nn->k, w, x, y, ldy, (per_part / PART_STEP + 1) * PART_STEP, floats};
  uint64_t macs = (uint64_t)w->n_out * w->n_in * x->n_rows;
  if (!nn->pool || macs < SERIAL_MACS) {
    linear_rows(&j, 0, w->n_out);
    return;
  }
  lq_pool_run(nn->pool, linear_part, &j, (int)((w->n_out + j.part_rows - 1) / j.part_rows));
}

typedef struct row_job {
  const lq_kernels *k;
  float *y;
  const float *x, *w;
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
