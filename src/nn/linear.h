/* Linear layers over rows of activations. Stateless; the only floor that calls the pool.
 * May call: kernel, quant, base. */
#ifndef LQ_LINEAR_H
#define LQ_LINEAR_H

#include "base/pool.h"
#include "kernel/kernel.h"

/* What every nn function runs on. pool NULL = serial. */
typedef struct lq_nn {
  const lq_kernels *k;
  lq_pool *pool;
} lq_nn;

/* A weight matrix [n_out, n_in], borrowed from the file. bias: n_out floats or NULL. */
typedef struct lq_mat {
  const uint8_t *data;
  const float *bias;
  size_t row_bytes;
  uint32_t n_in, n_out;
  lq_type type;
  uint32_t n_packed; /* the first rows: groups of k->repack_rows[type] rewritten for speed */
} lq_mat;

/* Activation rows x[n_rows, n_in], contiguous. q: scratch for n_rows * n_in / 32 blocks, filled at the first quantised matrix
 * that reads them, so that q, k and v share one quantisation. */
typedef struct lq_acts {
  const float *x;
  lq_q8a *q;
  lq_q8a *rest; /* NULL, or scratch like q for what q leaves over: products twice as dear, activations of some 15 bits instead of 8 */
  uint32_t n_rows, n_in;
  bool quantized;
} lq_acts;

/* One of several products of the same activations: y[n_rows, n_out], rows w->n_out floats apart. */
typedef struct lq_product {
  const lq_mat *w;
  float *y;
} lq_product;

/* y = x W^T + b of each product, all in one sharing among the threads. No y aliases x or another y. Never fails. */
void lq_linear(const lq_nn *nn, lq_acts *x, const lq_product *products, size_t n_products);

/* Rows of n values shared among the threads: y = rmsnorm(x) * w (w may be NULL, y may be x); y = layernorm(x) * w + b (the same);
 * x = act(x) * gate (gate may be NULL). */
void lq_rmsnorm_rows(const lq_nn *nn, float *y, const float *x, const float *w, uint32_t n_rows, size_t n, float eps);
void lq_layernorm_rows(const lq_nn *nn, float *y, const float *x, const float *w, const float *b, uint32_t n_rows, size_t n, float eps);
void lq_activate_rows(const lq_nn *nn, lq_act act, float *x, const float *gate, uint32_t n_rows, size_t n);

/* y[n_in] = row i of w, decoded. */
void lq_mat_row(const lq_nn *nn, const lq_mat *w, uint32_t i, float *y);

/* Rewrites w's rows in place in the kernel's packed form, if it has one; rows beyond the last whole group stay as they are.
 * tmp: bytes of one group. */
void lq_mat_pack(const lq_nn *nn, lq_mat *w, void *tmp);
/* Bytes of tmp that lq_mat_pack wants for w; 0 when it would do nothing. */
size_t lq_mat_pack_scratch(const lq_nn *nn, const lq_mat *w);

#endif
