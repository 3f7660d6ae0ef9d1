/* Sessions: memory laid out in one block, sized first; the encoder; raw scores. May call: decode, model, text, base. */
#include <math.h>
#include <string.h>

#include "lq_internal.h"

#define MAX_CTX (1u << 20)
#define MAX_SEQ 256u
#define MAX_BATCH 4096u
#define MAX_SRC 8192u

static bool is_pair(const lq_model *m) { return m->weights.arch->family == LQ_ENCODER_DECODER; }
static bool has_encoder(const lq_model *m) { return m->weights.hp.n_enc != 0; }
static bool has_decoder(const lq_model *m) { return m->weights.hp.n_dec != 0; }

static lq_status fill_params(const lq_model *m, const lq_session_params *in, lq_session_params *p, lq_error *err) {
  uint32_t limit = m->weights.hp.max_context, dflt = is_pair(m) ? 512 : 2048;
  if (limit && dflt > limit) dflt = limit;
  *p = in ? *in : (lq_session_params){0};
  if (p->n_ctx == 0) p->n_ctx = dflt;
  if (p->n_src == 0) p->n_src = limit && limit < 512 ? limit : 512;
  if (p->n_seq == 0) p->n_seq = 1;
  if (p->n_batch == 0) p->n_batch = 128;
  if (p->n_beams == 0) p->n_beams = 1;
  if (!has_encoder(m)) p->n_src = 1;
  if (!has_decoder(m)) p->n_ctx = 1;
  if (limit && p->n_src > limit)
    return lq_fail(err, LQ_E_CONTEXT, "sources of %u tokens are asked for, but this model was made for %u positions", (unsigned)p->n_src, (unsigned)limit);
  if (limit && p->n_ctx > limit)
    return lq_fail(err, LQ_E_CONTEXT, "a context of %u is asked for, but this model was made for %u positions", (unsigned)p->n_ctx, (unsigned)limit);
  const struct { const char *what; uint32_t n, most; } limits[] = {
      {"positions (n_ctx)", p->n_ctx, MAX_CTX}, {"source tokens (n_src)", p->n_src, MAX_SRC}, {"sequences at once (n_seq)", p->n_seq, MAX_SEQ},
      {"prompt tokens in one step (n_batch)", p->n_batch, MAX_BATCH}, {"beams (n_beams)", p->n_beams, LQ_MAX_BEAMS}};
  for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
    if (limits[i].n > limits[i].most)
      return lq_fail(err, LQ_E_ARG, "a session of %u %s is asked for; the limit is %u", (unsigned)limits[i].n, limits[i].what,
                     (unsigned)limits[i].most);
  return LQ_OK;
}

static lq_stack_size stack_size(const lq_session_params *p) {
  uint32_t n_seq = p->n_seq * p->n_beams, rows = p->n_batch > n_seq ? p->n_batch : n_seq; /* at most 256 * 64: cache numbers fit 16 bits */
  if (p->n_src > rows) rows = p->n_src;
  return (lq_stack_size){.n_ctx = p->n_ctx, .n_src = p->n_src, .n_seq = n_seq, .n_source = p->n_seq, .max_rows = rows};
}

