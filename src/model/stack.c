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
  const lq_layers *enc = &s->w->enc, *dec = &s->w->dec;
  int64_t src = s->size.n_src, ctx = s->size.n_ctx;
  size_t n_pos = max_keys(&s->size);
  if (s->rope) lq_rope_table(s->rope, n_pos, hp->n_rot, &hp->rope, s->w->rope_factors);
  if (s->rope_local) lq_rope_table(s->rope_local, n_pos, hp->n_rot, &hp->rope_local, NULL);
  bool t5 = s->w->arch->position == LQ_POS_T5;
  if (s->enc_bias && t5)
    lq_t5_bias_table(s->enc_bias, 1 - src, (size_t)(2 * src - 1), enc->rel_bias, hp->n_head, true, hp->rel_buckets, hp->rel_max_distance);
  else if (s->enc_bias) lq_alibi_table(s->enc_bias, 1 - src, (size_t)(2 * src - 1), hp->n_head, (double)hp->alibi_bias);
  if (s->dec_bias && t5)
    lq_t5_bias_table(s->dec_bias, 1 - ctx, (size_t)ctx, dec->rel_bias, hp->n_head, false, hp->rel_buckets, hp->rel_max_distance);
  else if (s->dec_bias) lq_alibi_table(s->dec_bias, 1 - ctx, (size_t)ctx, hp->n_head, (double)hp->alibi_bias);
}

/* Deep stacks keep some 15 bits of the activations, but for the widest, the input of the feed-forward's last matrix, where they gain least and
 * only the first layer keeps them. SmolLM2 Q4_1 modelled in numpy, every position of five prompts: scores lie 0.14 instead of 0.35 from
 * those of float activations (median 0.09 instead of 0.22). */
#define FINE_FROM_LAYERS 24u

/* Floats by name; 0 of them: the pointer stays NULL. */
typedef struct take { float **p; uint64_t n; } take;

static bool take_all(lq_arena *a, const take *takes, size_t n) {
  bool ok = true;
  for (size_t i = 0; i < n; i++) {
    if (takes[i].n == 0) continue;
    *takes[i].p = LQ_TAKE(a, float, takes[i].n);
    ok = ok && (a->measuring || *takes[i].p);
  }
  return ok;
}

bool lq_stack_layout(lq_stack *s, const lq_weights *w, lq_nn nn, lq_stack_size z, lq_arena *a) {
  const lq_hparams *hp = &w->hp;
  uint64_t rows = z.max_rows, widest = q_width(hp), ff = rows * hp->d_ff;
  if (hp->d_model > widest) widest = hp->d_model;
  if (hp->d_ff > widest) widest = hp->d_ff;
  uint64_t threads = (uint64_t)lq_pool_threads(nn.pool);
  lq_position_kind pos = w->arch->position;
  bool rope = pos == LQ_POS_ROPE, bias = pos == LQ_POS_T5 || pos == LQ_POS_ALIBI;
  uint64_t turns = rope ? (uint64_t)max_keys(&z) * hp->n_rot : 0;
  *s = (lq_stack){.w = w, .nn = nn, .size = z};
  bool ok = lq_kv_layout(&s->self, a, hp->n_dec, z.n_seq, hp->n_head_kv, z.n_ctx, hp->d_head);
  if (w->dec.cross) ok = lq_kv_layout(&s->cross, a, hp->n_dec, z.n_source, hp->n_head_kv, z.n_src, hp->d_head) && ok;
  s->scores_thread = lq_attention_scratch(hp->n_head, hp->n_head_kv, hp->d_head, max_keys(&z));
  take takes[] = {{&s->x, rows * hp->d_model}, {&s->h, rows * hp->d_model}, {&s->t, rows * hp->d_model},
                  {&s->q, rows * q_width(hp)}, {&s->a, rows * q_width(hp)}, {&s->k, rows * kv_width(hp)}, {&s->v, rows * kv_width(hp)},
                  {&s->gate, hp->gated ? ff : 0}, {&s->up, ff},
                  {&s->scores, threads * s->scores_thread},
                  {&s->rope, turns}, {&s->rope_local, hp->two_ropes ? turns : 0},
                  {&s->enc_bias, bias && hp->n_enc ? (uint64_t)hp->n_head * (2 * (uint64_t)z.n_src - 1) : 0},
                  {&s->dec_bias, bias && hp->n_dec ? (uint64_t)hp->n_head * z.n_ctx : 0}};
  ok = take_all(a, takes, sizeof(takes) / sizeof(takes[0])) && ok;
  s->q8_row = (size_t)(widest / LQ_QK + 1);
  s->q8 = LQ_TAKE(a, lq_q8a, rows * s->q8_row);
  ok = ok && (a->measuring || s->q8);
  if (hp->n_enc >= FINE_FROM_LAYERS || hp->n_dec >= FINE_FROM_LAYERS) {
    s->q8_rest = LQ_TAKE(a, lq_q8a, rows * s->q8_row);
    ok = ok && (a->measuring || s->q8_rest);
  }
  if (ok && !a->measuring) fill_tables(s);
  return ok;
}

