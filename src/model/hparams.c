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

typedef struct word { const char *name; int value; } word;

/* One of `words` by the name that the key holds; absent: *out as it is. */
static lq_status word_of(const reader *r, const char *suffix, const char *what, const word *words, size_t n, int *out) {
  char key[96];
  lq_str name;
  LQ_TRY(lq_gguf_str(r->g, key_of(r, suffix, key), (lq_str){NULL, 0}, &name, r->err));
  if (!name.p) return LQ_OK;
  for (size_t i = 0; i < n; i++) {
    if (!lq_str_eqz(name, words[i].name)) continue;
    *out = words[i].value;
    return LQ_OK;
  }
  return lq_fail(r->err, LQ_E_UNSUPPORTED, "%s: the %s \"%.*s\" is not supported", key, what, LQ_STR_ARG(name));
}

#define WORDS(LIST) LIST, sizeof(LIST) / sizeof((LIST)[0])

/* What the row has a default for. */
static lq_status read_forms(const reader *r, const lq_arch *arch, lq_hparams *hp) {
  static const word acts[] = {{"relu", LQ_ACT_RELU}, {"silu", LQ_ACT_SILU}, {"gelu_tanh", LQ_ACT_GELU_TANH}, {"gelu", LQ_ACT_GELU_ERF},
                              {"quick_gelu", LQ_ACT_QUICK_GELU}};
  static const word places[] = {{"pre", LQ_NORM_PRE}, {"post", LQ_NORM_POST}, {"sandwich", LQ_NORM_SANDWICH}};
  static const word layouts[] = {{"pairs", LQ_SIN_PAIRS}, {"halves", LQ_SIN_HALVES}, {"halves_inclusive", LQ_SIN_HALVES_INCLUSIVE}};
  char key[96];
  int act = (int)arch->act, place = (int)arch->place, layout = (int)arch->sinusoid;
  LQ_TRY(word_of(r, "feed_forward_activation", "activation", WORDS(acts), &act));
  LQ_TRY(word_of(r, "norm_place", "place of the norms", WORDS(places), &place));
  LQ_TRY(word_of(r, "sinusoid_layout", "layout of sinusoids", WORDS(layouts), &layout));
  hp->act = (lq_act)act;
  hp->place = (lq_norm_place)place;
  hp->sinusoid = (lq_sinusoid_kind)layout;
  LQ_TRY(lq_gguf_bool(r->g, key_of(r, "feed_forward_gated", key), arch->gated, &hp->gated, r->err));
  LQ_TRY(lq_gguf_bool(r->g, key_of(r, "use_parallel_residual", key), arch->parallel, &hp->parallel, r->err));
  if (!hp->parallel || hp->place == LQ_NORM_PRE) return LQ_OK;
  return lq_fail(r->err, LQ_E_UNSUPPORTED, "%s: parallel blocks go with norms before them only", key);
}

