/* The table of generation options. May call: base. */
#include "decode/options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

typedef enum kind { K_BOOL, K_FLOAT, K_UINT, K_SEED, K_STRINGS, K_IDS, K_ID, K_EARLY, K_WORDS } kind;

typedef struct option {
  const char *name;
  kind kind;
  size_t offset;
  double min, max;
  bool above_min; /* min itself is refused */
  const char *help;
  size_t count; /* K_IDS: offset of how many there are */
  uint32_t most;
} option;

#define MAX_ID 2147483647.0
#define OPT(NAME, KIND, FIELD, MIN, MAX, ABOVE, HELP) {NAME, KIND, offsetof(lq_gen, FIELD), MIN, MAX, ABOVE, HELP, 0, 0}
#define IDS(NAME, FIELD, COUNT, MOST, HELP) {NAME, K_IDS, offsetof(lq_gen, FIELD), 0, MAX_ID, false, HELP, offsetof(lq_gen, COUNT), MOST}

static const option options[] = {
    OPT("do_sample", K_BOOL, do_sample, 0, 1, false, "draw tokens at random instead of taking the likeliest"),
    OPT("temperature", K_FLOAT, temperature, 0, 1000, true, "above 1 flattens the distribution, below 1 sharpens it"),
    OPT("top_k", K_UINT, top_k, 0, 4294967295.0, false, "sample among the k likeliest tokens; 0 = all"),
    OPT("top_p", K_FLOAT, top_p, 0, 1, false, "sample among the fewest tokens whose probabilities reach p"),
    OPT("min_p", K_FLOAT, min_p, 0, 1, false, "drop tokens less likely than this share of the likeliest"),
    OPT("repetition_penalty", K_FLOAT, repetition_penalty, 0, 1000, true, "above 1 makes tokens already seen less likely"),
    OPT("max_new_tokens", K_UINT, max_new_tokens, 1, 4294967295.0, false, "stop after this many new tokens"),
    OPT("min_new_tokens", K_UINT, min_new_tokens, 0, 4294967295.0, false, "no end of text before this many new tokens"),
    OPT("seed", K_SEED, seed, 0, 0, false, "seed of the random draws; the same seed gives the same text"),
    OPT("stop_strings", K_STRINGS, stops, 0, 0, false, "stop before any of these texts would appear"),
    IDS("eos_token_id", eos, n_eos, LQ_MAX_EOS, "token ids that end the text"),
    OPT("num_beams", K_UINT, num_beams, 1, LQ_MAX_BEAMS, false, "hypotheses kept side by side; 1 = take the likeliest token each time"),
    OPT("num_return_sequences", K_UINT, num_return_sequences, 1, LQ_MAX_BEAMS, false, "hypotheses handed out, best first; at most num_beams"),
    OPT("length_penalty", K_FLOAT, length_penalty, -5, 5, false, "beams: a score is divided by length to this power; above 0 favours long texts"),
    OPT("early_stopping", K_EARLY, early_stopping, 0, 0, false,
        "beams: true ends with num_beams complete hypotheses, false when none open looks better, never when none can be"),
    OPT("no_repeat_ngram_size", K_UINT, no_repeat_ngram_size, 0, 4294967295.0, false, "no sequence of so many tokens appears twice; 0 = off"),
    OPT("encoder_no_repeat_ngram_size", K_UINT, encoder_no_repeat_ngram_size, 0, 4294967295.0, false,
        "no sequence of so many tokens is taken over from the source; 0 = off"),
    OPT("bad_words_ids", K_WORDS, bad, 0, MAX_ID, false, "words that must not appear, each a list of token ids"),
    OPT("forced_bos_token_id", K_ID, forced_bos, 0, MAX_ID, false, "the first token after the decoder's start token"),
    IDS("forced_eos_token_id", forced_eos, n_forced_eos, LQ_MAX_EOS, "the last token when max_new_tokens is reached"),
    IDS("suppress_tokens", suppress, n_suppress, LQ_MAX_SUPPRESS, "tokens that must not appear"),
    IDS("begin_suppress_tokens", begin, n_begin, LQ_MAX_SUPPRESS, "tokens that must not be the first"),
};