/* x += row i of a table; tmp: a row. */
static void add_table_row(const lq_stack *s, const lq_mat *table, uint32_t i, float *x, float *tmp) {
  lq_mat_row(&s->nn, table, i, tmp);
  for (uint32_t k = 0; k < table->n_in; k++) x[k] += tmp[k];
}

static void norm_row(const lq_stack *s, const lq_norm *n, float *y, const float *x) {
  const lq_hparams *hp = &s->w->hp;
  if (s->w->arch->norm == LQ_NORM_RMS) s->nn.k->rmsnorm(y, x, n->w, hp->d_model, hp->eps);
  else s->nn.k->layernorm(y, x, n->w, n->b, hp->d_model, hp->eps);
}

void lq_stack_embed(lq_stack *s, const lq_layers *l, const int32_t *ids, const uint8_t *types, const lq_run *runs, size_t n_runs) {
  const lq_hparams *hp = &s->w->hp;
  uint32_t d = hp->d_model;
  for (size_t i = 0; i < n_runs; i++)
    for (uint32_t k = 0; k < runs[i].n_rows; k++) {
      uint32_t row = runs[i].row0 + k, pos = hp->position_offset + runs[i].pos0 + k;
      float *x = s->x + (size_t)row * d;
      lq_mat_row(&s->nn, &s->w->embed, (uint32_t)ids[row], x);
      for (uint32_t c = 0; hp->embed_scale != 1.0f && c < d; c++) x[c] *= hp->embed_scale;
      if (l->types.n_out) add_table_row(s, &l->types, types ? types[row] : 0, x, s->t);
      if (l->position.n_out) add_table_row(s, &l->position, pos, x, s->t);
      if (s->w->arch->position == LQ_POS_SINUSOID) lq_sinusoid_add(hp->sinusoid, x, d, pos);
      if (l->embed_norm.w) norm_row(s, &l->embed_norm, x, x);
    }
}

/* ---- one block ---- */

/* Rows [row0, row0 + n_rows) on their way through the blocks. */
typedef struct pass {
  lq_stack *s;
  lq_nn nn;            /* without the pool when other threads have the other rows */
  const lq_layers *l;
  const lq_run *runs;  /* of all rows */
  size_t n_runs;
  uint32_t row0, n_rows, layer;
  float *scores;       /* for attention within this pass */
} pass;

static float *rows_of(const pass *p, float *x, uint32_t width) { return x + (size_t)p->row0 * width; }

/* The part of run i that lies among the pass's rows; n_rows 0: none. */
static lq_run run_of(const pass *p, size_t i) {
  lq_run r = p->runs[i];
  uint32_t first = r.row0 > p->row0 ? r.row0 : p->row0, end = r.row0 + r.n_rows < p->row0 + p->n_rows ? r.row0 + r.n_rows : p->row0 + p->n_rows;
  r.pos0 += first - r.row0;
  r.row0 = first;
  r.n_rows = end > first ? end - first : 0;
  return r;
}

/* x: the buffer, not the pass's rows. */
static void probe(const pass *p, const char *what, const float *x, uint32_t cols) {
  if (!p->s->probe) return;
  char name[48];
  snprintf(name, sizeof(name), "%s.%u.%s", p->l->probe, (unsigned)p->layer, what);
  p->s->probe(p->s->probe_ctx, name, x, p->n_rows, cols);
}

