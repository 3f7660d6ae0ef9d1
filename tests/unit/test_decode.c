/* Generation over the public interface: caches and their counters, batches, masks, stop strings, limits, cancelling, chat. */
#include "model_open.h"

#include <math.h>

#include "base/utf8.h"

enum { MOST = 96 };

typedef struct run {
  int32_t ids[MOST];
  float logprobs[MOST];
  char text[1024];
  size_t n, n_text, n_pieces;
  enum lq_finish finish;
  lq_status status;
  bool whole; /* every piece was valid UTF-8 */
} run;

static void finish(lq_session *s, lq_status begun, run *r) {
  lq_piece p;
  lq_error e;
  memset(r, 0, sizeof *r);
  r->whole = true;
  r->status = begun;
  while (r->status == LQ_OK && (r->status = lq_next(s, &p, &e)) == LQ_OK) {
    if (p.token_id >= 0 && r->n < MOST) r->logprobs[r->n] = p.logprob, r->ids[r->n++] = p.token_id;
    if (p.finish != LQ_FINISH_NONE) r->finish = p.finish;
    r->whole = r->whole && lq_utf8_valid(p.text, p.n_text);
    if (r->n_text + p.n_text < sizeof r->text) memcpy(r->text + r->n_text, p.text, p.n_text), r->n_text += p.n_text;
    r->n_pieces++;
  }
}

static lq_options *options(const lq_model *m, const char *json) {
  lq_options *o = NULL;
  lq_error e;
  if (lq_options_new(m, &o, &e) != LQ_OK || lq_options_set_json(o, json, strlen(json), &e) != LQ_OK) lq_test_fail(__FILE__, __LINE__, "%s", e.msg);
  return o;
}

static void from_ids(lq_session *s, const int32_t *ids, size_t n, const char *json, run *r) {
  lq_options *o = options(s->model, json);
  finish(s, lq_generate_ids(s, ids, n, o, NULL), r);
  lq_options_free(o);
}

static void say(lq_session *s, const char *messages, const char *json, run *r) {
  lq_options *o = options(s->model, json);
  finish(s, lq_chat(s, messages, strlen(messages), o, NULL), r);
  lq_options_free(o);
}

static const int32_t prompt[] = {5, 17, 2, 90, 41, 33, 7, 7, 60, 12, 3};
enum { N_PROMPT = sizeof prompt / sizeof prompt[0] };
#define FREE "{\"max_new_tokens\":12,\"eos_token_id\":[]}"

/* ---- counters ---- */

TEST(decode_encoder_and_cross_run_once_a_source) {
  opened o;
  run r;
  lq_counters c;
  if (!opened_with(&o, T5, NULL, NULL)) return;
  uint32_t layers = o.m->weights.hp.n_dec;
  for (uint64_t k = 1; k <= 3; k++) {
    from_ids(o.s, prompt, N_PROMPT, FREE, &r);
    lq_session_counters(o.s, &c);
    CHECK(r.n == 12 && r.status == LQ_DONE);
    CHECK(c.encoder_runs == k && c.encoder_tokens == k * N_PROMPT && c.cross_fills == k * layers);
    CHECK(c.generated_tokens == 12 * k && c.decoder_rows == 12 * k && c.prompt_tokens == k); /* the start token, then each but the last */
  }
  opened_close(&o);
}

TEST(decode_reads_a_prompt_once) {
  opened o;
  run r;
  lq_counters c;
  if (!opened_with(&o, LLAMA, NULL, NULL)) return;
  from_ids(o.s, prompt, N_PROMPT, FREE, &r);
  lq_session_counters(o.s, &c);
  CHECK(c.prompt_tokens == N_PROMPT && c.generated_tokens == 12 && c.decoder_rows == N_PROMPT + 11 && c.encoder_runs == 0);
  opened_close(&o);
}