/* generate()'s other options, those of GenerationConfig and its own arguments: refused by name unless the value says "leave it off". */
static const struct { const char *name, *neutral; } unsupported[] = {
    {"max_length", NULL}, {"min_length", "0"}, {"max_time", NULL}, {"num_beam_groups", "1"},
    {"diversity_penalty", "0"}, {"use_cache", "true"}, {"cache_implementation", NULL},
    {"cache_config", NULL}, {"max_cache_len", NULL}, {"return_legacy_cache", "false"}, {"use_mtp", "false"}, {"top_h", NULL}, {"typical_p", "1"},
    {"epsilon_cutoff", "0"}, {"eta_cutoff", "0"}, {"encoder_repetition_penalty", "1"},
    {"force_words_ids", NULL}, {"constraints", NULL},
    {"renormalize_logits", "false"}, {"remove_invalid_values", "false"}, {"exponential_decay_length_penalty", NULL}, {"sequence_bias", NULL},
    {"token_healing", "false"}, {"guidance_scale", "1"}, {"watermarking_config", NULL}, {"penalty_alpha", "0"}, {"dola_layers", NULL},
    {"low_memory", "false"}, {"output_attentions", "false"}, {"output_hidden_states", "false"}, {"output_scores", "false"},
    {"output_logits", "false"}, {"return_dict_in_generate", "false"}, {"pad_token_id", NULL}, {"bos_token_id", NULL},
    {"decoder_start_token_id", NULL}, {"is_assistant", "false"}, {"num_assistant_tokens", NULL}, {"num_assistant_tokens_schedule", NULL},
    {"assistant_confidence_threshold", NULL}, {"assistant_early_exit", NULL}, {"assistant_lookbehind", NULL}, {"assistant_ensemble_weight", NULL},
    {"target_lookbehind", NULL}, {"prompt_lookup_num_tokens", NULL}, {"max_matching_ngram_size", NULL}, {"speculation_type", NULL},
    {"compile_config", NULL}, {"disable_compile", "false"}, {"continuous_batching_config", NULL}, {"prefill_chunk_size", NULL},
    {"transformers_version", NULL}, {"inputs", NULL}, {"generation_config", NULL}, {"logits_processor", NULL}, {"stopping_criteria", NULL},
    {"prefix_allowed_tokens_fn", NULL}, {"synced_gpus", "false"}, {"assistant_model", NULL}, {"streamer", NULL}, {"negative_prompt_ids", NULL},
    {"negative_prompt_attention_mask", NULL}, {"use_model_defaults", NULL}, {"custom_generate", NULL},
};

void lq_gen_init(lq_gen *g) {
  memset(g, 0, sizeof(*g));
  g->temperature = 1.0f;
  g->top_k = 50;
  g->top_p = 1.0f;
  g->repetition_penalty = g->length_penalty = 1.0f;
  g->num_beams = g->num_return_sequences = 1;
  g->forced_bos = -1;
}

/* A whole text that is one finite number. */
static bool parse_number(lq_str v, double *out) {
  char tmp[64], *end;
  if (v.n == 0 || v.n >= sizeof(tmp) || (v.p[0] != '-' && v.p[0] != '.' && (v.p[0] < '0' || v.p[0] > '9'))) return false;
  memcpy(tmp, v.p, v.n);
  tmp[v.n] = '\0';
  *out = lq_strtod(tmp, &end);
  return end == tmp + v.n && isfinite(*out) && !strpbrk(tmp, "xX");
}

static lq_status set_bool(bool *to, const option *o, lq_str v, lq_error *err) {
  bool yes = lq_str_eqz(v, "true") || lq_str_eqz(v, "1"), no = lq_str_eqz(v, "false") || lq_str_eqz(v, "0");
  if (!yes && !no) return lq_fail(err, LQ_E_OPTION, "%s takes true or false, not \"%.*s\"", o->name, LQ_STR_ARG(v));
  *to = yes;
  return LQ_OK;
}

static lq_status read_number(const option *o, lq_str v, bool whole, double *out, lq_error *err) {
  bool ok = parse_number(v, out);
  if (ok && o->kind == K_FLOAT) *out = (double)(float)*out; /* 1e-50 is 0 where it will be used */
  ok = ok && (o->above_min ? *out > o->min : *out >= o->min) && *out <= o->max && (!whole || *out == floor(*out));
  if (ok) return LQ_OK;
  char most[32] = "";
  if (o->max <= 1000) lq_format(most, sizeof(most), " and at most %g", o->max);
  return lq_fail(err, LQ_E_OPTION, "%s takes a %snumber %s %g%s, not \"%.*s\"", o->name, whole ? "whole " : "",
                 o->above_min ? "above" : "of at least", o->min, most, LQ_STR_ARG(v));
}

