/* The walker. May call: nn, kernel, base. Vaswani et al. 2017; pre-norm as in T5 (Raffel et al. 2020) and LLaMA (Touvron et al. 2023). */
#include "model/stack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint32_t q_width(const lq_hparams *hp) { return hp->n_head * hp->d_head; }
static uint32_t kv_width(const lq_hparams *hp) { return hp->n_head_kv * hp->d_head; }

static uint32_t max_keys(const lq_stack_size *z) { return z->n_ctx > z->n_src ? z->n_ctx : z->n_src; }

static void fill_tables(lq_stack *s) {
  const lq_hparams *hp = &s->w->hp;
  if (s->w->arch->position == LQ_POS_ROPE) {
    lq_rope_table(s->rope, s->size.n_ctx, hp->n_rot, (double)hp->rope_base, (double)hp->rope_scale, s->w->rope_factors);
    return;
  }
  int64_t src = s->size.n_src, ctx = s->size.n_ctx;
  lq_t5_bias_table(s->enc_bias, 1 - src, (size_t)(2 * src - 1), s->w->enc.rel_bias, hp->n_head, true, hp->rel_buckets, hp->rel_max_distance);
  lq_t5_bias_table(s->dec_bias, 1 - ctx, (size_t)ctx, s->w->dec.rel_bias, hp->n_head, false, hp->rel_buckets, hp->rel_max_distance);
}

bool lq_stack_layout(lq_stack *s, const lq_weights *w, lq_nn nn, lq_stack_size z, lq_arena *a) {
  const lq_hparams *hp = &w->hp;
  uint64_t rows = z.max_rows, widest = q_width(hp);
  if (hp->d_model > widest) widest = hp->d_model;
  if (hp->d_ff > widest) widest = hp->d_ff;
  uint64_t threads = (uint64_t)lq_pool_threads(nn.pool);
  *s = (lq_stack){.w = w, .nn = nn, .size = z};
  bool ok = lq_kv_layout(&s->self, a, hp->n_dec, z.n_seq, hp->n_head_kv, z.n_ctx, hp->d_head);
  if (w->dec.cross) ok = lq_kv_layout(&s->cross, a, hp->n_dec, z.n_source, hp->n_head_kv, z.n_src, hp->d_head) && ok;
  struct { float **p; uint64_t n; } floats[] = {
      {&s->x, rows * hp->d_model}, {&s->h, rows * hp->d_model}, {&s->t, rows * hp->d_model},
      {&s->q, rows * q_width(hp)}, {&s->a, rows * q_width(hp)}, {&s->k, rows * kv_width(hp)}, {&s->v, rows * kv_width(hp)},
      {&s->gate, hp->gated ? rows * hp->d_ff : 0}, {&s->up, rows * hp->d_ff},
      {&s->scores, threads * lq_attention_scratch(hp->n_head, hp->n_head_kv, max_keys(&z))},
      {&s->rope, w->arch->position == LQ_POS_ROPE ? (uint64_t)z.n_ctx * hp->n_rot : 0},
      {&s->enc_bias, w->arch->position == LQ_POS_T5 ? (uint64_t)hp->n_head * (2 * (uint64_t)z.n_src - 1) : 0},
      {&s->dec_bias, w->arch->position == LQ_POS_T5 ? (uint64_t)hp->n_head * z.n_ctx : 0}};
  for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
    *floats[i].p = LQ_TAKE(a, float, floats[i].n);
    ok = ok && (a->measuring || *floats[i].p);
  }
  s->q8 = LQ_TAKE(a, lq_q8a, rows * (widest / LQ_QK + 1));
  ok = ok && (a->measuring || s->q8);
  if (w->arch->position != LQ_POS_T5) s->enc_bias = s->dec_bias = NULL;
  if (ok && !a->measuring) fill_tables(s);
  return ok;
}

void lq_stack_embed(lq_stack *s, const int32_t *ids, uint32_t n) {
  uint32_t d = s->w->hp.d_model;
  for (uint32_t i = 0; i < n; i++) lq_mat_row(&s->nn, &s->w->embed, (uint32_t)ids[i], s->x + (size_t)i * d);
}

