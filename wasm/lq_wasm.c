/* The module's exports: lq.h for JavaScript. One handle holds a model, a session and the last result, which is JSON text (bytes for
 * lqw_logits) at lqw_out until the next call. Every function that returns int returns an lq_status; lqw_message says why it failed.
 * May call: lq.h only. exports.txt lists what is kept. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lq.h"

typedef struct lqw {
  lq_model *model;
  lq_session *session;
  lq_session_params params; /* of the session */
  lq_counters before;       /* of the sessions that were there before it */
  lq_error error;
  lq_buf out;
} lqw;

#define TRANSLATED_AT_ONCE 4 /* sentences, unless n_seq says otherwise */
#define EMBEDDED_AT_ONCE 16 /* texts, and tokens of them */
#define EMBEDDED_TOKENS 512

enum { MODE_TEXT, MODE_CHAT, MODE_TRANSLATE, MODE_IDS, MODE_COUNT };
static const char *const mode_names[MODE_COUNT] = {"text", "chat", "translate", "ids"};
static const char *const finish_names[] = {"none", "eos", "stop", "length", "context"};
_Static_assert(sizeof(finish_names) / sizeof(finish_names[0]) == LQ_FINISH_CONTEXT + 1, "one name for each lq_finish");

/* Aligned as a cache line, as the kernels like their weights. NULL when the memory cannot grow by so much. */
void *lqw_alloc(size_t n) {
  void *p = NULL;
  return posix_memalign(&p, 64, n ? n : 1) == 0 ? p : NULL;
}
void lqw_free(void *p) { free(p); }
lqw *lqw_new(void) { return calloc(1, sizeof(lqw)); }
const char *lqw_message(const lqw *h) { return h->error.msg; }
const char *lqw_out(const lqw *h) { return h->out.p ? h->out.p : ""; }
size_t lqw_out_bytes(const lqw *h) { return h->out.n; }

static void clear(lqw *h) {
  h->out.n = 0;
  h->out.failed = false;
}

/* The status of a call that filled h->out. */
static int finished(lqw *h, lq_status s) {
  if (s == LQ_OK && h->out.failed) s = lq_fail(&h->error, LQ_E_NOMEM, "no memory for a result of %zu bytes", h->out.n);
  return (int)s;
}

static void add_names(lq_buf *b, const char *member, const char *const *names, size_t n) {
  lq_buf_printf(b, ",\"%s\":[", member);
  for (size_t i = 0; i < n; i++) lq_buf_printf(b, "%s\"%s\"", i ? "," : "", names[i]);
  lq_buf_addz(b, "]");
}

/* C's numbers for JavaScript: {version, status:[names], finish:[names], mode:[names]}; a name's place is its number. */
int lqw_abi(lqw *h) {
  const char *status[LQ_STATUS_COUNT];
  for (int i = 0; i < LQ_STATUS_COUNT; i++) status[i] = lq_status_name((lq_status)i);
  clear(h);
  lq_buf_printf(&h->out, "{\"version\":\"%s\"", lq_version());
  add_names(&h->out, "status", status, LQ_STATUS_COUNT);
  add_names(&h->out, "finish", finish_names, sizeof(finish_names) / sizeof(finish_names[0]));
  add_names(&h->out, "mode", mode_names, MODE_COUNT);
  lq_buf_addz(&h->out, "}");
  return finished(h, LQ_OK);
}

/* Whether the kernels compute right on this machine, before any model is there: lq_model_open tests them first and then refuses the
 * empty file. */
int lqw_selftest(lqw *h) {
  lq_model *m = NULL;
  lq_status s = lq_model_open("", 0, NULL, &m, &h->error);
  lq_model_close(m);
  return s == LQ_E_SELFTEST || s == LQ_E_NOMEM ? (int)s : LQ_OK;
}

/* bytes: from lqw_alloc, left in place until the module is dropped. kernels: "" = the best. */
int lqw_open(lqw *h, void *bytes, size_t n, int threads, const char *kernels) {
  lq_model_params p = {.threads = threads, .kernels = kernels[0] ? kernels : NULL};
  return (int)lq_model_open(bytes, n, &p, &h->model, &h->error);
}

/* Parameters that are 0 = default, as in lq_session_params; a model that translates takes several sentences at once, an encoder many texts. */
static void fill(lq_session_params *p, bool translates, bool embeds) {
  if (p->n_seq == 0) p->n_seq = embeds ? EMBEDDED_AT_ONCE : translates ? TRANSLATED_AT_ONCE : 0;
  if (p->n_batch == 0 && embeds) p->n_batch = EMBEDDED_TOKENS;
}

