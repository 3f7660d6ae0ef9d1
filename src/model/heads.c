/* Heads of encoders. May call: gguf, nn, kernel, base. Devlin et al. 2019 s3; mean pooling: Reimers and Gurevych 2019.
 * Tensors: cls, cls.output as llama.cpp has them; cls.mlm, cls.mlm_norm, cls.token, cls.span are ours. */
#include "model/heads.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_LABELS 65536u

typedef struct opener {
  lq_heads *h;
  const lq_weights *w;
  const lq_gguf *g;
  lq_arena *a;
  lq_error *err;
} opener;

/* <name>.weight [rows, d] and its bias if there is one. rows 0: as many as the file has, told in *n. Absent: m->n_out stays 0. */
static lq_status bind(const opener *o, const char *name, uint32_t rows, lq_mat *m) {
  char full[64];
  snprintf(full, sizeof(full), "%s.weight", name);
  const lq_gguf_tensor *t = lq_gguf_tensor_find(o->g, full);
  if (!t) return LQ_OK;
  uint64_t n = rows ? rows : t->ne[1];
  if (n == 0 || n > MAX_LABELS)
    return lq_fail(o->err, LQ_E_FORMAT, "the tensor %s has %llu rows; 1 to %u make sense", full, (unsigned long long)n, MAX_LABELS);
  LQ_TRY(lq_weights_mat(o->g, full, o->w->hp.d_model, (uint32_t)n, m, o->err));
  snprintf(full, sizeof(full), "%s.bias", name);
  return lq_gguf_tensor_find(o->g, full) ? lq_weights_floats(o->g, o->a, full, (uint32_t)n, &m->bias, o->err) : LQ_OK;
}

static lq_status open_words(const opener *o) {
  lq_heads *h = o->h;
  uint32_t d = o->w->hp.d_model;
  LQ_TRY(bind(o, "cls.mlm", d, &h->mlm));
  if (!h->mlm.n_out) return LQ_OK;
  LQ_TRY(lq_weights_floats(o->g, o->a, "cls.mlm_norm.weight", d, &h->mlm_norm.w, o->err));
  return lq_weights_floats(o->g, o->a, "cls.mlm_norm.bias", d, &h->mlm_norm.b, o->err);
}

static lq_status text_key(const opener *o, const char *suffix, lq_str *out) {
  char key[96];
  snprintf(key, sizeof(key), "%s.%s", o->w->arch->name, suffix);
  return lq_gguf_str(o->g, key, (lq_str){NULL, 0}, out, o->err);
}

static lq_status open_labels(const opener *o) {
  lq_heads *h = o->h;
  char key[96];
  const lq_gguf_kv *kv;
  if (h->classify.n_out && h->token.n_out)
    return lq_fail(o->err, LQ_E_UNSUPPORTED, "the model file has labels for whole texts (cls.output) and for tokens (cls.token); "
                   "one of the two is supported");
  h->n_labels = h->classify.n_out ? h->classify.n_out : h->token.n_out;
  if (!h->n_labels) return LQ_OK;
  h->labels = LQ_TAKE(o->a, lq_str, h->n_labels);
  if (!h->labels) return lq_fail(o->err, LQ_E_NOMEM, "no memory for %u labels", (unsigned)h->n_labels);
  snprintf(key, sizeof(key), "%s.classifier.output_labels", o->w->arch->name);
  LQ_TRY(lq_gguf_array(o->g, key, LQ_GT_STRING, &kv, o->err));
  if (!kv) return LQ_OK;
  if (kv->count != h->n_labels)
    return lq_fail(o->err, LQ_E_FORMAT, "%s has %llu labels, but the classifier scores %u", key, (unsigned long long)kv->count,
                   (unsigned)h->n_labels);
  uint64_t pos = 0;
  for (uint32_t i = 0; i < h->n_labels; i++) lq_gguf_next_str(kv, &pos, &h->labels[i]);
  return LQ_OK;
}

static lq_status open_classifier(const opener *o) {
  lq_heads *h = o->h;
  lq_str act, problem;
  LQ_TRY(bind(o, "cls", o->w->hp.d_model, &h->pooler));
  LQ_TRY(bind(o, "cls.output", 0, &h->classify));
  LQ_TRY(text_key(o, "classifier.activation", &act));
  LQ_TRY(text_key(o, "classifier.problem", &problem));
  h->pooler_act = LQ_ACT_TANH;
  if (act.p && lq_str_eqz(act, "relu")) h->pooler_act = LQ_ACT_RELU;
  else if (act.p && !lq_str_eqz(act, "tanh"))
    return lq_fail(o->err, LQ_E_UNSUPPORTED, "the classifier's activation \"%.*s\" is not supported (tanh and relu are)", LQ_STR_ARG(act));
  if (problem.p && lq_str_eqz(problem, "multi_label")) h->problem = LQ_PROBLEM_MANY;
  else if (problem.p ? lq_str_eqz(problem, "regression") : h->classify.n_out == 1) h->problem = LQ_PROBLEM_NUMBER;
  else if (problem.p && !lq_str_eqz(problem, "single_label"))
    return lq_fail(o->err, LQ_E_UNSUPPORTED, "classifier.problem is \"%.*s\"; single_label, multi_label and regression are known",
                   LQ_STR_ARG(problem));
  return LQ_OK;
}