static lq_status set_seed(uint64_t *to, lq_str v, lq_error *err) {
  uint64_t x = 0;
  bool ok = v.n > 0 && v.n <= 20;
  for (size_t i = 0; ok && i < v.n; i++) {
    uint64_t digit = (uint64_t)(unsigned char)v.p[i] - '0';
    ok = digit <= 9 && lq_mul_u64(x, 10, &x) && lq_add_u64(x, digit, &x);
  }
  if (!ok) return lq_fail(err, LQ_E_OPTION, "seed takes a whole number from 0 to 18446744073709551615, not \"%.*s\"", LQ_STR_ARG(v));
  *to = x;
  return LQ_OK;
}

static lq_status add_stop(lq_gen *g, lq_str s, lq_error *err) {
  if (s.n == 0) return lq_fail(err, LQ_E_OPTION, "stop_strings holds an empty text, which would stop at once");
  if (!lq_utf8_valid(s.p, s.n)) return lq_fail(err, LQ_E_OPTION, "stop_strings holds a text that is not valid UTF-8");
  if (s.n > LQ_MAX_STOP_BYTES)
    return lq_fail(err, LQ_E_OPTION, "stop_strings: a text of %zu bytes is too long; the limit is %d", s.n, LQ_MAX_STOP_BYTES);
  if (g->n_stops == LQ_MAX_STOPS) return lq_fail(err, LQ_E_OPTION, "stop_strings holds more than %d texts", LQ_MAX_STOPS);
  memcpy(g->stops[g->n_stops].text, s.p, s.n);
  g->stops[g->n_stops++].n = (uint32_t)s.n;
  return LQ_OK;
}

static lq_status set_stops(lq_gen *g, lq_str v, lq_error *err) {
  g->n_stops = 0;
  if (v.n == 0 || v.p[0] != '[') return add_stop(g, v, err);
  lq_arena a;
  lq_json *j;
  lq_arena_growing(&a, 4096);
  lq_status s = lq_json_parse(v, &a, &j, err);
  /* text that merely starts with a bracket is a stop string itself */
  if (s == LQ_E_ARG) s = add_stop(g, v, err);
  else
    for (size_t i = 0; s == LQ_OK && i < j->n; i++)
      s = j->items[i].type == LQ_JSON_STRING ? add_stop(g, j->items[i].str, err)
                                             : lq_fail(err, LQ_E_OPTION, "stop_strings takes texts; item %zu is something else", i);
  lq_arena_free(&a);
  return s;
}

/* Ids in a list "[1, 2]", "1,2" or one alone, at most o->most. */
static lq_status set_ids(lq_gen *g, const option *o, lq_str v, lq_error *err) {
  int32_t *ids = (int32_t *)(void *)((char *)g + o->offset);
  uint32_t n = 0;
  size_t at = 0, end = v.n;
  if (v.n >= 2 && v.p[0] == '[' && v.p[v.n - 1] == ']') at = 1, end = v.n - 1;
  while (at < end) {
    size_t stop = at;
    while (stop < end && v.p[stop] != ',') stop++;
    size_t a = at, b = stop;
    while (a < b && v.p[a] == ' ') a++;
    while (b > a && v.p[b - 1] == ' ') b--;
    double x;
    LQ_TRY(read_number(o, (lq_str){v.p + a, b - a}, true, &x, err));
    if (n == o->most) return lq_fail(err, LQ_E_OPTION, "%s holds more than %u ids", o->name, (unsigned)o->most);
    ids[n++] = (int32_t)x;
    at = stop + 1;
  }
  *(uint32_t *)(void *)((char *)g + o->count) = n;
  if (ids == g->eos) g->eos_given = true;
  return LQ_OK;
}