static lq_session_params params(const lqw *h, unsigned n_ctx, unsigned n_src, unsigned n_seq, unsigned n_batch) {
  lq_session_params p = {.n_ctx = n_ctx, .n_src = n_src, .n_seq = n_seq, .n_batch = n_batch};
  unsigned tasks = lq_model_tasks(h->model);
  fill(&p, (tasks & LQ_TASK_TRANSLATE) != 0, (tasks & LQ_TASK_EMBED) != 0);
  return p;
}

/* From a file's first bytes: {"weights": its bytes, "session": N}, what loading it will take. n_bytes is a double: a file may pass 4 GB. */
int lqw_plan(lqw *h, void *head, size_t n_head, double n_bytes, unsigned n_ctx, unsigned n_src, unsigned n_seq, unsigned n_batch) {
  lq_session_params p = {.n_ctx = n_ctx, .n_src = n_src, .n_seq = n_seq, .n_batch = n_batch};
  lq_plan plan = {0};
  lq_status s = lq_model_plan(head, n_head, (uint64_t)n_bytes, &p, &plan, &h->error);
  if (s == LQ_OK && (plan.translates || plan.embeds)) {
    fill(&p, plan.translates, plan.embeds);
    s = lq_model_plan(head, n_head, (uint64_t)n_bytes, &p, &plan, &h->error);
  }
  clear(h);
  lq_buf_printf(&h->out, "{\"weights\":%.0f,\"session\":%llu}", n_bytes, (unsigned long long)plan.session_bytes);
  return finished(h, s);
}

int lqw_session_bytes(lqw *h, unsigned n_ctx, unsigned n_src, unsigned n_seq, unsigned n_batch) {
  lq_session_params p = params(h, n_ctx, n_src, n_seq, n_batch);
  uint64_t bytes = 0;
  lq_status s = lq_session_bytes(h->model, &p, &bytes, &h->error);
  clear(h);
  lq_buf_printf(&h->out, "%llu", (unsigned long long)bytes);
  return finished(h, s);
}

int lqw_session(lqw *h, unsigned n_ctx, unsigned n_src, unsigned n_seq, unsigned n_batch) {
  h->params = params(h, n_ctx, n_src, n_seq, n_batch);
  return (int)lq_session_open(h->model, &h->params, &h->session, &h->error);
}

/* The work of the session that is open and of those before it. */
static lq_counters counters(const lqw *h) {
  lq_counters c;
  lq_session_counters(h->session, &c);
  c.encoder_runs += h->before.encoder_runs;
  c.encoder_tokens += h->before.encoder_tokens;
  c.cross_fills += h->before.cross_fills;
  c.prompt_tokens += h->before.prompt_tokens;
  c.generated_tokens += h->before.generated_tokens;
  c.decoder_rows += h->before.decoder_rows;
  return c;
}

/* Beams take memory for a cache each, which most pages never need: the session is opened anew when a request first asks for more of them than
 * it holds. The old one stays until the new one is there. */
static lq_status make_room(lqw *h, const lq_options *o) {
  double beams;
  lq_session *wider;
  lq_session_params p = h->params;
  lq_status s = lq_options_number(o, "num_beams", &beams, &h->error);
  if (s != LQ_OK || beams <= 1 || beams <= (double)p.n_beams) return s;
  p.n_beams = (uint32_t)beams;
  s = lq_session_open(h->model, &p, &wider, &h->error);
  if (s != LQ_OK) return s;
  h->before = counters(h);
  lq_session_close(h->session);
  h->session = wider;
  h->params = p;
  return LQ_OK;
}

int lqw_info(lqw *h, int with_metadata, unsigned n_ctx) {
  clear(h);
  return finished(h, lq_model_info(h->model, with_metadata, n_ctx, &h->out, &h->error));
}

int lqw_options(lqw *h) {
  clear(h);
  return finished(h, lq_options_list(&h->out, &h->error));
}

int lqw_counters(lqw *h) {
  lq_counters c = counters(h);
  clear(h);
  lq_buf_printf(&h->out, "{\"encoderRuns\":%llu,\"encoderTokens\":%llu,\"crossFills\":%llu,", (unsigned long long)c.encoder_runs,
                (unsigned long long)c.encoder_tokens, (unsigned long long)c.cross_fills);
  lq_buf_printf(&h->out, "\"promptTokens\":%llu,\"generatedTokens\":%llu,\"decoderRows\":%llu}", (unsigned long long)c.prompt_tokens,
                (unsigned long long)c.generated_tokens, (unsigned long long)c.decoder_rows);
  return finished(h, LQ_OK);
}