/* The same takes, measured or real, after the session's own. */
static bool layout(lq_session *s, lq_arena *a) {
  uint32_t n_seq = s->params.n_seq, n_vocab = s->model->weights.hp.n_vocab, n_ctx = s->params.n_ctx, n_src = s->params.n_src;
  lq_stack_size z = stack_size(&s->params);
  bool ok = lq_stack_layout(&s->stack, &s->model->weights, s->model->nn, z, a);
  s->slots = LQ_TAKE(a, lq_slot, n_seq);
  s->runs = LQ_TAKE(a, lq_run, z.n_seq);
  s->sources = LQ_TAKE(a, lq_run, n_seq);
  s->rows = LQ_TAKE(a, uint32_t, z.n_seq);
  s->row_slot = LQ_TAKE(a, uint32_t, z.n_seq);
  s->home = LQ_TAKE(a, const uint16_t *, z.n_seq);
  s->row_ids = LQ_TAKE(a, int32_t, z.max_rows);
  s->row_types = LQ_TAKE(a, uint8_t, z.max_rows);
  s->logits = LQ_TAKE(a, float, (uint64_t)z.n_seq * n_vocab);
  if (s->params.n_beams > 1) s->log_sums = LQ_TAKE(a, double, z.n_seq);
  ok = ok && (a->measuring || s->params.n_beams == 1 || s->log_sums);
  s->scratch.work = LQ_TAKE(a, float, n_vocab);
  s->scratch.order = LQ_TAKE(a, uint32_t, n_vocab);
  s->scratch.seen = LQ_TAKE(a, uint8_t, n_vocab);
  s->tr.gaps = LQ_TAKE(a, struct lq_gap, n_seq + 1);
  int32_t *ids = LQ_TAKE(a, int32_t, (uint64_t)n_seq * n_ctx);
  lq_token *tokens = LQ_TAKE(a, lq_token, (uint64_t)n_seq * n_ctx);
  int32_t *src_ids = LQ_TAKE(a, int32_t, (uint64_t)n_seq * n_src);
  ok = ok && (a->measuring ||
              (s->slots && s->runs && s->sources && s->rows && s->row_slot && s->home && s->row_ids && s->row_types && s->logits && s->scratch.work &&
               s->scratch.order && s->scratch.seen && s->tr.gaps && ids && tokens && src_ids));
  lq_beams none;
  for (uint32_t i = 0; ok && i < n_seq; i++) {
    lq_slot *slot = a->measuring ? NULL : &s->slots[i];
    if (s->params.n_beams > 1) ok = lq_beams_layout(slot ? &slot->beams : &none, a, s->params.n_beams, n_ctx);
    if (!slot) continue;
    slot->ids = ids + (size_t)i * n_ctx;
    slot->tokens = tokens + (size_t)i * n_ctx;
    slot->src_ids = src_ids + (size_t)i * n_src;
  }
  return ok;
}

static uint64_t measure(const lq_model *m, const lq_session_params *p) {
  lq_arena a;
  lq_session s = {.model = m, .params = *p};
  lq_arena_measure(&a);
  LQ_TAKE(&a, lq_session, 1);
  return layout(&s, &a) ? a.used : UINT64_MAX;
}

static lq_status no_memory(const lq_session_params *p, uint64_t bytes, lq_error *err) {
  char beams[32] = "";
  if (p->n_beams > 1) lq_format(beams, sizeof(beams), " and %u beams", (unsigned)p->n_beams);
  if (bytes == UINT64_MAX)
    return lq_fail(err, LQ_E_NOMEM, "a session of this size (%u positions%s) is beyond any memory", (unsigned)p->n_ctx, beams);
  return lq_fail(err, LQ_E_NOMEM, "not enough memory: a session of %u positions%s needs %.1f MB; a shorter context needs less", (unsigned)p->n_ctx,
                 beams, (double)bytes / 1e6);
}

lq_status lq_session_bytes(const lq_model *m, const lq_session_params *params, uint64_t *bytes, lq_error *err) {
  lq_session_params p;
  LQ_TRY(fill_params(m, params, &p, err));
  *bytes = measure(m, &p);
  return *bytes == UINT64_MAX ? no_memory(&p, *bytes, err) : LQ_OK;
}

lq_status lq_session_open(const lq_model *m, const lq_session_params *params, lq_session **out, lq_error *err) {
  lq_session_params p;
  lq_arena a;
  LQ_TRY(fill_params(m, params, &p, err));
  uint64_t bytes = measure(m, &p);
  if (bytes == UINT64_MAX || !lq_arena_fixed(&a, bytes)) return no_memory(&p, bytes, err);
  lq_session *s = LQ_TAKE(&a, lq_session, 1);
  if (!s) {
    lq_arena_free(&a);
    return no_memory(&p, bytes, err);
  }
  s->model = m;
  s->params = p;
  s->gen = m->defaults;
  bool ok = layout(s, &a);
  s->arena = a;
  if (!ok) {
    lq_session_close(s);
    return no_memory(&p, bytes, err);
  }
  *out = s;
  return LQ_OK;
}

