/* Fuzz target: writes the bytes again in another type, opens them as a model and, if they are one, describes it, opens a session and takes
 * a few steps of everything it can do. Replayed by replay.c in `make test`. */
#include "lq.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok) {
  if (!ok) abort();
}

/* Every refusal has its status and one sentence. */
static bool good(lq_status s, const lq_error *e) {
  must(s == LQ_OK || s == LQ_DONE || (s == e->status && e->msg[0]));
  return s == LQ_OK;
}

static void steps(lq_session *s, int n) {
  lq_piece p;
  lq_error e;
  while (n-- > 0) {
    if (!good(lq_next(s, &p, &e), &e)) return;
    for (size_t i = 0; i < p.n_text; i++) must(p.text[i] || !p.text[i]); /* reads it */
  }
  lq_end(s);
}

static void generate(const lq_model *m, lq_session *s, lq_options *o) {
  lq_error e;
  const int32_t ids[] = {1, 0, (int32_t)lq_model_vocab(m) - 1, 1};
  static const char text[] = "a b. ab<s>\xff a\n\n", talk[] = "[{\"role\":\"user\",\"content\":\"ab a\"}]";
  if (good(lq_generate_ids(s, ids, 4, o, &e), &e)) steps(s, 6);
  if (good(lq_generate(s, text, sizeof text - 1, NULL, &e), &e)) steps(s, 4);
  if (good(lq_chat(s, talk, sizeof talk - 1, o, &e), &e)) steps(s, 4);
  if (good(lq_translate(s, text, sizeof text - 1, "", "en", o, &e), &e)) steps(s, 12);
  if (good(lq_translate(s, text, sizeof text - 1, "en", "e", NULL, &e), &e)) steps(s, 12);
}

static void scores(const lq_model *m, lq_session *s) {
  lq_error e;
  double nll;
  const int32_t ids[] = {0, (int32_t)lq_model_vocab(m) - 1, 0};
  float *x = malloc((lq_model_vocab(m) + (size_t)3 * lq_model_width(m)) * sizeof *x);
  if (!x) return;
  good(lq_logits(s, ids, 3, NULL, 0, x, NULL, &e), &e);
  good(lq_encode(s, ids, 3, x, &e), &e);
  good(lq_score(s, ids, 3, 1, &nll, &e), &e);
  free(x);
}

/* Vectors, labels, entities and answers of a text, its ids and types. */
static void encode(const lq_model *m, lq_session *s) {
  static const char text[] = "ab a. <s>b \xff";
  lq_error e;
  lq_buf json = {0};
  int32_t ids[8];
  uint8_t types[8];
  size_t n, cols = lq_model_width(m) + lq_model_vocab(m) + lq_model_labels(m) + 2;
  const uint32_t at[2] = {0, 1};
  float *x = malloc(16 * cols * sizeof *x);
  if (!x) return;
  if (good(lq_input_text(m, text, 5, text, 4, ids, types, 8, &n, &e), &e) && n) {
    lq_input in[2] = {{ids, types, n < 8 ? n : 8}, {ids, NULL, 1}};
    good(lq_encode_inputs(s, in, 2, x, &e), &e);
    good(lq_embed(s, in, 2, NULL, -1, x, &e), &e);
    good(lq_fill_mask(s, in, at, 2, x, &e), &e);
    if (good(lq_classify(s, in, 2, x, &e), &e)) lq_label_probabilities(m, x);
    good(lq_classify_tokens(s, in, 2, x, &e), &e);
    good(lq_spans(s, in, 2, x, &e), &e);
  }
  good(lq_entities(s, text, sizeof text - 1, &json, &e), &e);
  good(lq_answer(s, text, 3, text, 6, 3, &json, &e), &e);
  lq_buf_free(&json);
  free(x);
}

static void use(const lq_model *m) {
  lq_error e;
  lq_buf info = {0}, text = {0};
  lq_session *s = NULL;
  lq_options *o = NULL;
  lq_session_params p = {.n_ctx = 12, .n_src = 8, .n_seq = 2, .n_batch = 3};
  uint64_t bytes = 0;
  int32_t ids[8];
  size_t n_ids;
  if (lq_model_max_context(m) && lq_model_max_context(m) < p.n_ctx) p.n_ctx = lq_model_max_context(m);
  good(lq_model_info(m, 1, 0, &info, &e), &e);
  lq_buf_free(&info);
  if (good(lq_tokenize(m, "ab a", 4, 1, 1, ids, 8, &n_ids, &e), &e)) good(lq_detokenize(m, ids, n_ids < 8 ? n_ids : 8, 1, &text, &e), &e);
  lq_buf_free(&text);
  must(good(lq_options_new(m, &o, &e), &e));
  good(lq_options_set(o, "do_sample", "true", &e), &e);
  good(lq_options_set(o, "stop_strings", "[\"ab\",\"b\"]", &e), &e);
  if (good(lq_session_bytes(m, &p, &bytes, &e), &e) && bytes < (uint64_t)1 << 28 && good(lq_session_open(m, &p, &s, &e), &e)) {
    generate(m, s, o);
    scores(m, s);
    encode(m, s);
  }
  lq_session_close(s);
  lq_options_free(o);
}

static int count(void *ctx, const void *p, size_t n) {
  *(size_t *)ctx += n && ((const char *)p)[n - 1] ? n : n; /* reads its end */
  return 0;
}

/* Any GGUF may be written again, whatever it is a model of. */
static void quantize(uint8_t *bytes, size_t n) {
  static const char *const types[] = {"f16", "q8_0", "q4_0", "q4_1", "q4_k", "q6_k", "f32", "bf16"};
  lq_buf report = {0};
  lq_error e;
  size_t written = 0;
  good(lq_quantize(bytes, n, types[n % 8], count, &written, &report, &e), &e);
  lq_buf_free(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  lq_error e;
  lq_model *m = NULL;
  uint8_t *bytes = malloc(n ? n : 1);
  if (!bytes) return 0;
  if (n) memcpy(bytes, data, n);
  quantize(bytes, n);
  lq_model_params p = {.threads = 1, .no_repack = n & 1};
  if (good(lq_model_open(bytes, n, &p, &m, &e), &e)) use(m);
  lq_model_close(m);
  free(bytes);
  return 0;
}