static lq_status set_early(lq_gen *g, const option *o, lq_str v, lq_error *err) {
  bool yes = false;
  if (lq_str_eqz(v, "never")) {
    g->early_stopping = LQ_EARLY_NEVER;
    return LQ_OK;
  }
  if (set_bool(&yes, o, v, NULL) != LQ_OK) return lq_fail(err, LQ_E_OPTION, "%s takes true, false or never, not \"%.*s\"", o->name, LQ_STR_ARG(v));
  g->early_stopping = yes ? LQ_EARLY_TRUE : LQ_EARLY_FALSE;
  return LQ_OK;
}

static lq_status add_word(lq_gen *g, const option *o, const lq_json *word, lq_error *err) {
  if (word->type != LQ_JSON_ARRAY || word->n == 0) return lq_fail(err, LQ_E_OPTION, "%s holds something that is no list of token ids", o->name);
  if (word->n + 1 > LQ_MAX_BAD - g->n_bad) return lq_fail(err, LQ_E_OPTION, "%s holds more than %d ids and words in all", o->name, LQ_MAX_BAD);
  g->bad[g->n_bad++] = (int32_t)word->n;
  for (size_t i = 0; i < word->n; i++) {
    const lq_json *id = &word->items[i];
    double x;
    if (id->type != LQ_JSON_NUMBER) return lq_fail(err, LQ_E_OPTION, "%s holds something that is no token id", o->name);
    LQ_TRY(read_number(o, id->str, true, &x, err));
    g->bad[g->n_bad++] = (int32_t)x;
  }
  return LQ_OK;
}

static lq_status set_words(lq_gen *g, const option *o, lq_str v, lq_error *err) {
  lq_arena a;
  lq_json *j;
  lq_arena_growing(&a, 4096);
  lq_status s = lq_json_parse(v, &a, &j, err);
  if (s == LQ_E_ARG || (s == LQ_OK && (j->type != LQ_JSON_ARRAY || j->n == 0)))
    s = lq_fail(err, LQ_E_OPTION, "%s takes a list of words, each a list of token ids, such as [[5],[7,9]], not \"%.*s\"", o->name, LQ_STR_ARG(v));
  g->n_bad = 0;
  for (size_t i = 0; s == LQ_OK && i < j->n; i++) s = add_word(g, o, &j->items[i], err);
  if (s != LQ_OK) g->n_bad = 0;
  lq_arena_free(&a);
  return s;
}

static lq_status set_known(lq_gen *g, const option *o, lq_str v, lq_error *err) {
  void *field = (char *)g + o->offset;
  double x;
  switch (o->kind) {
    case K_BOOL: return set_bool(field, o, v, err);
    case K_SEED: return set_seed(field, v, err);
    case K_STRINGS: return set_stops(g, v, err);
    case K_IDS: return set_ids(g, o, v, err);
    case K_EARLY: return set_early(g, o, v, err);
    case K_WORDS: return set_words(g, o, v, err);
    case K_FLOAT:
      LQ_TRY(read_number(o, v, false, &x, err));
      *(float *)field = (float)x;
      return LQ_OK;
    case K_ID:
      LQ_TRY(read_number(o, v, true, &x, err));
      *(int32_t *)field = (int32_t)x;
      return LQ_OK;
    default:
      LQ_TRY(read_number(o, v, true, &x, err));
      *(uint32_t *)field = (uint32_t)x;
      return LQ_OK;
  }
}

static lq_status check_ids(const char *name, const int32_t *ids, uint32_t n, uint32_t n_vocab, lq_error *err) {
  for (uint32_t i = 0; i < n; i++)
    if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab)
      return lq_fail(err, LQ_E_OPTION, "%s holds the token id %d, which is outside the vocabulary of %u", name, (int)ids[i], (unsigned)n_vocab);
  return LQ_OK;
}

