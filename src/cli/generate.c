/* loquat generate: a prompt continued, streamed or as one JSON object. May call: lq.h, libc. */
#include "cli/cli.h"

#include <string.h>

typedef struct sequence {
  lq_buf text, ids; /* ids: int32_t */
  enum lq_finish finish;
  float score;
} sequence;

typedef struct result {
  sequence best, other; /* other: the hypothesis being handed out after the best */
  lq_buf all;           /* every hypothesis as JSON */
  uint32_t n;           /* how many */
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

/* "text":...,"ids":[...],"finish_reason":..., and with beams "score":... */
static void add_sequence(lq_buf *out, const sequence *q, bool beams) {
  size_t n = q->ids.n / sizeof(int32_t);
  const int32_t *ids = (const void *)q->ids.p;
  lq_buf_addz(out, "\"text\":");
  lq_buf_json_str(out, q->text.n ? q->text.p : "", q->text.n);
  lq_buf_addz(out, ",\"ids\":[");
  for (size_t i = 0; i < n; i++) lq_buf_printf(out, "%s%d", i ? "," : "", (int)ids[i]);
  lq_buf_printf(out, "],\"finish_reason\":\"%s\"", finish_name(q->finish));
  if (beams) lq_buf_printf(out, ",\"score\":%.7g", (double)q->score);
}

/* After the text that was streamed, or in its place. */
static void end_line(const lq_cli_args *a, const sequence *q) {
  if (a->json) return;
  if (a->ids) lq_cli_print_ids((const void *)q->ids.p, q->ids.n / sizeof(int32_t));
  else if (!q->text.n || q->text.p[q->text.n - 1] != '\n') putchar('\n');
}

static int take(const lq_cli_args *a, const lq_piece *p, result *r) {
  sequence *q = p->hypothesis ? &r->other : &r->best;
  if (p->prompt_total) r->prompt_tokens = p->prompt_total;
  if (!r->first && p->prompt_done == p->prompt_total) r->first = lq_cli_seconds();
  if (p->token_id >= 0) lq_buf_add(&q->ids, &p->token_id, sizeof p->token_id);
  if (p->token_id >= 0 && !p->hypothesis) r->last = lq_cli_seconds();
  lq_buf_add(&q->text, p->text, p->n_text);
  if (p->n_text && !a->json && !a->ids && (fwrite(p->text, 1, p->n_text, stdout) < p->n_text || fflush(stdout) != 0)) return LQ_CLI_FAILED;
  if (p->finish == LQ_FINISH_NONE) return LQ_CLI_OK;
  q->finish = p->finish;
  q->score = p->score;
  lq_buf_addz(&r->all, r->n++ ? ",{" : "{");
  add_sequence(&r->all, q, true);
  lq_buf_addz(&r->all, "}");
  end_line(a, q);
  r->other.text.n = r->other.ids.n = 0;
  return LQ_CLI_OK;
}

/* Steps to the end; text goes out at once unless it is to be JSON or ids, hypotheses after the best a line each. */
static int steps(const lq_cli_args *a, lq_session *s, result *r) {
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
    int code = take(a, &p, r);
    if (code != LQ_CLI_OK) return code;
  }
}

static double per_second(size_t n, double seconds) { return seconds > 0 && n ? (double)n / seconds : 0; }

static void print_json(const result *r, bool beams) {
  lq_buf out = {0};
  size_t n = r->best.ids.n / sizeof(int32_t);
  double prompt = n ? r->first - r->begin : 0, decode = n > 1 ? r->last - r->first : 0;
  lq_buf_addz(&out, "{");
  add_sequence(&out, &r->best, beams);
  if (r->n > 1) lq_buf_printf(&out, ",\"sequences\":[%s]", r->all.p);
  lq_buf_printf(&out, ",\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%zu}", (unsigned)r->prompt_tokens, n);
  lq_buf_printf(&out,
                ",\"timings\":{\"load_ms\":%.1f,\"prompt_ms\":%.1f,\"generate_ms\":%.1f,\"prompt_per_second\":%.2f,\"generated_per_second\":%.2f}}",
                1e3 * r->load, 1e3 * prompt, 1e3 * decode, per_second(r->prompt_tokens, prompt), per_second(n > 1 ? n - 1 : 0, decode));
  if (!out.failed) puts(out.p);
  lq_buf_free(&out);
}

static void print_end(const lq_cli_args *a, const result *r, bool beams) {
  size_t n = r->best.ids.n / sizeof(int32_t);
  if (!r->n) end_line(a, &r->best); /* interrupted */
  if (a->json) print_json(r, beams);
  fflush(stdout);
  if (r->best.finish == LQ_FINISH_CONTEXT && !a->json) fputs("loquat: note: the context is full; -c N makes room for more.\n", stderr);
  if (a->verbose)
    fprintf(stderr, "%u prompt tokens (%.1f/s), %zu tokens (%.1f/s), finish: %s\n", (unsigned)r->prompt_tokens,
            per_second(r->prompt_tokens, r->first - r->begin), n, per_second(n > 1 ? n - 1 : 0, r->last - r->first), finish_name(r->best.finish));
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
  int code = steps(a, s, r);
  if (code == LQ_CLI_OK || code == LQ_CLI_INTERRUPTED) print_end(a, r, lq_cli_beams(o) > 1);
  else if (!a->json && r->best.text.n && !r->n) putchar('\n');
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
  lq_session_params p = {.n_ctx = a->context, .n_src = a->source, .n_batch = a->batch, .n_beams = lq_cli_beams(o)};
  if (code == LQ_CLI_OK && lq_session_open(m, &p, &s, &err) != LQ_OK) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK) code = generate(a, &prompt, s, o, &r);
  lq_session_close(s);
  lq_options_free(o);
  lq_model_close(m);
  lq_buf_free(&prompt);
  lq_buf_free(&r.best.text);
  lq_buf_free(&r.best.ids);
  lq_buf_free(&r.other.text);
  lq_buf_free(&r.other.ids);
  lq_buf_free(&r.all);
  return code;
}