TEST(decode_chat_keeps_the_shared_prefix) {
  opened o, fresh;
  run r;
  lq_counters a, b;
  static const char one[] = "[{\"role\":\"user\",\"content\":\"hello\"}]";
  static const char two[] = "[{\"role\":\"user\",\"content\":\"hello\"},{\"role\":\"assistant\",\"content\":\"Hi é€!abcdefgh\"},"
                            "{\"role\":\"user\",\"content\":\"and more\"}]";
  if (!opened_with(&o, CHAT, NULL, NULL) || !opened_with(&fresh, CHAT, NULL, NULL)) return;
  say(o.s, one, "{}", &r);
  CHECK(r.finish == LQ_FINISH_EOS);
  CHECK_STR(r.text, "Hi é€!abcdefgh");
  lq_session_counters(o.s, &a);
  size_t first_prompt = o.s->slots[0].n_prompt, reply = r.n - 1;
  say(o.s, two, "{}", &r);
  lq_session_counters(o.s, &b);
  size_t second_prompt = o.s->slots[0].n_prompt;
  CHECK(b.decoder_rows - a.decoder_rows == second_prompt - (first_prompt + reply) + r.n - 1);
  run again;
  say(fresh.s, two, "{}", &again);
  CHECK(again.n == r.n && memcmp(again.ids, r.ids, sizeof r.ids) == 0 && memcmp(again.logprobs, r.logprobs, sizeof r.logprobs) == 0);
  say(o.s, two, "{}", &r); /* the very same prompt: one row of it must still run for its scores */
  lq_session_counters(o.s, &a);
  CHECK(a.decoder_rows - b.decoder_rows == 1 + r.n - 1 && memcmp(again.ids, r.ids, sizeof r.ids) == 0);
  from_ids(o.s, prompt, 3, "{\"max_new_tokens\":1}", &again); /* anything else in between */
  say(o.s, one, "{}", &r);
  CHECK_STR(r.text, "Hi é€!abcdefgh");
  opened_close(&o);
  opened_close(&fresh);
}

/* ---- caches, batches, masks ---- */

typedef struct rows { float *x; size_t n, cap, cols; } rows;

static void keep_logits(void *ctx, const char *name, const float *x, size_t n, size_t cols) {
  rows *k = ctx;
  if (strcmp(name, "logits") != 0) return;
  k->cols = cols;
  for (size_t i = 0; i < n && k->n < k->cap; i++) memcpy(k->x + k->n++ * cols, x + i * cols, cols * sizeof(float));
}

/* Scores of each generated token with the cache, against those of all ids at once, bit for bit, for several prompt slices. */
static void cached_is_uncached(const char *file, const char *kernels) {
  opened o, once;
  run r;
  lq_model_params mp = {.kernels = kernels};
  if (!opened_with(&once, file, &mp, &(lq_session_params){.n_ctx = 64, .n_batch = 64})) return;
  bool pair = once.m->weights.arch->family == LQ_ENCODER_DECODER;
  if (once.m->weights.hp.n_dec == 0) {
    opened_close(&once);
    return;
  }
  for (uint32_t batch = 1; batch <= 16; batch += 5) {
    if (!opened_with(&o, file, &mp, &(lq_session_params){.n_ctx = 64, .n_batch = batch})) return;
    uint32_t vocab = lq_model_vocab(o.m);
    rows k = {.x = calloc(16 * (size_t)vocab, sizeof(float)), .cap = 16};
    float *all = calloc(64 * (size_t)vocab, sizeof(float));
    int32_t ids[64];
    CHECK(k.x && all);
    lq_session_probe(o.s, keep_logits, &k);
    from_ids(o.s, prompt, N_PROMPT, FREE, &r);
    size_t n = pair ? 1 : N_PROMPT, first = n - 1;
    if (pair) ids[0] = o.m->weights.hp.decoder_start;
    else memcpy(ids, prompt, sizeof prompt);
    for (size_t i = 0; i + 1 < r.n; i++) ids[n++] = r.ids[i];
    CHECK(lq_logits(once.s, pair ? prompt : ids, pair ? N_PROMPT : n, pair ? ids : NULL, n, NULL, all, NULL) == LQ_OK);
    CHECK_MSG(k.n == r.n && memcmp(k.x, all + first * vocab, k.n * vocab * sizeof(float)) == 0, "%s, slices of %u", file, (unsigned)batch);
    free(k.x);
    free(all);
    opened_close(&o);
  }
  opened_close(&once);
}

