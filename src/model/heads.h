/* What an encoder's states are read by: pooling into one vector, scores of masked words, of whole inputs, of tokens and of spans.
 * May call: gguf, nn, kernel, base. */
#ifndef LQ_HEADS_H
#define LQ_HEADS_H

#include "model/stack.h"

typedef enum lq_pooling { LQ_POOL_MEAN = 1, LQ_POOL_CLS = 2, LQ_POOL_LAST = 3 } lq_pooling; /* llama.cpp's numbers */
/* How scores of labels become probabilities: softmax, a sigmoid each, as they are. */
typedef enum lq_problem { LQ_PROBLEM_ONE, LQ_PROBLEM_MANY, LQ_PROBLEM_NUMBER } lq_problem;

/* n_out == 0: the model has no such head. */
typedef struct lq_heads {
  lq_mat mlm;         /* [d, d], then the model's activation and mlm_norm, then the output matrix; masked words */
  lq_norm mlm_norm;
  lq_mat pooler;      /* [d, d] of the first token's state, then pooler_act; may be absent where classify is not */
  lq_act pooler_act;
  lq_mat classify;    /* [n_labels, d] */
  lq_mat token;       /* [n_labels, d], of every token */
  lq_mat span;        /* [2, d], of every token: an answer's first and last */
  uint32_t n_labels;
  lq_str *labels;     /* [n_labels]; n 0: it has no name */
  lq_problem problem;
  lq_pooling pooling;
  bool normalize;     /* vectors of length 1 */
} lq_heads;

/* Reads what the file has; every tensor's shape is checked. Memory from `a`. */
lq_status lq_heads_open(lq_heads *h, const lq_weights *w, const lq_gguf *g, lq_arena *a, lq_error *err);

/* out[d] = the states of one run as one vector. */
void lq_heads_pool(const lq_stack *s, const lq_run *r, lq_pooling how, float *out);
/* x / |x|; a zero vector stays. */
void lq_heads_unit(float *x, size_t n);
/* scores[n][n_vocab] of the given rows. n <= max_rows. */
void lq_heads_words(lq_stack *s, const lq_heads *h, const uint32_t *rows, uint32_t n, float *scores);
/* scores[n][n_labels] of inputs whose first rows are given. */
void lq_heads_classify(lq_stack *s, const lq_heads *h, const uint32_t *rows, uint32_t n, float *scores);
/* scores[n][head->n_out] of rows 0..n. */
void lq_heads_tokens(lq_stack *s, const lq_mat *head, uint32_t n, float *scores);
/* Scores of one input's labels -> probabilities, in place. */
void lq_heads_probabilities(const lq_heads *h, const lq_kernels *k, float *scores);

#endif
