/* Largest scores and normalisers of rows, shared among the threads. May call: linear's context, kernel, base. */
#ifndef LQ_LOGSUM_H
#define LQ_LOGSUM_H

#include "nn/linear.h"

/* The largest of x[n], -INFINITY if none is a number. */
float lq_largest(const float *x, uint32_t n);
/* out[r] = ln(sum(exp(x[r]))) of row r of n scores (n >= 1). Not finite when a score is no number. */
void lq_log_sums(const lq_nn *nn, double *out, const float *x, uint32_t n_rows, uint32_t n);

#endif