TEST(decode_cached_is_uncached) {
  const lq_kernels *tables[8];
  size_t n = lq_kernels_list(tables, 8);
  for (size_t i = 0; i < n; i++) {
    cached_is_uncached(LLAMA, tables[i]->name);
    cached_is_uncached(QWEN, tables[i]->name);
    cached_is_uncached(T5, tables[i]->name);
  }
}

static void cached_is_uncached_here(const char *file) { cached_is_uncached(file, NULL); }

TEST(decode_cached_is_uncached_in_every_family) { CHECK(each_tiny_model(cached_is_uncached_here) >= 20); }

static void later_changes_nothing_before(const char *file) {
  opened o;
  if (!opened_with(&o, file, NULL, NULL)) return;
  bool pair = o.m->weights.arch->family == LQ_ENCODER_DECODER;
  size_t vocab = lq_model_vocab(o.m);
  float *a = calloc(N_PROMPT * vocab, sizeof(float)), *b = calloc(N_PROMPT * vocab, sizeof(float));
  int32_t other[N_PROMPT];
  CHECK(a && b);
  for (size_t at = 1; o.m->weights.hp.n_dec && at < N_PROMPT; at++) {
    memcpy(other, prompt, sizeof prompt);
    other[at] = 77;
    CHECK(lq_logits(o.s, prompt, N_PROMPT, pair ? prompt : NULL, N_PROMPT, NULL, a, NULL) == LQ_OK);
    CHECK(lq_logits(o.s, pair ? prompt : other, N_PROMPT, pair ? other : NULL, N_PROMPT, NULL, b, NULL) == LQ_OK);
    CHECK_MSG(memcmp(a, b, at * vocab * sizeof(float)) == 0, "%s: token %zu changes scores before it", file, at);
    CHECK_MSG(memcmp(a + at * vocab, b + at * vocab, vocab * sizeof(float)) != 0, "%s: token %zu changes nothing", file, at);
  }
  free(a);
  free(b);
  opened_close(&o);
}

TEST(decode_a_later_token_changes_nothing_before_it) { CHECK(each_tiny_model(later_changes_nothing_before) >= 20); }

/* A stack over sequences of unequal length in one call: each row as if it were alone, whatever its neighbours are. */
static void batch_is_single(const char *file) {
  enum { N = 3, ROWS = 37 };
  static const uint32_t lengths[N] = {4, 25, 8};
  opened o;
  if (!opened_with(&o, file, &(lq_model_params){.threads = 2}, &(lq_session_params){.n_ctx = 32, .n_src = 40, .n_seq = N})) return;
  lq_stack *st = &o.s->stack;
  bool decoder = o.m->weights.arch->family == LQ_DECODER_ONLY;
  const lq_layers *l = decoder ? &o.m->weights.dec : &o.m->weights.enc;
  size_t d = o.m->weights.hp.d_model;
  float together[ROWS * 64];
  lq_run runs[N];
  int32_t ids[ROWS];
  uint32_t at = 0;
  CHECK(d <= 64);
  for (uint32_t i = 0; i < N; at += lengths[i++]) {
    runs[i] = (lq_run){.row0 = at, .n_rows = lengths[i], .seq = i, .n_kv = lengths[i]};
    for (uint32_t k = 0; k < lengths[i]; k++) ids[at + k] = prompt[(k * (i + 1) + i) % N_PROMPT];
  }
  lq_stack_embed(st, l, ids, NULL, runs, N);
  lq_stack_run(st, l, runs, N, at);
  memcpy(together, st->x, at * d * sizeof(float));
  for (uint32_t i = 0; i < N; i++) {
    lq_run one = {.n_rows = lengths[i], .n_kv = lengths[i]};
    lq_stack_embed(st, l, ids + runs[i].row0, NULL, &one, 1);
    lq_stack_run(st, l, &one, 1, lengths[i]);
    bool same = memcmp(st->x, together + runs[i].row0 * d, lengths[i] * d * sizeof(float)) == 0;
    CHECK_MSG(same, "%s: sequence %u of a batch differs", file, (unsigned)i);
  }
  opened_close(&o);
}