int lqw_tokenize(lqw *h, const char *text, size_t n, int add_special, int parse_special) {
  size_t n_ids = 0, cap = n + 8;
  clear(h);
  int32_t *ids = malloc(cap * sizeof(int32_t));
  if (!ids) return (int)lq_fail(&h->error, LQ_E_NOMEM, "no memory to tokenise %zu bytes", n);
  lq_status s = lq_tokenize(h->model, text, n, add_special, parse_special, ids, cap, &n_ids, &h->error);
  if (s == LQ_OK && n_ids > cap) { /* more ids than bytes: byte fallback with prefixes */
    free(ids);
    cap = n_ids;
    ids = malloc(cap * sizeof(int32_t));
    if (!ids) return (int)lq_fail(&h->error, LQ_E_NOMEM, "no memory for %zu token ids", cap);
    s = lq_tokenize(h->model, text, n, add_special, parse_special, ids, cap, &n_ids, &h->error);
  }
  lq_buf_addz(&h->out, "[");
  for (size_t i = 0; s == LQ_OK && i < n_ids; i++) lq_buf_printf(&h->out, "%s%d", i ? "," : "", (int)ids[i]);
  lq_buf_addz(&h->out, "]");
  free(ids);
  return finished(h, s);
}

int lqw_detokenize(lqw *h, const int32_t *ids, size_t n, int keep_special) {
  clear(h);
  return finished(h, lq_detokenize(h->model, ids, n, keep_special, &h->out, &h->error));
}

/* Every score after the last id, as floats at lqw_out. decoder_ids NULL: just the model's start id. */
int lqw_logits(lqw *h, const int32_t *ids, size_t n, const int32_t *decoder_ids, size_t n_decoder) {
  size_t n_vocab = lq_model_vocab(h->model);
  clear(h);
  float *scores = malloc(n_vocab * sizeof(float));
  if (!scores) return (int)lq_fail(&h->error, LQ_E_NOMEM, "no memory for %zu scores", n_vocab);
  lq_status s = lq_logits(h->session, ids, n, decoder_ids, n_decoder, scores, NULL, &h->error);
  if (s == LQ_OK) lq_buf_add(&h->out, scores, n_vocab * sizeof(float));
  free(scores);
  return finished(h, s);
}

/* Ids of n texts that lie one after another, sizes[i] bytes each. *ids and *types are the caller's to free. */
static lq_status inputs_of(lqw *h, const char *texts, const uint32_t *sizes, size_t n, lq_input *in, int32_t **ids, uint8_t **types) {
  size_t total = 0, at = 0, count;
  *ids = NULL;
  *types = NULL;
  for (size_t i = 0; i < n; at += sizes[i++]) { /* how many there are, first */
    lq_status s = lq_input_text(h->model, texts + at, sizes[i], NULL, 0, NULL, NULL, 0, &in[i].n, &h->error);
    if (s != LQ_OK) return s;
    total += in[i].n;
  }
  *ids = malloc((total + 1) * sizeof(int32_t));
  *types = malloc(total + 1);
  if (!*ids || !*types) return lq_fail(&h->error, LQ_E_NOMEM, "no memory for %zu token ids", total);
  at = total = 0;
  for (size_t i = 0; i < n; total += in[i].n, at += sizes[i++]) {
    lq_status s = lq_input_text(h->model, texts + at, sizes[i], NULL, 0, *ids + total, *types + total, in[i].n, &count, &h->error);
    if (s != LQ_OK) return s;
    in[i].ids = *ids + total;
    in[i].types = *types + total;
  }
  return LQ_OK;
}

/* What one call makes of n inputs: `width` numbers for each. */
typedef lq_status (*reader)(lqw *h, const lq_input *in, size_t n, const char *how, int normalize, float *out);

static int read_texts(lqw *h, const char *texts, const uint32_t *sizes, size_t n, size_t width, reader read, const char *how, int normalize) {
  lq_input *in = malloc((n + 1) * sizeof(lq_input));
  float *out = malloc((n * width + 1) * sizeof(float));
  int32_t *ids = NULL;
  uint8_t *types = NULL;
  clear(h);
  h->out.limit = SIZE_MAX / 2;
  lq_status s = in && out ? inputs_of(h, texts, sizes, n, in, &ids, &types) : lq_fail(&h->error, LQ_E_NOMEM, "no memory for %zu texts", n);
  if (s == LQ_OK) s = read(h, in, n, how, normalize, out);
  if (s == LQ_OK) lq_buf_add(&h->out, out, n * width * sizeof(float));
  free(in);
  free(out);
  free(ids);
  free(types);
  return finished(h, s);
}

