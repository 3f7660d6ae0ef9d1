/* Architectures as data: one row per family. A new model is a row here, a name map in models/lib/arch.py and a parity dump
 * (models/README.md). May call: nn headers (enumerations only). The walker (stack.c) never tests a model's name. */
#ifndef LQ_ARCH_H
#define LQ_ARCH_H

#include "base/bytes.h"
#include "kernel/kernel.h"
#include "nn/position.h"

typedef enum lq_family { LQ_DECODER_ONLY, LQ_ENCODER_DECODER, LQ_ENCODER_ONLY } lq_family;
/* NONE: order comes from the mask alone. LEARNED: <prefix>position_embd. SINUSOID: computed. Both are added to the embeddings. */
typedef enum lq_position_kind { LQ_POS_NONE, LQ_POS_ROPE, LQ_POS_T5, LQ_POS_ALIBI, LQ_POS_LEARNED, LQ_POS_SINUSOID } lq_position_kind;
typedef enum lq_norm_kind { LQ_NORM_RMS, LQ_NORM_LAYER } lq_norm_kind;
/* Where a sub-layer f normalises: x + f(n(x)); n(x + f(x)); x + n(f(n(x))). */
typedef enum lq_norm_place { LQ_NORM_PRE, LQ_NORM_POST, LQ_NORM_SANDWICH } lq_norm_place;

enum { /* groups of tensors that not every row has: lq_arch.must and .may */
  LQ_QKV_BIAS = 1,      /* attn_{q,k,v}.bias, cross_attn_{q,k,v}.bias */
  LQ_O_BIAS = 2,        /* attn_output.bias, cross_attn_o.bias */
  LQ_FFN_BIAS = 4,      /* ffn_{gate,up,down}.bias */
  LQ_NORM_BIAS = 8,     /* the bias of every norm */
  LQ_QK_NORM = 16,      /* attn_{q,k}_norm.weight [d_head], before the rotation */
  LQ_EMBED_NORM = 32,   /* <prefix>token_embd_norm */
  LQ_TOKEN_TYPES = 64,  /* <prefix>token_types.weight [n_types][d_model] */
  LQ_OUT_BIAS = 128,    /* output.bias [n_vocab], the matrix tied or not */
  LQ_OUT_NORM = 256,    /* <prefix>output_norm */
  LQ_FFN_NORM = 512,    /* ffn_norm of a parallel block; without it the feed-forward reads what attention reads */
  LQ_QKV_FUSED = 1024,  /* may: attn_qkv for attn_{q,k,v}, rows in this order */
  LQ_UP_FUSED = 2048,   /* may: ffn_up holds the gate's rows, then its own */
  LQ_ATTN_NORM_2 = 4096 /* may: attn_norm_2 for attention, attn_norm is then the feed-forward's (Falcon 40B) */
};

typedef struct lq_arch {
  const char *name;   /* general.architecture */
  lq_family family;
  lq_position_kind position;
  lq_rope_kind rope;
  lq_sinusoid_kind sinusoid; /* default; <arch>.sinusoid_layout overrides */
  lq_norm_kind norm;
  lq_norm_place place; /* default; <arch>.norm_place overrides */
  lq_act act;         /* default; <arch>.feed_forward_activation overrides */
  bool gated;         /* default; <arch>.feed_forward_gated overrides */
  bool parallel;      /* default: attention and feed-forward read the same x; <arch>.use_parallel_residual overrides */
  bool scale_embed;   /* default: by sqrt(d_model); <arch>.embedding_scale overrides */
  bool raw_scores;    /* default: not scaled by 1/sqrt(d_head); <arch>.attention.scale overrides */
  unsigned must, may; /* LQ_... groups of tensors */
  uint32_t window_step; /* with a window, every window_step-th layer still sees everything; 0 = none does */
  uint32_t nope_step;   /* every nope_step-th layer is not rotated; 0 = all are */
  float rope_base_local; /* default of <arch>.rope.freq_base_swa for layers with a window; 0 = as the others */
  const char *enc_prefix, *dec_prefix; /* "enc." "dec." ""; blocks are <prefix>blk.%u. */
  const char *attn_out; /* "attn_o" or "attn_output" */
} lq_arch;

/* NULL when there is no such row. */
const lq_arch *lq_arch_find(lq_str name);
/* Writes "llama, qwen2, t5" for error messages. */
void lq_arch_names(char *out, size_t cap);

#endif