TEST(decode_batch_is_single_in_every_family) { CHECK(each_tiny_model(batch_is_single) >= 20); }

/* The encoder over three sources of unequal length in one call: each row as if it were alone, whatever its neighbours are. */
TEST(decode_ragged_batch_is_single) {
  opened o;
  enum { N = 3 };
  static const uint32_t lengths[N] = {4, 11, 1};
  if (!opened_with(&o, T5, NULL, &(lq_session_params){.n_seq = N, .n_src = 32})) return;
  size_t d = o.m->weights.hp.d_model;
  float together[16 * 64], alone[16 * 64];
  lq_run runs[N];
  uint32_t at = 0;
  CHECK(d <= 64);
  for (uint32_t i = 0; i < N; at += lengths[i++]) {
    runs[i] = (lq_run){.row0 = at, .n_rows = lengths[i], .seq = i, .n_kv = lengths[i]};
    for (uint32_t k = 0; k < lengths[i]; k++) o.s->row_ids[at + k] = prompt[(k + i) % N_PROMPT];
  }
  CHECK(lq_run_encoder(o.s, runs, N, at) == LQ_OK);
  memcpy(together, o.s->stack.x, at * d * sizeof(float));
  for (uint32_t i = 0; i < N; i++) {
    int32_t ids[16];
    for (uint32_t k = 0; k < lengths[i]; k++) ids[k] = prompt[(k + i) % N_PROMPT];
    CHECK(lq_encode(o.s, ids, lengths[i], alone, NULL) == LQ_OK);
    CHECK(memcmp(alone, together + runs[i].row0 * d, lengths[i] * d * sizeof(float)) == 0);
  }
  opened_close(&o);
}

static const char sentences[] = "a b.  A ba.\n\nb. c. Ab a b a c? a! \xff b.\n d a b";

TEST(decode_translates_the_same_however_many_at_once) {
  static const char *const how[] = {"{}", "{\"do_sample\":true,\"seed\":9,\"temperature\":3.0}"};
  for (size_t k = 0; k < 2; k++) {
    run one = {0}, many;
    for (uint32_t n_seq = 1; n_seq <= 9; n_seq += n_seq == 1 ? 3 : 5) {
      opened o;
      if (!opened_with(&o, PAIR, NULL, &(lq_session_params){.n_seq = n_seq, .n_src = 24, .n_ctx = 24})) return;
      lq_options *opt = options(o.m, how[k]);
      finish(o.s, lq_translate(o.s, sentences, sizeof sentences - 1, "fr", "en", opt, NULL), &many);
      lq_options_free(opt);
      CHECK(many.status == LQ_DONE && many.n > 9 && many.whole);
      if (n_seq == 1) one = many;
      CHECK_MSG(memcmp(&one, &many, sizeof one) == 0, "%u sentences at once, options %zu: \"%s\", alone \"%s\"", (unsigned)n_seq, k, many.text,
                one.text);
      opened_close(&o);
    }
  }
}

