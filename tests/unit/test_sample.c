/* Sampling against what transformers' own processors gave (tests/parity/make_sampling.py), and options by name. */
#include "test.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "decode/sample.h"
#include "lq.h"

enum { MOST = 2048 };

typedef struct bench {
  lq_arena arena;
  lq_json *root;
  float logits[MOST], work[MOST];
  uint32_t order[MOST];
  uint8_t seen[MOST];
} bench;

static bench *bench_open(void) {
  char path[512], *text;
  bench *b = calloc(1, sizeof *b);
  snprintf(path, sizeof path, "%s/data/sampling.json", lq_test_dir());
  FILE *f = fopen(path, "rb");
  if (!b || !f) {
    if (f) fclose(f);
    free(b);
    return NULL;
  }
  fseek(f, 0, SEEK_END);
  size_t n = (size_t)ftell(f);
  rewind(f);
  text = malloc(n);
  lq_arena_growing(&b->arena, 1 << 20);
  bool ok = text && fread(text, 1, n, f) == n && lq_json_parse((lq_str){text, n}, &b->arena, &b->root, NULL) == LQ_OK;
  fclose(f);
  free(text);
  if (!ok) b->root = NULL;
  return b;
}

static void bench_free(bench *b) {
  if (b) lq_arena_free(&b->arena);
  free(b);
}

static lq_sample_scratch scratch(bench *b) { return (lq_sample_scratch){b->work, b->order, b->seen}; }

/* One recorded case: scores into b->logits, options and history out. */
static uint32_t load(bench *b, const lq_json *c, lq_gen *g, int32_t ids[64], lq_history *h) {
  const lq_json *all = lq_json_get(b->root, "scores"), *eos = lq_json_get(b->root, "eos"), *o = lq_json_get(c, "options"), *hist = lq_json_get(c,
      "history");
  char name[32];
  lq_str s = lq_json_get(c, "scores")->str;
  snprintf(name, sizeof name, "%.*s", LQ_STR_ARG(s));
  const lq_json *scores = lq_json_get(all, name);
  for (size_t i = 0; i < scores->n; i++) b->logits[i] = scores->items[i].type == LQ_JSON_NULL ? -INFINITY : (float)scores->items[i].num;
  lq_gen_init(g);
  for (size_t i = 0; i < o->n; i++) {
    const lq_json *v = &o->items[i];
    lq_str word = v->type == LQ_JSON_NUMBER ? v->str : v->type == LQ_JSON_TRUE ? LQ_STR("true") : LQ_STR("false");
    lq_error err;
    if (lq_gen_set(g, v->key, word, &err) != LQ_OK) lq_test_fail(__FILE__, __LINE__, "%s", err.msg);
  }
  for (size_t i = 0; i < eos->n; i++) g->eos[g->n_eos++] = (int32_t)eos->items[i].num;
  for (size_t i = 0; i < hist->n; i++) ids[i] = (int32_t)hist->items[i].num;
  *h = (lq_history){.ids = ids, .n = hist->n, .n_new = (uint32_t)lq_json_get(c, "n_new")->num};
  return (uint32_t)scores->n;
}

static void describe(const lq_json *c, char *out, size_t n) {
  lq_buf b = {0};
  lq_json_write(c, &b);
  snprintf(out, n, "%.300s", b.p ? b.p : "");
  lq_buf_free(&b);
}

TEST(sample_processes_as_transformers) {
  bench *b = bench_open();
  if (!b || !b->root) {
    bench_free(b);
    CHECK(!"tests/data/sampling.json");
  }
  const lq_json *cases = lq_json_get(b->root, "cases");
  size_t wrong = 0;
  for (size_t i = 0; i < cases->n && wrong < 5; i++) {
    const lq_json *c = &cases->items[i], *kept = lq_json_get(c, "kept"), *values = lq_json_get(c, "values");
    lq_gen g;
    int32_t ids[64];
    lq_history h;
    uint32_t n = load(b, c, &g, ids, &h);
    lq_sample_process(&g, b->logits, n, h, scratch(b));
    size_t k = 0;
    bool same = true;
    for (uint32_t id = 0; id < n; id++) {
      if (!isfinite(b->logits[id])) continue;
      same = same && k < kept->n && (uint32_t)kept->items[k].num == id && b->logits[id] == (float)values->items[k].num;
      k++;
    }
    if (same && k == kept->n) continue;
    char text[320];
    describe(c, text, sizeof text);
    lq_test_fail(__FILE__, __LINE__, "case %zu: %zu tokens kept, %zu recorded, or other values: %s", i, k, kept->n, text);
    wrong++;
  }
  CHECK(cases->n > 500);
  bench_free(b);
}

