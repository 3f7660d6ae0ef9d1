/* Binds tensors to blocks by a table of names and shapes. May call: gguf, nn, quant, base. */
#include "model/weights.h"

#include <stdio.h>
#include <stddef.h>

#include "model/hparams.h"

typedef enum dim { DIM_MODEL, DIM_Q, DIM_KV, DIM_FF, DIM_HEAD } dim;

enum { /* when a slot applies */
  ALWAYS = 0, CROSS = 1, GATED = 2, QKV_BIAS = 4, O_BIAS = 8, FFN_BIAS = 16, QK_NORM = 32
};

typedef struct slot {
  const char *name;  /* NULL: arch->attn_out */
  size_t offset;     /* in lq_block: an lq_mat, or a const float * when vec */
  uint8_t n_in, n_out; /* dim */
  uint8_t when;
  bool vec;
} slot;

#define MAT(NAME, FIELD, IN, OUT, WHEN) {NAME, offsetof(lq_block, FIELD), IN, OUT, WHEN, false}
#define VEC(NAME, FIELD, N, WHEN) {NAME, offsetof(lq_block, FIELD), N, N, WHEN, true}

static const slot slots[] = {
    VEC("attn_norm.weight", attn_norm, DIM_MODEL, ALWAYS),
    MAT("attn_q.weight", q, DIM_MODEL, DIM_Q, ALWAYS),
    MAT("attn_k.weight", k, DIM_MODEL, DIM_KV, ALWAYS),
    MAT("attn_v.weight", v, DIM_MODEL, DIM_KV, ALWAYS),
    MAT(NULL, o, DIM_Q, DIM_MODEL, ALWAYS),
    VEC("attn_q.bias", q.bias, DIM_Q, QKV_BIAS),
    VEC("attn_k.bias", k.bias, DIM_KV, QKV_BIAS),
    VEC("attn_v.bias", v.bias, DIM_KV, QKV_BIAS),
    VEC("attn_output.bias", o.bias, DIM_MODEL, O_BIAS),
    VEC("attn_q_norm.weight", q_norm, DIM_HEAD, QK_NORM),
    VEC("attn_k_norm.weight", k_norm, DIM_HEAD, QK_NORM),
    VEC("cross_attn_norm.weight", cross_norm, DIM_MODEL, CROSS),
    MAT("cross_attn_q.weight", cross_q, DIM_MODEL, DIM_Q, CROSS),
    MAT("cross_attn_k.weight", cross_k, DIM_MODEL, DIM_KV, CROSS),
    MAT("cross_attn_v.weight", cross_v, DIM_MODEL, DIM_KV, CROSS),
    MAT("cross_attn_o.weight", cross_o, DIM_Q, DIM_MODEL, CROSS),
    VEC("ffn_norm.weight", ffn_norm, DIM_MODEL, ALWAYS),
    MAT("ffn_gate.weight", gate, DIM_MODEL, DIM_FF, GATED),
    MAT("ffn_up.weight", up, DIM_MODEL, DIM_FF, ALWAYS),
    MAT("ffn_down.weight", down, DIM_FF, DIM_MODEL, ALWAYS),
    VEC("ffn_gate.bias", gate.bias, DIM_FF, FFN_BIAS),
    VEC("ffn_up.bias", up.bias, DIM_FF, FFN_BIAS),
    VEC("ffn_down.bias", down.bias, DIM_MODEL, FFN_BIAS),
};

typedef struct binder {
  lq_weights *w;
  const lq_gguf *g;
  const lq_nn *nn;
  lq_arena *a;
  lq_error *err;
} binder;

static uint32_t dim_of(const lq_hparams *hp, uint8_t d) {
  switch ((dim)d) {
    case DIM_MODEL: return hp->d_model;
    case DIM_Q: return hp->n_head * hp->d_head;
    case DIM_KV: return hp->n_head_kv * hp->d_head;
    case DIM_FF: return hp->d_ff;
    default: return hp->d_head;
  }
}

