/* Encoder models: many inputs at once give what each gives alone, tokens without positions may change places, limits, heads that lie.
 * Equality with recorded numbers: tests/parity/encoders.py. */
#include <math.h>

#include "model_open.h"

#define BERT "../models/tiny/bert.gguf"
#define CLASSIFIER "../models/tiny/bert-classifier.gguf"

enum { D = 48, N_VOCAB = 500 };
static const int32_t long_ids[12] = {1, 155, 241, 214, 36, 295, 312, 455, 403, 355, 29, 2}, short_ids[7] = {1, 438, 386, 410, 368, 98, 2};
static const uint8_t types[12] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1};
static const lq_input two[5] = {{long_ids, types, 12}, {short_ids, NULL, 7}, {short_ids, types, 1}, {long_ids, NULL, 12}, {short_ids, types, 7}};

/* Ragged batches, whatever their size and the number of threads: bit for bit. */
TEST(encoder_batches_equal_single_inputs) {
  static float alone[5][D], at_once[5][D], states[39][D], one[12][D];
  for (int k = 0; k < 3; k++) {
    opened o;
    lq_error e = {0};
    lq_model_params mp = {.threads = k + 1};
    lq_session_params sp = {.n_src = 12, .n_seq = (uint32_t[]){1, 5, 3}[k], .n_batch = (uint32_t[]){12, 64, 20}[k]};
    if (!opened_with(&o, BERT, &mp, &sp)) return;
    for (int i = 0; k == 0 && i < 5; i++) CHECK(lq_embed(o.s, &two[i], 1, NULL, 0, alone[i], &e) == LQ_OK);
    CHECK(lq_embed(o.s, two, 5, NULL, 0, at_once[0], &e) == LQ_OK && memcmp(alone, at_once, sizeof alone) == 0);
    CHECK(lq_encode_inputs(o.s, two, 5, states[0], &e) == LQ_OK && lq_encode_inputs(o.s, &two[3], 1, one[0], &e) == LQ_OK);
    CHECK(memcmp(states[20], one, sizeof one) == 0);
    lq_counters c;
    lq_session_counters(o.s, &c);
    CHECK(c.encoder_tokens == (k == 0 ? 39u : 0u) + 39 + 39 + 12 && c.cross_fills == 0);
    opened_close(&o);
  }
}

TEST(encoder_pooling_and_length) {
  opened o;
  lq_error e = {0};
  float states[12][D], v[D], sum = 0;
  lq_session_params sp = {.n_src = 12};
  if (!opened_with(&o, BERT, NULL, &sp)) return;
  CHECK(lq_encode_inputs(o.s, two, 1, states[0], &e) == LQ_OK);
  CHECK(lq_embed(o.s, two, 1, "cls", 0, v, &e) == LQ_OK && memcmp(v, states[0], sizeof v) == 0);
  CHECK(lq_embed(o.s, two, 1, "last", -1, v, &e) == LQ_OK && memcmp(v, states[11], sizeof v) == 0); /* the file says nothing: as it is */
  CHECK(lq_embed(o.s, two, 1, "mean", 1, v, &e) == LQ_OK);
  for (int i = 0; i < D; i++) sum += v[i] * v[i];
  CHECK(fabsf(sum - 1) < 1e-6f);
  CHECK(lq_embed(o.s, two, 1, "max", 0, v, &e) == LQ_E_OPTION);
  CHECK_HAS(e.msg, "no pooling \"max\"");
  opened_close(&o);
}