void lq_session_close(lq_session *s) {
  if (!s) return;
  for (uint32_t i = 0; s->slots && i < s->params.n_seq; i++) lq_buf_free(&s->slots[i].text);
  lq_buf_free(&s->tr.text);
  lq_buf_free(&s->ids_buf);
  lq_arena a = s->arena;
  lq_arena_free(&a);
}

void lq_session_counters(const lq_session *s, lq_counters *out) { *out = s->counters; }

void lq_session_probe(lq_session *s, lq_probe fn, void *ctx) {
  s->stack.probe = fn;
  s->stack.probe_ctx = ctx;
}

lq_status lq_check_ids(const lq_model *m, const int32_t *ids, size_t n, lq_error *err) {
  uint32_t n_vocab = m->weights.hp.n_vocab;
  for (size_t i = 0; i < n; i++)
    if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab)
      return lq_fail(err, LQ_E_RANGE, "token id %d (number %zu) is outside the vocabulary of %u", (int)ids[i], i + 1, (unsigned)n_vocab);
  return LQ_OK;
}

lq_status lq_session_tokenize(lq_session *s, const char *text, size_t n, unsigned flags, const int32_t **ids, size_t *n_ids, lq_error *err) {
  const lq_tokenizer *t = s->model->tok;
  if (!t) return lq_fail(err, LQ_E_UNSUPPORTED, "this model file has no tokenizer, so it takes token ids only");
  size_t cap = s->ids_buf.cap / sizeof(int32_t);
  LQ_TRY(lq_tok_encode(t, text, n, flags, (int32_t *)(void *)s->ids_buf.p, cap, n_ids, err));
  if (*n_ids > SIZE_MAX / 2 / sizeof(int32_t)) return lq_fail(err, LQ_E_NOMEM, "%zu token ids are beyond any memory here", *n_ids);
  if (*n_ids > cap) {
    s->ids_buf.n = 0;
    s->ids_buf.failed = false; /* an earlier text may have found no memory */
    s->ids_buf.limit = SIZE_MAX / 2;
    static const char zeros[4096];
    for (size_t need = *n_ids * sizeof(int32_t); need && !s->ids_buf.failed;) {
      size_t some = need < sizeof(zeros) ? need : sizeof(zeros);
      lq_buf_add(&s->ids_buf, zeros, some);
      need -= some;
    }
    if (s->ids_buf.failed) return lq_fail(err, LQ_E_NOMEM, "no memory for %zu token ids", *n_ids);
    LQ_TRY(lq_tok_encode(t, text, n, flags, (int32_t *)(void *)s->ids_buf.p, *n_ids, n_ids, err));
  }
  *ids = (const int32_t *)(const void *)s->ids_buf.p;
  return LQ_OK;
}

/* ---- encoder ---- */

lq_status lq_run_encoder(lq_session *s, const lq_run *runs, uint32_t n_runs, uint32_t n_rows) {
  const lq_layers *enc = &s->model->weights.enc;
  lq_stack_embed(&s->stack, enc, s->row_ids, NULL, runs, n_runs);
  lq_stack_run(&s->stack, enc, runs, n_runs, n_rows);
  s->counters.cross_fills += lq_stack_fill_cross(&s->stack, runs, n_runs, n_rows);
  s->counters.encoder_runs += n_runs;
  s->counters.encoder_tokens += n_rows;
  return LQ_OK;
}

static lq_status encode_one(lq_session *s, const int32_t *ids, size_t n, lq_error *err) {
  if (!has_encoder(s->model)) return lq_fail(err, LQ_E_TASK, "this model has no encoder");
  if (n == 0) return lq_fail(err, LQ_E_ARG, "there are no token ids to encode");
  if (n > s->params.n_src)
    return lq_fail(err, LQ_E_CONTEXT, "the source has %zu tokens; this session takes at most %u", n, (unsigned)s->params.n_src);
  LQ_TRY(lq_check_ids(s->model, ids, n, err));
  lq_run run = {.row0 = 0, .n_rows = (uint32_t)n, .seq = 0, .pos0 = 0, .n_kv = (uint32_t)n};
  memcpy(s->row_ids, ids, n * sizeof(int32_t));
  s->slots[0].n_src = (uint32_t)n;
  return lq_run_encoder(s, &run, 1, (uint32_t)n);
}

