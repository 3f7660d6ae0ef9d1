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
  uint32_t n_rot;       /* rotated values per head */
  uint32_t rel_buckets, rel_max_distance;
  float eps, rope_base, rope_scale, logit_scale;
  int32_t decoder_start;
  lq_act act;
  bool gated;
} lq_hparams;

typedef struct lq_block {
  const float *attn_norm, *cross_norm, *ffn_norm; /* [d_model] */
  const float *q_norm, *k_norm;                   /* [d_head] or NULL */
  lq_mat q, k, v, o;
  lq_mat cross_q, cross_k, cross_v, cross_o;      /* n_out == 0 without cross attention */
  lq_mat gate, up, down;                          /* gate.n_out == 0 when not gated */
} lq_block;

typedef struct lq_layers {
  const char *probe; /* "enc" or "dec": prefix of probed tensors */
  lq_block *blocks;
  uint32_t n;
  bool causal, cross;
  const float *out_norm;  /* [d_model] */
  const float *rel_bias;  /* [rel_buckets][n_head] or NULL */
} lq_layers;

typedef struct lq_weights {
  const lq_arch *arch;
  lq_hparams hp;
  lq_layers enc, dec;
  lq_mat embed;  /* [n_vocab, d_model] */
  lq_mat output; /* the same matrix when tied */
  const float *rope_factors; /* n_rot/2 or NULL */
  bool tied;
} lq_weights;

/* The architecture and the shape only; reads no tensor's data. */
lq_status lq_weights_shape(lq_weights *w, const lq_gguf *g, lq_error *err);
/* Reads the shape, binds every tensor and, if `repack`, rewrites matrices in place for nn->k. Memory from `a`. */
lq_status lq_weights_open(lq_weights *w, const lq_gguf *g, const lq_nn *nn, bool repack, lq_arena *a, lq_error *err);

#endif
