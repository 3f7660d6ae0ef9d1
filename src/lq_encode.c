/* Encoder models: inputs from texts, runs of many inputs at once, vectors and scores. May call: model, text, base. */
#include <string.h>

#include "lq_internal.h"

/* ---- texts ---- */

typedef struct input_buf {
  int32_t *ids;
  uint8_t *types;
  size_t cap, n;
} input_buf;

static void add_id(input_buf *b, int32_t id, uint8_t type) {
  if (id >= 0 && b->n < b->cap) {
    b->ids[b->n] = id;
    b->types[b->n] = type;
  }
  if (id >= 0) b->n++;
}

static lq_status add_text(const lq_tokenizer *t, input_buf *b, const char *text, size_t n, uint8_t type, lq_error *err) {
  size_t from = b->n < b->cap ? b->n : b->cap, n_ids;
  LQ_TRY(lq_tok_encode(t, text, n, LQ_TOK_PARSE_SPECIAL, b->ids + from, b->cap - from, &n_ids, err));
  memset(b->types + from, type, n_ids < b->cap - from ? n_ids : b->cap - from);
  b->n += n_ids;
  return LQ_OK;
}

lq_status lq_input_text(const lq_model *m, const char *text, size_t n, const char *pair, size_t n_pair, int32_t *ids, uint8_t *types, size_t cap,
                        size_t *n_ids, lq_error *err) {
  const lq_tokenizer *t = m->tok;
  input_buf b = {ids, types, cap, 0};
  if (!t) return lq_fail(err, LQ_E_UNSUPPORTED, "this model file has no tokenizer, so it takes token ids only");
  bool two_types = m->weights.enc.types.n_out > 1;
  int32_t eos = lq_tok_adds_eos(t) ? lq_tok_eos(t) : -1;
  if (lq_tok_adds_bos(t)) add_id(&b, lq_tok_bos(t), 0);
  LQ_TRY(add_text(t, &b, text, n, 0, err));
  add_id(&b, eos, 0);
  if (pair) {
    if (!two_types) add_id(&b, eos, 0); /* RoBERTa parts two texts by two of them, BERT by one and the types */
    LQ_TRY(add_text(t, &b, pair, n_pair, two_types, err));
    add_id(&b, eos, two_types);
  }
  *n_ids = b.n;
  return LQ_OK;
}

/* ---- runs ---- */

/* What is done with a group of inputs that have run: runs[i] is input first + i, their tokens come after `tokens` others. */
typedef struct sink {
  void (*take)(const struct sink *k, lq_session *s, uint32_t n_runs, uint32_t n_rows, size_t first, size_t tokens);
  const lq_mat *head;
  float *out;
  lq_pooling pooling;
  bool unit;
  const uint32_t *at;
  uint32_t n_at;
} sink;

static lq_status check_input(const lq_session *s, const lq_input *in, size_t i, lq_error *err) {
  const lq_weights *w = &s->model->weights;
  if (in->n == 0) return lq_fail(err, LQ_E_ARG, "input %zu has no tokens", i + 1);
  if (in->n > s->params.n_src)
    return lq_fail(err, LQ_E_CONTEXT, "input %zu has %zu tokens; this session takes at most %u at once", i + 1, in->n, (unsigned)s->params.n_src);
  for (size_t k = 0; in->types && w->enc.types.n_out && k < in->n; k++)
    if (in->types[k] >= w->enc.types.n_out)
      return lq_fail(err, LQ_E_RANGE, "token type %u (number %zu of input %zu) is not one of the model's %u", (unsigned)in->types[k], k + 1, i + 1,
                     (unsigned)w->enc.types.n_out);
  return lq_check_ids(s->model, in->ids, in->n, err);
}

static void run_group(lq_session *s, uint32_t n_runs, uint32_t n_rows) {
  const lq_layers *enc = &s->model->weights.enc;
  lq_stack_embed(&s->stack, enc, s->row_ids, s->row_types, s->runs, n_runs);
  lq_stack_run(&s->stack, enc, s->runs, n_runs, n_rows);
  s->counters.encoder_runs += n_runs;
  s->counters.encoder_tokens += n_rows;
}

static lq_status run_inputs(lq_session *s, const lq_input *in, size_t n, const sink *k, lq_error *err) {
  size_t tokens = 0;
  lq_end(s);
  if (!s->model->weights.enc.n) return lq_fail(err, LQ_E_TASK, "this model has no encoder");
  for (size_t i = 0; i < n; i++) LQ_TRY(check_input(s, &in[i], i, err));
  for (size_t first = 0, next; first < n; first = next) {
    uint32_t n_runs = 0, n_rows = 0;
    for (next = first; next < n && n_runs < s->params.n_seq && n_rows + in[next].n <= s->stack.size.max_rows; next++, n_runs++) {
      uint32_t len = (uint32_t)in[next].n;
      s->runs[n_runs] = (lq_run){.row0 = n_rows, .n_rows = len, .seq = n_runs, .pos0 = 0, .n_kv = len};
      memcpy(s->row_ids + n_rows, in[next].ids, len * sizeof(*s->row_ids));
      if (in[next].types) memcpy(s->row_types + n_rows, in[next].types, len);
      else memset(s->row_types + n_rows, 0, len);
      n_rows += len;
    }
    run_group(s, n_runs, n_rows);
    k->take(k, s, n_runs, n_rows, first, tokens);
    tokens += n_rows;
  }
  return LQ_OK;
}

