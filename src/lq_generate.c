/* Generation: slots, steps, stop strings, streaming. May call: decode, model, text, base. */
#include <string.h>

#include "lq_internal.h"
#include "nn/logsum.h"

void lq_end(lq_session *s) {
  s->mode = LQ_MODE_IDLE;
  for (uint32_t i = 0; i < s->params.n_seq; i++) s->slots[i].active = false;
}

/* The model's own end-of-text ids unless the caller named others. */
static void settle_eos(const lq_model *m, lq_gen *g) {
  if (g->eos_given) return;
  g->n_eos = 0;
  for (uint32_t i = 0; i < m->n_eos; i++) g->eos[g->n_eos++] = m->eos[i];
  if (g->n_eos || !m->tok) return;
  for (uint32_t id = 0; id < lq_tok_size(m->tok) && g->n_eos < LQ_MAX_EOS; id++)
    if (lq_tok_is_eog(m->tok, (int32_t)id)) g->eos[g->n_eos++] = (int32_t)id;
}

lq_status lq_begin(lq_session *s, const lq_options *o, lq_error *err) {
  lq_end(s);
  s->gen = o ? o->gen : s->model->defaults;
  settle_eos(s->model, &s->gen);
  LQ_TRY(lq_gen_check(&s->gen, s->model->weights.hp.n_vocab, err));
  if (s->gen.num_beams <= s->params.n_beams) return LQ_OK;
  return lq_fail(err, LQ_E_OPTION, "num_beams is %u, but this session was opened for %u; open it with n_beams = %u", (unsigned)s->gen.num_beams,
                 (unsigned)s->params.n_beams, (unsigned)s->gen.num_beams);
}

lq_status lq_need_room(const lq_session *s, lq_error *err) {
  if (s->params.n_ctx > 1) return LQ_OK;
  return lq_fail(err, LQ_E_CONTEXT, "a context of %u has no room for a new token; open the session with 2 or more", (unsigned)s->params.n_ctx);
}

void lq_slot_start(lq_session *s, lq_slot *slot, uint32_t n_prompt, uint32_t reuse, uint32_t max_new, uint64_t stream) {
  uint32_t room = s->params.n_ctx - n_prompt;
  slot->n_ids = slot->n_prompt = n_prompt;
  slot->n_past = reuse;
  slot->n_new = slot->n_tokens = slot->n_out = slot->shown = 0;
  slot->max_new = s->gen.max_new_tokens ? s->gen.max_new_tokens : max_new;
  if (slot->max_new > room) slot->max_new = room;
  slot->n_hyp = slot->hyp = 0;
  slot->score = 0;
  slot->active = true;
  slot->finish = LQ_FINISH_NONE;
  slot->text.n = 0;
  slot->text.failed = false;
  lq_rng_seed(&slot->rng, s->gen.seed + stream);
  if (s->model->tok) lq_stream_init(&slot->stream, s->model->tok, false);
  if (s->gen.num_beams > 1) lq_beams_start(&slot->beams, slot->ids, n_prompt, slot->max_new, (uint32_t)(slot - s->slots) * s->params.n_beams);
}

/* ---- begin ---- */

static lq_status begin_prompt(lq_session *s, const int32_t *ids, size_t n, bool reuse_prefix, lq_error *err) {
  lq_slot *slot = &s->slots[0];
  if (n == 0) return lq_fail(err, LQ_E_ARG, "the prompt is empty: there is nothing to continue");
  if (n >= s->params.n_ctx)
    return lq_fail(err, LQ_E_CONTEXT, "the prompt has %zu tokens, but the context holds %u with room for at least one new one; shorten it", n,
                   (unsigned)s->params.n_ctx);
  LQ_TRY(lq_check_ids(s->model, ids, n, err));
  uint32_t same = 0;
  while (reuse_prefix && same < s->kv_valid && same + 1 < n && slot->ids[same] == ids[same]) same++;
  memmove(slot->ids, ids, n * sizeof(int32_t));
  s->kv_valid = same;
  s->mode = LQ_MODE_GENERATE;
  lq_slot_start(s, slot, (uint32_t)n, same, s->params.n_ctx, 0);
  return LQ_OK;
}

