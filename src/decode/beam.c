/* Beam search. May call: process, sample, options, base. */
#include "decode/beam.h"

#include <math.h>
#include <string.h>

static bool take(lq_beam **to, lq_arena *a, uint32_t n, uint32_t n_ctx, bool in_cache) {
  uint64_t all = (uint64_t)n * n_ctx;
  *to = LQ_TAKE(a, lq_beam, n);
  int32_t *ids = LQ_TAKE(a, int32_t, all);
  float *logprobs = LQ_TAKE(a, float, all);
  uint16_t *home = in_cache ? LQ_TAKE(a, uint16_t, all) : NULL;
  if (a->measuring) return true;
  if (!*to || !ids || !logprobs || (in_cache && !home)) return false;
  for (uint32_t i = 0; i < n; i++) {
    size_t at = (size_t)i * n_ctx;
    (*to)[i] = (lq_beam){.ids = ids + at, .logprobs = logprobs + at, .home = in_cache ? home + at : NULL};
  }
  return true;
}

bool lq_beams_layout(lq_beams *b, lq_arena *a, uint32_t n, uint32_t n_ctx) {
  lq_beams x = {.n = n};
  bool ok = take(&x.open, a, n, n_ctx, true);
  ok = take(&x.next, a, n, n_ctx, true) && ok;
  ok = take(&x.done, a, n, n_ctx, false) && ok;
  x.best = LQ_TAKE(a, lq_candidate, (uint64_t)n * (1 + LQ_MAX_EOS));
  if (a->measuring) return ok;
  *b = x;
  return ok && x.best;
}

void lq_beams_start(lq_beams *b, const int32_t *ids, uint32_t n, uint32_t max_new, uint32_t first_seq) {
  lq_beam *one = &b->open[0];
  memcpy(one->ids, ids, n * sizeof(int32_t));
  for (uint32_t i = 0; i < n; i++) one->home[i] = (uint16_t)first_seq;
  one->n = b->n_prompt = n;
  one->score = 0;
  b->n_open = 1;
  b->n_done = 0;
  b->max_new = max_new;
  b->first_seq = first_seq;
}

/* Puts c among the best[*n], at most `most`; those that were there first stay before it when they are as good. */
static void consider(lq_candidate *best, uint32_t *n, uint32_t most, lq_candidate c) {
  uint32_t at = *n < most ? (*n)++ : most - 1;
  for (; at > 0 && best[at - 1].score < c.score; at--) best[at] = best[at - 1];
  best[at] = c;
}

/* The candidates of open hypothesis `beam`. scores: log-probabilities after the processors, less `log_sum`. */
static void consider_row(lq_beams *b, uint32_t beam, const float *scores, uint32_t n_vocab, double log_sum, uint32_t *n, uint32_t most) {
  float so_far = b->open[beam].score;
  lq_candidate *best = b->best;
  /* what has no chance is told by one comparison: a little below the worst of the best, in terms of the scores as they are */
  double least = *n < most ? -INFINITY : (double)best[most - 1].score - (double)so_far + log_sum;
  float bar = (float)(least - 1e-5 * (1.0 + fabs(least)));
  for (uint32_t id = lq_next_from(scores, n_vocab, 0, bar); id < n_vocab; id = lq_next_from(scores, n_vocab, id + 1, bar)) {
    float p = (float)((double)scores[id] - log_sum), sum = p + so_far;
    if (!(sum > -INFINITY) || (*n == most && !(sum > best[most - 1].score))) continue;
    consider(best, n, most, (lq_candidate){.score = sum, .beam = beam, .id = (int32_t)id});
    if (*n < most) continue;
    least = (double)best[most - 1].score - (double)so_far + log_sum;
    bar = (float)(least - 1e-5 * (1.0 + fabs(least)));
  }
}