static void norm_rows(const pass *p, const lq_norm *n, float *y, const float *x) {
  const lq_hparams *hp = &p->s->w->hp;
  if (p->s->w->arch->norm == LQ_NORM_RMS) lq_rmsnorm_rows(&p->nn, y, x, n->w, p->n_rows, hp->d_model, hp->eps);
  else lq_layernorm_rows(&p->nn, y, x, n->w, n->b, p->n_rows, hp->d_model, hp->eps);
}

/* What a sub-layer reads: the stream, or its norm in s->h. */
static const float *read_stream(const pass *p, const lq_norms *n) {
  uint32_t d = p->s->w->hp.d_model;
  float *x = rows_of(p, p->s->x, d), *h = rows_of(p, p->s->h, d);
  if (!n->before.w) return x;
  norm_rows(p, &n->before, h, x);
  return h;
}

static lq_acts acts(const pass *p, const float *x, uint32_t n_in) {
  size_t at = p->row0 * p->s->q8_row;
  bool fine = p->l->n >= FINE_FROM_LAYERS;
  return (lq_acts){.x = x, .q = p->s->q8 + at, .rest = fine ? p->s->q8_rest + at : NULL, .n_rows = p->n_rows, .n_in = n_in};
}

static void project(const pass *p, const lq_mat *w, lq_acts *x, float *y) {
  lq_product one = {w, rows_of(p, y, w->n_out)};
  lq_linear(&p->nn, x, &one, 1);
}

/* x += t */
static void add_residual(const pass *p) {
  uint32_t d = p->s->w->hp.d_model;
  float *restrict x = rows_of(p, p->s->x, d);
  const float *restrict t = rows_of(p, p->s->t, d);
  size_t n = (size_t)p->n_rows * d;
  for (size_t i = 0; i < n; i++) x[i] += t[i];
}

/* What a sub-layer adds, in s->t, joins the stream. */
static void write_stream(const pass *p, const lq_norms *n, const char *what) {
  uint32_t d = p->s->w->hp.d_model;
  float *x = rows_of(p, p->s->x, d), *t = rows_of(p, p->s->t, d);
  if (n->branch.w) norm_rows(p, &n->branch, t, t);
  probe(p, what, p->s->t, d);
  add_residual(p);
  if (n->after.w) norm_rows(p, &n->after, x, x);
}

/* Norm (if the block has one) and rotation of queries or keys. */
static void place_heads(const pass *p, const lq_block *b, float *x, uint32_t n_head, const float *norm) {
  const lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  const float *turns = b->rope == LQ_ROPE_LOCAL ? s->rope_local : s->rope;
  size_t width = (size_t)n_head * hp->d_head;
  if (!norm && b->rope == LQ_ROPE_UNUSED) return;
  for (size_t i = 0; i < p->n_runs; i++) {
    const lq_run r = run_of(p, i);
    for (uint32_t k = 0; k < r.n_rows; k++) {
      float *row = x + (r.row0 + k) * width;
      for (uint32_t h = 0; norm && h < n_head; h++)
        s->nn.k->rmsnorm(row + h * hp->d_head, row + h * hp->d_head, norm, hp->d_head, hp->eps);
      if (b->rope != LQ_ROPE_UNUSED)
        lq_rope_apply(s->w->arch->rope, row, n_head, hp->d_head, hp->n_rot, turns + (size_t)(r.pos0 + k) * hp->n_rot);
    }
  }
}

/* The part of lq_attention that all attention of a model shares. */
static lq_attention attention_of(const pass *p, lq_kv_view kv) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  return (lq_attention){.q = s->q, .out = s->a, .kv = kv, .runs = p->runs, .n_runs = p->n_runs, .n_head = hp->n_head,
                        .n_head_kv = hp->n_head_kv, .d_head = hp->d_head, .scale = hp->attn_scale, .cap = hp->attn_cap, .scores = p->scores};
}