static lq_status begin_source(lq_session *s, const int32_t *ids, size_t n, lq_error *err) {
  if (n == 0) return lq_fail(err, LQ_E_ARG, "the text is empty: there is nothing to read");
  if (n > s->params.n_src)
    return lq_fail(err, LQ_E_CONTEXT, "the source has %zu tokens; this session takes at most %u", n, (unsigned)s->params.n_src);
  LQ_TRY(lq_need_room(s, err));
  LQ_TRY(lq_check_ids(s->model, ids, n, err));
  lq_slot *slot = &s->slots[0];
  lq_run run = {.n_rows = (uint32_t)n, .n_kv = (uint32_t)n};
  memcpy(s->row_ids, ids, n * sizeof(int32_t));
  memcpy(slot->src_ids, ids, n * sizeof(int32_t));
  LQ_TRY(lq_run_encoder(s, &run, 1, (uint32_t)n));
  slot->n_src = (uint32_t)n;
  slot->ids[0] = s->model->weights.hp.decoder_start;
  s->mode = LQ_MODE_GENERATE;
  lq_slot_start(s, slot, 1, 0, s->params.n_ctx, 0);
  return LQ_OK;
}

static lq_status begin_ids(lq_session *s, const int32_t *ids, size_t n, bool reuse, lq_error *err) {
  if (!s->model->weights.hp.n_dec) return lq_fail(err, LQ_E_TASK, "this model has no decoder, so it writes no text");
  if (s->model->weights.arch->family == LQ_ENCODER_DECODER) return begin_source(s, ids, n, err);
  return begin_prompt(s, ids, n, reuse, err);
}

lq_status lq_generate_ids(lq_session *s, const int32_t *ids, size_t n, const lq_options *o, lq_error *err) {
  LQ_TRY(lq_begin(s, o, err));
  return begin_ids(s, ids, n, false, err);
}

lq_status lq_generate(lq_session *s, const char *text, size_t n, const lq_options *o, lq_error *err) {
  const int32_t *ids;
  size_t n_ids;
  LQ_TRY(lq_begin(s, o, err));
  if (n == 0) return lq_fail(err, LQ_E_ARG, "the prompt is empty: there is nothing to continue");
  LQ_TRY(lq_session_tokenize(s, text, n, LQ_TOK_SPECIAL | LQ_TOK_PARSE_SPECIAL, &ids, &n_ids, err));
  return begin_ids(s, ids, n_ids, false, err);
}

lq_status lq_chat(lq_session *s, const char *messages_json, size_t n, const lq_options *o, lq_error *err) {
  LQ_TRY(lq_begin(s, o, err));
  if (!(lq_model_tasks(s->model) & LQ_TASK_CHAT))
    return lq_fail(err, LQ_E_TASK, "this model cannot chat; it is made for %s", s->model->n_languages ? "translation" : "other tasks");
  lq_buf prompt = {0};
  const int32_t *ids;
  size_t n_ids;
  lq_status st = lq_chat_render(s->model, messages_json, n, 1, NULL, NULL, &prompt, err);
  if (st == LQ_OK) st = lq_session_tokenize(s, prompt.p, prompt.n, LQ_TOK_PARSE_SPECIAL, &ids, &n_ids, err);
  lq_buf_free(&prompt);
  if (st != LQ_OK) return st;
  return begin_ids(s, ids, n_ids, true, err);
}

/* ---- one step ---- */

static bool is_eos(const lq_gen *g, int32_t id) {
  for (uint32_t i = 0; i < g->n_eos; i++)
    if (g->eos[i] == id) return true;
  return false;
}

/* Where a stop string begins in the new part of the text; SIZE_MAX if nowhere. */
static size_t find_stop(const lq_gen *g, const char *p, size_t n, size_t from) {
  for (size_t at = from; at < n; at++)
    for (uint32_t i = 0; i < g->n_stops; i++)
      if (g->stops[i].n <= n - at && memcmp(p + at, g->stops[i].text, g->stops[i].n) == 0) return at;
  return SIZE_MAX;
}

/* Bytes at the end of the text that may be the beginning of a stop string. */
static size_t held_back(const lq_gen *g, const char *p, size_t n) {
  size_t most = 0;
  for (uint32_t i = 0; i < g->n_stops; i++)
    for (size_t k = g->stops[i].n - 1; k > most; k--)
      if (k <= n && memcmp(p + n - k, g->stops[i].text, k) == 0) most = k;
  return most;
}

