/* loquat translate: text given, or a line in and a line out. May call: lq.h, libc, POSIX. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Lines handed to the engine together, so that its n_seq rows are full; bounds the wait for the first of them. */
enum { MOST_LINES = 32, MOST_BYTES = 16384 };

typedef struct job {
  lq_session *session;
  lq_options *options;
  lq_buf from, to;
  const char *input; /* what lines are read from, for messages */
  bool wrote; /* something of this text is on stdout */
  uint32_t n_best; /* num_return_sequences: so many lines for each text, best first */
  lq_buf *best;    /* [n_best] those lines, when there are several */
  uint32_t cut;    /* sentences whose translation a limit ended */
} job;

/* The one language of the list that is not `other`; *n = how many there are in all. */
static const char *remaining(const char *list, const char *other, size_t *n) {
  const char *key, *v, *hit = NULL;
  *n = 0;
  for (const char *at = list; at && lq_cli_json_next(&at, &key, &v); (*n)++)
    if (!lq_cli_json_is(v, other)) hit = v;
  return hit;
}

static bool knows(const char *list, const char *lang) {
  const char *key, *v;
  for (const char *at = list; at && lq_cli_json_next(&at, &key, &v);)
    if (lq_cli_json_is(v, lang)) return true;
  return false;
}

/* Fills in what was not said, where only one answer is possible. */
static int languages(const lq_cli_args *a, const lq_model *m, job *j) {
  lq_buf info = {0};
  lq_error err;
  if (lq_model_info(m, 0, 0, &info, &err) != LQ_OK) return lq_cli_error(&err);
  const char *list = info.failed ? NULL : lq_cli_json_get(info.p, "languages");
  size_t n;
  const char *other = remaining(list, a->from ? a->from : a->to ? a->to : "", &n);
  lq_buf_addz(&j->from, a->from ? a->from : "");
  lq_buf_addz(&j->to, a->to ? a->to : "");
  if (!a->from && !a->to && n == 2 && knows(list, "fr") && knows(list, "en")) {
    lq_buf_addz(&j->from, "fr");
    lq_buf_addz(&j->to, "en");
  } else if (n == 2 && other && !a->to && knows(list, a->from ? a->from : "")) {
    lq_cli_json_text(other, &j->to);
  } else if (n == 2 && other && !a->from && knows(list, a->to ? a->to : "")) {
    lq_cli_json_text(other, &j->from);
  }
  int code = LQ_CLI_OK;
  if (!j->to.n && (lq_model_tasks(m) & LQ_TASK_TRANSLATE)) {
    lq_buf names = {0};
    const char *key, *v;
    for (const char *at = list; at && lq_cli_json_next(&at, &key, &v);) {
      if (names.n) lq_buf_addz(&names, ", ");
      lq_cli_json_text(v, &names);
    }
    code = lq_cli_usage("Say the language wanted: --to LANG. This model knows %s.", names.n ? names.p : "no language list");
    lq_buf_free(&names);
  }
  lq_buf_free(&info);
  return code;
}

/* One of several translations: the k-th is made of the k-th best of every sentence. */
static void keep(job *j, const lq_piece *p) {
  for (uint32_t k = 0; k < j->n_best; k++)
    if (p->token_id < 0 || p->hypothesis == k) lq_buf_add(&j->best[k], p->text, p->n_text);
}

static int print_kept(job *j, bool lines) {
  for (uint32_t k = 0; k < j->n_best; k++) {
    lq_buf *b = &j->best[k];
    for (size_t i = 0; i < b->n; i++) putchar(lines && b->p[i] == '\n' ? ' ' : b->p[i]);
    if (k + 1 < j->n_best) putchar('\n');
    if (b->failed) return lq_cli_failed("The translations are too long.");
    b->n = 0;
  }
  return LQ_CLI_OK;
}

/* Translates text to stdout. In line mode a line feed inside a translation becomes a space: only those of the input count. */
static int translate(job *j, const char *text, size_t n, bool lines) {
  lq_error err;
  lq_piece p;
  j->wrote = false;
  lq_status s = lq_translate(j->session, text, n, j->from.p, j->to.p, j->options, &err);
  while (s == LQ_OK) {
    if (lq_cli_interrupted()) {
      lq_end(j->session);
      return LQ_CLI_INTERRUPTED;
    }
    s = lq_next(j->session, &p, &err);
    if (s != LQ_OK) break;
    if (p.n_text) j->wrote = true;
    j->cut += p.hypothesis == 0 && (p.finish == LQ_FINISH_LENGTH || p.finish == LQ_FINISH_CONTEXT);
    if (j->n_best > 1) keep(j, &p);
    for (size_t i = 0; i < p.n_text && j->n_best == 1; i++) putchar(lines && p.token_id >= 0 && p.text[i] == '\n' ? ' ' : p.text[i]);
    if (p.n_text && fflush(stdout) != 0) return LQ_CLI_FAILED; /* lq_cli_finish says why */
  }
  if (s != LQ_DONE) return lq_cli_error(&err);
  return j->n_best > 1 ? print_kept(j, lines) : LQ_CLI_OK;
}

static bool is_blank(lq_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (!strchr(" \t\r\v\f", s.p[i]) || !s.p[i]) return false;
  return true;
}

