/* Entities and answers: scores of tokens brought back to the words of a text. May call: model, text, base. */
#include <math.h>
#include <string.h>

#include "lq_internal.h"

#define MAX_ANSWER 15u /* tokens, as in Hugging Face's pipeline */

/* An input whose tokens know their words. */
typedef struct worded {
  const lq_tokenizer *t;
  lq_arena a;
  int32_t *ids;
  uint8_t *types;
  uint32_t *begin, *end; /* bytes of the token's word in its text; both 0: a special token */
  size_t n, cap;
} worded;

static void put(worded *w, int32_t id, uint8_t type, size_t begin, size_t end) {
  if (id < 0 || w->n == w->cap) return;
  w->ids[w->n] = id;
  w->types[w->n] = type;
  w->begin[w->n] = (uint32_t)begin;
  w->end[w->n++] = (uint32_t)end;
}

static lq_status put_words(worded *w, const char *text, size_t n, uint8_t type, lq_error *err) {
  size_t at = 0, begin = 0, end = 0, n_ids;
  while (lq_tok_next_word(w->t, text, n, &at, &begin, &end)) {
    int32_t ids[128]; /* a word is 100 tokens at most */
    LQ_TRY(lq_tok_encode(w->t, text + begin, end - begin, 0, ids, 128, &n_ids, err));
    for (size_t i = 0; i < n_ids && i < 128; i++) put(w, ids[i], type, begin, end);
  }
  return LQ_OK;
}

/* [CLS] text [SEP] pair [SEP]; pair NULL: none. Freed by the caller, failed or not. */
static lq_status open_words(worded *w, const lq_model *m, const char *text, size_t n, const char *pair, size_t n_pair, lq_error *err) {
  *w = (worded){.t = m->tok};
  lq_arena_growing(&w->a, 1 << 12);
  if (!m->tok) return lq_fail(err, LQ_E_UNSUPPORTED, "this model file has no tokenizer, so it takes token ids only");
  if (!lq_tok_has_words(m->tok))
    return lq_fail(err, LQ_E_UNSUPPORTED, "entities and answers need a WordPiece tokenizer, which tells where its words stand");
  if (n > UINT32_MAX / 4 || n_pair > UINT32_MAX / 4) return lq_fail(err, LQ_E_ARG, "a text of %zu bytes is too long", n > n_pair ? n : n_pair);
  w->cap = n + n_pair + 8; /* a byte is a token at worst */
  w->ids = LQ_TAKE(&w->a, int32_t, w->cap);
  w->types = LQ_TAKE(&w->a, uint8_t, w->cap);
  w->begin = LQ_TAKE(&w->a, uint32_t, w->cap);
  w->end = LQ_TAKE(&w->a, uint32_t, w->cap);
  if (!w->ids || !w->types || !w->begin || !w->end) return lq_fail(err, LQ_E_NOMEM, "no memory for a text of %zu bytes", n + n_pair);
  uint8_t second = m->weights.enc.types.n_out > 1;
  put(w, lq_tok_bos(w->t), 0, 0, 0);
  LQ_TRY(put_words(w, text, n, 0, err));
  put(w, lq_tok_eos(w->t), 0, 0, 0);
  if (!pair) return LQ_OK;
  LQ_TRY(put_words(w, pair, n_pair, second, err));
  put(w, lq_tok_eos(w->t), second, 0, 0);
  return LQ_OK;
}

static size_t characters(const char *p, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) count += ((unsigned char)p[i] & 0xC0) != 0x80;
  return count;
}

static void add_place(lq_buf *json, const char *name, const char *text, size_t begin, size_t end) {
  lq_buf_printf(json, ",\"%s\":", name);
  lq_buf_json_str(json, text + begin, end - begin);
  lq_buf_printf(json, ",\"start\":%zu,\"end\":%zu}", characters(text, begin), characters(text, end));
}

static lq_status done(lq_buf *json, lq_error *err) {
  lq_buf_addz(json, "]");
  return json->failed ? lq_fail(err, LQ_E_NOMEM, "no memory for the result") : LQ_OK;
}

/* ---- entities ---- */

typedef struct entity {
  lq_str kind; /* n 0: none */
  size_t begin, end, n_words;
  double score;
} entity;

static void tell_entity(lq_buf *json, const char *text, const entity *e, bool *first) {
  if (!e->n_words) return;
  lq_buf_addz(json, *first ? "{\"entity\":" : ",{\"entity\":");
  lq_buf_json_str(json, e->kind.p, e->kind.n);
  lq_buf_addz(json, ",\"score\":");
  lq_buf_json_num(json, e->score / (double)e->n_words);
  add_place(json, "word", text, e->begin, e->end);
  *first = false;
}

