/* The model: opening, tokens, options. Joins ids, bytes and weights. May call: decode, model, text, gguf, kernel, base. */
#include "lq.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "lq_internal.h"
#include "text/template.h"

const char *lq_version(void) { return "0.1.0"; }

/* The named table, or the best whose self-test passes on this machine. */
static lq_status choose_kernels(lq_model *m, const lq_model_params *p, lq_error *err) {
  const lq_kernels *have[8], *named = lq_kernels_select(p->kernels);
  const char *wrong;
  size_t n = lq_kernels_list(have, 8);
  if (!named) {
    char names[96] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof(names) - 16; i++)
      used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", have[i]->name);
    return lq_fail(err, LQ_E_OPTION, "no kernels named \"%s\" run here; there are %s", p->kernels, names);
  }
  m->nn.k = p->kernels ? lq_kernels_first_good(&named, 1, &wrong) : lq_kernels_first_good(have, n, &wrong);
  if (!m->nn.k) return lq_fail(err, LQ_E_SELFTEST, "the %s kernels compute wrong results on this machine (%s)", named->name, wrong);
  if (p->threads < 0 || p->threads > 64) return lq_fail(err, LQ_E_OPTION, "threads is %d; it must be 1 to 64", p->threads);
  return lq_pool_new(p->threads ? p->threads : 1, &m->nn.pool, err);
}

/* "<2%s>" with the code in it; false when the pattern has no %s or the token is not in the vocabulary. */
static bool language_token(const lq_model *m, lq_str pattern, lq_language *l) {
  char piece[64];
  for (size_t i = 0; i + 1 < pattern.n && pattern.n < 32; i++) {
    if (pattern.p[i] != '%' || pattern.p[i + 1] != 's') continue;
    int n = snprintf(piece, sizeof(piece), "%.*s%s%.*s", (int)i, pattern.p, l->code, (int)(pattern.n - i - 2), pattern.p + i + 2);
    l->token = lq_tok_find(m->tok, piece, (size_t)n);
    return l->token >= 0;
  }
  return false;
}

static lq_status read_languages(lq_model *m, lq_error *err) {
  const lq_gguf_kv *kv;
  lq_str pattern, code;
  LQ_TRY(lq_gguf_array(&m->gguf, "loquat.languages", LQ_GT_STRING, &kv, err));
  LQ_TRY(lq_gguf_str(&m->gguf, "loquat.language_token", LQ_STR("<2%s>"), &pattern, err));
  if (!kv || !m->tok || m->weights.arch->family != LQ_ENCODER_DECODER) return LQ_OK;
  for (uint64_t pos = 0; lq_gguf_next_str(kv, &pos, &code);) {
    lq_language *l = &m->languages[m->n_languages];
    if (m->n_languages == LQ_MAX_LANGUAGES) return lq_fail(err, LQ_E_FORMAT, "loquat.languages holds more than %d languages", LQ_MAX_LANGUAGES);
    if (code.n == 0 || code.n >= sizeof(l->code) || memchr(code.p, '\0', code.n))
      return lq_fail(err, LQ_E_FORMAT, "loquat.languages: \"%.*s\" is no language code of 1 to %d bytes", LQ_STR_ARG(code), (int)sizeof(l->code) - 1);
    memcpy(l->code, code.p, code.n);
    l->code[code.n] = '\0';
    if (!language_token(m, pattern, l))
      return lq_fail(err, LQ_E_FORMAT, "the vocabulary has no token for the language \"%s\" (pattern %.*s)", l->code, LQ_STR_ARG(pattern));
    m->n_languages++;
  }
  return LQ_OK;
}

/* generation.<name> keys: the model's own defaults. What this build does not run is left out: the file did not ask us. */
static lq_status read_generation_defaults(lq_model *m, lq_error *err) {
  lq_gen_init(&m->defaults);
  for (uint64_t i = 0; i < m->gguf.n_kv; i++) {
    const lq_gguf_kv *kv = &m->gguf.kv[i];
    char value[64];
    if (kv->key.n < 12 || memcmp(kv->key.p, "generation.", 11) != 0) continue;
    lq_str name = {kv->key.p + 11, kv->key.n - 11};
    if (lq_str_eqz(name, "do_sample") || lq_str_eqz(name, "num_beams") || kv->type == LQ_GT_STRING || kv->type == LQ_GT_ARRAY) continue;
    lq_format(value, sizeof(value), "%.9g", lq_gguf_num_at(kv, 0));
    lq_gen_set(&m->defaults, name, (lq_str){value, strlen(value)}, NULL);
  }
  m->defaults.n_eos = 0;
  m->defaults.eos_given = false;
  const lq_gguf_kv *ids;
  LQ_TRY(lq_gguf_array(&m->gguf, "generation.eos_token_ids", LQ_GT_I32, &ids, err));
  for (uint64_t i = 0; ids && i < ids->count && m->n_eos < LQ_MAX_EOS; i++) {
    double id = lq_gguf_num_at(ids, i);
    if (!(id >= 0 && id < m->weights.hp.n_vocab))
      return lq_fail(err, LQ_E_FORMAT, "generation.eos_token_ids holds %g, outside the vocabulary of %u", id, (unsigned)m->weights.hp.n_vocab);
    m->eos[m->n_eos++] = (int32_t)id;
  }
  return LQ_OK;
}