static void take_states(const sink *k, lq_session *s, uint32_t n_runs, uint32_t n_rows, size_t first, size_t tokens) {
  size_t d = s->model->weights.hp.d_model;
  (void)n_runs, (void)first;
  memcpy(k->out + tokens * d, s->stack.x, n_rows * d * sizeof(float));
}

lq_status lq_encode_inputs(lq_session *s, const lq_input *in, size_t n, float *out, lq_error *err) {
  sink k = {.take = take_states, .out = out};
  return run_inputs(s, in, n, &k, err);
}

static void take_vectors(const sink *k, lq_session *s, uint32_t n_runs, uint32_t n_rows, size_t first, size_t tokens) {
  size_t d = s->model->weights.hp.d_model;
  (void)n_rows, (void)tokens;
  for (uint32_t i = 0; i < n_runs; i++) {
    float *x = k->out + (first + i) * d;
    lq_heads_pool(&s->stack, &s->runs[i], k->pooling, x);
    if (k->unit) lq_heads_unit(x, d);
  }
}

lq_status lq_embed(lq_session *s, const lq_input *in, size_t n, const char *pooling, int normalize, float *out, lq_error *err) {
  static const char *const names[] = {"mean", "cls", "last"}; /* in the order of lq_pooling */
  const lq_heads *h = &s->model->heads;
  sink k = {.take = take_vectors, .out = out, .pooling = h->pooling, .unit = normalize < 0 ? h->normalize : normalize != 0};
  size_t i = 0;
  while (pooling && i < 3 && strcmp(pooling, names[i]) != 0) i++;
  if (i == 3) return lq_fail(err, LQ_E_OPTION, "there is no pooling \"%.40s\"; mean, cls and last are known", pooling);
  if (pooling) k.pooling = (lq_pooling)(i + 1);
  return run_inputs(s, in, n, &k, err);
}

static lq_status need_head(const lq_mat *head, const char *what, lq_error *err) {
  return head->n_out ? LQ_OK : lq_fail(err, LQ_E_TASK, "this model has no head for %s", what);
}

static void take_words(const sink *k, lq_session *s, uint32_t n_runs, uint32_t n_rows, size_t first, size_t tokens) {
  (void)n_runs, (void)n_rows, (void)first, (void)tokens;
  lq_heads_words(&s->stack, &s->model->heads, k->at, k->n_at, k->out);
}

lq_status lq_fill_mask(lq_session *s, const lq_input *in, const uint32_t *at, uint32_t n_at, float *out, lq_error *err) {
  sink k = {.take = take_words, .out = out, .at = at, .n_at = n_at};
  LQ_TRY(need_head(&s->model->heads.mlm, "masked words", err));
  for (uint32_t i = 0; i < n_at; i++)
    if (at[i] >= in->n) return lq_fail(err, LQ_E_RANGE, "there is no place %u in an input of %zu tokens", (unsigned)at[i], in->n);
  if (n_at > s->stack.size.max_rows)
    return lq_fail(err, LQ_E_ARG, "%u places at once are too many; this session takes %u", (unsigned)n_at, (unsigned)s->stack.size.max_rows);
  return run_inputs(s, in, 1, &k, err);
}

static void take_labels(const sink *k, lq_session *s, uint32_t n_runs, uint32_t n_rows, size_t first, size_t tokens) {
  (void)n_rows, (void)tokens;
  for (uint32_t i = 0; i < n_runs; i++) s->rows[i] = s->runs[i].row0;
  lq_heads_classify(&s->stack, &s->model->heads, s->rows, n_runs, k->out + first * s->model->heads.n_labels);
}

lq_status lq_classify(lq_session *s, const lq_input *in, size_t n, float *out, lq_error *err) {
  sink k = {.take = take_labels, .out = out};
  LQ_TRY(need_head(&s->model->heads.classify, "labels of whole texts", err));
  return run_inputs(s, in, n, &k, err);
}

static void take_tokens(const sink *k, lq_session *s, uint32_t n_runs, uint32_t n_rows, size_t first, size_t tokens) {
  (void)n_runs, (void)first;
  lq_heads_tokens(&s->stack, k->head, n_rows, k->out + tokens * k->head->n_out);
}

lq_status lq_classify_tokens(lq_session *s, const lq_input *in, size_t n, float *out, lq_error *err) {
  sink k = {.take = take_tokens, .head = &s->model->heads.token, .out = out};
  LQ_TRY(need_head(k.head, "labels of tokens", err));
  return run_inputs(s, in, n, &k, err);
}

lq_status lq_spans(lq_session *s, const lq_input *in, size_t n, float *out, lq_error *err) {
  sink k = {.take = take_tokens, .head = &s->model->heads.span, .out = out};
  LQ_TRY(need_head(k.head, "answers in a text", err));
  return run_inputs(s, in, n, &k, err);
}

/* ---- labels ---- */

int32_t lq_model_mask_token(const lq_model *m) { return m->tok ? lq_tok_mask(m->tok) : -1; }
uint32_t lq_model_labels(const lq_model *m) { return m->heads.n_labels; }

lq_str lq_model_label(const lq_model *m, uint32_t i) { return i < m->heads.n_labels ? m->heads.labels[i] : (lq_str){"", 0}; }

void lq_label_probabilities(const lq_model *m, float *scores) { lq_heads_probabilities(&m->heads, m->nn.k, scores); }