/* Each word's label, that of its first token, goes on with the entity before it or begins one. */
static void join_words(const lq_model *m, const worded *w, float *scores, const char *text, lq_buf *json) {
  uint32_t n_labels = m->heads.n_labels;
  entity e = {0};
  bool first = true;
  for (size_t i = 0; i < w->n; i++) {
    bool word = w->end[i] && (i == 0 || w->begin[i] != w->begin[i - 1] || !w->end[i - 1]);
    if (!word) continue;
    float *p = scores + i * n_labels;
    uint32_t best = 0;
    lq_label_probabilities(m, p);
    for (uint32_t k = 1; k < n_labels; k++)
      if (p[k] > p[best]) best = k;
    lq_str label = lq_model_label(m, best), kind = label;
    bool begins = label.n > 2 && label.p[1] == '-' && label.p[0] == 'B', tagged = label.n > 2 && label.p[1] == '-' && (begins || label.p[0] == 'I');
    if (tagged) kind = (lq_str){label.p + 2, label.n - 2};
    bool none = lq_str_eqz(label, "O");
    if (e.n_words && (none || begins || !lq_str_eq(kind, e.kind))) {
      tell_entity(json, text, &e, &first);
      e = (entity){0};
    }
    if (none) continue;
    if (!e.n_words) e = (entity){.kind = kind, .begin = w->begin[i]};
    e.end = w->end[i];
    e.score += (double)p[best];
    e.n_words++;
  }
  tell_entity(json, text, &e, &first);
}

lq_status lq_entities(lq_session *s, const char *text, size_t n, lq_buf *json, lq_error *err) {
  const lq_model *m = s->model;
  worded w;
  lq_status st = open_words(&w, m, text, n, NULL, 0, err);
  float *scores = st == LQ_OK ? LQ_TAKE(&w.a, float, (uint64_t)w.n * (m->heads.n_labels + 1)) : NULL;
  if (st == LQ_OK && !scores) st = lq_fail(err, LQ_E_NOMEM, "no memory for the scores of %zu tokens", w.n);
  if (st == LQ_OK) st = lq_classify_tokens(s, &(lq_input){w.ids, w.types, w.n}, 1, scores, err);
  if (st == LQ_OK) {
    lq_buf_addz(json, "[");
    join_words(m, &w, scores, text, json);
    st = done(json, err);
  }
  lq_arena_free(&w.a);
  return st;
}

/* ---- answers ---- */

typedef struct answer { double score; size_t first, last; } answer;

/* exp(x) / sum over the first token and the context's, from `from` on; x[2i + column]. */
static void share(const float *x, unsigned column, size_t from, size_t to, double *p) {
  double max = (double)x[column], sum;
  for (size_t i = from; i < to; i++) max = fmax(max, (double)x[2 * i + column]);
  sum = exp((double)x[column] - max);
  for (size_t i = from; i < to; i++) sum += p[i] = exp((double)x[2 * i + column] - max);
  for (size_t i = from; i < to; i++) p[i] /= sum;
}

static bool same_place(const worded *w, const answer *a, const answer *b) {
  return w->begin[a->first] == w->begin[b->first] && w->end[a->last] == w->end[b->last];
}

/* The best stretch of at most MAX_ANSWER tokens whose words are none of the `n` found before. */
static answer next_answer(const worded *w, const double *p, const double *q, size_t from, const answer *found, uint32_t n) {
  answer best = {-1, 0, 0};
  for (size_t i = from; i + 1 < w->n; i++)
    for (size_t k = i; k + 1 < w->n && k < i + MAX_ANSWER; k++) {
      answer a = {p[i] * q[k], i, k};
      bool known = a.score <= best.score;
      for (uint32_t f = 0; !known && f < n; f++) known = same_place(w, &a, &found[f]);
      if (!known) best = a;
    }
  return best;
}

static lq_status tell_answers(worded *w, const float *x, const char *context, uint32_t top, lq_buf *json, lq_error *err) {
  size_t from = 1;
  while (from < w->n && w->end[from]) from++; /* the question, then its [SEP] */
  from++;
  double *p = LQ_TAKE(&w->a, double, w->n), *q = LQ_TAKE(&w->a, double, w->n);
  answer *found = LQ_TAKE(&w->a, answer, top);
  if (!p || !q || !found) return lq_fail(err, LQ_E_NOMEM, "no memory for %zu tokens", w->n);
  share(x, 0, from, w->n - 1, p);
  share(x, 1, from, w->n - 1, q);
  lq_buf_addz(json, "[");
  for (uint32_t i = 0; i < top; i++) {
    found[i] = next_answer(w, p, q, from, found, i);
    if (found[i].score < 0) break;
    lq_buf_addz(json, i ? ",{\"score\":" : "{\"score\":");
    lq_buf_json_num(json, found[i].score);
    add_place(json, "answer", context, w->begin[found[i].first], w->end[found[i].last]);
  }
  return done(json, err);
}

lq_status lq_answer(lq_session *s, const char *question, size_t n_question, const char *context, size_t n_context, uint32_t top, lq_buf *json,
                    lq_error *err) {
  worded w;
  lq_status st = open_words(&w, s->model, question, n_question, context, n_context, err);
  float *x = st == LQ_OK ? LQ_TAKE(&w.a, float, 2 * (uint64_t)w.n) : NULL;
  if (st == LQ_OK && !x) st = lq_fail(err, LQ_E_NOMEM, "no memory for the scores of %zu tokens", w.n);
  if (st == LQ_OK && top > 1000) st = lq_fail(err, LQ_E_ARG, "%u answers are asked for; at most 1000 are given", (unsigned)top);
  if (st == LQ_OK) st = lq_spans(s, &(lq_input){w.ids, w.types, w.n}, 1, x, err);
  if (st == LQ_OK) st = tell_answers(&w, x, context, top ? top : 1, json, err);
  lq_arena_free(&w.a);
  return st;
}
