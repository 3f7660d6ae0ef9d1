/* The table of architectures. May call: base. */
#include "model/arch.h"

#include <stdio.h>

static const lq_arch archs[] = {
    {.name = "llama", .family = LQ_DECODER_ONLY, .position = LQ_POS_ROPE, .rope = LQ_ROPE_PAIR, .act = LQ_ACT_SILU, .gated = true,
     .scale_scores = true, .tensors = LQ_MAY_QKV_BIAS | LQ_MAY_O_BIAS | LQ_MAY_FFN_BIAS, .enc_prefix = NULL, .dec_prefix = "",
     .attn_out = "attn_output"},
    {.name = "qwen2", .family = LQ_DECODER_ONLY, .position = LQ_POS_ROPE, .rope = LQ_ROPE_HALF, .act = LQ_ACT_SILU, .gated = true,
     .scale_scores = true, .tensors = LQ_HAS_QKV_BIAS, .enc_prefix = NULL, .dec_prefix = "", .attn_out = "attn_output"},
    {.name = "t5", .family = LQ_ENCODER_DECODER, .position = LQ_POS_T5, .rope = LQ_ROPE_NONE, .act = LQ_ACT_GELU_TANH, .gated = true,
     .scale_scores = false, .tensors = 0, .enc_prefix = "enc.", .dec_prefix = "dec.", .attn_out = "attn_o"},
};

const lq_arch *lq_arch_find(lq_str name) {
  for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
    if (lq_str_eqz(name, archs[i].name)) return &archs[i];
  return NULL;
}

void lq_arch_names(char *out, size_t cap) {
  size_t n = 0;
  out[0] = '\0';
  for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
    int w = snprintf(out + n, cap - n, "%s%s", i ? ", " : "", archs[i].name);
    if (w < 0 || (size_t)w >= cap - n) return;
    n += (size_t)w;
  }
}
