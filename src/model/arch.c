/* The table of architectures. May call: base. */
#include "model/arch.h"

#include <stdio.h>

#define SWIGLU .act = LQ_ACT_SILU, .gated = true
#define GEGLU .act = LQ_ACT_GELU_TANH, .gated = true
#define DECODER .family = LQ_DECODER_ONLY, .dec_prefix = "", .attn_out = "attn_output"
#define PAIR .family = LQ_ENCODER_DECODER, .enc_prefix = "enc.", .dec_prefix = "dec.", .attn_out = "attn_o"
#define ENCODER .family = LQ_ENCODER_ONLY, .enc_prefix = "", .attn_out = "attn_output"
#define RMS .norm = LQ_NORM_RMS
#define LAYER .norm = LQ_NORM_LAYER
#define ALL_BIASES (LQ_QKV_BIAS | LQ_O_BIAS | LQ_FFN_BIAS | LQ_NORM_BIAS)

static const lq_arch archs[] = {
    {"llama", DECODER, .position = LQ_POS_ROPE, .rope = LQ_ROPE_PAIR, RMS, SWIGLU, .must = LQ_OUT_NORM,
     .may = LQ_QKV_BIAS | LQ_O_BIAS | LQ_FFN_BIAS},
    {"qwen2", DECODER, .position = LQ_POS_ROPE, .rope = LQ_ROPE_HALF, RMS, SWIGLU, .must = LQ_OUT_NORM | LQ_QKV_BIAS},
    {"qwen3", DECODER, .position = LQ_POS_ROPE, .rope = LQ_ROPE_HALF, RMS, SWIGLU, .must = LQ_OUT_NORM | LQ_QK_NORM,
     .may = LQ_QKV_BIAS | LQ_O_BIAS},
    {"smollm3", DECODER, .position = LQ_POS_ROPE, .rope = LQ_ROPE_PAIR, RMS, SWIGLU, .nope_step = 4, .must = LQ_OUT_NORM,
     .may = LQ_QKV_BIAS | LQ_O_BIAS | LQ_FFN_BIAS},
    {"phi3", DECODER, .position = LQ_POS_ROPE, .rope = LQ_ROPE_HALF, RMS, SWIGLU, .must = LQ_OUT_NORM, .may = LQ_QKV_FUSED | LQ_UP_FUSED},
    {"gemma", DECODER, .position = LQ_POS_ROPE, .rope = LQ_ROPE_HALF, RMS, GEGLU, .scale_embed = true, .must = LQ_OUT_NORM},
    {"gemma2", DECODER, .position = LQ_POS_ROPE, .rope = LQ_ROPE_HALF, RMS, .place = LQ_NORM_SANDWICH, GEGLU, .scale_embed = true,
     .window_step = 2, .must = LQ_OUT_NORM},
    {"gemma3", DECODER, .position = LQ_POS_ROPE, .rope = LQ_ROPE_HALF, RMS, .place = LQ_NORM_SANDWICH, GEGLU, .scale_embed = true,
     .window_step = 6, .rope_base_local = 10000, .must = LQ_OUT_NORM | LQ_QK_NORM},
    {"falcon", DECODER, .position = LQ_POS_ROPE, .rope = LQ_ROPE_HALF, LAYER, .act = LQ_ACT_GELU_ERF, .parallel = true,
     .must = LQ_OUT_NORM | LQ_NORM_BIAS, .may = LQ_QKV_FUSED | LQ_QKV_BIAS | LQ_O_BIAS | LQ_FFN_BIAS | LQ_ATTN_NORM_2},
    {"gpt2", DECODER, .position = LQ_POS_LEARNED, LAYER, .act = LQ_ACT_GELU_TANH, .must = LQ_OUT_NORM | ALL_BIASES, .may = LQ_QKV_FUSED},
    {"bloom", DECODER, .position = LQ_POS_ALIBI, LAYER, .act = LQ_ACT_GELU_TANH, .must = LQ_OUT_NORM | LQ_EMBED_NORM | ALL_BIASES,
     .may = LQ_QKV_FUSED},
    {"mpt", DECODER, .position = LQ_POS_ALIBI, LAYER, .act = LQ_ACT_GELU_ERF, .must = LQ_OUT_NORM, .may = LQ_QKV_FUSED | ALL_BIASES},
    {"bert", ENCODER, .position = LQ_POS_LEARNED, LAYER, .place = LQ_NORM_POST, .act = LQ_ACT_GELU_ERF, .must = ALL_BIASES | LQ_EMBED_NORM,
     .may = LQ_TOKEN_TYPES | LQ_OUT_BIAS | LQ_QKV_FUSED},
    {"bart", PAIR, .position = LQ_POS_LEARNED, LAYER, .place = LQ_NORM_POST, .act = LQ_ACT_GELU_ERF, .must = LQ_EMBED_NORM | ALL_BIASES,
     .may = LQ_OUT_NORM | LQ_OUT_BIAS},
    {"marian", PAIR, .position = LQ_POS_SINUSOID, .sinusoid = LQ_SIN_HALVES, LAYER, .place = LQ_NORM_POST, .act = LQ_ACT_SILU,
     .scale_embed = true, .must = ALL_BIASES, .may = LQ_OUT_NORM | LQ_OUT_BIAS},
    {"transformer", PAIR, .position = LQ_POS_SINUSOID, .sinusoid = LQ_SIN_PAIRS, LAYER, .place = LQ_NORM_POST, .act = LQ_ACT_RELU,
     .scale_embed = true, .must = 0, .may = ALL_BIASES | LQ_OUT_NORM | LQ_OUT_BIAS},
    {"t5", PAIR, .position = LQ_POS_T5, RMS, GEGLU, .raw_scores = true, .must = LQ_OUT_NORM},
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
