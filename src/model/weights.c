/* Binds tensors to blocks by a table of names and shapes. May call: gguf, nn, quant, base. */
#include "model/weights.h"

#include <stdio.h>
#include <stddef.h>

#include "model/hparams.h"

typedef enum dim { DIM_MODEL, DIM_Q, DIM_KV, DIM_FF, DIM_HEAD } dim;

/* When a slot applies beside its group of tensors. */
typedef enum when { ALWAYS, CROSS, GATED, PRE, POST, SANDWICH, CROSS_PRE, CROSS_POST, FFN_IN } when;

typedef struct slot {
  const char *name;    /* without .weight or .bias; "" = arch->attn_out */
  size_t offset;       /* in lq_block: an lq_mat, or a const float * when vec */
  size_t mat;          /* the lq_mat that a weight or a bias belongs to; NO_MAT for norms */
  uint8_t n_in, n_out; /* dim */
  uint8_t when;
  bool vec;
  bool bias;           /* the tensor is NAME.bias */
  unsigned group;      /* LQ_..., 0: in every row */
} slot;

#define NO_MAT SIZE_MAX
#define MAT(NAME, FIELD, IN, OUT, WHEN, BIASES)                                                              \
  {NAME, offsetof(lq_block, FIELD), offsetof(lq_block, FIELD), IN, OUT, WHEN, false, false, 0},              \
  {NAME, offsetof(lq_block, FIELD.bias), offsetof(lq_block, FIELD), OUT, OUT, WHEN, true, true, BIASES}
#define NORM(NAME, FIELD, WHEN)                                                                              \
  {NAME, offsetof(lq_block, FIELD.w), NO_MAT, DIM_MODEL, DIM_MODEL, WHEN, true, false, 0},                   \
  {NAME, offsetof(lq_block, FIELD.b), NO_MAT, DIM_MODEL, DIM_MODEL, WHEN, true, true, LQ_NORM_BIAS}
#define HEAD_NORM(NAME, FIELD) {NAME, offsetof(lq_block, FIELD), NO_MAT, DIM_HEAD, DIM_HEAD, ALWAYS, true, false, LQ_QK_NORM}