static lq_status find_tensor(const binder *b, const char *name, uint64_t n_in, uint64_t n_out, const lq_gguf_tensor **out) {
  const lq_gguf_tensor *t = lq_gguf_tensor_find(b->g, name);
  if (!t) return lq_fail(b->err, LQ_E_FORMAT, "the model file lacks the tensor %s", name);
  if (t->ne[2] != 1 || t->ne[3] != 1)
    return lq_fail(b->err, LQ_E_FORMAT, "the tensor %s has %u dimensions; the model asks for 2", name, (unsigned)t->n_dims);
  if (t->ne[0] != n_in || t->ne[1] != n_out)
    return lq_fail(b->err, LQ_E_FORMAT, "the tensor %s is %llu x %llu; the model's shape asks for %llu x %llu", name,
                   (unsigned long long)t->ne[0], (unsigned long long)t->ne[1], (unsigned long long)n_in, (unsigned long long)n_out);
  *out = t;
  return LQ_OK;
}

static lq_status bind_mat(const binder *b, const char *name, uint32_t n_in, uint32_t n_out, lq_mat *m) {
  const lq_gguf_tensor *t = NULL;
  LQ_TRY(find_tensor(b, name, n_in, n_out, &t));
  *m = (lq_mat){.data = t->data, .row_bytes = (size_t)t->row_bytes, .n_in = n_in, .n_out = n_out, .type = t->type};
  return LQ_OK;
}

/* Vectors become float32 whatever the file holds: they are small and every use wants floats. rows > 1: a small table. */
static lq_status bind_floats(const binder *b, const char *name, uint32_t n, uint32_t rows, const float **out) {
  const lq_gguf_tensor *t = NULL;
  LQ_TRY(find_tensor(b, name, n, rows, &t));
  float *x = LQ_TAKE(b->a, float, (uint64_t)n * rows);
  if (!x) return lq_fail(b->err, LQ_E_NOMEM, "no memory for the tensor %s (%llu numbers)", name, (unsigned long long)n * rows);
  for (uint32_t r = 0; r < rows; r++) lq_dequantize_row(t->type, t->data + r * t->row_bytes, x + (size_t)r * n, n);
  *out = x;
  return LQ_OK;
}

static bool slot_applies(const binder *b, const slot *s, const lq_layers *l, const char *name) {
  unsigned have = b->w->arch->tensors;
  bool there = lq_gguf_tensor_find(b->g, name) != NULL;
  switch (s->when) {
    case CROSS: return l->cross;
    case GATED: return b->w->hp.gated;
    case QKV_BIAS: return (have & LQ_HAS_QKV_BIAS) || ((have & LQ_MAY_QKV_BIAS) && there);
    case O_BIAS: return (have & LQ_MAY_O_BIAS) && there;
    case FFN_BIAS: return (have & LQ_MAY_FFN_BIAS) && there;
    case QK_NORM: return (have & LQ_MAY_QK_NORM) && there;
    default: return true;
  }
}

static lq_status bind_block(const binder *b, const lq_layers *l, const char *prefix, uint32_t i, lq_block *blk) {
  for (size_t k = 0; k < sizeof(slots) / sizeof(slots[0]); k++) {
    const slot *s = &slots[k];
    char name[96], attn_out[32];
    snprintf(attn_out, sizeof(attn_out), "%s.weight", b->w->arch->attn_out);
    snprintf(name, sizeof(name), "%sblk.%u.%s", prefix, (unsigned)i, s->name ? s->name : attn_out);
    if (!slot_applies(b, s, l, name)) continue;
    char *field = (char *)blk + s->offset;
    uint32_t n_in = dim_of(&b->w->hp, s->n_in), n_out = dim_of(&b->w->hp, s->n_out);
    if (s->vec) LQ_TRY(bind_floats(b, name, n_in, 1, (const float **)(void *)field));
    else LQ_TRY(bind_mat(b, name, n_in, n_out, (lq_mat *)(void *)field));
  }
  return LQ_OK;
}

static lq_status bind_layers(const binder *b, lq_layers *l, const char *prefix, uint32_t n) {
  char name[96];
  l->n = n;
  l->blocks = LQ_TAKE(b->a, lq_block, n);
  if (!l->blocks) return lq_fail(b->err, LQ_E_NOMEM, "no memory for %u layers", (unsigned)n);
  for (uint32_t i = 0; i < n; i++) LQ_TRY(bind_block(b, l, prefix, i, &l->blocks[i]));
  snprintf(name, sizeof(name), "%soutput_norm.weight", prefix);
  LQ_TRY(bind_floats(b, name, b->w->hp.d_model, 1, &l->out_norm));
  if (b->w->arch->position != LQ_POS_T5) return LQ_OK;
  snprintf(name, sizeof(name), "%sblk.0.attn_rel_b.weight", prefix);
  return bind_floats(b, name, b->w->hp.n_head, b->w->hp.rel_buckets, &l->rel_bias);
}

