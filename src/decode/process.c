/* Processors. May call: options, base. */
#include "decode/process.h"

#include <float.h>
#include <math.h>
#include <string.h>

static void drop(float *scores, uint32_t n_vocab, int32_t id) {
  if ((uint32_t)id < n_vocab) scores[id] = -INFINITY;
}

static void drop_all(float *scores, uint32_t n_vocab, const int32_t *ids, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) drop(scores, n_vocab, ids[i]);
}

static void penalize(float penalty, float *scores, uint32_t n_vocab, const lq_history *h, uint8_t *seen) {
  for (size_t i = 0; i < h->n; i++) {
    uint32_t id = (uint32_t)h->ids[i];
    if (id >= n_vocab || seen[id]) continue;
    seen[id] = 1;
    float x = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
    scores[id] = x > FLT_MAX ? FLT_MAX : x < -FLT_MAX && scores[id] >= -FLT_MAX ? -FLT_MAX : x; /* a penalty drops no token */
  }
  for (size_t i = 0; i < h->n; i++)
    if ((uint32_t)h->ids[i] < n_vocab) seen[h->ids[i]] = 0;
}

/* Drops what has followed the last size - 1 ids anywhere in text[n]. */
static void drop_ngrams(uint32_t size, float *scores, uint32_t n_vocab, const lq_history *h, const int32_t *text, size_t n) {
  size_t before = size - 1;
  if (before > h->n || size > n) return;
  const int32_t *last = h->ids + (h->n - before);
  for (size_t i = 0; i + size <= n; i++)
    if (before == 0 || memcmp(text + i, last, before * sizeof(int32_t)) == 0) drop(scores, n_vocab, text[i + before]);
}

/* A word of one id that ends the text is left alone, as generate() leaves it. */
static bool is_end(const lq_gen *g, const int32_t *word, uint32_t n) {
  for (uint32_t i = 0; n == 1 && i < g->n_eos; i++)
    if (g->eos[i] == word[0]) return true;
  return false;
}

static void drop_bad_words(const lq_gen *g, float *scores, uint32_t n_vocab, const lq_history *h) {
  for (uint32_t at = 0; at < g->n_bad; at += 1 + (uint32_t)g->bad[at]) {
    const int32_t *word = g->bad + at + 1;
    uint32_t n = (uint32_t)g->bad[at];
    if (n - 1 > h->n || is_end(g, word, n)) continue;
    if (n == 1 || memcmp(h->ids + h->n - (n - 1), word, (n - 1) * sizeof(int32_t)) == 0) drop(scores, n_vocab, word[n - 1]);
  }
}

static void force(float *scores, uint32_t n_vocab, const int32_t *ids, uint32_t n) {
  for (uint32_t i = 0; i < n_vocab; i++) scores[i] = -INFINITY;
  for (uint32_t i = 0; i < n; i++)
    if ((uint32_t)ids[i] < n_vocab) scores[ids[i]] = 0.0f;
}

static bool is_first(const lq_gen *g, const lq_history *h) { return g->forced_bos >= 0 && h->n == 1; }
static bool is_last(const lq_gen *g, const lq_history *h) { return g->n_forced_eos && h->max_new && h->n_new + 1 == h->max_new; }

/* The first new token, or the one after it where a lone start token is followed by a forced one. */
static bool begins(const lq_gen *g, const lq_history *h) {
  bool forced = g->forced_bos >= 0 && h->n - h->n_new == 1;
  return g->n_begin && h->n_new == (forced ? 1u : 0u);
}

bool lq_process_idle(const lq_gen *g, const lq_history *h) {
  bool ngrams = g->no_repeat_ngram_size || g->encoder_no_repeat_ngram_size || g->n_bad;
  return g->repetition_penalty == 1.0f && !ngrams && h->n_new >= g->min_new_tokens && !is_first(g, h) && !is_last(g, h) && !g->n_suppress &&
         !begins(g, h);
}

void lq_process(const lq_gen *g, float *scores, uint32_t n_vocab, const lq_history *h, uint8_t *seen) {
  if (g->repetition_penalty != 1.0f) penalize(g->repetition_penalty, scores, n_vocab, h, seen);
  if (g->no_repeat_ngram_size) drop_ngrams(g->no_repeat_ngram_size, scores, n_vocab, h, h->ids, h->n);
  if (g->encoder_no_repeat_ngram_size) drop_ngrams(g->encoder_no_repeat_ngram_size, scores, n_vocab, h, h->source, h->n_source);
  if (g->n_bad) drop_bad_words(g, scores, n_vocab, h);
  if (h->n_new < g->min_new_tokens) drop_all(scores, n_vocab, g->eos, g->n_eos);
  if (is_first(g, h)) force(scores, n_vocab, &g->forced_bos, 1);
  if (is_last(g, h)) force(scores, n_vocab, g->forced_eos, g->n_forced_eos);
  drop_all(scores, n_vocab, g->suppress, g->n_suppress);
  if (begins(g, h)) drop_all(scores, n_vocab, g->begin, g->n_begin);
}