static lq_status open_model(lq_model *m, void *bytes, uint64_t n, const lq_model_params *p, lq_error *err) {
  LQ_TRY(choose_kernels(m, p, err));
  LQ_TRY(lq_gguf_open(&m->gguf, bytes, n, &m->arena, err));
  LQ_TRY(lq_weights_open(&m->weights, &m->gguf, &m->nn, !p->no_repack, &m->arena, err));
  LQ_TRY(lq_heads_open(&m->heads, &m->weights, &m->gguf, &m->arena, err));
  LQ_TRY(lq_tok_open(&m->gguf, &m->arena, &m->tok, err));
  if (m->tok && lq_tok_size(m->tok) > m->weights.hp.n_vocab)
    return lq_fail(err, LQ_E_FORMAT, "the tokenizer has %u tokens, but the model only scores %u", (unsigned)lq_tok_size(m->tok),
                   (unsigned)m->weights.hp.n_vocab);
  LQ_TRY(lq_gguf_str(&m->gguf, "general.name", (lq_str){NULL, 0}, &m->name, err));
  LQ_TRY(lq_gguf_str(&m->gguf, "tokenizer.chat_template", (lq_str){NULL, 0}, &m->chat_template, err));
  LQ_TRY(read_languages(m, err));
  return read_generation_defaults(m, err);
}

lq_status lq_model_open(void *bytes, uint64_t n_bytes, const lq_model_params *params, lq_model **out, lq_error *err) {
  static const lq_model_params plain = {0, NULL, 0};
  lq_arena a;
  lq_arena_growing(&a, 1 << 16);
  lq_model *m = LQ_TAKE(&a, lq_model, 1);
  if (!m) return lq_fail(err, LQ_E_NOMEM, "no memory to open a model");
  m->arena = a;
  lq_status s = open_model(m, bytes, n_bytes, params ? params : &plain, err);
  if (s != LQ_OK) {
    lq_model_close(m);
    if (s != LQ_E_NOMEM || !err) return s;
    lq_error why = *err;
    return lq_fail(err, s, "not enough memory (this model has %.1f MB): %s", (double)n_bytes / 1e6, why.msg);
  }
  *out = m;
  return LQ_OK;
}

lq_status lq_model_plan(void *head, uint64_t n_head, uint64_t n_bytes, const lq_session_params *params, lq_plan *out, lq_error *err) {
  lq_arena a;
  const lq_gguf_kv *languages = NULL;
  lq_arena_growing(&a, 1 << 16);
  lq_model *m = LQ_TAKE(&a, lq_model, 1);
  lq_status s = m ? lq_gguf_open_head(&m->gguf, head, n_head, n_bytes, &a, err) : lq_fail(err, LQ_E_NOMEM, "no memory to read a model's head");
  if (s == LQ_OK) s = lq_weights_shape(&m->weights, &m->gguf, err);
  if (s == LQ_OK) s = lq_gguf_array(&m->gguf, "loquat.languages", LQ_GT_STRING, &languages, err);
  if (s == LQ_OK) s = lq_session_bytes(m, params, &out->session_bytes, err);
  if (s == LQ_OK) out->translates = languages && m->weights.arch->family == LQ_ENCODER_DECODER;
  if (s == LQ_OK) out->embeds = m->weights.arch->family == LQ_ENCODER_ONLY;
  lq_arena_free(&a);
  return s;
}

lq_status lq_model_open_file(const char *path, const lq_model_params *params, lq_model **out, lq_error *err) {
  lq_file f;
  LQ_TRY(lq_file_open(&f, path, err));
  lq_status s = lq_model_open(f.bytes, f.n, params, out, err);
  if (s != LQ_OK) lq_file_close(&f);
  else (*out)->file = f;
  return s;
}

void lq_model_close(lq_model *m) {
  if (!m) return;
  lq_pool_free(m->nn.pool);
  if (m->file.bytes) lq_file_close(&m->file);
  lq_arena a = m->arena; /* the model itself lies in it */
  lq_arena_free(&a);
}