/* Drops text that was handed out, so that a long answer takes no more memory than a short one. */
static void forget_shown(lq_slot *slot) {
  if (slot->shown < 4096) return;
  slot->text.n -= slot->shown;
  memmove(slot->text.p, slot->text.p + slot->shown, slot->text.n);
  for (uint32_t i = slot->n_out - 1; i < slot->n_tokens; i++) /* the last one handed out, too: it says what is settled */
    slot->tokens[i].text_end = slot->tokens[i].text_end > slot->shown ? slot->tokens[i].text_end - slot->shown : 0;
  slot->shown = 0;
}

lq_status lq_slot_push(lq_session *s, lq_slot *slot, int32_t id, float logprob, lq_error *err) {
  const lq_gen *g = &s->gen;
  bool eos = is_eos(g, id);
  forget_shown(slot);
  size_t settled = slot->n_tokens ? slot->tokens[slot->n_tokens - 1].text_end : 0;
  slot->n_new++;
  s->counters.generated_tokens++;
  if (!eos) slot->ids[slot->n_ids++] = id;
  if (!eos && s->model->tok) lq_stream_push(&slot->stream, id, &slot->text);
  if (eos) slot->finish = LQ_FINISH_EOS;
  else if (slot->n_new >= slot->max_new) slot->finish = slot->n_ids >= s->params.n_ctx ? LQ_FINISH_CONTEXT : LQ_FINISH_LENGTH;
  if (slot->finish != LQ_FINISH_NONE && s->model->tok) lq_stream_end(&slot->stream, &slot->text);
  if (slot->text.failed) return lq_fail(err, LQ_E_NOMEM, "no memory for the text that is being produced");
  size_t stop = g->n_stops ? find_stop(g, slot->text.p, slot->text.n, settled) : SIZE_MAX;
  if (stop != SIZE_MAX) {
    slot->text.n = stop;
    slot->finish = LQ_FINISH_STOP;
  }
  slot->active = slot->finish == LQ_FINISH_NONE;
  size_t held = slot->active ? held_back(g, slot->text.p, slot->text.n) : 0;
  slot->tokens[slot->n_tokens++] = (lq_token){id, logprob, (uint32_t)(slot->text.n - held)};
  return LQ_OK;
}

/* Rows of a step: those of a slot follow each other, and so do the wanted ones among them. */
typedef struct batch { uint32_t n_rows, n_runs, n_sources, n_wanted; } batch;

/* The next ids of slot i that are not in the cache, at most `room`; returns how many. */
static uint32_t gather_ids(lq_session *s, uint32_t i, uint32_t room, batch *b) {
  lq_slot *slot = &s->slots[i];
  uint32_t n = slot->n_ids - slot->n_past, seq = i * s->params.n_beams;
  if (n > s->params.n_batch) n = s->params.n_batch;
  if (n > room) n = room;
  if (n == 0) return 0;
  memcpy(s->row_ids + b->n_rows, slot->ids + slot->n_past, n * sizeof(int32_t));
  s->runs[b->n_runs++] = (lq_run){.row0 = b->n_rows, .n_rows = n, .seq = seq, .pos0 = slot->n_past};
  if (s->gen.num_beams > 1) s->home[seq] = slot->beams.open[0].home;
  if (slot->n_past < slot->n_prompt) s->counters.prompt_tokens += n;
  slot->n_past += n;
  if (slot->n_past < slot->n_ids) return n;
  s->rows[b->n_wanted] = b->n_rows + n - 1;
  s->row_slot[b->n_wanted++] = i;
  return n;
}

/* Gathers the next rows of every active slot. */
static batch gather(lq_session *s) {
  batch b = {0};
  for (uint32_t i = 0; i < s->params.n_seq; i++) {
    lq_slot *slot = &s->slots[i];
    uint32_t room = s->stack.size.max_rows - b.n_rows, n = 0;
    if (!slot->active) continue;
    if (slot->n_past < slot->n_ids) n = gather_ids(s, i, room, &b);
    else if (slot->beams.n_open <= room) n = lq_beams_gather(s, i, b.n_rows, &b.n_runs, &b.n_wanted);
    if (n == 0) continue;
    s->sources[b.n_sources++] = (lq_run){.row0 = b.n_rows, .n_rows = n, .seq = i, .n_kv = slot->n_src};
    b.n_rows += n;
  }
  return b;
}