lq_status lq_gen_check(const lq_gen *g, uint32_t n_vocab, lq_error *err) {
  if (g->num_return_sequences > g->num_beams)
    return lq_fail(err, LQ_E_OPTION, "num_return_sequences is %u, but num_beams is %u; it must be at least as much",
                   (unsigned)g->num_return_sequences, (unsigned)g->num_beams);
  if (g->num_beams > 1 && g->do_sample)
    return lq_fail(err, LQ_E_OPTION, "do_sample with num_beams above 1 (beam sampling) is not supported by this version; choose one of them");
  if (g->num_beams > 1 && g->n_stops)
    return lq_fail(err, LQ_E_OPTION, "stop_strings with num_beams above 1 is not supported by this version; choose one of them");
  for (uint32_t at = 0; at < g->n_bad; at += 1 + (uint32_t)g->bad[at])
    LQ_TRY(check_ids("bad_words_ids", g->bad + at + 1, (uint32_t)g->bad[at], n_vocab, err));
  if (g->forced_bos >= 0) LQ_TRY(check_ids("forced_bos_token_id", &g->forced_bos, 1, n_vocab, err));
  LQ_TRY(check_ids("forced_eos_token_id", g->forced_eos, g->n_forced_eos, n_vocab, err));
  LQ_TRY(check_ids("suppress_tokens", g->suppress, g->n_suppress, n_vocab, err));
  return check_ids("begin_suppress_tokens", g->begin, g->n_begin, n_vocab, err);
}

static bool is_neutral(lq_str v, const char *neutral) {
  double a, b;
  if (!neutral) return false;
  if (lq_str_eqz(v, neutral)) return true;
  return parse_number(v, &a) && parse_number((lq_str){neutral, strlen(neutral)}, &b) && a == b;
}

/* The supported option whose name is likeliest meant; NULL when none is near. */
static const char *nearest_option(lq_str name) {
  const char *best = NULL;
  size_t least = name.n / 3 + 2;
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    size_t d = lq_str_distance(name, options[i].name);
    if (d >= least) continue;
    least = d;
    best = options[i].name;
  }
  return best;
}

lq_status lq_gen_set(lq_gen *g, lq_str name, lq_str v, lq_error *err) {
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
    if (lq_str_eqz(name, options[i].name)) return lq_str_eqz(v, "null") ? LQ_OK : set_known(g, &options[i], v, err);
  for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
    if (!lq_str_eqz(name, unsupported[i].name)) continue;
    if (lq_str_eqz(v, "null") || is_neutral(v, unsupported[i].neutral)) return LQ_OK;
    return lq_fail(err, LQ_E_OPTION, "the option %s is not supported by this version", unsupported[i].name);
  }
  const char *near = nearest_option(name);
  if (near) return lq_fail(err, LQ_E_OPTION, "unknown option \"%.*s\"; did you mean %s?", LQ_STR_ARG(name), near);
  return lq_fail(err, LQ_E_OPTION, "unknown option \"%.*s\"", LQ_STR_ARG(name));
}

lq_status lq_gen_number(const lq_gen *g, lq_str name, double *value, lq_error *err) {
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    const void *field = (const char *)g + options[i].offset;
    if (!lq_str_eqz(name, options[i].name)) continue;
    if (options[i].kind == K_BOOL) *value = *(const bool *)field;
    else if (options[i].kind == K_FLOAT) *value = (double)*(const float *)field;
    else if (options[i].kind == K_UINT) *value = *(const uint32_t *)field;
    else break;
    return LQ_OK;
  }
  return lq_fail(err, LQ_E_OPTION, "there is no option \"%.*s\" that is a number", LQ_STR_ARG(name));
}

void lq_gen_list(lq_buf *out) {
  static const char *types[] = {"boolean", "number", "integer", "integer", "string[]", "integer[]", "integer", "boolean or never", "integer[][]"};
  lq_gen d;
  lq_gen_init(&d);
  lq_buf_addz(out, "[");
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    const option *o = &options[i];
    const void *field = (const char *)&d + o->offset;
    lq_buf_printf(out, "%s{\"name\":\"%s\",\"type\":\"%s\",\"help\":\"%s\"", i ? "," : "", o->name, types[o->kind], o->help);
    if (o->kind == K_BOOL) lq_buf_printf(out, ",\"default\":%s", *(const bool *)field ? "true" : "false");
    if (o->kind == K_FLOAT) lq_buf_printf(out, ",\"default\":%g", (double)*(const float *)field);
    if (o->kind == K_UINT && *(const uint32_t *)field >= o->min) lq_buf_printf(out, ",\"default\":%u", (unsigned)*(const uint32_t *)field);
    if (o->kind == K_EARLY) lq_buf_addz(out, ",\"default\":false");
    if (o->kind == K_FLOAT || o->kind == K_UINT) lq_buf_printf(out, ",\"min\":%g,\"max\":%.10g", o->min, o->max);
    lq_buf_addz(out, "}");
  }
  lq_buf_addz(out, "]");
}