/* Upper 1e-4 point of chi-square with k degrees of freedom (Wilson and Hilferty 1931). */
static double chi_limit(double k) {
  double a = 2.0 / (9.0 * k), x = 1.0 - a + 3.719 * sqrt(a);
  return k * x * x * x;
}

TEST(sample_draws_follow_the_distribution) {
  enum { DRAWS = 100000 };
  bench *b = bench_open();
  const lq_json *cases = b && b->root ? lq_json_get(b->root, "cases") : NULL;
  size_t tried = 0;
  float kept_logits[MOST];
  for (size_t i = 0; cases && i < cases->n && tried < 12; i += 7) {
    const lq_json *c = &cases->items[i], *kept = lq_json_get(c, "kept"), *p = lq_json_get(c, "p");
    lq_gen g;
    int32_t ids[64], id;
    lq_history h;
    lq_rng rng;
    lq_error err;
    uint32_t n = load(b, c, &g, ids, &h), counts[MOST] = {0};
    if (!g.do_sample || p->n < 3) continue;
    tried++;
    memcpy(kept_logits, b->logits, n * sizeof(float));
    lq_rng_seed(&rng, i);
    for (int d = 0; d < DRAWS; d++) {
      float logprob;
      memcpy(b->logits, kept_logits, n * sizeof(float));
      if (lq_sample(&g, lq_kernels_ref(), &rng, b->logits, n, h, scratch(b), &id, &logprob, &err) != LQ_OK) id = 0;
      counts[id]++;
    }
    double chi = 0, rest = 0, rest_seen = 0, cells = 0;
    uint32_t sum = 0;
    for (size_t k = 0; k < kept->n; k++) {
      double want = p->items[k].num * DRAWS, got = counts[(uint32_t)kept->items[k].num];
      sum += counts[(uint32_t)kept->items[k].num];
      if (want < 5) rest += want, rest_seen += got; /* too rare for a cell of its own */
      else chi += (got - want) * (got - want) / want, cells++;
    }
    if (rest >= 5) chi += (rest_seen - rest) * (rest_seen - rest) / rest, cells++;
    if (sum != DRAWS) lq_test_fail(__FILE__, __LINE__, "case %zu: a dropped token was drawn", i);
    if (cells > 1 && chi > chi_limit(cells - 1)) lq_test_fail(__FILE__, __LINE__, "case %zu: chi-square %.1f in %.0f cells", i, chi, cells);
  }
  bench_free(b);
  CHECK(tried == 12);
}

/* The generator's first numbers (also computed by an independent xoshiro256** seeded with splitmix64) and 16 draws: the same everywhere. */
TEST(sample_is_reproducible) {
  lq_rng r;
  lq_rng_seed(&r, 42);
  CHECK(lq_rng_next(&r) == 0x1.5780b2e0c2ec0p-4);
  CHECK(lq_rng_next(&r) == 0x1.84136619b444ep-2);
  CHECK(lq_rng_next(&r) == 0x1.5c2ea66473c93p-1);
  float logits[50], work[50];
  uint32_t order[50];
  uint8_t seen[50] = {0};
  int32_t drawn[16];
  static const int32_t want[16] = {31, 24, 31, 16, 35, 9, 4, 20, 44, 24, 47, 45, 44, 32, 32, 44};
  lq_gen g;
  lq_gen_init(&g);
  g.do_sample = true;
  lq_rng_seed(&r, 1);
  for (int k = 0; k < 16; k++) {
    float logprob;
    for (int i = 0; i < 50; i++) logits[i] = (float)((i * 37 + k) % 50) * 0.11f;
    CHECK(lq_sample(&g, lq_kernels_ref(), &r, logits, 50, (lq_history){0}, (lq_sample_scratch){work, order, seen}, &drawn[k], &logprob,
                    NULL) == LQ_OK);
  }
  CHECK(memcmp(drawn, want, sizeof want) == 0);
}