TEST(decode_translation_keeps_white_space_and_counts) {
  opened o;
  run r;
  lq_piece p;
  lq_error e;
  uint32_t last = 0, of = 0;
  if (!opened_with(&o, PAIR, NULL, &(lq_session_params){.n_seq = 2, .n_src = 4})) return; /* tag, one letter with its space, end */
  finish(o.s, lq_translate(o.s, " \n a\r\n\tb", 8, NULL, "fr", NULL, &e), &r);
  CHECK(strncmp(r.text, " \n ", 3) == 0 && strstr(r.text, "\r\n\t"));
  finish(o.s, lq_translate(o.s, sentences, sizeof sentences - 1, "en", "EN-gb", NULL, &e), &r); /* the same language: a copy, but for broken UTF-8 */
  CHECK(r.n == 0 && strncmp(r.text, sentences, 30) == 0 && strstr(r.text, "\xEF\xBF\xBD"));
  static char words[600]; /* one sentence far beyond the source limit of 4 ids, first of characters of two bytes */
  for (size_t i = 0; i + 1 < sizeof words; i++) words[i] = i < 100 ? "é"[i % 2] : i % 3 == 2 ? ' ' : 'b';
  CHECK(lq_translate(o.s, words, sizeof words - 1, "fr", "en", NULL, &e) == LQ_OK);
  while (lq_next(o.s, &p, &e) == LQ_OK) last = p.sentence, of = p.n_sentences;
  CHECK_MSG(last + 1 == of && of > 100, "sentence %u of %u", (unsigned)last, (unsigned)of);
  CHECK(lq_translate(o.s, "a", 1, "fr", "xx", NULL, &e) == LQ_E_LANGUAGE);
  CHECK_HAS(e.msg, "en, fr");
  CHECK(lq_translate(o.s, "a", 1, "fr", NULL, NULL, &e) == LQ_E_LANGUAGE);
  CHECK(lq_translate(o.s, "", 0, "fr", "en", NULL, &e) == LQ_E_ARG);
  CHECK(lq_next(o.s, &p, &e) == LQ_DONE); /* idle after a refusal */
  opened_close(&o);
  if (!opened_with(&o, PAIR, NULL, &(lq_session_params){.n_src = 1})) return;
  CHECK(lq_translate(o.s, "a b", 3, "fr", "en", NULL, &e) == LQ_OK && lq_next(o.s, &p, &e) == LQ_E_CONTEXT);
  opened_close(&o);
}

/* ---- options at work ---- */

TEST(decode_stops_at_strings) {
  static const struct { const char *options, *text; enum lq_finish finish; } cases[] = {
      {"{\"stop_strings\":[\"€!\"]}", "Hi é", LQ_FINISH_STOP},                      /* begins and ends inside several tokens */
      {"{\"stop_strings\":[\"cde\",\"bcd\"]}", "Hi é€!a", LQ_FINISH_STOP},          /* overlapping: the first to begin */
      {"{\"stop_strings\":[\"abcx\",\"bcy\",\"def\"]}", "Hi é€!abc", LQ_FINISH_STOP}, /* after two that only began */
      {"{\"stop_strings\":[\"H\"]}", "", LQ_FINISH_STOP},
      {"{\"stop_strings\":[\"é\"]}", "Hi ", LQ_FINISH_STOP},
      {"{\"stop_strings\":[\"gh!\",\"h<\"]}", "Hi é€!abcdefgh", LQ_FINISH_EOS},     /* held back, then handed out */
      {"{\"stop_strings\":\"<|im_end|>\"}", "Hi é€!abcdefgh", LQ_FINISH_EOS},       /* special tokens are no text */
      {"{\"max_new_tokens\":1}", "H", LQ_FINISH_LENGTH},
      {"{\"max_new_tokens\":4}", "Hi \xEF\xBF\xBD", LQ_FINISH_LENGTH},              /* cut inside a character */
      {"{\"max_new_tokens\":3,\"stop_strings\":[\" x\"]}", "Hi ", LQ_FINISH_LENGTH},
      {"{\"min_new_tokens\":5}", "Hi é€!abcdefgh", LQ_FINISH_EOS},
      {"{\"eos_token_id\":[76]}", "Hi é€!abcdefgh", LQ_FINISH_LENGTH},              /* named by the caller: the model's own do not count */
      {"{\"eos_token_id\":[36]}", "Hi é€", LQ_FINISH_EOS}};                         /* '!' */
  opened o;
  run r;
  if (!opened_with(&o, CHAT, NULL, NULL)) return;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char json[128];
    snprintf(json, sizeof json, "%s%.*s}", "", (int)strlen(cases[i].options) - 1, cases[i].options);
    bool bounded = strstr(json, "[76]") != NULL;
    if (bounded) strcpy(json, "{\"eos_token_id\":[76],\"max_new_tokens\":19}");
    say(o.s, "[{\"role\":\"user\",\"content\":\"x\"}]", json, &r);
    size_t n = strlen(cases[i].text);
    CHECK_MSG(r.finish == cases[i].finish && r.n_text >= n && memcmp(r.text, cases[i].text, n) == 0 && (bounded || r.n_text == n) && r.whole,
              "%s: \"%s\", finish %d", cases[i].options, r.text, (int)r.finish);
  }
  opened_close(&o);
}

