/* generate()'s logits processors that greedy, sampling and beams share. May call: options, base.
 * Reference: transformers 5 generation/logits_process.py, and utils.py for the order. */
#ifndef LQ_PROCESS_H
#define LQ_PROCESS_H

#include "decode/options.h"

/* What has gone before. */
typedef struct lq_history {
  const int32_t *ids; /* decoder ids so far: prompt, then new ones. Penalties and n-grams look at all of them */
  size_t n;
  uint32_t n_new, max_new; /* ids that are new; how many there may be, the next one included (0 = unknown) */
  const int32_t *source;   /* what the encoder read; the prompt of a decoder-only model */
  size_t n_source;
} lq_history;

/* Said when every token is dropped. */
#define LQ_NO_TOKEN_LEFT \
  "the options that drop tokens (min_new_tokens, no_repeat_ngram_size, bad_words_ids, suppress_tokens and their like) leave none to choose from"

/* True when lq_process would change nothing. */
bool lq_process_idle(const lq_gen *g, const lq_history *h);
/* Processes scores[n_vocab] (logits, or for beams log-probabilities) in place, in generate()'s order: repetition_penalty,
 * no_repeat_ngram_size, encoder_no_repeat_ngram_size, bad_words_ids, min_new_tokens, forced_bos_token_id, forced_eos_token_id,
 * suppress_tokens, begin_suppress_tokens. Dropped tokens become -INFINITY. Ids outside the vocabulary are ignored.
 * seen[n_vocab]: all zero before and after. */
void lq_process(const lq_gen *g, float *scores, uint32_t n_vocab, const lq_history *h, uint8_t *seen);

#endif