/* Queries, keys and values of the pass's rows, where self-attention reads them. */
static void prepare_attention(const pass *p, const lq_block *b) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  lq_acts h = acts(p, read_stream(p, &b->attn), hp->d_model);
  lq_product qkv[3] = {{&b->q, rows_of(p, s->q, b->q.n_out)}, {&b->k, rows_of(p, s->k, b->k.n_out)}, {&b->v, rows_of(p, s->v, b->v.n_out)}};
  lq_linear(&p->nn, &h, qkv, 3);
  place_heads(p, b, s->q, hp->n_head, b->q_norm);
  place_heads(p, b, s->k, hp->n_head_kv, b->k_norm);
  for (size_t i = 0; p->l->causal && i < p->n_runs; i++) {
    lq_run r = run_of(p, i);
    lq_kv_store(&s->self, p->layer, &r, s->k, s->v);
  }
}

/* Of all rows: a row may read the keys of any other. */
static void self_attention(const pass *p, const lq_block *b) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  lq_attention a;
  if (p->l->causal) {
    a = attention_of(p, lq_kv_layer(&s->self, p->layer));
    a.causal = true;
    a.window = b->window;
    a.bias = s->dec_bias;
    a.n_bias = s->size.n_ctx;
    a.bias_zero = s->size.n_ctx - 1;
  } else {
    size_t w = kv_width(hp);
    a = attention_of(p, (lq_kv_view){.k = s->k, .v = s->v, .seq_stride = w, .head_stride = hp->d_head, .pos_stride = w, .by_row = true});
    a.bias = s->enc_bias;
    a.n_bias = 2 * (size_t)s->size.n_src - 1;
    a.bias_zero = s->size.n_src - 1;
  }
  lq_attention_run(&p->nn, &a, max_keys(&s->size));
}

static void cross_attention(const pass *p, const lq_block *b) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  lq_acts h = acts(p, read_stream(p, &b->cross), hp->d_model);
  project(p, &b->cross_q, &h, s->q);
  pass sources = *p;
  if (s->sources) sources.runs = s->sources, sources.n_runs = s->n_sources;
  lq_attention a = attention_of(&sources, lq_kv_layer(&s->cross, p->layer));
  if (p->nn.pool) lq_attention_run(&p->nn, &a, max_keys(&s->size));
  for (size_t i = 0; !p->nn.pool && i < sources.n_runs; i++) { /* perhaps not all rows */
    lq_run r = run_of(&sources, i);
    a.runs = &r;
    a.n_runs = 1;
    if (r.n_rows) lq_attention_run(&p->nn, &a, max_keys(&s->size));
  }
  lq_acts out = acts(p, rows_of(p, s->a, q_width(hp)), q_width(hp));
  project(p, &b->cross_o, &out, s->t);
}

/* x -> gate and up of what the feed-forward reads. shared: that is what attention read, still in s->h. */
static void widen(const pass *p, const lq_block *b, bool shared) {
  lq_stack *s = p->s;
  uint32_t d = s->w->hp.d_model;
  lq_acts h = acts(p, shared ? rows_of(p, s->h, d) : read_stream(p, &b->ffn), d);
  lq_product both[2] = {{&b->up, rows_of(p, s->up, b->up.n_out)}, {&b->gate, rows_of(p, s->gate, b->gate.n_out)}};
  lq_linear(&p->nn, &h, both, b->gate.n_out ? 2 : 1);
}

static void narrow(const pass *p, const lq_block *b) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  float *up = rows_of(p, s->up, hp->d_ff), *mid = b->gate.n_out ? rows_of(p, s->gate, hp->d_ff) : up;
  lq_activate_rows(&p->nn, hp->act, mid, b->gate.n_out ? up : NULL, p->n_rows, hp->d_ff);
  lq_acts m = acts(p, mid, hp->d_ff);
  if (p->layer > 0) m.rest = NULL;
  project(p, &b->down, &m, s->t);
}

/* A block from behind its self-attention to its end. */
static void finish_block(const pass *p, const lq_block *b) {
  lq_stack *s = p->s;
  const lq_hparams *hp = &s->w->hp;
  lq_acts a = acts(p, rows_of(p, s->a, q_width(hp)), q_width(hp));
  project(p, &b->o, &a, s->t);
  if (hp->parallel) widen(p, b, !b->ffn.before.w); /* reads the stream before attention joins it */
  write_stream(p, &b->attn, "attn");
  if (p->l->cross) {
    cross_attention(p, b);
    write_stream(p, &b->cross, "cross");
  }
  if (!hp->parallel) widen(p, b, false);
  narrow(p, b);
  write_stream(p, &b->ffn, "ffn");
  probe(p, "out", s->x, hp->d_model);
}