/* Waits for a line, takes what more is already there, translates them together. */
static int batch(job *j, lq_cli_reader *r, lq_buf *text, bool *end) {
  lq_str line;
  int got = lq_cli_line(r, true, &line);
  if (got == LQ_CLI_LINE_INTERRUPTED) return LQ_CLI_INTERRUPTED;
  if (got == LQ_CLI_LINE_ERROR) return lq_cli_failed("%s could not be read: %s.", j->input, strerror(errno));
  *end = got == LQ_CLI_LINE_END;
  text->n = 0;
  for (int n = 0; got == LQ_CLI_LINE; got = lq_cli_line(r, false, &line)) {
    bool blank = is_blank(line);
    if (text->n && !blank) lq_buf_addz(text, "\n");
    if (!blank) lq_buf_add(text, line.p, line.n);
    if (blank || ++n >= (j->n_best > 1 ? 1 : MOST_LINES) || text->n >= MOST_BYTES) {
      int code = text->n ? translate(j, text->p, text->n, true) : LQ_CLI_OK;
      if (code != LQ_CLI_OK) return code;
      if (text->n) putchar('\n');
      if (blank) { /* a blank line stays as it is */
        fwrite(line.p, 1, line.n, stdout);
        putchar('\n');
      }
      fflush(stdout);
      return LQ_CLI_OK;
    }
  }
  if (text->failed) return lq_cli_failed("A line is too long: at most 64 MiB.");
  int code = text->n ? translate(j, text->p, text->n, true) : LQ_CLI_OK;
  if (text->n && code == LQ_CLI_OK) putchar('\n');
  fflush(stdout);
  return code;
}

static int from_lines(const lq_cli_args *a, job *j) {
  lq_cli_reader r = {.fd = STDIN_FILENO};
  lq_buf text = {0};
  bool end = false;
  int code = LQ_CLI_OK;
  j->input = a->file ? a->file : "Standard input";
  if (a->file && strcmp(a->file, "-") != 0) {
    r.fd = open(a->file, O_RDONLY);
    if (r.fd < 0) return lq_cli_failed("%s could not be opened: %s.", a->file, strerror(errno));
  } else {
    lq_cli_invite("Type a line to translate it");
  }
  while (code == LQ_CLI_OK && !end) code = batch(j, &r, &text, &end);
  if (r.fd != STDIN_FILENO) close(r.fd);
  lq_buf_free(&r.buf);
  lq_buf_free(&text);
  return code;
}

static int from_text(const lq_cli_args *a, job *j) {
  lq_buf text = {0};
  if (a->prompt) lq_buf_addz(&text, a->prompt);
  else lq_cli_join(a->text, a->n_text, &text);
  int code = text.failed ? lq_cli_failed("The text is too long.")
             : is_blank((lq_str){text.p, text.n}) ? lq_cli_usage("The text is empty: there is nothing to translate.")
                                                  : translate(j, text.p, text.n, false);
  if (code == LQ_CLI_OK || j->wrote) putchar('\n');
  lq_buf_free(&text);
  return code;
}

static void report(const job *j, double seconds) {
  lq_counters c;
  lq_session_counters(j->session, &c);
  fprintf(stderr, "%llu source tokens, %llu tokens generated in %.2f s (%.1f tokens/s)\n", (unsigned long long)c.encoder_tokens,
          (unsigned long long)c.generated_tokens, seconds, seconds > 0 ? (double)c.generated_tokens / seconds : 0.0);
}

static int make_best(job *j) {
  double n = 1;
  lq_error err;
  if (lq_options_number(j->options, "num_return_sequences", &n, &err) != LQ_OK) return lq_cli_error(&err);
  j->n_best = (uint32_t)n;
  j->best = calloc(j->n_best, sizeof *j->best);
  return j->best ? LQ_CLI_OK : lq_cli_failed("There is no memory for %u translations.", (unsigned)j->n_best);
}

int lq_cli_translate(lq_cli_args *a) {
  job j = {0};
  lq_error err;
  lq_model *m = NULL;
  if ((a->n_text > 0) + (a->prompt != NULL) + (a->file != NULL) > 1) return lq_cli_usage("Give the text once: as words, -p or -f.");
  int code = lq_cli_open(a, true, &m);
  if (code == LQ_CLI_OK) code = languages(a, m, &j);
  if (code == LQ_CLI_OK) code = lq_cli_options(a, m, &j.options);
  if (code == LQ_CLI_OK) code = make_best(&j);
  lq_session_params p = {.n_ctx = a->context, .n_src = a->source, .n_seq = a->parallel ? a->parallel : 8,
                         .n_batch = a->batch, .n_beams = lq_cli_beams(j.options)};
  if (code == LQ_CLI_OK && lq_session_open(m, &p, &j.session, &err) != LQ_OK) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK) {
    lq_cli_catch_interrupt();
    double t0 = lq_cli_seconds();
    code = a->n_text || a->prompt ? from_text(a, &j) : from_lines(a, &j);
    fflush(stdout);
    if (j.cut && !lq_cli_given(a, "max_new_tokens"))
      fprintf(stderr, "loquat: note: %u of the translations reached a limit and end early: raise --max-new-tokens or -c.\n", (unsigned)j.cut);
    if (a->verbose) report(&j, lq_cli_seconds() - t0);
  }
  lq_session_close(j.session);
  lq_options_free(j.options);
  lq_model_close(m);
  lq_buf_free(&j.from);
  lq_buf_free(&j.to);
  for (uint32_t k = 0; j.best && k < j.n_best; k++) lq_buf_free(&j.best[k]);
  free(j.best);
  return code;
}