static lq_status bind_head(const binder *b) {
  lq_weights *w = b->w;
  LQ_TRY(bind_mat(b, "token_embd.weight", w->hp.d_model, w->hp.n_vocab, &w->embed));
  w->tied = lq_gguf_tensor_find(b->g, "output.weight") == NULL;
  if (!w->tied) LQ_TRY(bind_mat(b, "output.weight", w->hp.d_model, w->hp.n_vocab, &w->output));
  if (w->arch->position != LQ_POS_ROPE || !lq_gguf_tensor_find(b->g, "rope_freqs.weight")) return LQ_OK;
  LQ_TRY(bind_floats(b, "rope_freqs.weight", w->hp.n_rot / 2, 1, &w->rope_factors));
  for (uint32_t i = 0; i < w->hp.n_rot / 2; i++)
    if (!(w->rope_factors[i] > 0.0f))
      return lq_fail(b->err, LQ_E_FORMAT, "rope_freqs.weight[%u] is %g; it must be above 0", (unsigned)i, (double)w->rope_factors[i]);
  return LQ_OK;
}

static void each_mat(lq_weights *w, void (*fn)(const lq_nn *, lq_mat *, void *), const lq_nn *nn, void *ctx) {
  lq_layers *both[2] = {&w->enc, &w->dec};
  for (int s = 0; s < 2; s++)
    for (uint32_t i = 0; i < both[s]->n; i++)
      for (size_t k = 0; k < sizeof(slots) / sizeof(slots[0]); k++) {
        lq_mat *m = (lq_mat *)(void *)((char *)&both[s]->blocks[i] + slots[k].offset);
        if (!slots[k].vec && m->n_out) fn(nn, m, ctx);
      }
  fn(nn, &w->embed, ctx);
  if (!w->tied) fn(nn, &w->output, ctx);
}

static void need_scratch(const lq_nn *nn, lq_mat *m, void *ctx) {
  size_t *need = ctx, n = lq_mat_pack_scratch(nn, m);
  if (n > *need) *need = n;
}

static void pack(const lq_nn *nn, lq_mat *m, void *ctx) { lq_mat_pack(nn, m, ctx); }

lq_status lq_weights_shape(lq_weights *w, const lq_gguf *g, lq_error *err) {
  lq_str name;
  LQ_TRY(lq_gguf_str(g, "general.architecture", (lq_str){NULL, 0}, &name, err));
  if (!name.p) return lq_fail(err, LQ_E_FORMAT, "the model file does not name its architecture (general.architecture)");
  w->arch = lq_arch_find(name);
  if (!w->arch) {
    char known[128];
    lq_arch_names(known, sizeof(known));
    return lq_fail(err, LQ_E_ARCH, "the architecture \"%.*s\" is not supported; this build runs %s", LQ_STR_ARG(name), known);
  }
  LQ_TRY(lq_hparams_read(&w->hp, w->arch, g, err));
  bool pair = w->arch->family == LQ_ENCODER_DECODER;
  w->enc = (lq_layers){.probe = "enc"};
  w->dec = (lq_layers){.probe = "dec", .causal = true, .cross = pair};
  return LQ_OK;
}

lq_status lq_weights_open(lq_weights *w, const lq_gguf *g, const lq_nn *nn, bool repack, lq_arena *a, lq_error *err) {
  binder b = {w, g, nn, a, err};
  LQ_TRY(lq_weights_shape(w, g, err));
  bool pair = w->arch->family == LQ_ENCODER_DECODER;
  if (pair) LQ_TRY(bind_layers(&b, &w->enc, w->arch->enc_prefix, w->hp.n_enc));
  LQ_TRY(bind_layers(&b, &w->dec, w->arch->dec_prefix, w->hp.n_dec));
  LQ_TRY(bind_head(&b));
  if (repack) {
    size_t need = 0;
    each_mat(w, need_scratch, nn, &need);
    void *tmp = lq_arena_take(a, need, 1);
    if (!tmp) return lq_fail(err, LQ_E_NOMEM, "no memory for %zu bytes of repacking scratch", need);
    each_mat(w, pack, nn, tmp);
  }
  if (w->tied) w->output = w->embed;
  return LQ_OK;
}