static int32_t sample_one(lq_gen *g, const float *scores, uint32_t n, lq_status *s) {
  float logits[16], work[16], logprob;
  uint32_t order[16];
  uint8_t seen[16] = {0};
  int32_t id = -1, history[2] = {1, 1};
  lq_rng r;
  lq_rng_seed(&r, 3);
  memcpy(logits, scores, n * sizeof(float));
  *s = lq_sample(g, lq_kernels_ref(), &r, logits, n, (lq_history){.ids = history, .n = 2},
                 (lq_sample_scratch){work, order, seen}, &id, &logprob, NULL);
  return id;
}

TEST(sample_survives_extremes) {
  static const float scores[] = {-5, -1, -3, -30}, nan_scores[] = {1, NAN, 2}, inf_scores[] = {1, INFINITY, 2}, none[] = {-INFINITY, -INFINITY};
  lq_status s;
  lq_gen g;
  lq_gen_init(&g);
  g.do_sample = true;
  g.temperature = 1e-40f; /* a subnormal: every quotient overflows */
  CHECK(sample_one(&g, scores, 4, &s) == 1 && s == LQ_OK);
  g.temperature = 1.0f;
  g.repetition_penalty = 1e-40f;
  CHECK(sample_one(&g, (const float[]){3, 2, 1, 0}, 4, &s) == 1 && s == LQ_OK); /* 2 / tiny is the largest float */
  g.repetition_penalty = 1.0f;
  sample_one(&g, nan_scores, 3, &s);
  CHECK(s == LQ_E_FORMAT);
  sample_one(&g, inf_scores, 3, &s);
  CHECK(s == LQ_E_FORMAT);
  sample_one(&g, none, 2, &s);
  CHECK(s == LQ_E_FORMAT);
  g.min_new_tokens = 1;
  g.n_eos = 2;
  g.eos[0] = 0;
  g.eos[1] = 1;
  sample_one(&g, scores, 2, &s);
  CHECK(s == LQ_E_OPTION);
  g.eos[0] = 1;
  g.eos[1] = 99; /* outside the vocabulary */
  g.do_sample = false;
  CHECK(sample_one(&g, scores, 4, &s) == 2 && s == LQ_OK);
}

/* ---- options ---- */

/* Every attribute of transformers 5.24's GenerationConfig and argument of generate(), less those this build runs. */
static const char *const refused[] = {
    "max_length", "min_length", "max_time", "use_mtp", "use_cache", "cache_implementation", "cache_config",
    "max_cache_len",
    "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff", "encoder_repetition_penalty",
    "renormalize_logits", "remove_invalid_values", "exponential_decay_length_penalty",
    "sequence_bias", "token_healing", "guidance_scale", "watermarking_config", "output_attentions",
    "output_hidden_states", "output_scores", "output_logits", "return_dict_in_generate", "pad_token_id", "bos_token_id",
    "decoder_start_token_id", "is_assistant", "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold",
    "prompt_lookup_num_tokens", "max_matching_ngram_size", "assistant_early_exit", "assistant_lookbehind", "target_lookbehind",
    "assistant_ensemble_weight", "speculation_type", "compile_config", "disable_compile", "continuous_batching_config", "low_memory", "penalty_alpha",
    "dola_layers", "diversity_penalty", "num_beam_groups", "constraints", "force_words_ids", "prefill_chunk_size", "transformers_version", "inputs",
    "generation_config", "logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "synced_gpus", "assistant_model", "streamer",
    "negative_prompt_ids", "negative_prompt_attention_mask", "use_model_defaults", "custom_generate"};

TEST(options_refuse_every_other_name_of_generate) {
  lq_options *o;
  lq_error e;
  CHECK(lq_options_new(NULL, &o, &e) == LQ_OK);
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    e.status = LQ_OK;
    lq_status s = lq_options_set(o, refused[i], "[7]", &e);
    if (s != LQ_E_OPTION || e.status != LQ_E_OPTION || !strstr(e.msg, refused[i]) || strstr(e.msg, "unknown"))
      lq_test_fail(__FILE__, __LINE__, "%s: %s", refused[i], s == LQ_OK ? "taken" : e.msg);
    if (lq_options_set(o, refused[i], "null", &e) != LQ_OK) lq_test_fail(__FILE__, __LINE__, "%s: null is refused", refused[i]);
  }
  lq_options_free(o);
}

