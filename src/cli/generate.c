/* loquat generate: a prompt continued, streamed or as one JSON object. May call: lq.h, libc. */
#include "cli/cli.h"

#include <string.h>

typedef struct result {
  lq_buf text, ids; /* ids: int32_t */
  enum lq_finish finish;
  double load, first, last, begin; /* seconds: loading took; first and last token, begin, on the clock */
  uint32_t prompt_tokens;
} result;

static const char *finish_name(enum lq_finish f) {
  switch (f) {
    case LQ_FINISH_EOS: return "eos";
    case LQ_FINISH_STOP: return "stop";
    case LQ_FINISH_LENGTH: return "length";
    case LQ_FINISH_CONTEXT: return "context";
    case LQ_FINISH_NONE: break;
  }
  return "interrupted";
}

/* Steps to the end; text goes out at once when streaming, into r otherwise. */
static int steps(lq_session *s, bool stream, result *r) {
  lq_error err;
  lq_piece p;
  for (;;) {
    if (lq_cli_interrupted()) {
      lq_end(s);
      return LQ_CLI_INTERRUPTED;
    }
    lq_status st = lq_next(s, &p, &err);
    if (st == LQ_DONE) return LQ_CLI_OK;
    if (st != LQ_OK) return lq_cli_error(&err);
    if (p.prompt_total) r->prompt_tokens = p.prompt_total;
    if (p.token_id >= 0) {
      r->last = lq_cli_seconds();
      if (!r->ids.n) r->first = r->last;
      lq_buf_add(&r->ids, &p.token_id, sizeof p.token_id);
    }
    if (p.finish != LQ_FINISH_NONE) r->finish = p.finish;
    if (!p.n_text) continue;
    if (stream && (fwrite(p.text, 1, p.n_text, stdout) < p.n_text || fflush(stdout) != 0)) return LQ_CLI_FAILED;
    lq_buf_add(&r->text, p.text, p.n_text);
  }
}

static double per_second(size_t n, double seconds) { return seconds > 0 && n ? (double)n / seconds : 0; }

static void print_json(const result *r) {
  lq_buf out = {0};
  size_t n = r->ids.n / sizeof(int32_t);
  const int32_t *ids = (const void *)r->ids.p;
  double prompt = n ? r->first - r->begin : 0, decode = n > 1 ? r->last - r->first : 0;
  lq_buf_addz(&out, "{\"text\":");
  lq_buf_json_str(&out, r->text.n ? r->text.p : "", r->text.n);
  lq_buf_addz(&out, ",\"ids\":[");
  for (size_t i = 0; i < n; i++) lq_buf_printf(&out, "%s%d", i ? "," : "", (int)ids[i]);
  lq_buf_printf(&out, "],\"finish_reason\":\"%s\",\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%zu}", finish_name(r->finish),
                (unsigned)r->prompt_tokens, n);
  lq_buf_printf(&out,
                ",\"timings\":{\"load_ms\":%.1f,\"prompt_ms\":%.1f,\"generate_ms\":%.1f,\"prompt_per_second\":%.2f,\"generated_per_second\":%.2f}}",
                1e3 * r->load, 1e3 * prompt, 1e3 * decode, per_second(r->prompt_tokens, prompt), per_second(n > 1 ? n - 1 : 0, decode));
  if (!out.failed) puts(out.p);
  lq_buf_free(&out);
}

static void print_end(const lq_cli_args *a, const result *r) {
  size_t n = r->ids.n / sizeof(int32_t);
  if (a->json) print_json(r);
  else if (a->ids) lq_cli_print_ids((const void *)r->ids.p, n);
  else if (!r->text.n || r->text.p[r->text.n - 1] != '\n') putchar('\n');
  fflush(stdout);
  if (r->finish == LQ_FINISH_CONTEXT && !a->json) fputs("loquat: note: the context is full; -c N makes room for more.\n", stderr);
  if (a->verbose)
    fprintf(stderr, "%u prompt tokens (%.1f/s), %zu tokens (%.1f/s), finish: %s\n", (unsigned)r->prompt_tokens,
            per_second(r->prompt_tokens, r->first - r->begin), n, per_second(n > 1 ? n - 1 : 0, r->last - r->first), finish_name(r->finish));
}

/* The prompt's text, or its ids with --ids, whichever was given. */
static int read_prompt(const lq_cli_args *a, lq_buf *out) {
  int given = (a->prompt != NULL) + (a->file != NULL) + (a->ids != NULL) + (a->n_text > 0);
  if (given > 1) return lq_cli_usage("Give the prompt once: as words, -p, -f or --ids.");
  int code = LQ_CLI_OK;
  if (a->ids) code = lq_cli_ids(a->ids, "--ids", out) ? LQ_CLI_OK : LQ_CLI_USAGE;
  else if (a->prompt) lq_buf_addz(out, a->prompt);
  else if (a->n_text) lq_cli_join(a->text, a->n_text, out);
  else {
    if (!a->file) lq_cli_invite("Type the prompt");
    code = lq_cli_read_all(a->file ? a->file : "-", out);
  }
  if (code == LQ_CLI_OK && !out->n) return lq_cli_usage("The prompt is empty: there is nothing to continue.");
  return code;
}

static int generate(lq_cli_args *a, const lq_buf *prompt, lq_session *s, const lq_options *o, result *r) {
  lq_error err;
  lq_cli_catch_interrupt();
  r->begin = lq_cli_seconds();
  lq_status st = a->ids ? lq_generate_ids(s, (const void *)prompt->p, prompt->n / sizeof(int32_t), o, &err)
                        : lq_generate(s, prompt->p, prompt->n, o, &err);
  if (st != LQ_OK) return lq_cli_error(&err);
  int code = steps(s, !a->json && !a->ids, r);
  if (code == LQ_CLI_OK || code == LQ_CLI_INTERRUPTED) print_end(a, r);
  else if (!a->json && r->text.n) putchar('\n');
  return code;
}

int lq_cli_generate(lq_cli_args *a) {
  lq_model *m = NULL;
  lq_session *s = NULL;
  lq_options *o = NULL;
  lq_buf prompt = {0};
  lq_error err;
  result r = {0};
  int code = read_prompt(a, &prompt);
  double t0 = lq_cli_seconds();
  if (code == LQ_CLI_OK) code = lq_cli_open(a, false, &m);
  r.load = lq_cli_seconds() - t0;
  if (code == LQ_CLI_OK) code = lq_cli_options(a, m, &o);
  lq_session_params p = {.n_ctx = a->context, .n_src = a->source, .n_batch = a->batch};
  if (code == LQ_CLI_OK && lq_session_open(m, &p, &s, &err) != LQ_OK) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK) code = generate(a, &prompt, s, o, &r);
  lq_session_close(s);
  lq_options_free(o);
  lq_model_close(m);
  lq_buf_free(&prompt);
  lq_buf_free(&r.text);
  lq_buf_free(&r.ids);
  return code;
}