/* After a while no step allocates any more, and the text is still that of all ids. */
TEST(decode_a_long_answer_needs_no_more_memory) {
  enum { N = 13000 };
  opened o;
  lq_piece p;
  lq_error e;
  lq_buf all = {0}, want = {0};
  int32_t *ids = calloc(N, sizeof *ids);
  size_t n = 0, late = 0;
  if (!ids || !opened_with(&o, CHAT, NULL, &(lq_session_params){.n_ctx = N + 8})) return;
  lq_options *opt = options(o.m,
                            "{\"do_sample\":true,\"temperature\":50,\"top_k\":0,\"eos_token_id\":[],\"max_new_tokens\":12000,"
                             "\"stop_strings\":[\"\\u0001never\"]}");
  CHECK(lq_generate(o.s, "a", 1, opt, &e) == LQ_OK);
  while (lq_next(o.s, &p, &e) == LQ_OK) {
    if (p.token_id >= 0) ids[n++] = p.token_id;
    lq_buf_add(&all, p.text, p.n_text);
    if (n == 9000) late = o.s->slots[0].text.cap;
  }
  CHECK(n == 12000 && late > 0 && o.s->slots[0].text.cap == late && late <= 16384);
  CHECK(lq_detokenize(o.m, ids, n, 0, &want, &e) == LQ_OK);
  CHECK_MSG(all.n == want.n && memcmp(all.p, want.p, all.n) == 0, "%zu bytes, %zu wanted", all.n, want.n);
  lq_options_free(opt);
  lq_buf_free(&all);
  lq_buf_free(&want);
  free(ids);
  opened_close(&o);
}

TEST(decode_min_new_tokens_holds_the_end_back) {
  opened o;
  run r;
  if (!opened_with(&o, CHAT, NULL, NULL)) return;
  say(o.s, "[{\"role\":\"user\",\"content\":\"x\"}]", "{\"min_new_tokens\":25,\"max_new_tokens\":40}", &r);
  CHECK(r.n >= 25);
  run at, above; /* the answer has 17 tokens, the end is the 18th */
  say(o.s, "[{\"role\":\"user\",\"content\":\"x\"}]", "{\"min_new_tokens\":17,\"max_new_tokens\":40}", &at);
  say(o.s, "[{\"role\":\"user\",\"content\":\"x\"}]", "{\"min_new_tokens\":18,\"max_new_tokens\":40}", &above);
  CHECK(at.n == 18 && at.ids[17] == 2 && above.n > 18 && above.ids[17] != 2);
  for (size_t i = 0; i < 25; i++) CHECK(r.ids[i] != 2 && r.ids[i] != 0);
  opened_close(&o);
}

/* The penalty looks at the prompt of a decoder-only model, but only at the decoder's ids of an encoder-decoder, as in generate(). */
TEST(decode_repetition_penalty_looks_where_generate_does) {
  static const char *const files[] = {LLAMA, QWEN, T5};
  for (size_t f = 0; f < 3; f++) {
    opened o;
    run r;
    lq_gen g;
    if (!opened_with(&o, files[f], NULL, NULL)) return;
    bool pair = o.m->weights.arch->family == LQ_ENCODER_DECODER;
    uint32_t vocab = lq_model_vocab(o.m);
    rows k = {.x = calloc(12 * (size_t)vocab, sizeof(float)), .cap = 12};
    uint8_t *seen = calloc(vocab, 1);
    int32_t history[64];
    size_t n = pair ? 1 : N_PROMPT;
    CHECK(k.x && seen);
    lq_session_probe(o.s, keep_logits, &k);
    from_ids(o.s, prompt, N_PROMPT, "{\"max_new_tokens\":12,\"eos_token_id\":[],\"repetition_penalty\":1.8}", &r);
    if (pair) history[0] = o.m->weights.hp.decoder_start;
    else memcpy(history, prompt, sizeof prompt);
    lq_gen_init(&g);
    g.repetition_penalty = 1.8f;
    for (size_t i = 0; i < r.n; i++) {
      float *x = k.x + i * vocab;
      uint32_t best = 0;
      for (size_t h = 0; h < n; h++) { /* each id once */
        if (seen[history[h]]++) continue;
        x[history[h]] = x[history[h]] < 0 ? x[history[h]] * 1.8f : x[history[h]] / 1.8f;
      }
      memset(seen, 0, vocab);
      for (uint32_t v = 1; v < vocab; v++) best = x[v] > x[best] ? v : best;
      CHECK_MSG((int32_t)best == r.ids[i], "%s, token %zu", files[f], i);
      history[n++] = r.ids[i];
    }
    free(k.x);
    free(seen);
    opened_close(&o);
  }
}

