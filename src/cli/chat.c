/* loquat chat: one line a turn, the conversation kept. May call: lq.h, libc, POSIX. */
#include "cli/cli.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct talk {
  lq_session *session;
  lq_options *options;
  lq_buf messages; /* JSON array without its closing bracket */
  lq_buf reply;
  bool tty;
} talk;

static void add_message(talk *t, const char *role, const char *text, size_t n) {
  lq_buf_addz(&t->messages, t->messages.n > 1 ? ",{\"role\":\"" : "{\"role\":\"");
  lq_buf_addz(&t->messages, role);
  lq_buf_addz(&t->messages, "\",\"content\":");
  lq_buf_json_str(&t->messages, text, n);
  lq_buf_addz(&t->messages, "}");
}

static void start_over(talk *t, const char *system) {
  t->messages.n = 0;
  lq_buf_addz(&t->messages, "[");
  if (system) add_message(t, "system", system, strlen(system));
}

/* Streams one reply into t->reply and stdout. Ctrl-C ends the reply, not the program. */
static lq_status reply(talk *t, lq_error *err) {
  lq_piece p;
  t->reply.n = 0;
  lq_buf_add(&t->reply, "", 0);
  lq_buf_addz(&t->messages, "]");
  lq_status s = t->messages.failed ? lq_fail(err, LQ_E_NOMEM, "The conversation is too long to keep.")
                                   : lq_chat(t->session, t->messages.p, t->messages.n, t->options, err);
  if (t->messages.n) t->messages.n--; /* the bracket */
  while (s == LQ_OK) {
    if (lq_cli_interrupted()) {
      lq_end(t->session);
      break;
    }
    s = lq_next(t->session, &p, err);
    if (s != LQ_OK) break;
    fwrite(p.text, 1, p.n_text, stdout);
    if (fflush(stdout) != 0) return lq_fail(err, LQ_E_IO, "Standard output could not be written: %s.", strerror(errno));
    lq_buf_add(&t->reply, p.text, p.n_text);
    if (p.finish == LQ_FINISH_CONTEXT) fputs("\n(The context is full: /clear starts a new conversation.)", stderr);
  }
  return s == LQ_DONE ? LQ_OK : s;
}

static int turn(talk *t, lq_str line) {
  lq_error err;
  size_t before = t->messages.n;
  add_message(t, "user", line.p, line.n);
  lq_cli_clear_interrupt();
  lq_status s = reply(t, &err);
  bool stopped = lq_cli_interrupted();
  lq_cli_clear_interrupt();
  if (s == LQ_OK) {
    add_message(t, "assistant", t->reply.p, t->reply.n);
    putchar('\n');
    fflush(stdout);
    if (stopped) fputs("(stopped)\n", stderr);
    return LQ_CLI_OK;
  }
  t->messages.n = before; /* the turn did not happen */
  int code = lq_cli_error(&err);
  return t->tty && s == LQ_E_CONTEXT ? LQ_CLI_OK : code; /* the person may say less, or /clear */
}

static int loop(talk *t, const char *system) {
  lq_cli_reader r = {.fd = STDIN_FILENO};
  lq_str line;
  int code = LQ_CLI_OK;
  if (t->tty) fputs("/exit ends, /clear starts over, Ctrl-C stops a reply.\n", stderr);
  while (code == LQ_CLI_OK) {
    if (t->tty) fputs("> ", stderr);
    int got = lq_cli_line(&r, true, &line);
    if (got == LQ_CLI_LINE_INTERRUPTED) code = LQ_CLI_INTERRUPTED;
    if (got == LQ_CLI_LINE_ERROR) code = lq_cli_failed("Standard input could not be read: %s.", strerror(errno));
    if (got != LQ_CLI_LINE) break;
    while (line.n && strchr(" \t\r", line.p[line.n - 1]) && line.p[line.n - 1]) line.n--;
    if (!line.n) continue;
    if (lq_str_eqz(line, "/exit") || lq_str_eqz(line, "/quit")) break;
    if (lq_str_eqz(line, "/clear")) start_over(t, system);
    else code = turn(t, line);
  }
  if (t->tty) fputs("\n", stderr);
  lq_buf_free(&r.buf);
  return code;
}

int lq_cli_chat(lq_cli_args *a) {
  talk t = {.tty = isatty(STDIN_FILENO) != 0};
  lq_model *m = NULL;
  lq_error err;
  if (a->n_text) return lq_cli_usage("chat reads standard input: \"%.40s\" is one word too many.", a->text[0]);
  int code = lq_cli_open(a, false, &m);
  if (code == LQ_CLI_OK) code = lq_cli_options(a, m, &t.options);
  /* A reply may be as long as the context allows, unless the user says otherwise. */
  if (code == LQ_CLI_OK && !lq_cli_given(a, "max_new_tokens") &&
      lq_options_set(t.options, "max_new_tokens", "100000", &err) != LQ_OK)
    code = lq_cli_error(&err);
  lq_session_params p = {.n_ctx = a->context, .n_batch = a->batch, .n_beams = lq_cli_beams(t.options)};
  if (code == LQ_CLI_OK && !(lq_model_tasks(m) & LQ_TASK_CHAT))
    code = lq_cli_failed("This model cannot chat; loquat info shows what it can do.");
  if (code == LQ_CLI_OK && lq_session_open(m, &p, &t.session, &err) != LQ_OK) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK) {
    lq_cli_catch_interrupt();
    start_over(&t, a->system);
    code = loop(&t, a->system);
  }
  lq_session_close(t.session);
  lq_options_free(t.options);
  lq_model_close(m);
  lq_buf_free(&t.messages);
  lq_buf_free(&t.reply);
  return code;
}
