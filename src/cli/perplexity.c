/* loquat perplexity: exp of the mean -ln p(token) over a text. The method, that of llama.cpp's tool, stands in -h.
 * May call: lq.h, libc (libm). */
#include "cli/cli.h"

#include <math.h>
#include <string.h>

typedef struct scored { double nll; size_t tokens, chunks; } scored;

/* Ids of the text, BOS first where the model adds one; *bos tells. */
static int to_ids(const lq_model *m, const lq_buf *text, lq_buf *ids, bool *bos) {
  lq_error err;
  size_t n = 0, room = text->n + 16;
  int32_t *at = lq_cli_room(ids, room * sizeof *at), plain[1];
  if (!at) return LQ_CLI_FAILED;
  if (lq_tokenize(m, text->p, text->n, 1, 0, at, room, &n, &err) != LQ_OK) return lq_cli_error(&err);
  if (n > room) return lq_cli_failed("The text has more tokens than bytes.");
  ids->n = n * sizeof *at;
  size_t n_plain = 0;
  if (lq_tokenize(m, text->p, text->n, 0, 0, plain, 1, &n_plain, &err) != LQ_OK) return lq_cli_error(&err);
  *bos = n > n_plain && n_plain > 0 && at[0] != plain[0];
  return LQ_CLI_OK;
}

/* One chunk; its first id is BOS for as long as the engine looks at it. */
static lq_status chunk(lq_session *s, int32_t *ids, size_t n, size_t first, const int32_t *bos, scored *r, lq_error *err) {
  double nll = 0;
  int32_t kept = ids[0];
  if (bos) ids[0] = *bos;
  lq_status st = lq_score(s, ids, n, first, &nll, err);
  ids[0] = kept;
  if (st != LQ_OK) return st;
  r->nll += nll;
  r->tokens += n - first;
  r->chunks++;
  return LQ_OK;
}

static int run(const lq_cli_args *a, lq_session *s, lq_buf *room, bool has_bos, size_t n_ctx, scored *r) {
  lq_error err;
  int32_t *ids = (void *)room->p, bos = ids[0];
  size_t n = room->n / sizeof *ids, size = n < n_ctx ? n : n_ctx, first = n < n_ctx ? 1 : n_ctx / 2;
  if (n < 2) return lq_cli_usage("The text has %zu tokens: at least 2 are needed.", n);
  for (size_t at = 0; at + size <= n; at += size) {
    if (chunk(s, ids + at, size, first, has_bos ? &bos : NULL, r, &err) != LQ_OK) return lq_cli_error(&err);
    if (a->verbose) fprintf(stderr, "chunk %zu of %zu: %.4f\n", r->chunks, n / size, exp(r->nll / (double)r->tokens));
  }
  if (!isfinite(r->nll)) return lq_cli_failed("The model computes scores that are not numbers; its file is damaged.");
  if (n < n_ctx) fprintf(stderr, "loquat: note: %zu tokens are less than one chunk of %zu; all but the first are scored.\n", n, n_ctx);
  return LQ_CLI_OK;
}

static void print(const lq_cli_args *a, const scored *r, size_t n_ctx) {
  double mean = r->nll / (double)r->tokens;
  if (a->json) printf("{\"perplexity\":%.6f,\"nll_per_token\":%.6f,\"tokens\":%zu,\"chunks\":%zu,\"n_ctx\":%zu}\n", exp(mean), mean, r->tokens,
                      r->chunks, n_ctx);
  else printf("perplexity %.4f (%zu tokens scored in %zu chunks of %zu)\n", exp(mean), r->tokens, r->chunks, n_ctx);
}

int lq_cli_perplexity(lq_cli_args *a) {
  lq_model *m = NULL;
  lq_session *s = NULL;
  lq_buf text = {0}, ids = {0};
  lq_error err;
  scored r = {0};
  bool bos = false;
  if (a->n_text != 1) return lq_cli_usage("perplexity takes one text file (- = standard input).");
  int code = lq_cli_read_all(a->text[0], &text);
  if (code == LQ_CLI_OK && !text.n) code = lq_cli_usage("%s is empty: there is nothing to score.", a->text[0]);
  if (code == LQ_CLI_OK) code = lq_cli_open(a, false, &m);
  if (code == LQ_CLI_OK) code = to_ids(m, &text, &ids, &bos);
  uint32_t n_ctx = a->context ? a->context : 512;
  lq_session_params p = {.n_ctx = n_ctx, .n_batch = a->batch};
  if (code == LQ_CLI_OK && n_ctx < 4) code = lq_cli_usage("-c takes at least 4 tokens.");
  if (code == LQ_CLI_OK && lq_session_open(m, &p, &s, &err) != LQ_OK) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK) code = run(a, s, &ids, bos, n_ctx, &r);
  if (code == LQ_CLI_OK) print(a, &r, n_ctx);
  lq_session_close(s);
  lq_model_close(m);
  lq_buf_free(&text);
  lq_buf_free(&ids);
  return code;
}
