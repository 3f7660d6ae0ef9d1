/* From scores to a token: generate()'s processors in its order, then the likeliest token or a draw.
 * May call: process, kernel (softmax), base. Reference: transformers 5 generation/logits_process.py, and utils.py for the order.
 *
 * The same seed and the same scores give the same token on every system: processors and draw use IEEE additions, multiplications and
 * divisions in a fixed order, and no function of libm that is not exact. Scores themselves may differ by about 1e-5 between kernel tables
 * (never between thread counts), so two tables may part ways when a draw falls within that distance of a boundary: about once in 100,000
 * tokens. */
#ifndef LQ_SAMPLE_H
#define LQ_SAMPLE_H

#include "decode/process.h"
#include "kernel/kernel.h"

typedef struct lq_rng { uint64_t s[4]; } lq_rng; /* xoshiro256**, Blackman & Vigna 2018 */
void lq_rng_seed(lq_rng *r, uint64_t seed);
double lq_rng_next(lq_rng *r); /* uniform in [0, 1) */

/* Scratch for one vocabulary, shared by all sequences of a session. */
typedef struct lq_sample_scratch {
  float *work;      /* [n_vocab] */
  uint32_t *order;  /* [n_vocab] */
  uint8_t *seen;    /* [n_vocab], all zero between calls */
} lq_sample_scratch;

/* Processes logits[n_vocab] in place: lq_process; if do_sample also temperature, top_k, top_p, min_p. Dropped tokens become -INFINITY.
 * Where scores are equal, top_p drops the lower id first. */
void lq_sample_process(const lq_gen *g, float *logits, uint32_t n_vocab, lq_history h, lq_sample_scratch s);
/* Said of a damaged model. */
#define LQ_NO_NUMBER "the model computes scores that are not numbers; its file is damaged, so fetch it again"

/* The first index from i on with x[index] >= bar; n when there is none. */
uint32_t lq_next_from(const float *x, uint32_t n, uint32_t i, float bar);
/* Picks a token; *logprob = its log-probability before any processing. logits are overwritten.
 * LQ_E_FORMAT when a score is no number: a damaged model. LQ_E_OPTION when the options leave no token. */
lq_status lq_sample(const lq_gen *g, const lq_kernels *k, lq_rng *rng, float *logits, uint32_t n_vocab, lq_history h, lq_sample_scratch s,
                    int32_t *token, float *logprob, lq_error *err);

#endif
