/* Normalisers. May call: kernel, base. */
#include "nn/logsum.h"

#include <math.h>

/* Several maxima side by side, which compilers turn into vectors. */
float lq_largest(const float *x, uint32_t n) {
  enum { LANES = 32 };
  float m[LANES], top = -INFINITY;
  uint32_t i = 0;
  for (uint32_t k = 0; k < LANES; k++) m[k] = -INFINITY;
  for (; i + LANES <= n; i += LANES)
    for (uint32_t k = 0; k < LANES; k++) m[k] = x[i + k] > m[k] ? x[i + k] : m[k];
  for (; i < n; i++) top = x[i] > top ? x[i] : top;
  for (uint32_t k = 0; k < LANES; k++) top = m[k] > top ? m[k] : top;
  return top;
}

typedef struct sum_job {
  const lq_kernels *k;
  double *out;
  const float *x;
  uint32_t n;
} sum_job;

static void sum_part(void *ctx, int part, int thread) {
  const sum_job *j = ctx;
  const float *x = j->x + (size_t)part * j->n;
  float top = lq_largest(x, j->n);
  (void)thread;
  j->out[part] = (double)top + log(j->k->sum_exp(x, j->n, top));
}

void lq_log_sums(const lq_nn *nn, double *out, const float *x, uint32_t n_rows, uint32_t n) {
  sum_job j = {nn->k, out, x, n};
  lq_pool_run(nn->pool, sum_part, &j, (int)n_rows);
}