unsigned lq_model_tasks(const lq_model *m) {
  unsigned t = m->weights.hp.n_dec ? LQ_TASK_GENERATE : 0;
  if (m->weights.arch->family == LQ_DECODER_ONLY && m->tok) t |= LQ_TASK_CHAT;
  if (m->weights.hp.n_enc) t |= LQ_TASK_ENCODE;
  if (m->weights.arch->family == LQ_ENCODER_ONLY) t |= LQ_TASK_EMBED;
  if (m->heads.mlm.n_out) t |= LQ_TASK_FILL_MASK;
  if (m->heads.classify.n_out) t |= LQ_TASK_CLASSIFY;
  if (m->heads.token.n_out) t |= LQ_TASK_NER;
  if (m->heads.span.n_out) t |= LQ_TASK_QA;
  return m->n_languages ? t | LQ_TASK_TRANSLATE : t;
}

uint32_t lq_model_vocab(const lq_model *m) { return m->weights.hp.n_vocab; }
uint32_t lq_model_width(const lq_model *m) { return m->weights.hp.d_model; }
uint32_t lq_model_max_context(const lq_model *m) { return m->weights.hp.max_context; }

static lq_status need_tokenizer(const lq_model *m, lq_error *err) {
  if (m->tok) return LQ_OK;
  return lq_fail(err, LQ_E_UNSUPPORTED, "this model file has no tokenizer, so it takes and gives token ids only");
}

lq_status lq_tokenize(const lq_model *m, const char *text, size_t n, int add_special, int parse_special, int32_t *ids, size_t cap, size_t *n_ids,
                      lq_error *err) {
  LQ_TRY(need_tokenizer(m, err));
  unsigned flags = (add_special ? LQ_TOK_SPECIAL : 0u) | (parse_special ? LQ_TOK_PARSE_SPECIAL : 0u);
  return lq_tok_encode(m->tok, text, n, flags, ids, cap, n_ids, err);
}

lq_status lq_detokenize(const lq_model *m, const int32_t *ids, size_t n, int keep_special, lq_buf *out, lq_error *err) {
  LQ_TRY(need_tokenizer(m, err));
  LQ_TRY(lq_check_ids(m, ids, n, err));
  return lq_tok_decode(m->tok, ids, n, keep_special != 0, out, err);
}

lq_status lq_options_new(const lq_model *m, lq_options **out, lq_error *err) {
  lq_arena a;
  lq_arena_growing(&a, sizeof(lq_options) + 64);
  lq_options *o = LQ_TAKE(&a, lq_options, 1);
  if (!o) return lq_fail(err, LQ_E_NOMEM, "no memory for generation options");
  o->arena = a;
  if (m) o->gen = m->defaults;
  else lq_gen_init(&o->gen);
  *out = o;
  return LQ_OK;
}

lq_status lq_options_set(lq_options *o, const char *name, const char *value, lq_error *err) {
  return lq_gen_set(&o->gen, (lq_str){name, strlen(name)}, (lq_str){value, strlen(value)}, err);
}

lq_status lq_options_set_json(lq_options *o, const char *json, size_t n, lq_error *err) {
  static const char *const words[] = {"null", "false", "true"};
  lq_arena a;
  lq_json *j;
  lq_arena_growing(&a, 1 << 12);
  lq_status s = lq_json_parse((lq_str){json, n}, &a, &j, err);
  if (s == LQ_OK && j->type != LQ_JSON_OBJECT) s = lq_fail(err, LQ_E_OPTION, "options must be a JSON object");
  lq_buf v = {0};
  for (size_t i = 0; s == LQ_OK && i < j->n; i++) {
    const lq_json *it = &j->items[i];
    v.n = 0;
    if (it->type <= LQ_JSON_TRUE) lq_buf_addz(&v, words[it->type]);
    else if (it->type == LQ_JSON_NUMBER || it->type == LQ_JSON_STRING) lq_buf_add(&v, it->str.p, it->str.n);
    else lq_json_write(it, &v);
    if (v.failed) s = lq_fail(err, LQ_E_NOMEM, "no memory for the option %.*s", LQ_STR_ARG(it->key));
    else s = lq_gen_set(&o->gen, it->key, (lq_str){v.p, v.n}, err);
  }
  lq_buf_free(&v);
  lq_arena_free(&a);
  return s;
}

lq_status lq_options_number(const lq_options *o, const char *name, double *value, lq_error *err) {
  return lq_gen_number(&o->gen, (lq_str){name, strlen(name)}, value, err);
}

void lq_options_free(lq_options *o) {
  if (!o) return;
  lq_arena a = o->arena;
  lq_arena_free(&a);
}

lq_status lq_options_list(lq_buf *out, lq_error *err) {
  lq_gen_list(out);
  return out->failed ? lq_fail(err, LQ_E_NOMEM, "no memory for the list of options") : LQ_OK;
}
