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
} lq_gen;

/* generate()'s defaults. */
void lq_gen_init(lq_gen *g);
/* value: a number, true/false, text, or a JSON array, as the option wants; it replaces the one before. "null" changes nothing.
 * LQ_E_OPTION names the option that is unknown (with the nearest known one), not supported, or given a wrong value. */
lq_status lq_gen_set(lq_gen *g, lq_str name, lq_str value, lq_error *err);
/* JSON array describing every supported option. */
void lq_gen_list(lq_buf *out);

#endif