TEST(options_take_neutral_values) {
  lq_options *o;
  lq_error e;
  static const char json[] = "{\"num_beams\":1,\"typical_p\":1.0,\"length_penalty\":1,\"use_cache\":true,"
                             "\"no_repeat_ngram_size\":0,\"early_stopping\":false,"
                             "\"max_length\":null,\"num_return_sequences\":1.0}";
  CHECK(lq_options_new(NULL, &o, &e) == LQ_OK);
  CHECK_MSG(lq_options_set_json(o, json, sizeof json - 1, &e) == LQ_OK, "%s", e.msg);
  CHECK(lq_options_set_json(o, "{\"num_beam_groups\":2}", 21, &e) == LQ_E_OPTION);
  CHECK_HAS(e.msg, "num_beam_groups");
  CHECK(lq_options_set_json(o, "[]", 2, &e) == LQ_E_OPTION);
  CHECK(lq_options_set_json(o, "{", 1, &e) == LQ_E_ARG);
  lq_options_free(o);
}

TEST(options_check_values) {
  static const struct { const char *name, *value; bool good; } cases[] = {
      {"temperature", "0.7", true}, {"temperature", "0", false}, {"temperature", "-1", false}, {"temperature", "nan", false}, {"temperature", "inf",
          false},
      {"temperature", "1e-50", false}, {"temperature", "", false}, {"temperature", "1x", false}, {"temperature", "0x1", false}, {"temperature",
          "null", true},
      {"top_k", "0", true}, {"top_k", "1.5", false}, {"top_k", "-1", false}, {"top_k", "4294967295", true}, {"top_k", "4294967296", false},
      {"top_p", "1.0", true}, {"top_p", "0", true}, {"top_p", "1.01", false}, {"min_p", "1", true}, {"min_p", "-0.1", false},
      {"repetition_penalty", "0", false}, {"repetition_penalty", "1.2", true}, {"max_new_tokens", "0", false}, {"max_new_tokens", "1", true},
      {"max_new_tokens", "1e2", true}, {"min_new_tokens", "0", true}, {"seed", "18446744073709551615", true}, {"seed", "18446744073709551616", false},
      {"seed", "-1", false}, {"seed", "1.5", false}, {"seed", "", false}, {"do_sample", "true", true}, {"do_sample", "yes", false},
      {"stop_strings", "", false}, {"stop_strings", "a", true}, {"stop_strings", "[\"a\",\"b\"]", true}, {"stop_strings", "[1]", false},
      {"stop_strings", "[\"\"]", false}, {"stop_strings", "\xff", false}, {"eos_token_id", "[1,2]", true}, {"eos_token_id", "7", true},
      {"eos_token_id", "[]", true}, {"eos_token_id", "[1,,2]", false}, {"eos_token_id", "[-1]", false}, {"eos_token_id", "x", false},
      {"num_beams", "0", false}, {"num_beams", "1", true}, {"num_beams", "64", true}, {"num_beams", "65", false}, {"num_beams", "1000000000", false},
      {"num_beams", "-4", false}, {"num_beams", "2.5", false}, {"num_return_sequences", "0", false}, {"num_return_sequences", "3", true},
      {"length_penalty", "-1", true}, {"length_penalty", "-5.1", false}, {"length_penalty", "1e9", false}, {"length_penalty", "x", false},
      {"early_stopping", "never", true}, {"early_stopping", "true", true}, {"early_stopping", "0", true}, {"early_stopping", "maybe", false},
      {"no_repeat_ngram_size", "0", true}, {"no_repeat_ngram_size", "-1", false}, {"no_repeat_ngram_size", "4294967295", true},
      {"encoder_no_repeat_ngram_size", "2", true}, {"encoder_no_repeat_ngram_size", "0.5", false},
      {"bad_words_ids", "[[1],[2,3]]", true}, {"bad_words_ids", "[]", false}, {"bad_words_ids", "[[]]", false}, {"bad_words_ids", "[1]", false},
      {"bad_words_ids", "[[-1]]", false}, {"bad_words_ids", "[[1.5]]", false},
      {"bad_words_ids", "[[\"a\"]]", false}, {"bad_words_ids", "[[1]", false},
      {"bad_words_ids", "{}", false}, {"bad_words_ids", "", false}, {"bad_words_ids", "null", true},
      {"forced_bos_token_id", "7", true}, {"forced_bos_token_id", "-1", false}, {"forced_bos_token_id", "[7]", false},
      {"forced_eos_token_id", "7", true}, {"forced_eos_token_id", "[7,8]", true}, {"forced_eos_token_id", "2147483648", false},
      {"suppress_tokens", "[]", true}, {"suppress_tokens", "[1,2]", true}, {"suppress_tokens", "[1,x]", false}, {"begin_suppress_tokens", "3", true},
      {"begin_suppress_tokens", "[-3]", false}};
  lq_options *o;
  lq_error e;
  CHECK(lq_options_new(NULL, &o, &e) == LQ_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    lq_status s = lq_options_set(o, cases[i].name, cases[i].value, &e);
    if ((s == LQ_OK) != cases[i].good || (s != LQ_OK && (s != LQ_E_OPTION || !strstr(e.msg, cases[i].name))))
      lq_test_fail(__FILE__, __LINE__, "%s = \"%s\": %s", cases[i].name, cases[i].value, s == LQ_OK ? "taken" : e.msg);
  }
  static const char nul[] = "{\"top_k\":\"5\\u0000x\"}";
  CHECK(lq_options_set_json(o, nul, sizeof nul - 1, &e) == LQ_E_OPTION);
  lq_options_free(o);
}