/* ---- one block ---- */

typedef struct pass {
  lq_stack *s;
  const lq_layers *l;
  const lq_run *runs;
  size_t n_runs;
  uint32_t n_rows, layer;
} pass;

static void probe(const pass *p, const char *what, const float *x, uint32_t cols) {
  if (!p->s->probe) return;
  char name[48];
  snprintf(name, sizeof(name), "%s.%u.%s", p->l->probe, (unsigned)p->layer, what);
  p->s->probe(p->s->probe_ctx, name, x, p->n_rows, cols);
}

static void norm_rows(const pass *p, float *y, const float *x, const float *w) {
  lq_rmsnorm_rows(&p->s->nn, y, x, w, p->n_rows, p->s->w->hp.d_model, p->s->w->hp.eps);
}

static lq_acts acts(const pass *p, const float *x, uint32_t n_in) {
  return (lq_acts){.x = x, .q = p->s->q8, .n_rows = p->n_rows, .n_in = n_in};
}

static void project(const pass *p, const lq_mat *w, lq_acts *x, float *y) { lq_linear(&p->s->nn, w, x, y, w->n_out); }

/* x += t */
static void add_residual(const pass *p) {
  float *x = p->s->x;
  const float *t = p->s->t;
  size_t n = (size_t)p->n_rows * p->s->w->hp.d_model;
  for (size_t i = 0; i < n; i++) x[i] += t[i];
}

/* Norm (if the block has one) and rotation of queries or keys. */
static void place_heads(const pass *p, float *x, uint32_t n_head, const float *norm) {
  const lq_hparams *hp = &p->s->w->hp;
  size_t width = (size_t)n_head * hp->d_head;
  for (size_t i = 0; i < p->n_runs; i++) {
    const lq_run *r = &p->runs[i];
    for (uint32_t k = 0; k < r->n_rows; k++) {
      float *row = x + (r->row0 + k) * width;
      for (uint32_t h = 0; norm && h < n_head; h++)
        p->s->nn.k->rmsnorm(row + h * hp->d_head, row + h * hp->d_head, norm, hp->d_head, hp->eps);
      if (p->s->w->arch->rope != LQ_ROPE_NONE)
        lq_rope_apply(p->s->w->arch->rope, row, n_head, hp->d_head, hp->n_rot, p->s->rope + (size_t)(r->pos0 + k) * hp->n_rot);
    }
  }
}

static void attend(const pass *p, lq_kv_view kv, bool causal, const float *bias, size_t n_bias, size_t bias_zero) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  lq_attention a = {.q = s->q, .out = s->a, .kv = kv, .runs = p->runs, .n_runs = p->n_runs, .n_head = hp->n_head,
                    .n_head_kv = hp->n_head_kv, .d_head = hp->d_head,
                    .scale = s->w->arch->scale_scores ? 1.0f / sqrtf((float)hp->d_head) : 1.0f,
                    .causal = causal, .bias = bias, .n_bias = n_bias, .bias_zero = bias_zero, .scores = s->scores};
  lq_attention_run(&s->nn, &a, max_keys(&s->size));
}

static void self_attention(const pass *p, const lq_block *b) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  norm_rows(p, s->h, s->x, b->attn_norm);
  lq_acts h = acts(p, s->h, hp->d_model);
  project(p, &b->q, &h, s->q);
  project(p, &b->k, &h, s->k);
  project(p, &b->v, &h, s->v);
  place_heads(p, s->q, hp->n_head, b->q_norm);
  place_heads(p, s->k, hp->n_head_kv, b->k_norm);
  if (p->l->causal) {
    for (size_t i = 0; i < p->n_runs; i++) lq_kv_store(&s->self, p->layer, &p->runs[i], s->k, s->v);
    attend(p, lq_kv_layer(&s->self, p->layer), true, s->dec_bias, s->size.n_ctx, s->size.n_ctx - 1);
  } else {
    size_t w = kv_width(hp);
    lq_kv_view fresh = {.k = s->k, .v = s->v, .seq_stride = w, .head_stride = hp->d_head, .pos_stride = w, .by_row = true};
    attend(p, fresh, false, s->enc_bias, 2 * (size_t)s->size.n_src - 1, s->size.n_src - 1);
  }
  lq_acts a = acts(p, s->a, q_width(hp));
  project(p, &b->o, &a, s->t);
  probe(p, "attn", s->t, hp->d_model);
  add_residual(p);
}

