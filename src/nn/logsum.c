/* Normalisers. May call: kernel, base. */
#include "nn/logsum.h"

#include <math.h>
#include <string.h>

typedef struct sum_job {
  const lq_kernels *k;
  double *out;
  const float *x;
  uint32_t n;
  float *work;
} sum_job;

static void sum_part(void *ctx, int part, int thread) {
  const sum_job *j = ctx;
  const float *x = j->x + (size_t)part * j->n;
  float *p = j->work + (size_t)thread * j->n, enough = 0.99f / (float)j->n;
  memcpy(p, x, j->n * sizeof(float));
  j->k->softmax(p, j->n);
  uint32_t i = 0; /* any score whose probability is not tiny tells the sum; some probability is at least 1 / n */
  while (i + 1 < j->n && !(p[i] >= enough)) i++;
  j->out[part] = (double)x[i] - log((double)p[i]);
}

void lq_log_sums(const lq_nn *nn, double *out, const float *x, uint32_t n_rows, uint32_t n, float *work) {
  sum_job j = {nn->k, out, x, n, work};
  lq_pool_run(nn->pool, sum_part, &j, (int)n_rows);
}