static lq_status open_pooling(const opener *o) {
  char key[96];
  uint32_t how;
  snprintf(key, sizeof(key), "%s.pooling_type", o->w->arch->name);
  LQ_TRY(lq_gguf_u32(o->g, key, 0, &how, o->err));
  /* 0 = none and 4 = rank say nothing of vectors */
  if (how > 4) return lq_fail(o->err, LQ_E_FORMAT, "%s is %u; 0 to 4 are known", key, (unsigned)how);
  o->h->pooling = how == 0 || how == 4 ? LQ_POOL_MEAN : (lq_pooling)how;
  return lq_gguf_bool(o->g, "loquat.embedding.normalize", how > 0, &o->h->normalize, o->err);
}

lq_status lq_heads_open(lq_heads *h, const lq_weights *w, const lq_gguf *g, lq_arena *a, lq_error *err) {
  opener o = {h, w, g, a, err};
  *h = (lq_heads){.pooling = LQ_POOL_MEAN};
  if (!w->enc.n || w->dec.n) return LQ_OK;
  LQ_TRY(open_words(&o));
  LQ_TRY(open_classifier(&o));
  LQ_TRY(bind(&o, "cls.token", 0, &h->token));
  LQ_TRY(bind(&o, "cls.span", 2, &h->span));
  LQ_TRY(open_labels(&o));
  return open_pooling(&o);
}

/* ---- running ---- */

void lq_heads_pool(const lq_stack *s, const lq_run *r, lq_pooling how, float *out) {
  size_t d = s->w->hp.d_model;
  const float *x = s->x + r->row0 * d;
  if (how != LQ_POOL_MEAN) {
    memcpy(out, how == LQ_POOL_CLS ? x : x + (r->n_rows - 1) * d, d * sizeof(*out));
    return;
  }
  for (size_t k = 0; k < d; k++) {
    double sum = 0;
    for (uint32_t i = 0; i < r->n_rows; i++) sum += (double)x[i * d + k];
    out[k] = (float)(sum / r->n_rows);
  }
}

void lq_heads_unit(float *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
  double by = sum > 0 ? 1 / sqrt(sum) : 1;
  for (size_t i = 0; i < n; i++) x[i] = (float)((double)x[i] * by);
}

/* The given rows of the states, next to each other in s->t. */
static void gather(const lq_stack *s, const uint32_t *rows, uint32_t n) {
  size_t d = s->w->hp.d_model;
  for (uint32_t i = 0; i < n; i++) memcpy(s->t + i * d, s->x + rows[i] * d, d * sizeof(float));
}

static void apply(const lq_stack *s, const lq_mat *m, const float *x, uint32_t n, float *y) {
  lq_acts in = {.x = x, .q = s->q8, .n_rows = n, .n_in = m->n_in};
  lq_product one = {m, y};
  lq_linear(&s->nn, &in, &one, 1);
}

static void tell(const lq_stack *s, const char *name, const float *x, uint32_t rows, uint32_t cols) {
  if (s->probe) s->probe(s->probe_ctx, name, x, rows, cols);
}

void lq_heads_words(lq_stack *s, const lq_heads *h, const uint32_t *rows, uint32_t n, float *scores) {
  const lq_hparams *hp = &s->w->hp;
  size_t d = hp->d_model;
  gather(s, rows, n);
  apply(s, &h->mlm, s->t, n, s->h);
  s->nn.k->activate((int)hp->act, s->h, NULL, n * d);
  for (uint32_t i = 0; i < n; i++) s->nn.k->layernorm(s->h + i * d, s->h + i * d, h->mlm_norm.w, h->mlm_norm.b, d, hp->eps);
  tell(s, "mlm", s->h, n, hp->d_model);
  apply(s, &s->w->output, s->h, n, scores);
  tell(s, "logits", scores, n, hp->n_vocab);
}

void lq_heads_classify(lq_stack *s, const lq_heads *h, const uint32_t *rows, uint32_t n, float *scores) {
  size_t d = s->w->hp.d_model;
  gather(s, rows, n);
  if (h->pooler.n_out) {
    apply(s, &h->pooler, s->t, n, s->h);
    s->nn.k->activate((int)h->pooler_act, s->h, NULL, n * d);
    tell(s, "pooler", s->h, n, s->w->hp.d_model);
  }
  apply(s, &h->classify, h->pooler.n_out ? s->h : s->t, n, scores);
  tell(s, "logits", scores, n, h->classify.n_out);
}

void lq_heads_tokens(lq_stack *s, const lq_mat *head, uint32_t n, float *scores) {
  apply(s, head, s->x, n, scores);
  tell(s, "logits", scores, n, head->n_out);
}

void lq_heads_probabilities(const lq_heads *h, const lq_kernels *k, float *scores) {
  if (h->problem == LQ_PROBLEM_ONE) k->softmax(scores, h->n_labels);
  else if (h->problem == LQ_PROBLEM_MANY)
    for (uint32_t i = 0; i < h->n_labels; i++) scores[i] = 1.0f / (1.0f + expf(-scores[i]));
}