TEST(options_name_the_nearest) {
  lq_options *o;
  lq_error e;
  CHECK(lq_options_new(NULL, &o, &e) == LQ_OK);
  CHECK(lq_options_set(o, "temprature", "1", &e) == LQ_E_OPTION);
  CHECK_HAS(e.msg, "did you mean temperature?");
  CHECK(lq_options_set(o, "max_tokens", "1", &e) == LQ_E_OPTION);
  CHECK(lq_options_set(o, "zzz", "1", &e) == LQ_E_OPTION);
  CHECK(!strstr(e.msg, "did you mean"));
  char name[300];
  memset(name, 'a', sizeof name - 1);
  name[sizeof name - 1] = 0;
  CHECK(lq_options_set(o, name, "1", &e) == LQ_E_OPTION);
  lq_options_free(o);
}

TEST(numbers_have_a_point_in_every_locale) {
  lq_options *o = NULL;
  lq_buf list = {0}, one = {0};
  lq_arena a;
  lq_json *j;
  lq_error e;
  char plain[32];
  lq_test_locale(true);
  lq_arena_growing(&a, 4096);
  bool set = lq_options_new(NULL, &o, &e) == LQ_OK && lq_options_set(o, "temperature", "0.5", &e) == LQ_OK;
  bool listed = lq_options_list(&list, &e) == LQ_OK, read = lq_json_parse(LQ_STR("[0.5]"), &a, &j, &e) == LQ_OK && j->items[0].num == 0.5;
  lq_buf_json_num(&one, 0.25);
  lq_format(plain, sizeof plain, "%.2f", 0.75);
  double back = lq_strtod("1.5e1", NULL);
  lq_test_locale(false);
  bool good = set && listed && read && back == 15.0 && strcmp(one.p, "0.25") == 0 && strcmp(plain, "0.75") == 0;
  lq_options_free(o);
  lq_arena_free(&a);
  lq_buf_free(&list);
  lq_buf_free(&one);
  CHECK(good);
}

TEST(options_list_is_json) {
  lq_buf list = {0};
  lq_arena a;
  lq_json *j;
  lq_error e;
  CHECK(lq_options_list(&list, &e) == LQ_OK);
  lq_arena_growing(&a, 4096);
  lq_status s = lq_json_parse((lq_str){list.p, list.n}, &a, &j, &e);
  size_t n = s == LQ_OK ? j->n : 0;
  /* generate()'s defaults, which hold as soon as do_sample is set */
  CHECK(strstr(list.p, "\"name\":\"top_k\"") && strstr(list.p, "\"default\":50") && strstr(list.p, "\"name\":\"do_sample\""));
  lq_arena_free(&a);
  lq_buf_free(&list);
  CHECK(n == 22);
}