/* What rows do on their own between the self-attention of one layer and that of the next, p->layer. */
static void run_stage(pass *p) {
  lq_stack *s = p->s;
  uint32_t d = s->w->hp.d_model, next = p->layer;
  if (next > 0) {
    p->layer = next - 1;
    finish_block(p, &p->l->blocks[next - 1]);
    p->layer = next;
  }
  if (next < p->l->n) prepare_attention(p, &p->l->blocks[next]);
  else if (p->l->out_norm.w) norm_rows(p, &p->l->out_norm, rows_of(p, s->x, d), rows_of(p, s->x, d));
}

/* Rows of a thread's block, about: enough for a pass over the weights of their own, and what is between them stays in the cache. */
#define ROW_BLOCK 32u

typedef struct stage_job {
  const pass *all;
  uint32_t block;
} stage_job;

static void stage_part(void *ctx, int part, int thread) {
  const stage_job *j = ctx;
  pass p = *j->all;
  uint32_t left = p.n_rows - (uint32_t)part * j->block;
  p.row0 = (uint32_t)part * j->block;
  p.n_rows = left < j->block ? left : j->block;
  p.nn.pool = NULL;
  p.scores += (size_t)thread * p.s->scores_thread;
  run_stage(&p);
}

/* Many rows: each thread takes blocks of them through a whole stage, so that threads meet twice a layer. Few rows: threads share outputs.
 * The results are the same. A probe wants all rows at once. */
static void share_stage(pass *p) {
  uint32_t threads = (uint32_t)lq_pool_threads(p->nn.pool), n = p->n_rows;
  if (p->s->probe || n < ROW_BLOCK * threads) {
    run_stage(p);
    return;
  }
  uint32_t blocks = (n + ROW_BLOCK - 1) / ROW_BLOCK;
  blocks = (blocks + threads - 1) / threads * threads;
  stage_job j = {p, ((n + blocks - 1) / blocks + 7) / 8 * 8};
  lq_pool_run(p->nn.pool, stage_part, &j, (int)((n + j.block - 1) / j.block));
}

void lq_stack_run(lq_stack *s, const lq_layers *l, const lq_run *runs, size_t n_runs, uint32_t n_rows) {
  pass p = {.s = s, .nn = s->nn, .l = l, .runs = runs, .n_runs = n_runs, .n_rows = n_rows, .scores = s->scores};
  probe(&p, "in", s->x, s->w->hp.d_model);
  for (; p.layer < l->n; p.layer++) {
    share_stage(&p);
    self_attention(&p, &l->blocks[p.layer]);
  }
  share_stage(&p);
  probe(&p, "norm", s->x, s->w->hp.d_model);
}

uint32_t lq_stack_fill_cross(lq_stack *s, const lq_run *runs, size_t n_runs, uint32_t n_rows) {
  pass p = {.s = s, .nn = s->nn, .l = &s->w->dec, .runs = runs, .n_runs = n_runs, .n_rows = n_rows};
  lq_acts x = {.x = s->x, .q = s->q8, .n_rows = n_rows, .n_in = s->w->hp.d_model};
  for (; p.layer < s->w->dec.n; p.layer++) {
    const lq_block *b = &s->w->dec.blocks[p.layer];
    lq_product kv[2] = {{&b->cross_k, s->k}, {&b->cross_v, s->v}};
    lq_linear(&s->nn, &x, kv, 2);
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
  lq_product out = {&s->w->output, logits};
  lq_linear(&s->nn, &h, &out, 1);
  size_t n_logits = hp->logit_cap > 0.0f ? (size_t)n * hp->n_vocab : 0;
  for (size_t i = 0; i < n_logits; i++) logits[i] = hp->logit_cap * tanhf(logits[i] / hp->logit_cap);
  if (s->probe) s->probe(s->probe_ctx, "logits", logits, n, hp->n_vocab);
}