/* The best continuations of all open hypotheses, best first; their logprobs are those before processing. */
static lq_status find_best(lq_beams *b, const lq_gen *g, const float *logits, const double *log_sums, uint32_t n_vocab, lq_history h,
                           lq_sample_scratch scratch, uint32_t *n, lq_error *err) {
  uint32_t most = g->num_beams * (g->n_eos > 1 ? 1 + g->n_eos : 2);
  *n = 0;
  for (uint32_t i = 0; i < b->n_open; i++) {
    const float *row = logits + (size_t)i * n_vocab;
    if (!isfinite(log_sums[i])) return lq_fail(err, LQ_E_FORMAT, LQ_NO_NUMBER);
    h.ids = b->open[i].ids;
    if (lq_process_idle(g, &h)) {
      consider_row(b, i, row, n_vocab, log_sums[i], n, most);
      continue;
    }
    for (uint32_t id = 0; id < n_vocab; id++) scratch.work[id] = (float)((double)row[id] - log_sums[i]);
    lq_process(g, scratch.work, n_vocab, &h, scratch.seen);
    consider_row(b, i, scratch.work, n_vocab, 0, n, most);
  }
  for (uint32_t i = 0; i < *n; i++) {
    lq_candidate *c = &b->best[i];
    c->logprob = (float)((double)logits[(size_t)c->beam * n_vocab + (uint32_t)c->id] - log_sums[c->beam]);
  }
  return LQ_OK;
}

/* to = the hypothesis that c continues, and its id. */
static void extend(const lq_beams *b, lq_beam *to, const lq_candidate *c) {
  const lq_beam *from = &b->open[c->beam];
  size_t n = from->n, fresh = b->n_prompt;
  memcpy(to->ids, from->ids, n * sizeof(int32_t));
  memcpy(to->logprobs + fresh, from->logprobs + fresh, (n - fresh) * sizeof(float));
  if (to->home) memcpy(to->home, from->home, n * sizeof(uint16_t));
  to->ids[n] = c->id;
  to->logprobs[n] = c->logprob;
  to->n = (uint32_t)n + 1;
  to->score = c->score;
}

static float normalized(const lq_gen *g, float sum, uint32_t length) {
  return (float)((double)sum / pow((double)length, (double)g->length_penalty));
}

/* Keeps c among the num_beams best complete hypotheses, in place of the worst. */
static void complete(lq_beams *b, const lq_gen *g, const lq_candidate *c, uint32_t length) {
  float score = normalized(g, c->score, length);
  if (b->n_done == g->num_beams && !(score > b->done[b->n_done - 1].score)) return;
  uint32_t at = b->n_done < g->num_beams ? b->n_done++ : b->n_done - 1;
  lq_beam room = b->done[at];
  for (; at > 0 && b->done[at - 1].score < score; at--) b->done[at] = b->done[at - 1];
  extend(b, &room, c);
  room.score = score;
  b->done[at] = room;
}

static bool ends(const lq_gen *g, int32_t id) {
  for (uint32_t i = 0; i < g->n_eos; i++)
    if (g->eos[i] == id) return true;
  return false;
}

/* Whether nothing that is open can still matter. length: new ids in what is open. */
static bool is_over(const lq_beams *b, const lq_gen *g, uint32_t length) {
  if (b->n_open == 0) return true;
  if (b->n_done < g->num_beams) return false;
  if (g->early_stopping == LQ_EARLY_TRUE) return true;
  bool any_length = g->early_stopping == LQ_EARLY_NEVER && g->length_penalty > 0.0f;
  return !(normalized(g, b->open[0].score, any_length ? b->max_new : length) > b->done[g->num_beams - 1].score);
}

lq_status lq_beams_step(lq_beams *b, const lq_gen *g, const float *logits, const double *log_sums, uint32_t n_vocab, const int32_t *source,
                        size_t n_source, lq_sample_scratch scratch, lq_error *err) {
  uint32_t n, n_next = 0, length = b->open[0].n - b->n_prompt + 1; /* new ids of each hypothesis, the one to come included */
  lq_history h = {NULL, b->open[0].n, length - 1, b->max_new, source, n_source};
  LQ_TRY(find_best(b, g, logits, log_sums, n_vocab, h, scratch, &n, err));
  for (uint32_t i = 0; i < n; i++) {
    const lq_candidate *c = &b->best[i];
    bool ended = ends(g, c->id) || length == b->max_new;
    /* what ends beyond the first num_beams candidates is neither kept nor continued */
    if (ended && i < g->num_beams) complete(b, g, c, length);
    if (!ended && n_next < g->num_beams) extend(b, &b->next[n_next++], c);
  }
  lq_beam *swap = b->open;
  b->open = b->next;
  b->next = swap;
  b->n_open = n_next;
  if (!is_over(b, g, length)) return LQ_OK;
  b->n_open = 0;
  return b->n_done ? LQ_OK : lq_fail(err, LQ_E_OPTION, LQ_NO_TOKEN_LEFT);
}
