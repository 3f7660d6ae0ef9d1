/* Generation options under Hugging Face's generate() names, set by text, refused by name.
 * May call: base. Reference: transformers GenerationConfig. */
#ifndef LQ_OPTIONS_H
#define LQ_OPTIONS_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"

#define LQ_MAX_EOS 16
#define LQ_MAX_STOPS 16
#define LQ_MAX_STOP_BYTES 128
#define LQ_MAX_BEAMS 64
#define LQ_MAX_SUPPRESS 256
#define LQ_MAX_BAD 1024 /* ids of bad words and one more for each word */

/* When a beam search ends, once num_beams hypotheses are complete: when none that is open could beat the worst of them at its present
 * length; at once; or only when none could at any length. */
typedef enum lq_early { LQ_EARLY_FALSE, LQ_EARLY_TRUE, LQ_EARLY_NEVER } lq_early;

typedef struct lq_gen {
  bool do_sample;
  float temperature, top_p, min_p, repetition_penalty;
  uint32_t top_k; /* 0 = off */
  uint32_t max_new_tokens; /* 0 = as many as fit */
  uint32_t min_new_tokens;
  uint64_t seed;
  int32_t eos[LQ_MAX_EOS];
  uint32_t n_eos;
  bool eos_given; /* the caller named eos_token_id: the model's own do not count */
  struct { char text[LQ_MAX_STOP_BYTES]; uint32_t n; } stops[LQ_MAX_STOPS];
  uint32_t n_stops;
  uint32_t num_beams, num_return_sequences;
  float length_penalty;
  lq_early early_stopping;
  uint32_t no_repeat_ngram_size, encoder_no_repeat_ngram_size; /* 0 = off */
  int32_t forced_bos; /* -1 = none */
  int32_t forced_eos[LQ_MAX_EOS], suppress[LQ_MAX_SUPPRESS], begin[LQ_MAX_SUPPRESS]; /* begin: begin_suppress_tokens */
  uint32_t n_forced_eos, n_suppress, n_begin;
  int32_t bad[LQ_MAX_BAD]; /* bad_words_ids: each word's length, then its ids */
  uint32_t n_bad;
} lq_gen;

/* generate()'s defaults. */
void lq_gen_init(lq_gen *g);
/* value: a number, true/false, text, or a JSON array, as the option wants; it replaces the one before. "null" changes nothing.
 * LQ_E_OPTION names the option that is unknown (with the nearest known one), not supported, or given a wrong value. */
lq_status lq_gen_set(lq_gen *g, lq_str name, lq_str value, lq_error *err);
/* The value of a boolean or number; LQ_E_OPTION for another name. */
lq_status lq_gen_number(const lq_gen *g, lq_str name, double *value, lq_error *err);
/* LQ_E_OPTION when options contradict each other or name an id outside a vocabulary of n_vocab. */
lq_status lq_gen_check(const lq_gen *g, uint32_t n_vocab, lq_error *err);
/* JSON array describing every supported option. */
void lq_gen_list(lq_buf *out);

#endif
