/* Reads a model's shape from metadata; every number that becomes a divisor, a loop bound or a size is bounded here.
 * May call: gguf, base. Keys as in llama.cpp's gguf constants. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/hparams.h"

#define MAX_LAYERS 1024u
#define MAX_WIDTH 65536u
#define MAX_HEADS 1024u
#define MAX_VOCAB (1u << 24)
#define MAX_CONTEXT (1u << 24)

typedef struct reader {
  const lq_gguf *g;
  const char *arch;
  lq_error *err;
} reader;

static const char *key_of(const reader *r, const char *suffix, char key[96]) {
  snprintf(key, 96, "%s.%s", r->arch, suffix);
  return key;
}

/* A number in [lo, hi]; absent: dflt, and dflt < lo means the key must be there. */
static lq_status count_in(const reader *r, const char *suffix, uint32_t dflt, uint32_t lo, uint32_t hi, uint32_t *out) {
  char key[96];
  key_of(r, suffix, key);
  bool absent = lq_gguf_find(r->g, key) == NULL;
  if (absent && dflt < lo) return lq_fail(r->err, LQ_E_FORMAT, "the model file lacks the key %s", key);
  LQ_TRY(lq_gguf_u32(r->g, key, dflt, out, r->err));
  if (!absent && (*out < lo || *out > hi))
    return lq_fail(r->err, LQ_E_FORMAT, "%s is %u; this engine accepts %u to %u", key, (unsigned)*out, (unsigned)lo, (unsigned)hi);
  return LQ_OK;
}

static lq_status float_in(const reader *r, const char *suffix, float dflt, float lo, float hi, float *out) {
  char key[96];
  key_of(r, suffix, key);
  LQ_TRY(lq_gguf_f32(r->g, key, dflt, out, r->err));
  if (!(*out >= lo && *out <= hi))
    return lq_fail(r->err, LQ_E_FORMAT, "%s is %g; this engine accepts %g to %g", key, (double)*out, (double)lo, (double)hi);
  return LQ_OK;
}

static lq_status read_activation(const reader *r, lq_act dflt, lq_act *out) {
  static const struct { const char *name; lq_act act; } acts[] = {
      {"relu", LQ_ACT_RELU}, {"silu", LQ_ACT_SILU}, {"gelu_tanh", LQ_ACT_GELU_TANH}, {"gelu", LQ_ACT_GELU_ERF}};
  char key[96];
  lq_str name;
  *out = dflt;
  LQ_TRY(lq_gguf_str(r->g, key_of(r, "feed_forward_activation", key), (lq_str){NULL, 0}, &name, r->err));
  if (!name.p) return LQ_OK;
  for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
    if (!lq_str_eqz(name, acts[i].name)) continue;
    *out = acts[i].act;
    return LQ_OK;
  }
  return lq_fail(r->err, LQ_E_UNSUPPORTED, "%s: the activation \"%.*s\" is not supported", key, LQ_STR_ARG(name));
}

static lq_status read_heads(const reader *r, lq_hparams *hp) {
  LQ_TRY(count_in(r, "attention.head_count", 0, 1, MAX_HEADS, &hp->n_head));
  LQ_TRY(count_in(r, "attention.head_count_kv", hp->n_head, 1, MAX_HEADS, &hp->n_head_kv));
  if (hp->n_head % hp->n_head_kv != 0)
    return lq_fail(r->err, LQ_E_FORMAT, "%u attention heads cannot share %u key/value heads evenly", (unsigned)hp->n_head, (unsigned)hp->n_head_kv);
  uint32_t d = hp->d_model / hp->n_head, d_value;
  LQ_TRY(count_in(r, "attention.key_length", d, 1, 4096, &hp->d_head));
  LQ_TRY(count_in(r, "attention.value_length", hp->d_head, 1, 4096, &d_value));
  if (hp->d_head == 0 || d_value != hp->d_head)
    return lq_fail(r->err, LQ_E_UNSUPPORTED, "%s.attention: key length %u and value length %u differ, which is not supported", r->arch,
                   (unsigned)hp->d_head, (unsigned)d_value);
  return LQ_OK;
}

