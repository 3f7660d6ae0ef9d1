/* Beam search: hypotheses and scores as transformers gave them (tests/parity/make_beams.py), and what must hold whatever the model. */
#include "model_open.h"

#include <math.h>

#include "base/json.h"
#include "base/utf8.h"
#include "nn/logsum.h"

enum { MOST = 64, MOST_HYP = 16 };

typedef struct hyp {
  int32_t ids[MOST];
  float logprobs[MOST];
  size_t n;
  float score;
  enum lq_finish finish;
} hyp;

typedef struct run {
  hyp hyp[MOST_HYP];
  size_t n, n_waiting; /* hypotheses; pieces before the first token */
  char text[1024];     /* of the best, with what stands between sentences */
  size_t n_text;
  lq_status status;
  lq_error error;
} run;

static void finish(lq_session *s, lq_status begun, run *r) {
  lq_piece p;
  r->status = begun;
  while (r->status == LQ_OK && (r->status = lq_next(s, &p, &r->error)) == LQ_OK) {
    hyp *h = &r->hyp[p.hypothesis < MOST_HYP ? p.hypothesis : 0];
    if (p.token_id >= 0 && h->n < MOST) h->logprobs[h->n] = p.logprob, h->ids[h->n++] = p.token_id, h->score = p.score;
    if (p.token_id < 0 && r->n == 0 && h->n == 0) r->n_waiting++;
    if (p.finish != LQ_FINISH_NONE) h->finish = p.finish, r->n++;
    if (!lq_utf8_valid(p.text, p.n_text)) lq_test_fail(__FILE__, __LINE__, "a piece is not whole characters");
    if (p.hypothesis == 0 && r->n_text + p.n_text < sizeof r->text) memcpy(r->text + r->n_text, p.text, p.n_text), r->n_text += p.n_text;
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
  memset(r, 0, sizeof *r);
  finish(s, lq_generate_ids(s, ids, n, o, &r->error), r);
  lq_options_free(o);
}

static void translate(lq_session *s, const char *text, const char *json, run *r) {
  lq_options *o = options(s->model, json);
  memset(r, 0, sizeof *r);
  finish(s, lq_translate(s, text, strlen(text), "fr", "en", o, &r->error), r);
  lq_options_free(o);
}

static const int32_t prompt[] = {5, 17, 2, 90, 41, 33, 7, 7, 60, 12, 3};
enum { N_PROMPT = sizeof prompt / sizeof prompt[0] };
static const lq_session_params eight = {.n_beams = 8, .n_ctx = 64};
static const char *const files[] = {LLAMA, QWEN, T5};

/* ---- as transformers ---- */

static lq_json *read_json(const char *name, lq_arena *a) {
  opened o;
  lq_json *j = NULL;
  opened_read(&o, name);
  if (!o.bytes || lq_json_parse((lq_str){o.bytes, (size_t)o.n}, a, &j, NULL) != LQ_OK) j = NULL;
  free(o.bytes);
  return j;
}

/* Says whether a case gives what was recorded. */
static bool as_recorded(lq_session *s, const lq_json *c, size_t number) {
  int32_t ids[MOST];
  run r;
  lq_buf json = {0};
  const lq_json *from = lq_json_get(c, "prompt"), *want = lq_json_get(c, "sequences");
  for (size_t i = 0; i < from->n; i++) ids[i] = (int32_t)from->items[i].num;
  lq_json_write(lq_json_get(c, "options"), &json);
  from_ids(s, ids, from->n, json.p, &r);
  bool same = r.status == LQ_DONE && r.n == want->n;
  if (!same) lq_test_fail(__FILE__, __LINE__, "case %zu %s: %zu hypotheses, %zu recorded: %s", number, json.p, r.n, want->n, r.error.msg);
  for (size_t k = 0; same && k < r.n; k++) {
    const lq_json *w = lq_json_get(&want->items[k], "ids"), *score = lq_json_get(&want->items[k], "score");
    same = r.hyp[k].n == w->n;
    for (size_t i = 0; same && i < w->n; i++) same = r.hyp[k].ids[i] == (int32_t)w->items[i].num;
    if (!same) lq_test_fail(__FILE__, __LINE__, "case %zu %s: hypothesis %zu has other ids", number, json.p, k);
    if (same && score && !(fabs((double)r.hyp[k].score - score->num) <= 1e-4 + 1e-6 * fabs(score->num))) {
      lq_test_fail(__FILE__, __LINE__, "case %zu %s: hypothesis %zu scores %g, recorded %g", number, json.p, k, (double)r.hyp[k].score, score->num);
      same = false;
    }
  }
  lq_buf_free(&json);
  return same;
}

TEST(beam_gives_what_transformers_gives) {
  static const char *const names[] = {"llama-gqa", "qwen2", "t5-v1_1", "t5-v1_0"};
  lq_arena a;
  lq_arena_growing(&a, 1 << 20);
  const lq_json *cases = read_json("data/beams.json", &a);
  size_t tried = 0, wrong = 0;
  for (size_t m = 0; cases && m < 4; m++) {
    char file[64];
    opened o;
    snprintf(file, sizeof file, "../models/tiny/%s.gguf", names[m]);
    if (!opened_with(&o, file, NULL, &eight)) break;
    for (size_t i = 0; i < cases->n && wrong < 5; i++) {
      if (!lq_str_eqz(lq_json_get(&cases->items[i], "model")->str, names[m])) continue;
      tried++;
      wrong += !as_recorded(o.s, &cases->items[i], i);
    }
    opened_close(&o);
  }
  bool all = cases && tried == cases->n && tried > 300;
  lq_arena_free(&a);
  CHECK(all);
}

/* ---- what holds for every model ---- */

TEST(beam_of_one_is_greedy) {
  for (size_t f = 0; f < 3; f++) {
    opened one, many;
    run a, b;
    if (!opened_with(&one, files[f], NULL, &(lq_session_params){.n_ctx = 64}) || !opened_with(&many, files[f], NULL, &eight)) return;
    from_ids(many.s, prompt, N_PROMPT, "{\"num_beams\":4,\"max_new_tokens\":9}", &a); /* leaves nothing behind */
    from_ids(one.s, prompt, N_PROMPT, "{\"max_new_tokens\":30}", &a);
    from_ids(many.s, prompt, N_PROMPT, "{\"max_new_tokens\":30,\"num_beams\":1,\"length_penalty\":3,\"early_stopping\":\"never\"}", &b);
    CHECK(a.n == 1 && memcmp(&a, &b, sizeof a) == 0 && a.hyp[0].score == 0);
    opened_close(&one);
    opened_close(&many);
  }
}

/* Over many prompts: the best of the beams is never less likely than the greedy text; scores are those of the tokens handed out; they fall. */
TEST(beam_scores_are_sums_and_beat_greedy) {
  uint32_t seed = 1;
  for (size_t f = 0; f < 3; f++) {
    opened o;
    run greedy, beams;
    if (!opened_with(&o, files[f], NULL, &eight)) return;
    for (int i = 0; i < 40; i++) {
      int32_t ids[8];
      double sum = 0;
      for (size_t k = 0; k < 8; k++) ids[k] = (int32_t)((seed = seed * 1664525u + 1013904223u) >> 8) % 480 + 10;
      from_ids(o.s, ids, 8, "{\"max_new_tokens\":8,\"eos_token_id\":[]}", &greedy);
      from_ids(o.s, ids, 8, "{\"max_new_tokens\":8,\"eos_token_id\":[],\"num_beams\":8,\"num_return_sequences\":8,\"length_penalty\":0.5}", &beams);
      for (size_t k = 0; k < 8; k++) sum += (double)greedy.hyp[0].logprobs[k];
      CHECK_MSG(beams.n == 8 && (double)beams.hyp[0].score * sqrt(8.0) >= sum - 1e-4, "%s %d: %g, greedy %g", files[f], i,
                (double)beams.hyp[0].score * sqrt(8.0), sum);
      for (size_t h = 0; h < 8; h++) {
        sum = 0;
        for (size_t k = 0; k < beams.hyp[h].n; k++) sum += (double)beams.hyp[h].logprobs[k];
        CHECK_MSG(fabs(sum / sqrt(8.0) - (double)beams.hyp[h].score) < 1e-4, "%s: hypothesis %zu", files[f], h);
        CHECK(h == 0 || beams.hyp[h].score <= beams.hyp[h - 1].score);
        CHECK(beams.hyp[h].finish == LQ_FINISH_LENGTH);
      }
    }
    opened_close(&o);
  }
}

/* What a hypothesis read from other sequences' caches is, bit for bit, what a run of its own ids gives. */
TEST(beam_cached_is_uncached) {
  const lq_kernels *tables[8];
  size_t n = lq_kernels_list(tables, 8);
  for (size_t i = 0; i < 3 * n; i++) {
    opened o;
    run r;
    if (!opened_with(&o, files[i % 3], &(lq_model_params){.kernels = tables[i / 3]->name}, &eight)) return;
    bool pair = o.m->weights.arch->family == LQ_ENCODER_DECODER;
    uint32_t vocab = lq_model_vocab(o.m), before = pair ? 1 : N_PROMPT;
    float *all = calloc(64 * (size_t)vocab, sizeof(float));
    lq_nn serial = {.k = o.m->nn.k};
    CHECK(all);
    from_ids(o.s, prompt, N_PROMPT,
             "{\"max_new_tokens\":30,\"eos_token_id\":[],\"num_beams\":7,\"num_return_sequences\":7,\"repetition_penalty\":1.5}", &r);
    CHECK(r.n == 7);
    for (size_t h = 0; h < r.n; h++) {
      int32_t ids[64];
      double sum = 0;
      bool same = true;
      if (pair) ids[0] = o.m->weights.hp.decoder_start;
      else memcpy(ids, prompt, sizeof prompt);
      memcpy(ids + before, r.hyp[h].ids, r.hyp[h].n * sizeof *ids);
      size_t end = before + r.hyp[h].n;
      CHECK(lq_logits(o.s, pair ? prompt : ids, pair ? N_PROMPT : end, pair ? ids : NULL, end, NULL, all, NULL) == LQ_OK);
      for (size_t k = 0; k < r.hyp[h].n; k++) {
        const float *row = all + (before - 1 + k) * vocab;
        lq_log_sums(&serial, &sum, row, 1, vocab);
        same = same && (float)((double)row[r.hyp[h].ids[k]] - sum) == r.hyp[h].logprobs[k];
      }
      CHECK_MSG(same, "%s, %s: hypothesis %zu", files[i % 3], tables[i / 3]->name, h);
    }
    free(all);
    opened_close(&o);
  }
}

TEST(beam_does_not_depend_on_threads_or_neighbours) {
  static const char text[] = "a b.  A ba.\n\nb. c. Ab a b a c? a! b.\n d a b";
  static const char json[] = "{\"num_beams\":4,\"max_new_tokens\":14,\"no_repeat_ngram_size\":3,\"encoder_no_repeat_ngram_size\":4}";
  static run one, many;
  for (uint32_t n_seq = 1; n_seq <= 9; n_seq += 4)
    for (int threads = 1; threads <= 3; threads++) {
      opened o;
      lq_session_params sp = {.n_seq = n_seq, .n_src = 24, .n_ctx = 24, .n_beams = 5};
      if (!opened_with(&o, PAIR, &(lq_model_params){.threads = threads}, &sp)) return;
      translate(o.s, text, json, &many);
      CHECK(many.status == LQ_DONE && many.n == 5);
      many.n_waiting = 0; /* more sentences at once take fewer steps */
      if (n_seq == 1 && threads == 1) one = many;
      CHECK_MSG(memcmp(&one, &many, sizeof one) == 0, "%u sentences at once, %d threads: \"%s\", alone \"%s\"", (unsigned)n_seq, threads, many.text,
                one.text);
      opened_close(&o);
    }
}

TEST(beam_reads_one_source_once_and_one_row_a_beam) {
  opened o;
  run r;
  lq_counters c;
  if (!opened_with(&o, T5, NULL, &eight)) return;
  from_ids(o.s, prompt, N_PROMPT, "{\"max_new_tokens\":10,\"eos_token_id\":[],\"num_beams\":6}", &r);
  lq_session_counters(o.s, &c);
  CHECK(c.encoder_runs == 1 && c.encoder_tokens == N_PROMPT && c.cross_fills == o.m->weights.hp.n_dec);
  CHECK(c.prompt_tokens == 1 && c.decoder_rows == 1 + 6 * 9 && c.generated_tokens == 10);
  CHECK(r.n_waiting == 9); /* every step but the last waits */
  opened_close(&o);
  if (!opened_with(&o, LLAMA, NULL, &eight)) return;
  from_ids(o.s, prompt, N_PROMPT, "{\"max_new_tokens\":10,\"eos_token_id\":[],\"num_beams\":6}", &r);
  lq_session_counters(o.s, &c);
  CHECK(c.prompt_tokens == N_PROMPT && c.decoder_rows == N_PROMPT + 6 * 9);
  opened_close(&o);
}

/* The keys and values of a position are written once, where they stay: beams change places, the cache does not. */
TEST(beam_copies_no_keys) {
  opened o;
  lq_piece p;
  if (!opened_with(&o, LLAMA, NULL, &(lq_session_params){.n_beams = 4, .n_ctx = 32})) return;
  lq_options *opt = options(o.m, "{\"max_new_tokens\":16,\"eos_token_id\":[],\"num_beams\":4}");
  const lq_kv *kv = &o.s->stack.self;
  size_t n = (size_t)kv->n_layer * kv->n_seq * kv->n_head * kv->n_pos * kv->d_head, changed_places = 0;
  float *before = calloc(n, sizeof *before);
  CHECK(before && lq_generate_ids(o.s, prompt, N_PROMPT, opt, NULL) == LQ_OK);
  for (uint32_t step = 0; lq_next(o.s, &p, NULL) == LQ_OK && p.token_id < 0; step++) {
    uint32_t newest = step ? N_PROMPT + step - 1 : 0, oldest = step ? newest : 0, last = step ? newest : N_PROMPT - 1;
    size_t d = kv->d_head, rows = n / d;
    for (size_t i = 0; i < rows; i++) {
      uint32_t pos = (uint32_t)(i % kv->n_pos);
      if (pos >= oldest && pos <= last) continue;
      CHECK_MSG(memcmp(before + i * d, kv->k + i * d, d * sizeof(float)) == 0, "step %u wrote position %u", (unsigned)step, (unsigned)pos);
    }
    memcpy(before, kv->k, n * sizeof *before);
    const lq_beams *b = &o.s->slots[0].beams;
    for (uint32_t k = 0; k < b->n_open; k++) changed_places += step && b->open[k].home[newest] != k;
  }
  CHECK(changed_places > 5);
  free(before);
  lq_options_free(opt);
  opened_close(&o);
}

/* ---- handing out ---- */

TEST(beam_hypotheses_come_in_order) {
  opened o;
  lq_piece p;
  lq_error e;
  uint32_t at = 0, sentence = 0, ends = 0;
  if (!opened_with(&o, PAIR, NULL, &(lq_session_params){.n_seq = 2, .n_src = 24, .n_ctx = 24, .n_beams = 3})) return;
  lq_options *opt = options(o.m, "{\"num_beams\":3,\"num_return_sequences\":3,\"max_new_tokens\":6}");
  CHECK(lq_translate(o.s, "a b.\nb a.\na.", 12, "fr", "en", opt, &e) == LQ_OK);
  while (lq_next(o.s, &p, &e) == LQ_OK) {
    CHECK(p.sentence >= sentence && p.n_sentences == 3 && p.hypothesis < 3);
    if (p.sentence > sentence) at = 0;
    sentence = p.sentence;
    if (p.token_id < 0) continue;
    CHECK(p.hypothesis == at && p.score < 0);
    at += p.finish != LQ_FINISH_NONE;
    ends += p.finish != LQ_FINISH_NONE;
  }
  CHECK(ends == 9 && sentence == 2);
  lq_options_free(opt);
  opened_close(&o);
}

TEST(beam_chat_keeps_its_prompt) {
  static const char one[] = "[{\"role\":\"user\",\"content\":\"hello\"}]";
  opened o;
  run r, greedy;
  lq_counters a, b;
  if (!opened_with(&o, CHAT, NULL, &(lq_session_params){.n_beams = 4})) return;
  lq_options *opt = options(o.m, "{\"num_beams\":4,\"max_new_tokens\":30}");
  for (int i = 0; i < 2; i++) {
    memset(&r, 0, sizeof r);
    lq_session_counters(o.s, &a);
    finish(o.s, lq_chat(o.s, one, sizeof one - 1, opt, &r.error), &r);
    CHECK_STR(r.text, "Hi é€!abcdefgh");
  }
  lq_session_counters(o.s, &b);
  CHECK(b.prompt_tokens - a.prompt_tokens == 1); /* the second time all but the last token was there */
  memset(&greedy, 0, sizeof greedy);
  finish(o.s, lq_chat(o.s, one, sizeof one - 1, NULL, NULL), &greedy);
  CHECK_STR(greedy.text, "Hi é€!abcdefgh");
  lq_options_free(opt);
  opened_close(&o);
}

TEST(beam_can_be_cancelled_at_every_step) {
  opened o;
  run whole, r;
  lq_piece p;
  static const char json[] = "{\"num_beams\":4,\"max_new_tokens\":12,\"num_return_sequences\":2}";
  if (!opened_with(&o, LLAMA, NULL, &(lq_session_params){.n_beams = 4, .n_batch = 4})) return;
  from_ids(o.s, prompt, N_PROMPT, json, &whole);
  CHECK(whole.n == 2 && whole.n_waiting >= 2);
  lq_options *opt = options(o.m, json);
  for (size_t cut = 0; cut < 40; cut += 3) {
    CHECK(lq_generate_ids(o.s, prompt, N_PROMPT, opt, NULL) == LQ_OK);
    for (size_t i = 0; i < cut; i++) lq_next(o.s, &p, NULL);
    lq_end(o.s);
    CHECK(lq_next(o.s, &p, NULL) == LQ_DONE);
    from_ids(o.s, prompt, N_PROMPT, json, &r);
    CHECK(memcmp(&r, &whole, sizeof r) == 0);
  }
  lq_options_free(opt);
  opened_close(&o);
}

/* ---- refused ---- */

TEST(beam_refuses_what_does_not_fit) {
  static const struct { const char *json, *says; } cases[] = {
      {"{\"num_beams\":5}", "n_beams = 5"},
      {"{\"num_beams\":64}", "opened for 4"},
      {"{\"num_beams\":2,\"num_return_sequences\":3}", "num_return_sequences is 3"},
      {"{\"num_return_sequences\":2}", "num_return_sequences is 2"},
      {"{\"num_beams\":2,\"do_sample\":true}", "do_sample"},
      {"{\"num_beams\":2,\"stop_strings\":[\"a\"]}", "stop_strings"},
      {"{\"bad_words_ids\":[[1],[2,1000000]]}", "bad_words_ids holds the token id 1000000"},
      {"{\"forced_bos_token_id\":500}", "forced_bos_token_id holds the token id 500"},
      {"{\"forced_eos_token_id\":[1,600]}", "forced_eos_token_id"},
      {"{\"suppress_tokens\":[777]}", "suppress_tokens"},
      {"{\"begin_suppress_tokens\":[777]}", "begin_suppress_tokens"}};
  opened o;
  run r;
  lq_session *s;
  lq_error e;
  if (!opened_with(&o, LLAMA, NULL, &(lq_session_params){.n_beams = 4})) return;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    from_ids(o.s, prompt, N_PROMPT, cases[i].json, &r);
    CHECK_MSG(r.status == LQ_E_OPTION, "%s is taken", cases[i].json);
    CHECK_HAS(r.error.msg, cases[i].says);
  }
  from_ids(o.s, prompt, N_PROMPT, "{\"num_beams\":4,\"max_new_tokens\":2}", &r);
  CHECK(r.status == LQ_DONE && r.n == 1);
  CHECK(lq_session_open(o.m, &(lq_session_params){.n_beams = 65}, &s, &e) == LQ_E_ARG);
  CHECK_HAS(e.msg, "65 beams (n_beams) is asked for; the limit is 64");
  opened_close(&o);
}

/* Options that leave nothing say so, with beams and without. */
TEST(beam_with_nothing_left_says_so) {
  opened o;
  run r;
  lq_buf json = {0};
  if (!opened_with(&o, LLAMA, NULL, &(lq_session_params){.n_beams = 4})) return;
  for (int beams = 1; beams <= 4; beams += 3) {
    json.n = 0;
    lq_buf_printf(&json, "{\"num_beams\":%d,\"max_new_tokens\":4,\"eos_token_id\":[],\"bad_words_ids\":[", beams);
    for (uint32_t i = 0; i < lq_model_vocab(o.m); i++) lq_buf_printf(&json, "%s[%u]", i ? "," : "", (unsigned)i);
    lq_buf_addz(&json, "]}");
    from_ids(o.s, prompt, 3, json.p, &r);
    CHECK_MSG(r.status == LQ_E_OPTION, "%d beams: %d %s", beams, (int)r.status, r.error.msg);
    CHECK_HAS(r.error.msg, "leave none");
  }
  lq_buf_free(&json);
  opened_close(&o);
}
