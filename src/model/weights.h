/* A model's shape and weights, bound to the checked tensors of a GGUF file.
 * May call: gguf, nn, quant, base. Every tensor's presence, type and shape is checked here, once; the walker trusts them. */
#ifndef LQ_WEIGHTS_H
#define LQ_WEIGHTS_H

#include "gguf/gguf.h"
#include "model/arch.h"
#include "nn/linear.h"

typedef struct lq_hparams {
  uint32_t n_vocab, d_model, d_ff, n_enc, n_dec;
  uint32_t n_head, n_head_kv, d_head;
  uint32_t max_context; /* trained positions; 0 = no limit of its own */
  uint32_t position_offset; /* the first token's place in the table of learned positions, or among the sinusoids */
  uint32_t n_rot;       /* rotated values per head */
  uint32_t rel_buckets, rel_max_distance;
  uint32_t window;      /* keys that a query of a local layer sees, its own included; 0 = no layer is local */
  uint32_t window_step; /* with a window, every window_step-th layer is not local; 0 = all are */
  const lq_gguf_kv *local_layers; /* or a flag for each layer */
  uint32_t nope_step;   /* every nope_step-th layer is not rotated; 0 = all are */
  float eps;
  float embed_scale, attn_scale, logit_scale; /* factors of embeddings, of attention's dot products, of the head's input */
  float attn_cap, logit_cap; /* x becomes cap * tanh(x / cap); 0 = no cap */
  float alibi_bias;
  lq_rope_spec rope, rope_local;
  bool two_ropes;       /* local layers turn as rope_local says */
  int32_t decoder_start;
  lq_norm_place place;
  lq_sinusoid_kind sinusoid;
  lq_act act;
  bool gated, parallel;
} lq_hparams;

/* [d_model]; w NULL: there is no such norm. */
typedef struct lq_norm {
  const float *w, *b; /* b NULL: none */
} lq_norm;

/* A sub-layer's norms: of what it reads, of what it adds, of the sum. */
typedef struct lq_norms {
  lq_norm before, branch, after;
} lq_norms;

typedef enum lq_rope_use { LQ_ROPE_UNUSED, LQ_ROPE_GLOBAL, LQ_ROPE_LOCAL } lq_rope_use;

typedef struct lq_block {
  lq_norms attn, cross, ffn;
  const float *q_norm, *k_norm;                   /* [d_head] or NULL */
  lq_mat q, k, v, o;
  lq_mat cross_q, cross_k, cross_v, cross_o;      /* n_out == 0 without cross attention */
  lq_mat gate, up, down;                          /* gate.n_out == 0 when not gated */
  uint32_t window;                                /* keys a query sees, its own included; 0 = all */
  lq_rope_use rope;
} lq_block;

typedef struct lq_layers {
  const char *probe; /* "enc" or "dec": prefix of probed tensors */
  lq_block *blocks;
  uint32_t n;
  bool causal, cross;
  lq_norm embed_norm, out_norm;
  lq_mat position;        /* [position_offset + max_context, d_model] learned positions; n_out == 0: none */
  lq_mat types;           /* [n_types, d_model] token types; n_out == 0: none */
  const float *rel_bias;  /* [rel_buckets][n_head] or NULL */
} lq_layers;

typedef struct lq_weights {
  const lq_arch *arch;
  lq_hparams hp;
  lq_layers enc, dec; /* n == 0: the family has no such stack */
  lq_mat embed;  /* [n_vocab, d_model] */
  lq_mat output; /* the same matrix when tied, perhaps with a bias of its own */
  const float *rope_factors; /* n_rot/2 or NULL */
  bool tied;
} lq_weights;

/* The architecture and the shape only; reads no tensor's data. */
lq_status lq_weights_shape(lq_weights *w, const lq_gguf *g, lq_error *err);
/* Reads the shape, binds every tensor and, if `repack`, rewrites matrices in place for nn->k. Memory from `a`. */
lq_status lq_weights_open(lq_weights *w, const lq_gguf *g, const lq_nn *nn, bool repack, lq_arena *a, lq_error *err);

/* One tensor outside the stacks, checked as the others are: a matrix [n_out, n_in], or n numbers as floats from `a`. */
lq_status lq_weights_mat(const lq_gguf *g, const char *name, uint32_t n_in, uint32_t n_out, lq_mat *m, lq_error *err);
lq_status lq_weights_floats(const lq_gguf *g, lq_arena *a, const char *name, uint32_t n, const float **out, lq_error *err);

#endif