static lq_status read_rope(const reader *r, lq_hparams *hp) {
  char key[96];
  LQ_TRY(count_in(r, "rope.dimension_count", hp->d_head, 2, hp->d_head < 2 ? 2 : hp->d_head, &hp->n_rot));
  if (hp->n_rot % 2 != 0 || hp->n_rot > hp->d_head)
    return lq_fail(r->err, LQ_E_FORMAT, "%s.rope.dimension_count is %u; it must be even and at most the head size %u", r->arch,
                   (unsigned)hp->n_rot, (unsigned)hp->d_head);
  LQ_TRY(float_in(r, "rope.freq_base", 10000.0f, 1.0f, 1e12f, &hp->rope_base));
  lq_str type;
  hp->rope_scale = 1.0f;
  LQ_TRY(lq_gguf_str(r->g, key_of(r, "rope.scaling.type", key), LQ_STR("none"), &type, r->err));
  if (lq_str_eqz(type, "none")) return LQ_OK;
  if (!lq_str_eqz(type, "linear"))
    return lq_fail(r->err, LQ_E_UNSUPPORTED, "%s: the rotary scaling \"%.*s\" is not supported (none and linear are)", key, LQ_STR_ARG(type));
  return float_in(r, "rope.scaling.factor", 1.0f, 1e-3f, 1e6f, &hp->rope_scale);
}

static lq_status read_t5(const reader *r, lq_hparams *hp) {
  uint32_t start;
  LQ_TRY(count_in(r, "attention.relative_buckets_count", 0, 4, 4096, &hp->rel_buckets));
  LQ_TRY(count_in(r, "attention.relative_max_distance", 128, 1, MAX_CONTEXT, &hp->rel_max_distance));
  if (hp->rel_max_distance <= hp->rel_buckets / 2)
    return lq_fail(r->err, LQ_E_FORMAT, "%s.attention.relative_max_distance is %u; with %u buckets it must be above %u", r->arch,
                   (unsigned)hp->rel_max_distance, (unsigned)hp->rel_buckets, (unsigned)(hp->rel_buckets / 2));
  LQ_TRY(count_in(r, "decoder_start_token_id", 0, 0, hp->n_vocab - 1, &start));
  hp->decoder_start = (int32_t)start;
  hp->max_context = 0;
  return LQ_OK;
}

/* The vocabulary is what the embedding matrix has rows for; a stated size must agree. */
static lq_status read_vocab(const reader *r, lq_hparams *hp) {
  const lq_gguf_tensor *t = lq_gguf_tensor_find(r->g, "token_embd.weight");
  if (!t) return lq_fail(r->err, LQ_E_FORMAT, "the model file lacks the tensor token_embd.weight");
  if (t->n_dims != 2 || t->ne[1] > MAX_VOCAB)
    return lq_fail(r->err, LQ_E_FORMAT, "token_embd.weight must be a matrix of at most %u rows", MAX_VOCAB);
  hp->n_vocab = (uint32_t)t->ne[1];
  uint32_t stated;
  LQ_TRY(count_in(r, "vocab_size", hp->n_vocab, 1, MAX_VOCAB, &stated));
  if (stated != hp->n_vocab)
    return lq_fail(r->err, LQ_E_FORMAT, "%s.vocab_size is %u, but token_embd.weight has %u rows", r->arch, (unsigned)stated, (unsigned)hp->n_vocab);
  return LQ_OK;
}

lq_status lq_hparams_read(lq_hparams *hp, const lq_arch *arch, const lq_gguf *g, lq_error *err) {
  reader r = {g, arch->name, err};
  char key[96];
  memset(hp, 0, sizeof(*hp));
  LQ_TRY(read_vocab(&r, hp));
  LQ_TRY(count_in(&r, "embedding_length", 0, 1, MAX_WIDTH, &hp->d_model));
  LQ_TRY(count_in(&r, "feed_forward_length", 0, 1, 16 * MAX_WIDTH, &hp->d_ff));
  LQ_TRY(count_in(&r, "block_count", 0, 1, MAX_LAYERS, &hp->n_dec));
  if (arch->family == LQ_ENCODER_DECODER) {
    hp->n_enc = hp->n_dec;
    LQ_TRY(count_in(&r, "decoder_block_count", hp->n_enc, 1, MAX_LAYERS, &hp->n_dec));
  }
  LQ_TRY(count_in(&r, "context_length", arch->family == LQ_ENCODER_DECODER ? 512 : 0, 1, MAX_CONTEXT, &hp->max_context));
  LQ_TRY(float_in(&r, "attention.layer_norm_rms_epsilon", 1e-6f, 0.0f, 1.0f, &hp->eps));
  LQ_TRY(float_in(&r, "logit_scale", 1.0f, -1e6f, 1e6f, &hp->logit_scale));
  LQ_TRY(lq_gguf_bool(g, key_of(&r, "feed_forward_gated", key), arch->gated, &hp->gated, err));
  LQ_TRY(read_activation(&r, arch->act, &hp->act));
  LQ_TRY(read_heads(&r, hp));
  return arch->position == LQ_POS_ROPE ? read_rope(&r, hp) : read_t5(&r, hp);
}
