/* Beam search over token ids: from the scores of a source's open hypotheses to the next ones, and at last the best complete ones.
 * May call: process, sample (scratch, search), options, base.
 * Reference: transformers 5 generation/utils.py, _beam_search: the same candidates, scores (log-softmax after the processors, summed in
 * float32), ends and order; where two scores are equal, the earlier beam and then the lower id wins. What it keeps with a score of -1e9
 * (beams that do not exist yet, dropped tokens) is not there at all here, so there may be fewer than num_beams hypotheses.
 *
 * Nothing of the key/value cache is ever copied. Each step, open hypothesis i writes its newest position to cache sequence first_seq + i,
 * and `home` says for each earlier position which sequence holds it: a new hypothesis takes its parent's table. */
#ifndef LQ_BEAM_H
#define LQ_BEAM_H

#include "base/arena.h"
#include "decode/sample.h"

typedef struct lq_beam {
  int32_t *ids;    /* [n_ctx] prompt, then new ids */
  float *logprobs; /* [n_ctx] of the new ids, before any processing; those of the prompt are unset */
  uint16_t *home;  /* [n_ctx] open hypotheses: the sequence of the cache that holds position i, for the positions that are in it */
  uint32_t n;
  float score;     /* sum of processed log-probabilities; of a complete one divided by length^length_penalty */
} lq_beam;

typedef struct lq_candidate {
  float score, logprob;
  uint32_t beam;
  int32_t id;
} lq_candidate;

/* The hypotheses of one source. */
typedef struct lq_beams {
  lq_beam *open, *next, *done; /* [n] each: going on, best first; room for the step after; complete, best first */
  lq_candidate *best;          /* [n * (1 + LQ_MAX_EOS)] */
  uint32_t n, n_open, n_done;  /* n: as many as there is room for */
  uint32_t first_seq;
  uint32_t n_prompt, max_new;
} lq_beams;

/* Takes memory for n hypotheses of n_ctx positions; false when the arena is full. */
bool lq_beams_layout(lq_beams *b, lq_arena *a, uint32_t n, uint32_t n_ctx);
/* One open hypothesis: the prompt, which lies in the cache at sequence first_seq. 0 < n < n_ctx, 0 < max_new <= n_ctx - n. */
void lq_beams_start(lq_beams *b, const int32_t *ids, uint32_t n, uint32_t max_new, uint32_t first_seq);
/* logits[n_open][n_vocab]: the scores after each open hypothesis, log_sums[n_open] their lq_log_sums. Afterwards n_open hypotheses are one id longer;
 * none are open when the search has ended. num_beams <= n. source as in lq_history. LQ_E_FORMAT: scores that are not numbers.
 * LQ_E_OPTION: the options leave no token and nothing is complete. */
lq_status lq_beams_step(lq_beams *b, const lq_gen *g, const float *logits, const double *log_sums, uint32_t n_vocab, const int32_t *source,
                        size_t n_source, lq_sample_scratch scratch, lq_error *err);

#endif