/* With its table of positions zeroed, BERT does not know the order of its input: permuted tokens give permuted states. */
TEST(encoder_without_positions_permutes) {
  opened o;
  lq_error e = {0};
  lq_session_params sp = {.n_src = 12};
  float a[12][D], b[12][D], most = 0;
  int32_t turned[12];
  opened_read(&o, BERT);
  if (!o.bytes || lq_model_open(o.bytes, o.n, NULL, &o.m, &e) != LQ_OK) return;
  lq_mat *p = &o.m->weights.enc.position;
  for (int zeroed = 0; zeroed < 2; zeroed++) {
    if (zeroed) memset((void *)(uintptr_t)p->data, 0, p->row_bytes * p->n_out);
    CHECK(lq_session_open(o.m, &sp, &o.s, &e) == LQ_OK);
    for (int i = 0; i < 12; i++) turned[i] = long_ids[(i * 5 + 3) % 12];
    lq_input in[2] = {{long_ids, NULL, 12}, {turned, NULL, 12}};
    CHECK(lq_encode_inputs(o.s, &in[0], 1, a[0], &e) == LQ_OK && lq_encode_inputs(o.s, &in[1], 1, b[0], &e) == LQ_OK);
    most = 0;
    for (int i = 0; i < 12; i++)
      for (int k = 0; k < D; k++) most = fmaxf(most, fabsf(b[i][k] - a[(i * 5 + 3) % 12][k]));
    CHECK_MSG(zeroed ? most < 1e-5f : most > 0.1f, "positions %s: %g", zeroed ? "zeroed" : "there", (double)most);
    lq_session_close(o.s);
    o.s = NULL;
  }
  opened_close(&o);
}