static lq_status read_vectors(lqw *h, const lq_input *in, size_t n, const char *how, int normalize, float *out) {
  return lq_embed(h->session, in, n, how[0] ? how : NULL, normalize, out, &h->error);
}

/* Vectors of n texts, floats at lqw_out, text after text. pooling: "" = the model's own. normalize: 1, 0, -1 = the model's own. */
int lqw_embed(lqw *h, const char *texts, const uint32_t *sizes, size_t n, const char *pooling, int normalize) {
  return read_texts(h, texts, sizes, n, lq_model_width(h->model), read_vectors, pooling, normalize);
}

static lq_status read_labels(lqw *h, const lq_input *in, size_t n, const char *how, int normalize, float *out) {
  lq_status s = lq_classify(h->session, in, n, out, &h->error);
  (void)how, (void)normalize;
  for (size_t i = 0; s == LQ_OK && i < n; i++) lq_label_probabilities(h->model, out + i * lq_model_labels(h->model));
  return s;
}

/* Probabilities of the model's labels for n texts, floats at lqw_out. */
int lqw_classify(lqw *h, const char *texts, const uint32_t *sizes, size_t n) {
  return read_texts(h, texts, sizes, n, lq_model_labels(h->model), read_labels, "", 0);
}

/* The template's text for messages, as the model is shown them. */
int lqw_chat_text(lqw *h, const char *messages, size_t n, int add_generation_prompt) {
  clear(h);
  return finished(h, lq_chat_render(h->model, messages, n, add_generation_prompt, NULL, NULL, &h->out, &h->error));
}

static lq_status begin(lqw *h, int mode, const char *text, size_t n, const char *from, const char *to, const lq_options *o) {
  switch (mode) {
    case MODE_TEXT: return lq_generate(h->session, text, n, o, &h->error);
    case MODE_CHAT: return lq_chat(h->session, text, n, o, &h->error);
    case MODE_TRANSLATE: return lq_translate(h->session, text, n, from, to, o, &h->error);
    case MODE_IDS: return lq_generate_ids(h->session, (const int32_t *)(const void *)text, n / sizeof(int32_t), o, &h->error);
    default: return lq_fail(&h->error, LQ_E_ARG, "there is no mode %d", mode);
  }
}

/* text: the prompt, messages as JSON, the text to translate, or int32 ids (4-aligned), by mode. options: a JSON object. */
int lqw_begin(lqw *h, int mode, const char *text, size_t n, const char *from, const char *to, const char *options, size_t n_options) {
  lq_options *o;
  lq_status s = lq_options_new(h->model, &o, &h->error);
  if (s != LQ_OK) return (int)s;
  s = lq_options_set_json(o, options, n_options, &h->error);
  if (s == LQ_OK) s = make_room(h, o);
  if (s == LQ_OK) s = begin(h, mode, text, n, from, to, o);
  lq_options_free(o);
  return (int)s;
}

/* One step; LQ_OK leaves the piece as JSON. */
int lqw_next(lqw *h) {
  lq_piece p;
  lq_status s = lq_next(h->session, &p, &h->error);
  clear(h);
  if (s != LQ_OK) return (int)s;
  lq_buf_addz(&h->out, "{\"text\":");
  lq_buf_json_str(&h->out, p.text, p.n_text);
  lq_buf_printf(&h->out, ",\"tokenId\":%d,\"logprob\":", (int)p.token_id);
  lq_buf_json_num(&h->out, (double)p.logprob);
  lq_buf_printf(&h->out, ",\"hypothesis\":%u,\"score\":", (unsigned)p.hypothesis);
  lq_buf_json_num(&h->out, (double)p.score);
  lq_buf_printf(&h->out, ",\"promptDone\":%u,\"promptTotal\":%u,\"sentence\":%u,\"nSentences\":%u,\"finish\":", (unsigned)p.prompt_done,
                (unsigned)p.prompt_total, (unsigned)p.sentence, (unsigned)p.n_sentences);
  if (p.finish == LQ_FINISH_NONE) lq_buf_addz(&h->out, "null}");
  else lq_buf_printf(&h->out, "\"%s\"}", finish_names[p.finish]);
  return finished(h, LQ_OK);
}

void lqw_end(lqw *h) { lq_end(h->session); }