TEST(decode_a_seed_gives_the_same_ids_everywhere) {
  static const char *const files[] = {LLAMA, QWEN, T5};
  /* recorded from the native build: the same in wasm */
  static const int32_t recorded[3][10] = {{409, 21, 232, 454, 254, 123, 236, 444, 337, 304},
                                          {302, 8, 84, 397, 187, 31, 241, 425, 9, 187},
                                          {409, 13, 267, 568, 240, 97, 271, 551, 463, 336}};
  const lq_kernels *tables[8];
  size_t n = lq_kernels_list(tables, 8);
  for (size_t f = 0; f < 3; f++) {
    run first = {0}, r;
    for (size_t i = 0; i < 3 * n; i++) {
      opened o;
      lq_model_params mp = {.kernels = tables[i / 3]->name, .threads = 1 + (int)(i % 3)};
      if (!opened_with(&o, files[f], &mp, NULL)) return;
      from_ids(o.s, prompt, N_PROMPT,
               "{\"do_sample\":true,\"seed\":4242,\"max_new_tokens\":60,\"eos_token_id\":[],\"top_p\":0.95,\"temperature\":1.4}", &r);
      if (i == 0) first = r;
      CHECK_MSG(memcmp(r.ids, recorded[f], sizeof recorded[f]) == 0, "%s: %s gives other ids than those recorded", files[f], mp.kernels);
      CHECK_MSG(r.n == 60 && memcmp(r.ids, first.ids, sizeof r.ids) == 0, "%s: %s with %d threads", files[f], mp.kernels, mp.threads);
      from_ids(o.s, prompt, N_PROMPT,
               "{\"do_sample\":true,\"seed\":4243,\"max_new_tokens\":60,\"eos_token_id\":[],\"top_p\":0.95,\"temperature\":1.4}", &r);
      CHECK(memcmp(r.ids, first.ids, sizeof r.ids) != 0);
      opened_close(&o);
    }
  }
}

/* ---- limits, cancelling, beginning again ---- */

TEST(decode_cancels_between_prompt_slices) {
  opened o;
  run whole, r;
  lq_piece p;
  if (!opened_with(&o, LLAMA, NULL, &(lq_session_params){.n_batch = 4})) return;
  from_ids(o.s, prompt, N_PROMPT, FREE, &whole);
  CHECK(whole.n_pieces == 2 + 12); /* two slices of 4 without a token */
  for (size_t cut = 1; cut < 6; cut++) {
    CHECK(lq_generate_ids(o.s, prompt, N_PROMPT, NULL, NULL) == LQ_OK);
    for (size_t i = 0; i < cut; i++) {
      CHECK(lq_next(o.s, &p, NULL) == LQ_OK);
      if (i < 2) CHECK(p.token_id == -1 && p.prompt_done == 4 * (i + 1) && p.prompt_total == N_PROMPT);
    }
    lq_end(o.s);
    CHECK(lq_next(o.s, &p, NULL) == LQ_DONE);
    from_ids(o.s, prompt, N_PROMPT, FREE, &r);
    CHECK(memcmp(&r, &whole, sizeof r) == 0);
  }
  opened_close(&o);
}