static void cross_attention(const pass *p, const lq_block *b) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  norm_rows(p, s->h, s->x, b->cross_norm);
  lq_acts h = acts(p, s->h, hp->d_model);
  project(p, &b->cross_q, &h, s->q);
  pass sources = *p;
  if (s->sources) sources.runs = s->sources, sources.n_runs = s->n_sources;
  attend(&sources, lq_kv_layer(&s->cross, p->layer), false, NULL, 0, 0);
  lq_acts a = acts(p, s->a, q_width(hp));
  project(p, &b->cross_o, &a, s->t);
  probe(p, "cross", s->t, hp->d_model);
  add_residual(p);
}

static void feed_forward(const pass *p, const lq_block *b) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  norm_rows(p, s->h, s->x, b->ffn_norm);
  lq_acts h = acts(p, s->h, hp->d_model);
  float *mid = s->up;
  project(p, &b->up, &h, s->up);
  if (hp->gated) {
    project(p, &b->gate, &h, s->gate);
    lq_activate_rows(&s->nn, hp->act, s->gate, s->up, p->n_rows, hp->d_ff);
    mid = s->gate;
  } else {
    lq_activate_rows(&s->nn, hp->act, s->up, NULL, p->n_rows, hp->d_ff);
  }
  lq_acts m = acts(p, mid, hp->d_ff);
  project(p, &b->down, &m, s->t);
  probe(p, "ffn", s->t, hp->d_model);
  add_residual(p);
}

void lq_stack_run(lq_stack *s, const lq_layers *l, const lq_run *runs, size_t n_runs, uint32_t n_rows) {
  pass p = {s, l, runs, n_runs, n_rows, 0};
  for (; p.layer < l->n; p.layer++) {
    const lq_block *b = &l->blocks[p.layer];
    if (p.layer == 0) probe(&p, "in", s->x, s->w->hp.d_model);
    self_attention(&p, b);
    if (l->cross) cross_attention(&p, b);
    feed_forward(&p, b);
    probe(&p, "out", s->x, s->w->hp.d_model);
  }
  norm_rows(&p, s->x, s->x, l->out_norm);
  probe(&p, "norm", s->x, s->w->hp.d_model);
}

uint32_t lq_stack_fill_cross(lq_stack *s, const lq_run *runs, size_t n_runs, uint32_t n_rows) {
  pass p = {s, &s->w->dec, runs, n_runs, n_rows, 0};
  lq_acts x = acts(&p, s->x, s->w->hp.d_model);
  for (; p.layer < s->w->dec.n; p.layer++) {
    const lq_block *b = &s->w->dec.blocks[p.layer];
    project(&p, &b->cross_k, &x, s->k);
    project(&p, &b->cross_v, &x, s->v);
    for (size_t i = 0; i < n_runs; i++) lq_kv_store(&s->cross, p.layer, &runs[i], s->k, s->v);
  }
  return s->w->dec.n;
}

void lq_stack_head(lq_stack *s, const uint32_t *rows, uint32_t n, float *logits) {
  const lq_hparams *hp = &s->w->hp;
  for (uint32_t i = 0; i < n; i++) {
    const float *x = s->x + (size_t)rows[i] * hp->d_model;
    float *h = s->h + (size_t)i * hp->d_model;
    for (uint32_t k = 0; k < hp->d_model; k++) h[k] = x[k] * hp->logit_scale;
  }
  lq_acts h = {.x = s->h, .q = s->q8, .n_rows = n, .n_in = hp->d_model};
  lq_linear(&s->nn, &s->w->output, &h, logits, hp->n_vocab);
  if (s->probe) s->probe(s->probe_ctx, "logits", logits, n, hp->n_vocab);
}
