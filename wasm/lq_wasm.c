/* The module's exports: lq.h for JavaScript. One handle holds a model, a session and the last result; results are JSON text.
 * May call: lq.h only. Every function that can fail returns an lq_status; lqw_message says why. */
#include <emscripten.h>
#include <stdlib.h>
#include <string.h>

#include "lq.h"

typedef struct lqw {
  lq_model *model;
  lq_session *session;
  lq_error error;
  lq_buf out;
} lqw;

EMSCRIPTEN_KEEPALIVE void *lqw_alloc(size_t n) { return malloc(n); }
EMSCRIPTEN_KEEPALIVE void lqw_free(void *p) { free(p); }
EMSCRIPTEN_KEEPALIVE lqw *lqw_new(void) { return calloc(1, sizeof(lqw)); }
EMSCRIPTEN_KEEPALIVE const char *lqw_message(const lqw *h) { return h->error.msg; }
EMSCRIPTEN_KEEPALIVE const char *lqw_out(const lqw *h) { return h->out.p ? h->out.p : ""; }
EMSCRIPTEN_KEEPALIVE size_t lqw_out_bytes(const lqw *h) { return h->out.n; }
EMSCRIPTEN_KEEPALIVE const char *lqw_status_name(int status) { return lq_status_name((lq_status)status); }

static void clear(lqw *h) {
  h->out.n = 0;
  h->out.failed = false;
}

/* bytes stay in place until the module is dropped. n_ctx 0 = default. */
EMSCRIPTEN_KEEPALIVE int lqw_open(lqw *h, void *bytes, size_t n, unsigned n_ctx) {
  lq_session_params p = {.n_ctx = n_ctx, .n_seq = 1};
  lq_status s = lq_model_open(bytes, n, NULL, &h->model, &h->error);
  if (s == LQ_OK && (lq_model_tasks(h->model) & LQ_TASK_TRANSLATE)) p.n_seq = 4;
  if (s == LQ_OK) s = lq_session_open(h->model, &p, &h->session, &h->error);
  clear(h);
  return s == LQ_OK ? (int)lq_model_info(h->model, 0, n_ctx, &h->out, &h->error) : (int)s;
}

EMSCRIPTEN_KEEPALIVE int lqw_tokenize(lqw *h, const char *text, size_t n, int special) {
  int32_t *ids = malloc((n + 8) * sizeof(int32_t));
  size_t n_ids = 0;
  if (!ids) return (int)lq_fail(&h->error, LQ_E_NOMEM, "no memory to tokenise %zu bytes", n);
  lq_status s = lq_tokenize(h->model, text, n, special, 1, ids, n + 8, &n_ids, &h->error);
  clear(h);
  lq_buf_addz(&h->out, "[");
  for (size_t i = 0; s == LQ_OK && i < n_ids && i < n + 8; i++) lq_buf_printf(&h->out, "%s%d", i ? "," : "", (int)ids[i]);
  lq_buf_addz(&h->out, "]");
  free(ids);
  return (int)s;
}

EMSCRIPTEN_KEEPALIVE int lqw_detokenize(lqw *h, const int32_t *ids, size_t n) {
  clear(h);
  return (int)lq_detokenize(h->model, ids, n, 0, &h->out, &h->error);
}

/* mode 0: prompt text, 1: messages as JSON, 2: translation from -> to. options: a JSON object. */
EMSCRIPTEN_KEEPALIVE int lqw_begin(lqw *h, int mode, const char *text, size_t n, const char *from, const char *to, const char *options) {
  lq_options *o;
  lq_status s = lq_options_new(h->model, &o, &h->error);
  if (s != LQ_OK) return (int)s;
  s = lq_options_set_json(o, options, strlen(options), &h->error);
  if (s == LQ_OK && mode == 0) s = lq_generate(h->session, text, n, o, &h->error);
  if (s == LQ_OK && mode == 1) s = lq_chat(h->session, text, n, o, &h->error);
  if (s == LQ_OK && mode == 2) s = lq_translate(h->session, text, n, from, to, o, &h->error);
  lq_options_free(o);
  return (int)s;
}

/* One step; LQ_OK leaves the piece as JSON. */
EMSCRIPTEN_KEEPALIVE int lqw_next(lqw *h) {
  static const char *const finish[] = {"null", "\"eos\"", "\"stop\"", "\"length\"", "\"context\""};
  lq_piece p;
  lq_status s = lq_next(h->session, &p, &h->error);
  clear(h);
  if (s != LQ_OK) return (int)s;
  lq_buf_addz(&h->out, "{\"text\":");
  lq_buf_json_str(&h->out, p.text, p.n_text);
  lq_buf_printf(&h->out, ",\"tokenId\":%d,\"logprob\":", (int)p.token_id);
  lq_buf_json_num(&h->out, (double)p.logprob);
  lq_buf_printf(&h->out, ",\"promptDone\":%u,\"promptTotal\":%u,\"sentence\":%u,\"nSentences\":%u,\"finish\":%s}", (unsigned)p.prompt_done,
                (unsigned)p.prompt_total, (unsigned)p.sentence, (unsigned)p.n_sentences, finish[p.finish]);
  return LQ_OK;
}

EMSCRIPTEN_KEEPALIVE void lqw_end(lqw *h) { lq_end(h->session); }
