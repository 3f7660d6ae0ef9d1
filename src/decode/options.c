/* The table of generation options. May call: base. */
#include "decode/options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

typedef enum kind { K_BOOL, K_FLOAT, K_UINT, K_SEED, K_STRINGS, K_IDS } kind;

typedef struct option {
  const char *name;
  kind kind;
  size_t offset;
  double min, max;
  bool above_min; /* min itself is refused */
  const char *help;
} option;

#define OPT(NAME, KIND, FIELD, MIN, MAX, ABOVE, HELP) {NAME, KIND, offsetof(lq_gen, FIELD), MIN, MAX, ABOVE, HELP}

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
    OPT("eos_token_id", K_IDS, eos, 0, 2147483647.0, false, "token ids that end the text"),
};

/* generate()'s other options, those of GenerationConfig and its own arguments: refused by name unless the value says "leave it off". */
static const struct { const char *name, *neutral; } unsupported[] = {
    {"max_length", NULL}, {"min_length", "0"}, {"early_stopping", "false"}, {"max_time", NULL}, {"num_beams", "1"}, {"num_beam_groups", "1"},
    {"diversity_penalty", "0"}, {"length_penalty", "1"}, {"num_return_sequences", "1"}, {"use_cache", "true"}, {"cache_implementation", NULL},
    {"cache_config", NULL}, {"max_cache_len", NULL}, {"return_legacy_cache", "false"}, {"use_mtp", "false"}, {"top_h", NULL}, {"typical_p", "1"},
    {"epsilon_cutoff", "0"}, {"eta_cutoff", "0"}, {"encoder_repetition_penalty", "1"}, {"no_repeat_ngram_size", "0"},
    {"encoder_no_repeat_ngram_size", "0"}, {"bad_words_ids", NULL}, {"force_words_ids", NULL}, {"constraints", NULL},
    {"renormalize_logits", "false"}, {"remove_invalid_values", "false"}, {"exponential_decay_length_penalty", NULL}, {"sequence_bias", NULL},
    {"suppress_tokens", NULL}, {"begin_suppress_tokens", NULL}, {"forced_bos_token_id", NULL}, {"forced_eos_token_id", NULL},
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
  g->repetition_penalty = 1.0f;
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
  return lq_fail(err, LQ_E_OPTION, "%s takes a %snumber %s %g%s, not \"%.*s\"", o->name, whole ? "whole " : "",
                 o->above_min ? "above" : "of at least", o->min, o->max <= 1000 ? (o->max == 1 ? " and at most 1" : " and at most 1000") : "",
                 LQ_STR_ARG(v));
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

static lq_status set_ids(lq_gen *g, const option *o, lq_str v, lq_error *err) {
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
    if (n == LQ_MAX_EOS) return lq_fail(err, LQ_E_OPTION, "eos_token_id holds more than %d ids", LQ_MAX_EOS);
    g->eos[n++] = (int32_t)x;
    at = stop + 1;
  }
  g->n_eos = n;
  g->eos_given = true;
  return LQ_OK;
}

static lq_status set_known(lq_gen *g, const option *o, lq_str v, lq_error *err) {
  void *field = (char *)g + o->offset;
  double x;
  switch (o->kind) {
    case K_BOOL: return set_bool(field, o, v, err);
    case K_SEED: return set_seed(field, v, err);
    case K_STRINGS: return set_stops(g, v, err);
    case K_IDS: return set_ids(g, o, v, err);
    case K_FLOAT:
      LQ_TRY(read_number(o, v, false, &x, err));
      *(float *)field = (float)x;
      return LQ_OK;
    default:
      LQ_TRY(read_number(o, v, true, &x, err));
      *(uint32_t *)field = (uint32_t)x;
      return LQ_OK;
  }
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

void lq_gen_list(lq_buf *out) {
  static const char *types[] = {"boolean", "number", "integer", "integer", "string[]", "integer[]"};
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
    if (o->kind == K_FLOAT || o->kind == K_UINT) lq_buf_printf(out, ",\"min\":%g,\"max\":%.10g", o->min, o->max);
    lq_buf_addz(out, "}");
  }
  lq_buf_addz(out, "]");
}
