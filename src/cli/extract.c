/* loquat ner and qa: entities of a text, answers found in it. May call: lq.h, libc. */
#include "cli/encode.h"

#include <string.h>

/* The whole text: positional words joined, or -f or standard input. */
static int whole_text(const lq_cli_args *a, lq_buf *text) {
  if (a->n_text && !a->file) {
    lq_cli_join(a->text, a->n_text, text);
    return text->failed ? lq_cli_failed("There is no memory for the text.") : LQ_CLI_OK;
  }
  return lq_cli_read_all(a->file ? a->file : "-", text);
}

static int run(lq_cli_args *a, bool answers) {
  lq_model *m = NULL;
  lq_session *s = NULL;
  lq_buf text = {0}, json = {0};
  lq_cli_inputs in = {0};
  lq_error err;
  lq_str question = {a->question, a->question ? strlen(a->question) : 0};
  int code = answers && !question.n ? lq_cli_usage("Say what to ask: --question TEXT.") : lq_cli_open(a, false, &m);
  if (code == LQ_CLI_OK) code = whole_text(a, &text);
  lq_str whole = {text.p ? text.p : "", text.n}; /* counted for the session's size; lq_answer counts again by words */
  if (code == LQ_CLI_OK) code = lq_cli_input_text(&in, m, answers ? question : whole, answers ? whole : (lq_str){NULL, 0});
  if (code == LQ_CLI_OK) code = lq_cli_inputs_session(&in, m, &s);
  lq_status st = code != LQ_CLI_OK ? LQ_OK : answers ? lq_answer(s, question.p, question.n, whole.p, whole.n, a->top, &json, &err)
                                                     : lq_entities(s, whole.p, whole.n, &json, &err);
  if (st != LQ_OK) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK) puts(json.p ? json.p : "[]");
  lq_session_close(s);
  lq_model_close(m);
  lq_cli_inputs_free(&in);
  lq_buf_free(&text);
  lq_buf_free(&json);
  return code;
}

int lq_cli_ner(lq_cli_args *a) { return run(a, false); }
int lq_cli_qa(lq_cli_args *a) { return run(a, true); }