lq_status lq_encode(lq_session *s, const int32_t *ids, size_t n, float *out, lq_error *err) {
  lq_end(s);
  LQ_TRY(encode_one(s, ids, n, err));
  memcpy(out, s->stack.x, n * s->model->weights.hp.d_model * sizeof(float));
  return LQ_OK;
}

/* ---- scores ---- */

typedef struct scores_sink {
  float *last, *all;  /* last row's scores; every row's */
  const int32_t *ids; /* or the sum of -ln p of ids[i] for i >= first */
  size_t first;
  double *nll;
} scores_sink;

static double log_sum_exp(const float *x, uint32_t n) {
  double max = -INFINITY, sum = 0;
  for (uint32_t i = 0; i < n; i++)
    if ((double)x[i] > max) max = (double)x[i];
  for (uint32_t i = 0; i < n; i++) sum += exp((double)x[i] - max);
  return max + log(sum);
}

/* Decoder rows 0..n in slices; scores go to the sink. */
static lq_status run_scores(lq_session *s, const int32_t *ids, size_t n, const scores_sink *k, lq_error *err) {
  uint32_t n_vocab = s->model->weights.hp.n_vocab, step = s->stack.size.max_rows;
  const lq_layers *dec = &s->model->weights.dec;
  if (!dec->n) return lq_fail(err, LQ_E_TASK, "this model has no decoder to score tokens with");
  if (n == 0) return lq_fail(err, LQ_E_ARG, "there are no token ids to score");
  if (n > s->params.n_ctx)
    return lq_fail(err, LQ_E_CONTEXT, "%zu token ids are too many; this session's context is %u", n, (unsigned)s->params.n_ctx);
  LQ_TRY(lq_check_ids(s->model, ids, n, err));
  s->kv_valid = 0;
  for (size_t at = 0; at < n; at += step) {
    uint32_t rows = (uint32_t)(n - at < step ? n - at : step);
    lq_run run = {.row0 = 0, .n_rows = rows, .seq = 0, .pos0 = (uint32_t)at, .n_kv = s->slots[0].n_src};
    lq_stack_embed(&s->stack, dec, ids + at, NULL, &run, 1);
    lq_stack_run(&s->stack, dec, &run, 1, rows);
    s->counters.decoder_rows += rows;
    for (uint32_t r = 0; r < rows; r++) {
      bool last = at + r + 1 == n, wanted = k->all || (k->last && last) || (k->nll && at + r + 1 >= k->first && !last);
      if (!wanted) continue;
      float *to = k->all ? k->all + (at + r) * n_vocab : s->logits;
      lq_stack_head(&s->stack, &r, 1, to);
      if (last && k->last) memcpy(k->last, to, n_vocab * sizeof(float));
      if (k->nll && !last) *k->nll += log_sum_exp(to, n_vocab) - (double)to[ids[at + r + 1]];
    }
  }
  return LQ_OK;
}

lq_status lq_logits(lq_session *s, const int32_t *ids, size_t n, const int32_t *decoder_ids, size_t n_decoder, float *logits, float *all,
                    lq_error *err) {
  lq_end(s);
  scores_sink k = {.last = logits, .all = all};
  if (!is_pair(s->model)) {
    if (decoder_ids) return lq_fail(err, LQ_E_TASK, "decoder ids are for encoder-decoder models; this one takes ids only");
    return run_scores(s, ids, n, &k, err);
  }
  LQ_TRY(encode_one(s, ids, n, err));
  if (decoder_ids) return run_scores(s, decoder_ids, n_decoder, &k, err);
  return run_scores(s, &s->model->weights.hp.decoder_start, 1, &k, err);
}

lq_status lq_score(lq_session *s, const int32_t *ids, size_t n, size_t first, double *nll, lq_error *err) {
  lq_end(s);
  if (is_pair(s->model)) return lq_fail(err, LQ_E_TASK, "perplexity is for decoder-only models");
  *nll = 0;
  scores_sink k = {.ids = ids, .first = first ? first : 1, .nll = nll};
  return run_scores(s, ids, n, &k, err);
}
