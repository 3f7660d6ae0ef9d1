/* The one walker: runs a stack of blocks over rows of several sequences, encoder or decoder, with or without cross attention.
 * May call: nn, kernel, base. It never tests a model's name: the architecture row and the bound weights say everything. */
#ifndef LQ_STACK_H
#define LQ_STACK_H

#include "model/kv.h"
#include "model/weights.h"

typedef void (*lq_stack_probe)(void *ctx, const char *name, const float *x, size_t rows, size_t cols);

typedef struct lq_stack_size {
  uint32_t n_ctx;    /* decoder positions per sequence */
  uint32_t n_src;    /* longest source; 0 without encoder */
  uint32_t n_seq;    /* sequences at once */
  uint32_t n_source; /* sources at once: sequences may share one */
  uint32_t max_rows; /* rows in one call */
} lq_stack_size;

/* Working memory and caches of one session. */
typedef struct lq_stack {
  const lq_weights *w;
  lq_nn nn;
  lq_stack_size size;
  lq_kv self, cross;
  const lq_run *sources; /* the caller's, set for a run: rows that read one source together, seq = the source. NULL: each run reads its own */
  size_t n_sources;
  float *x;              /* [max_rows][d_model]: the residual stream; after a run, its output */
  float *h, *t;          /* [max_rows][d_model] */
  float *q, *a;          /* [max_rows][n_head * d_head] */
  float *k, *v;          /* [max_rows][n_head_kv * d_head] */
  float *gate, *up;      /* [max_rows][d_ff] */
  lq_q8a *q8;            /* [max_rows][q8_row]: quantised rows of the widest matrix */
  lq_q8a *q8_rest;       /* the same of what they leave over, or NULL */
  float *scores;         /* [threads][scores_thread] */
  size_t q8_row, scores_thread;
  float *rope;           /* [max(n_ctx, n_src)][n_rot] cos, sin */
  float *rope_local;     /* the same for local layers, where they turn otherwise */
  float *enc_bias, *dec_bias; /* T5, ALiBi: [n_head][2*n_src - 1], [n_head][n_ctx] */
  lq_stack_probe probe;
  void *probe_ctx;
} lq_stack;

/* Takes all memory from `a` (or measures it). False when the arena is full or a size overflows. Tables are filled when not measuring. */
bool lq_stack_layout(lq_stack *s, const lq_weights *w, lq_nn nn, lq_stack_size size, lq_arena *a);

/* Fills s->x with what `l` reads: embeddings of ids[row] with positions, token types (types[row]; NULL = 0) and norm, as the model has them.
 * ids and types must be in range, runs' positions within the context. */
void lq_stack_embed(lq_stack *s, const lq_layers *l, const int32_t *ids, const uint8_t *types, const lq_run *runs, size_t n_runs);
/* Runs the rows in s->x through `l`, s->x = output, normed if the model does. Decoder: keys and values go to s->self at each run's
 * positions; runs[].n_kv is the source length for cross attention. Encoder: runs[].n_kv = n_rows of the run. */
void lq_stack_run(lq_stack *s, const lq_layers *l, const lq_run *runs, size_t n_runs, uint32_t n_rows);
/* Cross-attention keys and values of every decoder layer from the encoder output in s->x. Returns the layers filled. */
uint32_t lq_stack_fill_cross(lq_stack *s, const lq_run *runs, size_t n_runs, uint32_t n_rows);
/* logits[n][n_vocab] of the given rows of s->x. n <= max_rows. */
void lq_stack_head(lq_stack *s, const uint32_t *rows, uint32_t n, float *logits);

#endif