TEST(decode_says_what_does_not_fit) {
  opened o;
  run r;
  lq_error e;
  int32_t long_[64] = {0};
  if (!opened_with(&o, LLAMA, NULL, &(lq_session_params){.n_ctx = 16})) return;
  CHECK(lq_generate_ids(o.s, long_, 16, NULL, &e) == LQ_E_CONTEXT);
  CHECK_HAS(e.msg, "16");
  CHECK(lq_generate_ids(o.s, long_, 0, NULL, &e) == LQ_E_ARG);
  CHECK(lq_generate_ids(o.s, (int32_t[]){-1}, 1, NULL, &e) == LQ_E_RANGE);
  CHECK(lq_generate_ids(o.s, (int32_t[]){(int32_t)lq_model_vocab(o.m)}, 1, NULL, &e) == LQ_E_RANGE);
  CHECK(lq_generate(o.s, "a", 1, NULL, &e) == LQ_E_UNSUPPORTED);
  CHECK(lq_encode(o.s, long_, 1, NULL, &e) == LQ_E_TASK);
  CHECK(lq_translate(o.s, "a", 1, "fr", "en", NULL, &e) == LQ_E_TASK);
  CHECK(lq_logits(o.s, long_, 1, long_, 1, NULL, NULL, &e) == LQ_E_TASK);
  from_ids(o.s, long_, 15, "{\"eos_token_id\":[]}", &r);
  CHECK(r.n == 1 && r.finish == LQ_FINISH_CONTEXT);
  from_ids(o.s, long_, 5, "{\"eos_token_id\":[]}", &r);
  CHECK(r.n == 11 && r.finish == LQ_FINISH_CONTEXT);
  opened_close(&o);
  if (!opened_with(&o, T5, NULL, &(lq_session_params){.n_ctx = 1, .n_src = 8})) return;
  CHECK(lq_generate_ids(o.s, prompt, 3, NULL, &e) == LQ_E_CONTEXT);
  CHECK(lq_generate_ids(o.s, prompt, 9, NULL, &e) == LQ_E_CONTEXT);
  CHECK_HAS(e.msg, "8");
  CHECK(lq_chat(o.s, "[]", 2, NULL, &e) == LQ_E_TASK);
  CHECK(lq_score(o.s, prompt, 3, 1, NULL, &e) == LQ_E_TASK);
  opened_close(&o);
}

TEST(decode_chat_fills_its_context) {
  opened o;
  run r;
  lq_error e;
  static const char small[] = "[{\"role\":\"user\",\"content\":\"x\"}]";
  static const char large[] = "[{\"role\":\"user\",\"content\":\"0123456789012345678901234567890123456789\"}]";
  if (!opened_with(&o, CHAT, NULL, &(lq_session_params){.n_ctx = 34, .n_batch = 3})) return;
  say(o.s, small, "{}", &r);
  CHECK(r.finish == LQ_FINISH_CONTEXT && r.n > 3 && strncmp(r.text, "Hi", 2) == 0);
  CHECK(lq_chat(o.s, large, sizeof large - 1, NULL, &e) == LQ_E_CONTEXT);
  CHECK(lq_chat(o.s, "[{", 2, NULL, &e) == LQ_E_ARG);
  CHECK(lq_chat(o.s, "[]", 2, NULL, &e) == LQ_E_ARG);
  run again;
  say(o.s, small, "{}", &again);
  CHECK(r.n == again.n && memcmp(r.ids, again.ids, sizeof r.ids) == 0 && again.finish == LQ_FINISH_CONTEXT);
  opened_close(&o);
}

TEST(decode_scores_that_are_not_numbers_end_it) {
  static const char *const files[] = {"fuzz/corpus/model/weights_nan", "fuzz/corpus/model/weights_huge"};
  for (size_t i = 0; i < 2; i++) {
    opened o;
    lq_piece p;
    lq_error e;
    if (!opened_with(&o, files[i], NULL, NULL)) return;
    for (int k = 0; k < 2; k++) {
      CHECK(lq_generate_ids(o.s, (int32_t[]){1, 2}, 2, NULL, &e) == LQ_OK);
      CHECK(lq_next(o.s, &p, &e) == LQ_E_FORMAT);
      CHECK_HAS(e.msg, "not numbers");
      CHECK(lq_next(o.s, &p, &e) == LQ_DONE);
    }
    opened_close(&o);
  }
}