static const slot slots[] = {
    NORM("attn_norm", attn.before, PRE),
    MAT("attn_q", q, DIM_MODEL, DIM_Q, ALWAYS, LQ_QKV_BIAS),
    MAT("attn_k", k, DIM_MODEL, DIM_KV, ALWAYS, LQ_QKV_BIAS),
    MAT("attn_v", v, DIM_MODEL, DIM_KV, ALWAYS, LQ_QKV_BIAS),
    HEAD_NORM("attn_q_norm", q_norm),
    HEAD_NORM("attn_k_norm", k_norm),
    MAT("", o, DIM_Q, DIM_MODEL, ALWAYS, LQ_O_BIAS),
    NORM("attn_output_norm", attn.after, POST),
    NORM("post_attention_norm", attn.branch, SANDWICH),
    NORM("cross_attn_norm", cross.before, CROSS_PRE),
    MAT("cross_attn_q", cross_q, DIM_MODEL, DIM_Q, CROSS, LQ_QKV_BIAS),
    MAT("cross_attn_k", cross_k, DIM_MODEL, DIM_KV, CROSS, LQ_QKV_BIAS),
    MAT("cross_attn_v", cross_v, DIM_MODEL, DIM_KV, CROSS, LQ_QKV_BIAS),
    MAT("cross_attn_o", cross_o, DIM_Q, DIM_MODEL, CROSS, LQ_O_BIAS),
    NORM("cross_attn_output_norm", cross.after, CROSS_POST),
    NORM("ffn_norm", ffn.before, FFN_IN),
    MAT("ffn_gate", gate, DIM_MODEL, DIM_FF, GATED, LQ_FFN_BIAS),
    MAT("ffn_up", up, DIM_MODEL, DIM_FF, ALWAYS, LQ_FFN_BIAS),
    MAT("ffn_down", down, DIM_FF, DIM_MODEL, ALWAYS, LQ_FFN_BIAS),
    NORM("layer_output_norm", ffn.after, POST),
    NORM("post_ffw_norm", ffn.branch, SANDWICH),
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

lq_status lq_weights_mat(const lq_gguf *g, const char *name, uint32_t n_in, uint32_t n_out, lq_mat *m, lq_error *err) {
  binder b = {.g = g, .err = err};
  return bind_mat(&b, name, n_in, n_out, m);
}

lq_status lq_weights_floats(const lq_gguf *g, lq_arena *a, const char *name, uint32_t n, const float **out, lq_error *err) {
  binder b = {.g = g, .a = a, .err = err};
  return bind_floats(&b, name, n, 1, out);
}

/* Whether the row has tensors of this group, given that the file has this one. */
static bool wanted(const binder *b, unsigned group, const char *name) {
  if (group == 0 || (b->w->arch->must & group)) return true;
  return (b->w->arch->may & group) && lq_gguf_tensor_find(b->g, name) != NULL;
}

/* <prefix><name>.weight [n] and .bias, as the row has them. */
static lq_status bind_norm(const binder *b, const char *prefix, const char *what, unsigned group, lq_norm *norm) {
  char name[96];
  snprintf(name, sizeof(name), "%s%s.weight", prefix, what);
  if (!wanted(b, group, name)) return LQ_OK;
  LQ_TRY(bind_floats(b, name, b->w->hp.d_model, 1, &norm->w));
  snprintf(name, sizeof(name), "%s%s.bias", prefix, what);
  return wanted(b, LQ_NORM_BIAS, name) ? bind_floats(b, name, b->w->hp.d_model, 1, &norm->b) : LQ_OK;
}

/* Consecutive rows of one tensor (and of its bias) as matrices of their own. */
static lq_status bind_fused(const binder *b, const char *prefix, const char *what, unsigned biases, lq_mat **parts, const uint32_t *n_out, size_t n) {
  char name[96];
  const float *bias = NULL;
  lq_mat all;
  uint32_t total = 0;
  for (size_t i = 0; i < n; i++) total += n_out[i];
  snprintf(name, sizeof(name), "%s%s.bias", prefix, what);
  if (wanted(b, biases, name)) LQ_TRY(bind_floats(b, name, total, 1, &bias));
  snprintf(name, sizeof(name), "%s%s.weight", prefix, what);
  LQ_TRY(bind_mat(b, name, b->w->hp.d_model, total, &all));
  for (size_t i = 0; i < n; i++) {
    *parts[i] = all;
    parts[i]->n_out = n_out[i];
    parts[i]->bias = bias;
    all.data += all.row_bytes * n_out[i];
    if (bias) bias += n_out[i];
  }
  return LQ_OK;
}

static lq_status bind_all_fused(const binder *b, const char *prefix, lq_block *blk) {
  const lq_hparams *hp = &b->w->hp;
  uint32_t q = dim_of(hp, DIM_Q), kv = dim_of(hp, DIM_KV);
  char name[96];
  snprintf(name, sizeof(name), "%sattn_qkv.weight", prefix);
  if ((b->w->arch->may & LQ_QKV_FUSED) && lq_gguf_tensor_find(b->g, name))
    LQ_TRY(bind_fused(b, prefix, "attn_qkv", LQ_QKV_BIAS, (lq_mat *[]){&blk->q, &blk->k, &blk->v}, (uint32_t[]){q, kv, kv}, 3));
  snprintf(name, sizeof(name), "%sffn_gate.weight", prefix);
  if ((b->w->arch->may & LQ_UP_FUSED) && hp->gated && !lq_gguf_tensor_find(b->g, name))
    LQ_TRY(bind_fused(b, prefix, "ffn_up", LQ_FFN_BIAS, (lq_mat *[]){&blk->gate, &blk->up}, (uint32_t[]){hp->d_ff, hp->d_ff}, 2));
  return LQ_OK;
}

static bool slot_applies(const binder *b, const slot *s, const lq_layers *l, const char *ffn_norm) {
  bool post = b->w->hp.place == LQ_NORM_POST;
  switch ((when)s->when) {
    case CROSS: return l->cross;
    case GATED: return b->w->hp.gated;
    case PRE: return !post;
    case POST: return post;
    case SANDWICH: return b->w->hp.place == LQ_NORM_SANDWICH;
    case CROSS_PRE: return l->cross && !post;
    case CROSS_POST: return l->cross && post;
    case FFN_IN: return !post && (!b->w->hp.parallel || wanted(b, LQ_FFN_NORM, ffn_norm));
    default: return true;
  }
}

/* Every slot that applies but those of matrices that came fused. */
static lq_status bind_slots(const binder *b, const lq_layers *l, const char *prefix, lq_block *blk) {
  char name[96], ffn_norm[96];
  snprintf(ffn_norm, sizeof(ffn_norm), "%sffn_norm.weight", prefix);
  const lq_block fused = *blk;
  for (size_t k = 0; k < sizeof(slots) / sizeof(slots[0]); k++) {
    const slot *s = &slots[k];
    snprintf(name, sizeof(name), "%s%s.%s", prefix, s->name[0] ? s->name : b->w->arch->attn_out, s->bias ? "bias" : "weight");
    if (s->mat != NO_MAT && ((const lq_mat *)(const void *)((const char *)&fused + s->mat))->n_out) continue;
    if (!slot_applies(b, s, l, ffn_norm) || !wanted(b, s->group, name)) continue;
    char *field = (char *)blk + s->offset;
    if (s->vec) LQ_TRY(bind_floats(b, name, dim_of(&b->w->hp, s->n_in), 1, (const float **)(void *)field));
    else LQ_TRY(bind_mat(b, name, dim_of(&b->w->hp, s->n_in), dim_of(&b->w->hp, s->n_out), (lq_mat *)(void *)field));
  }
  return LQ_OK;
}

static lq_status bind_block(const binder *b, const lq_layers *l, const char *stack, uint32_t i, lq_block *blk) {
  const lq_hparams *hp = &b->w->hp;
  char prefix[64];
  snprintf(prefix, sizeof(prefix), "%sblk.%u.", stack, (unsigned)i);
  LQ_TRY(bind_all_fused(b, prefix, blk));
  LQ_TRY(bind_slots(b, l, prefix, blk));
  lq_norm second = {NULL, NULL};
  LQ_TRY(bind_norm(b, prefix, "attn_norm_2", LQ_ATTN_NORM_2, &second));
  if (second.w) {
    blk->ffn.before = blk->attn.before;
    blk->attn.before = second;
  }
  blk->window = l->causal && lq_hparams_local(hp, i) ? hp->window : 0;
  if (b->w->arch->position == LQ_POS_ROPE && (hp->nope_step == 0 || (i + 1) % hp->nope_step != 0))
    blk->rope = hp->two_ropes && blk->window ? LQ_ROPE_LOCAL : LQ_ROPE_GLOBAL;
  return LQ_OK;
}

/* A table of rows that are added to the embeddings. */
static lq_status bind_table(const binder *b, const char *name, uint32_t rows, lq_mat *m) { return bind_mat(b, name, b->w->hp.d_model, rows, m); }

/* What stands beside the blocks of a stack. */
static lq_status bind_ends(const binder *b, lq_layers *l, const char *prefix) {
  const lq_hparams *hp = &b->w->hp;
  char name[96];
  LQ_TRY(bind_norm(b, prefix, "output_norm", LQ_OUT_NORM, &l->out_norm));
  LQ_TRY(bind_norm(b, prefix, "token_embd_norm", LQ_EMBED_NORM, &l->embed_norm));
  snprintf(name, sizeof(name), "%stoken_types.weight", prefix);
  if (wanted(b, LQ_TOKEN_TYPES, name)) {
    const lq_gguf_tensor *t = lq_gguf_tensor_find(b->g, name);
    LQ_TRY(bind_table(b, name, t && t->ne[1] <= 256 ? (uint32_t)t->ne[1] : 2, &l->types));
  }
  if (b->w->arch->position == LQ_POS_LEARNED) {
    snprintf(name, sizeof(name), "%sposition_embd.weight", prefix);
    LQ_TRY(bind_table(b, name, hp->position_offset + hp->max_context, &l->position));
  }
  if (b->w->arch->position != LQ_POS_T5) return LQ_OK;
  snprintf(name, sizeof(name), "%sblk.0.attn_rel_b.weight", prefix);
  return bind_floats(b, name, hp->n_head, hp->rel_buckets, &l->rel_bias);
}

static lq_status bind_layers(const binder *b, lq_layers *l, const char *prefix, uint32_t n) {
  if (n == 0) return LQ_OK;
  l->n = n;
  l->blocks = LQ_TAKE(b->a, lq_block, n);
  if (!l->blocks) return lq_fail(b->err, LQ_E_NOMEM, "no memory for %u layers", (unsigned)n);
  for (uint32_t i = 0; i < n; i++) LQ_TRY(bind_block(b, l, prefix, i, &l->blocks[i]));
  return bind_ends(b, l, prefix);
}

static lq_status bind_head(const binder *b) {
  lq_weights *w = b->w;
  LQ_TRY(bind_mat(b, "token_embd.weight", w->hp.d_model, w->hp.n_vocab, &w->embed));
  w->tied = lq_gguf_tensor_find(b->g, "output.weight") == NULL;
  if (!w->tied) LQ_TRY(bind_mat(b, "output.weight", w->hp.d_model, w->hp.n_vocab, &w->output));
  if (wanted(b, LQ_OUT_BIAS, "output.bias")) LQ_TRY(bind_floats(b, "output.bias", w->hp.n_vocab, 1, &w->output.bias));
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
  w->enc = (lq_layers){.probe = "enc"};
  w->dec = (lq_layers){.probe = "dec", .causal = true, .cross = w->hp.n_enc != 0};
  return LQ_OK;
}

lq_status lq_weights_open(lq_weights *w, const lq_gguf *g, const lq_nn *nn, bool repack, lq_arena *a, lq_error *err) {
  binder b = {w, g, nn, a, err};
  LQ_TRY(lq_weights_shape(w, g, err));
  LQ_TRY(bind_layers(&b, &w->enc, w->arch->enc_prefix, w->hp.n_enc));
  LQ_TRY(bind_layers(&b, &w->dec, w->arch->dec_prefix, w->hp.n_dec));
  LQ_TRY(bind_head(&b));
  if (repack) {
    size_t need = 0;
    each_mat(w, need_scratch, nn, &need);
    void *tmp = lq_arena_take(a, need, 1);
    if (!tmp) return lq_fail(err, LQ_E_NOMEM, "no memory for %zu bytes of repacking scratch", need);
    each_mat(w, pack, nn, tmp);
  }
  if (w->tied) {
    const float *bias = w->output.bias;
    w->output = w->embed;
    w->output.bias = bias;
  }
  return LQ_OK;
}