TEST(encoder_words_and_labels) {
  opened o;
  lq_error e = {0};
  lq_session_params sp = {.n_src = 12, .n_seq = 2, .n_batch = 32};
  static float all[12][N_VOCAB], some[2][N_VOCAB];
  float both[2][3], alone[3];
  uint32_t at[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  if (!opened_with(&o, BERT, NULL, &sp)) return;
  CHECK(lq_model_tasks(o.m) == (LQ_TASK_ENCODE | LQ_TASK_EMBED | LQ_TASK_FILL_MASK));
  CHECK(lq_fill_mask(o.s, two, at, 12, all[0], &e) == LQ_OK && lq_fill_mask(o.s, two, (uint32_t[]){7, 2}, 2, some[0], &e) == LQ_OK);
  CHECK(memcmp(all[7], some[0], sizeof some[0]) == 0 && memcmp(all[2], some[1], sizeof some[1]) == 0);
  CHECK(lq_fill_mask(o.s, two, (uint32_t[]){12}, 1, some[0], &e) == LQ_E_RANGE);
  CHECK_HAS(e.msg, "no place 12 in an input of 12 tokens");
  CHECK(lq_classify(o.s, two, 1, alone, &e) == LQ_E_TASK && lq_classify_tokens(o.s, two, 1, alone, &e) == LQ_E_TASK &&
        lq_spans(o.s, two, 1, alone, &e) == LQ_E_TASK && lq_logits(o.s, long_ids, 12, NULL, 0, all[0], NULL, &e) == LQ_E_TASK &&
        lq_generate_ids(o.s, long_ids, 12, NULL, &e) == LQ_E_TASK);
  opened_close(&o);
  if (!opened_with(&o, CLASSIFIER, NULL, &sp)) return;
  CHECK(lq_model_labels(o.m) == 3 && lq_str_eqz(lq_model_label(o.m, 2), "LABEL_2") && lq_model_label(o.m, 3).n == 0);
  CHECK(lq_classify(o.s, two, 2, both[0], &e) == LQ_OK && lq_classify(o.s, &two[1], 1, alone, &e) == LQ_OK);
  CHECK(memcmp(both[1], alone, sizeof alone) == 0);
  lq_label_probabilities(o.m, alone);
  CHECK(fabsf(alone[0] + alone[1] + alone[2] - 1) < 1e-6f);
  CHECK(lq_fill_mask(o.s, two, at, 1, all[0], &e) == LQ_E_TASK);
  opened_close(&o);
}

TEST(encoder_limits_are_named) {
  opened o;
  lq_error e = {0};
  lq_session_params sp = {.n_src = 11, .n_seq = 2}, beyond = {.n_src = 65};
  float v[4][D];
  if (!opened_with(&o, BERT, NULL, &sp)) return;
  CHECK(lq_embed(o.s, &two[1], 1, NULL, 0, v[0], &e) == LQ_OK);
  CHECK(lq_embed(o.s, two, 2, NULL, 0, v[0], &e) == LQ_E_CONTEXT);
  CHECK_HAS(e.msg, "input 1 has 12 tokens; this session takes at most 11");
  CHECK(lq_embed(o.s, &(lq_input){short_ids, NULL, 0}, 1, NULL, 0, v[0], &e) == LQ_E_ARG);
  CHECK_HAS(e.msg, "input 1 has no tokens");
  CHECK(lq_embed(o.s, &(lq_input){(int32_t[]){1, 500}, NULL, 2}, 1, NULL, 0, v[0], &e) == LQ_E_RANGE);
  CHECK(lq_embed(o.s, &(lq_input){(int32_t[]){1, -1}, NULL, 2}, 1, NULL, 0, v[0], &e) == LQ_E_RANGE);
  CHECK(lq_embed(o.s, &(lq_input){short_ids, (uint8_t[]){0, 2}, 2}, 1, NULL, 0, v[0], &e) == LQ_E_RANGE);
  CHECK_HAS(e.msg, "token type 2 (number 2 of input 1)");
  CHECK(lq_embed(o.s, two, 0, NULL, 0, v[0], &e) == LQ_OK); /* none is fine */
  size_t n;
  CHECK(lq_input_text(o.m, "a", 1, NULL, 0, NULL, NULL, 0, &n, &e) == LQ_E_UNSUPPORTED); /* no tokenizer in this file */
  lq_session *s = NULL;
  CHECK(lq_session_open(o.m, &beyond, &s, &e) == LQ_E_CONTEXT && !s);
  opened_close(&o);
  if (!opened_with(&o, QWEN, NULL, NULL)) return;
  CHECK(lq_embed(o.s, &two[1], 1, NULL, 0, v[0], &e) == LQ_E_TASK);
  CHECK_HAS(e.msg, "no encoder");
  opened_close(&o);
}

/* What a file with one changed byte string says: every key and tensor of a head is checked. */
TEST(encoder_heads_that_lie) {
  static const struct { const char *file, *from, *to; lq_status status; const char *says; } lies[] = {
      {CLASSIFIER, "single_label", "another_kind", LQ_E_UNSUPPORTED, "classifier.problem is \"another_kind\""},
      {CLASSIFIER, "blk.0.attn_q.bias", "blk.0.attn_x.bias", LQ_E_FORMAT, "lacks the tensor blk.0.attn_q.bias"},
      {CLASSIFIER, "token_embd_norm.bias", "token_embd_morn.bias", LQ_E_FORMAT, "lacks the tensor token_embd_norm.bias"},
      {CLASSIFIER, "position_embd.weight", "positiom_embd.weight", LQ_E_FORMAT, "lacks the tensor position_embd.weight"},
      {CLASSIFIER, "cls.weight", "cls.token.", LQ_OK, ""},
      {BERT, "cls.mlm_norm.bias", "cls.mlm_morn.bias", LQ_E_FORMAT, "lacks the tensor cls.mlm_norm.bias"},
      {BERT, "cls.mlm.weight", "cls.m1m.weight", LQ_OK, ""}};
  for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
    opened o;
    lq_error e = {0};
    opened_read(&o, lies[i].file);
    size_t len = strlen(lies[i].from), at = 0;
    if (!o.bytes) return;
    while (at + len < o.n && memcmp((char *)o.bytes + at, lies[i].from, len) != 0) at++;
    CHECK_MSG(at + len < o.n, "%s is not in the file", lies[i].from);
    memcpy((char *)o.bytes + at, lies[i].to, len);
    lq_status s = lq_model_open(o.bytes, o.n, NULL, &o.m, &e);
    CHECK_MSG(s == lies[i].status, "%s: %s (%s)", lies[i].from, lq_status_name(s), e.msg);
    CHECK_HAS(e.msg, lies[i].says);
    opened_close(&o);
  }
}
