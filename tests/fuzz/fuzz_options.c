/* Fuzz target: a JSON object of generation options; whatever is taken must be fit to sample with. */
#include "decode/sample.h"
#include "lq_internal.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  lq_options *o;
  lq_error e = {0};
  float logits[8] = {3, -2, 0, 3, -1e30f, 1e30f, -INFINITY, 0.5f}, work[8], logprob;
  uint32_t order[8];
  uint8_t seen[8] = {0};
  int32_t history[] = {1, 5, 1}, id = -1;
  lq_rng rng;
  if (lq_options_new(NULL, &o, &e) != LQ_OK) return 0;
  lq_status s = lq_options_set_json(o, (const char *)data, n, &e);
  if (s != LQ_OK && (e.status != s || !e.msg[0])) abort();
  lq_rng_seed(&rng, o->gen.seed);
  s = lq_sample(&o->gen, lq_kernels_ref(), &rng, logits, 8, (lq_history){.ids = history, .n = 3, .n_new = 1, .max_new = 2, .source = history, .n_source = 3}, (lq_sample_scratch){work, order, seen}, &id, &logprob, &e);
  if (s == LQ_OK ? id < 0 || id > 7 || logprob > 0 : s != LQ_E_OPTION) abort();
  lq_options_free(o);
  return 0;
}