/* The token that follows from a slot's scores, or its next hypotheses. row: the first of its wanted ones. */
static lq_status advance(lq_session *s, lq_slot *slot, uint32_t row, lq_error *err) {
  float *logits = s->logits + (size_t)row * s->model->weights.hp.n_vocab;
  bool pair = s->model->weights.arch->family == LQ_ENCODER_DECODER;
  lq_history h = {slot->ids, slot->n_ids, slot->n_new, slot->max_new, pair ? slot->src_ids : slot->ids, pair ? slot->n_src : slot->n_prompt};
  int32_t id;
  float logprob;
  if (s->gen.num_beams > 1) return lq_beams_advance(s, slot, logits, s->log_sums + row, err);
  LQ_TRY(lq_sample(&s->gen, s->model->nn.k, &slot->rng, logits, s->model->weights.hp.n_vocab, h, s->scratch, &id, &logprob, err));
  return lq_slot_push(s, slot, id, logprob, err);
}

lq_status lq_step(lq_session *s, lq_error *err) {
  batch b = gather(s);
  const lq_layers *dec = &s->model->weights.dec;
  lq_stack_embed(&s->stack, dec, s->row_ids, NULL, s->runs, b.n_runs);
  s->stack.self.home = s->gen.num_beams > 1 ? s->home : NULL;
  s->stack.sources = s->sources;
  s->stack.n_sources = b.n_sources;
  lq_stack_run(&s->stack, dec, s->runs, b.n_runs, b.n_rows);
  s->stack.self.home = NULL;
  s->stack.sources = NULL;
  s->counters.decoder_rows += b.n_rows;
  s->kv_valid = s->slots[0].n_past;
  if (b.n_wanted == 0) return LQ_OK;
  lq_stack_head(&s->stack, s->rows, b.n_wanted, s->logits);
  if (s->gen.num_beams > 1) lq_log_sums(&s->model->nn, s->log_sums, s->logits, b.n_wanted, s->model->weights.hp.n_vocab);
  for (uint32_t i = 0; i < b.n_wanted;) {
    uint32_t first = i, slot = s->row_slot[i];
    while (i < b.n_wanted && s->row_slot[i] == slot) i++;
    LQ_TRY(advance(s, &s->slots[slot], first, err));
  }
  return LQ_OK;
}

/* ---- next ---- */

lq_status lq_slot_take(lq_session *s, lq_slot *slot, lq_piece *p, bool *took, lq_error *err) {
  if (slot->n_out == slot->n_tokens) LQ_TRY(lq_beams_hand_out(s, slot, err));
  *took = slot->n_out < slot->n_tokens;
  if (!*took) return LQ_OK;
  const lq_token *t = &slot->tokens[slot->n_out++];
  p->text = slot->text.p ? slot->text.p + slot->shown : "";
  p->n_text = t->text_end > slot->shown ? t->text_end - slot->shown : 0;
  slot->shown += (uint32_t)p->n_text;
  p->token_id = t->id;
  p->logprob = t->logprob;
  if (slot->n_out == slot->n_tokens) p->finish = slot->finish;
  p->hypothesis = slot->n_hyp ? slot->hyp - 1 : 0;
  p->score = slot->score;
  return LQ_OK;
}

static lq_status generate_next(lq_session *s, lq_piece *p, lq_error *err) {
  lq_slot *slot = &s->slots[0];
  bool took;
  if (!slot->active && slot->n_out == slot->n_tokens && slot->hyp == slot->n_hyp) {
    s->mode = LQ_MODE_IDLE;
    return LQ_DONE;
  }
  if (slot->active) LQ_TRY(lq_step(s, err));
  p->prompt_total = slot->n_prompt;
  p->prompt_done = slot->n_past < slot->n_prompt ? slot->n_past : slot->n_prompt;
  p->n_sentences = 1;
  return lq_slot_take(s, slot, p, &took, err);
}

lq_status lq_next(lq_session *s, lq_piece *p, lq_error *err) {
  *p = (lq_piece){.text = "", .token_id = -1};
  lq_status st;
  switch (s->mode) {
    case LQ_MODE_GENERATE: st = generate_next(s, p, err); break;
    case LQ_MODE_TRANSLATE: st = lq_translate_next(s, p, err); break;
    default: return LQ_DONE;
  }
  if (st != LQ_OK) lq_end(s);
  return st;
}