/* Factors, caps and what makes a number of a score. */
static lq_status read_scales(const reader *r, const lq_arch *arch, lq_hparams *hp) {
  char key[96];
  float clamp;
  float attn = arch->raw_scores ? 1.0f : 1.0f / sqrtf((float)hp->d_head), embed = arch->scale_embed ? sqrtf((float)hp->d_model) : 1.0f;
  bool rms = arch->norm == LQ_NORM_RMS;
  LQ_TRY(float_in(r, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", rms ? 1e-6f : 1e-5f, 0.0f, 1.0f, &hp->eps));
  LQ_TRY(float_in(r, "embedding_scale", embed, -1e6f, 1e6f, &hp->embed_scale));
  LQ_TRY(float_in(r, "attention.scale", attn, -1e6f, 1e6f, &hp->attn_scale));
  LQ_TRY(float_in(r, "logit_scale", 1.0f, -1e6f, 1e6f, &hp->logit_scale));
  LQ_TRY(float_in(r, "attn_logit_softcapping", 0.0f, 0.0f, 1e6f, &hp->attn_cap));
  LQ_TRY(float_in(r, "final_logit_softcapping", 0.0f, 0.0f, 1e6f, &hp->logit_cap));
  LQ_TRY(lq_gguf_f32(r->g, key_of(r, "attention.clamp_kqv", key), 0.0f, &clamp, r->err));
  if (clamp != 0.0f) return lq_fail(r->err, LQ_E_UNSUPPORTED, "%s is %g: clamped queries and keys are not supported", key, (double)clamp);
  return LQ_OK;
}

/* Which layers see only a window. */
static lq_status read_window(const reader *r, const lq_arch *arch, lq_hparams *hp) {
  char key[96];
  LQ_TRY(count_in(r, "attention.sliding_window", 0, 0, MAX_CONTEXT, &hp->window));
  hp->window_step = arch->window_step;
  const lq_gguf_kv *kv = lq_gguf_find(r->g, key_of(r, "attention.sliding_window_pattern", key));
  if (!kv) return LQ_OK;
  if (kv->type != LQ_GT_ARRAY) return count_in(r, "attention.sliding_window_pattern", 0, 0, MAX_LAYERS, &hp->window_step);
  LQ_TRY(lq_gguf_array(r->g, key, LQ_GT_BOOL, &hp->local_layers, r->err));
  if (kv->count < hp->n_dec)
    return lq_fail(r->err, LQ_E_FORMAT, "%s has %llu entries for %u layers", key, (unsigned long long)kv->count, (unsigned)hp->n_dec);
  return LQ_OK;
}

bool lq_hparams_local(const lq_hparams *hp, uint32_t i) {
  if (hp->window == 0) return false;
  if (hp->local_layers) return lq_gguf_num_at(hp->local_layers, i) != 0;
  return hp->window_step == 0 || (i + 1) % hp->window_step != 0;
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

static lq_status read_yarn(const reader *r, const lq_hparams *hp, lq_rope_spec *s) {
  uint32_t n_orig;
  float fast, slow, attn;
  LQ_TRY(count_in(r, "rope.scaling.original_context_length", hp->max_context, 1, MAX_CONTEXT, &n_orig));
  LQ_TRY(float_in(r, "rope.scaling.yarn_beta_fast", 32.0f, 1e-3f, 1e6f, &fast));
  LQ_TRY(float_in(r, "rope.scaling.yarn_beta_slow", 1.0f, 1e-3f, 1e6f, &slow));
  LQ_TRY(float_in(r, "rope.scaling.attn_factor", 1.0f, 1e-3f, 1e3f, &attn));
  if (s->base <= 1) return lq_fail(r->err, LQ_E_FORMAT, "%s.rope.freq_base is %g; with YaRN it must be above 1", r->arch, s->base);
  s->yarn = true;
  s->n_orig = n_orig;
  s->beta_fast = (double)fast;
  s->beta_slow = (double)slow;
  s->magnitude = (double)attn * (s->scale > 1 ? 1 + 0.1 * log(s->scale) : 1);
  return LQ_OK;
}

static lq_status read_rope(const reader *r, const lq_arch *arch, lq_hparams *hp) {
  char key[96];
  LQ_TRY(count_in(r, "rope.dimension_count", hp->d_head, 2, hp->d_head < 2 ? 2 : hp->d_head, &hp->n_rot));
  if (hp->n_rot % 2 != 0 || hp->n_rot > hp->d_head)
    return lq_fail(r->err, LQ_E_FORMAT, "%s.rope.dimension_count is %u; it must be even and at most the head size %u", r->arch,
                   (unsigned)hp->n_rot, (unsigned)hp->d_head);
  float base, local, scale = 1.0f;
  LQ_TRY(float_in(r, "rope.freq_base", 10000.0f, 1.0f, 1e12f, &base));
  LQ_TRY(float_in(r, "rope.freq_base_swa", arch->rope_base_local > 0 ? arch->rope_base_local : base, 1.0f, 1e12f, &local));
  LQ_TRY(count_in(r, "rope.nope_step", arch->nope_step, 0, MAX_LAYERS, &hp->nope_step));
  hp->rope = (lq_rope_spec){.base = (double)base, .scale = 1, .magnitude = 1};
  hp->rope_local = (lq_rope_spec){.base = (double)local, .scale = 1, .magnitude = 1};
  hp->two_ropes = hp->window != 0 && local != base;
  lq_str type;
  LQ_TRY(lq_gguf_str(r->g, key_of(r, "rope.scaling.type", key), LQ_STR("none"), &type, r->err));
  if (lq_str_eqz(type, "none")) return LQ_OK;
  bool yarn = lq_str_eqz(type, "yarn");
  if (!yarn && !lq_str_eqz(type, "linear"))
    return lq_fail(r->err, LQ_E_UNSUPPORTED, "%s: the rotary scaling \"%.*s\" is not supported (none, linear and yarn are)", key, LQ_STR_ARG(type));
  LQ_TRY(float_in(r, "rope.scaling.factor", 1.0f, 1e-3f, 1e6f, &scale));
  hp->rope.scale = (double)scale;
  return yarn ? read_yarn(r, hp, &hp->rope) : LQ_OK;
}

static lq_status read_t5(const reader *r, lq_hparams *hp) {
  LQ_TRY(count_in(r, "attention.relative_buckets_count", 0, 4, 4096, &hp->rel_buckets));
  LQ_TRY(count_in(r, "attention.relative_max_distance", 128, 1, MAX_CONTEXT, &hp->rel_max_distance));
  if (hp->rel_max_distance <= hp->rel_buckets / 2)
    return lq_fail(r->err, LQ_E_FORMAT, "%s.attention.relative_max_distance is %u; with %u buckets it must be above %u", r->arch,
                   (unsigned)hp->rel_max_distance, (unsigned)hp->rel_buckets, (unsigned)(hp->rel_buckets / 2));
  hp->max_context = 0;
  return LQ_OK;
}

static lq_status read_position(const reader *r, const lq_arch *arch, lq_hparams *hp) {
  switch (arch->position) {
    case LQ_POS_ROPE: return read_rope(r, arch, hp);
    case LQ_POS_T5: return read_t5(r, hp);
    case LQ_POS_ALIBI: return float_in(r, "attention.max_alibi_bias", 8.0f, 0.0f, 1024.0f, &hp->alibi_bias);
    case LQ_POS_LEARNED:
    case LQ_POS_SINUSOID: return count_in(r, "position_offset", 0, 0, 1u << 16, &hp->position_offset);
    default: return LQ_OK;
  }
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

static lq_status read_depth(const reader *r, const lq_arch *arch, lq_hparams *hp) {
  uint32_t n;
  LQ_TRY(count_in(r, "block_count", 0, 1, MAX_LAYERS, &n));
  if (arch->family != LQ_DECODER_ONLY) hp->n_enc = n;
  if (arch->family == LQ_DECODER_ONLY) hp->n_dec = n;
  if (arch->family != LQ_ENCODER_DECODER) return LQ_OK;
  uint32_t start;
  LQ_TRY(count_in(r, "decoder_block_count", n, 1, MAX_LAYERS, &hp->n_dec));
  LQ_TRY(count_in(r, "decoder_start_token_id", 0, 0, hp->n_vocab - 1, &start));
  hp->decoder_start = (int32_t)start;
  return LQ_OK;
}

lq_status lq_hparams_read(lq_hparams *hp, const lq_arch *arch, const lq_gguf *g, lq_error *err) {
  reader r = {g, arch->name, err};
  memset(hp, 0, sizeof(*hp));
  LQ_TRY(read_vocab(&r, hp));
  LQ_TRY(count_in(&r, "embedding_length", 0, 1, MAX_WIDTH, &hp->d_model));
  LQ_TRY(count_in(&r, "feed_forward_length", 0, 1, 16 * MAX_WIDTH, &hp->d_ff));
  LQ_TRY(read_depth(&r, arch, hp));
  LQ_TRY(count_in(&r, "context_length", arch->position == LQ_POS_T5 ? 512 : 0, 1, MAX_CONTEXT, &hp->max_context));
  LQ_TRY(read_forms(&r, arch, hp));
  LQ_TRY(read_heads(&r, hp));
  LQ_TRY(read_scales(&r, arch, hp));
  LQ_TRY(read_window(&r, arch, hp));
  return read_position(&r, arch, hp);
}
