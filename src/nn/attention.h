/* Scaled dot-product attention over ragged batches: rows of several sequences in one call, no padding.
 * May call: linear's context, kernel, base. Vaswani et al. 2017 s3.2; grouped queries: Ainslie et al. 2023. */
#ifndef LQ_ATTENTION_H
#define LQ_ATTENTION_H

#include "nn/linear.h"

/* Consecutive rows of one sequence: row row0 + i stands at position pos0 + i. */
typedef struct lq_run {
  uint32_t row0, n_rows;
  uint32_t seq;  /* which sequence: its keys and values start at seq * seq_stride */
  uint32_t pos0;
  uint32_t n_kv; /* keys there are for this sequence (cross attention and encoders; ignored when causal) */
} lq_run;

/* Keys and values of one layer; strides in floats. */
typedef struct lq_kv_view {
  const float *k, *v;
  size_t seq_stride, head_stride, pos_stride;
  bool by_row; /* a run's keys start at its row0 instead of its seq (encoders: keys of this very call) */
  /* NULL: a sequence's keys are its own. Else home[seq][p] = the sequence at whose position p the key of position p lies: sequences that
   * branched off from others read what they have in common where it was written. */
  const uint16_t *const *home;
} lq_kv_view;

typedef struct lq_attention {
  const float *q; /* [rows][n_head * d_head] */
  float *out;     /* the same shape; may not alias q */
  lq_kv_view kv;
  const lq_run *runs;
  size_t n_runs;
  uint32_t n_head, n_head_kv, d_head;
  float scale;
  float cap;         /* scores become cap * tanh(score / cap) before the bias; 0 = no cap. Gemma 2, 2024 */
  uint32_t window;   /* causal: row at position p sees no key before p - window + 1; 0 = all. Beltagy et al. 2020 */
  bool causal;       /* row at position p sees keys 0..p; else all n_kv */
  const float *bias; /* [n_head][n_bias], added to the score of key j for query p at bias[h][bias_zero + j - p]; NULL = none */
  size_t n_bias, bias_zero;
  float *scores;     /* scratch: threads * lq_attention_scratch floats */
} lq_attention;

/* Floats of scratch a thread needs for max_kv keys. */
size_t lq_attention_scratch(uint32_t n_head, uint32_t n_head_kv, uint32_t d_head, size_t max_kv);
void lq_attention_run(const lq_nn *nn, const lq_attention *a, size_t max_kv);

#endif
