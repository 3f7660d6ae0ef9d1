/* Architectures as data: one row per family. A new model is a row here, a name map in models/convert.py and a parity dump.
 * May call: nn headers (enumerations only). The walker (stack.c) never tests a model's name. */
#ifndef LQ_ARCH_H
#define LQ_ARCH_H

#include "base/bytes.h"
#include "kernel/kernel.h"
#include "nn/position.h"

typedef enum lq_family { LQ_DECODER_ONLY, LQ_ENCODER_DECODER } lq_family;
typedef enum lq_position_kind { LQ_POS_ROPE, LQ_POS_T5 } lq_position_kind;

enum { /* optional tensors of a row: bound when the flag is set */
  LQ_HAS_QKV_BIAS = 1,  /* attn_{q,k,v}.bias must be there */
  LQ_MAY_QKV_BIAS = 2,  /* bound if there */
  LQ_MAY_O_BIAS = 4,
  LQ_MAY_FFN_BIAS = 8,
  LQ_MAY_QK_NORM = 16   /* attn_{q,k}_norm.weight [d_head], before the rotation */
};

typedef struct lq_arch {
  const char *name;   /* general.architecture */
  lq_family family;
  lq_position_kind position;
  lq_rope_kind rope;
  lq_act act;         /* default; <arch>.feed_forward_activation overrides */
  bool gated;         /* default; <arch>.feed_forward_gated overrides */
  bool scale_scores;  /* by 1/sqrt(d_head) */
  unsigned tensors;   /* LQ_HAS_..., LQ_MAY_... */
  const char *enc_prefix, *dec_prefix; /* "enc." "dec." ""; blocks are <prefix>blk.%u. */
  const char *attn_out; /* "attn_o" or "attn_output" */
} lq_arch;

/* NULL when there is no such row. */
const lq_arch *lq_arch_find(lq_str name);
/* Writes "llama, qwen2, t5" for error messages. */
void lq_arch_names(char *out, size_t cap);

#endif
