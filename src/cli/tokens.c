/* loquat tokenize and detokenize. May call: lq.h, libc, POSIX. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int tokenize(const lq_cli_args *a, const lq_model *m, lq_str text) {
  lq_buf ids = {0};
  lq_error err;
  size_t n = 0, room = text.n + 16; /* a byte is a token at worst, and a few more may be added */
  int code = LQ_CLI_FAILED;
  lq_status s = LQ_OK;
  for (int pass = 0; pass < 2; pass++) {
    ids.n = 0;
    int32_t *at = lq_cli_room(&ids, room * sizeof *at);
    if (!at) break;
    s = lq_tokenize(m, text.p ? text.p : "", text.n, !a->no_special, !a->no_parse_special, at, room, &n, &err);
    if (s != LQ_OK || n <= room) {
      code = s == LQ_OK ? LQ_CLI_OK : lq_cli_error(&err);
      if (s == LQ_OK) lq_cli_print_ids(at, n);
      break;
    }
    room = n;
  }
  lq_buf_free(&ids);
  return code;
}

static int detokenize(const lq_cli_args *a, const lq_model *m, const char *list) {
  lq_buf ids = {0}, out = {0};
  lq_error err;
  int code = lq_cli_ids(list, "detokenize", &ids) ? LQ_CLI_OK : LQ_CLI_USAGE;
  if (code == LQ_CLI_OK && lq_detokenize(m, (const void *)ids.p, ids.n / sizeof(int32_t), !a->skip_special, &out, &err) != LQ_OK)
    code = lq_cli_error(&err);
  if (code == LQ_CLI_OK && a->json) {
    lq_buf quoted = {0};
    lq_buf_json_str(&quoted, out.n ? out.p : "", out.n);
    puts(quoted.failed ? "null" : quoted.p);
    lq_buf_free(&quoted);
  } else if (code == LQ_CLI_OK) {
    fwrite(out.n ? out.p : "", 1, out.n, stdout);
    putchar('\n');
  }
  lq_buf_free(&ids);
  lq_buf_free(&out);
  return code;
}

/* Each line of the input through `one`. */
static int lines(const lq_cli_args *a, const lq_model *m, bool to_ids) {
  lq_cli_reader r = {.fd = STDIN_FILENO};
  lq_buf z = {0};
  lq_str line;
  int code = LQ_CLI_OK, got;
  if (a->file && strcmp(a->file, "-") != 0) r.fd = open(a->file, O_RDONLY);
  else lq_cli_invite(to_ids ? "Type a line to see its ids" : "Type ids to see their text");
  if (r.fd < 0) return lq_cli_failed("%s could not be opened: %s.", a->file, strerror(errno));
  while (code == LQ_CLI_OK && (got = lq_cli_line(&r, true, &line)) != LQ_CLI_LINE_END) {
    z.n = 0;
    if (got == LQ_CLI_LINE_ERROR) code = lq_cli_failed("%s could not be read: %s.", a->file ? a->file : "Standard input", strerror(errno));
    if (got != LQ_CLI_LINE) continue;
    lq_buf_add(&z, line.p, line.n);
    code = to_ids ? tokenize(a, m, line) : detokenize(a, m, z.p);
    fflush(stdout);
  }
  if (r.fd != STDIN_FILENO) close(r.fd);
  lq_buf_free(&r.buf);
  lq_buf_free(&z);
  return code;
}

static int run(lq_cli_args *a, bool to_ids) {
  lq_model *m = NULL;
  lq_buf text = {0};
  int code = lq_cli_open(a, false, &m);
  lq_cli_join(a->text, a->n_text, &text);
  if (code != LQ_CLI_OK) {
    lq_buf_free(&text);
    return code;
  }
  if (!a->n_text) code = lines(a, m, to_ids);
  else code = to_ids ? tokenize(a, m, (lq_str){text.p, text.n}) : detokenize(a, m, text.p);
  lq_buf_free(&text);
  lq_model_close(m);
  return code;
}

int lq_cli_tokenize(lq_cli_args *a) { return run(a, true); }
int lq_cli_detokenize(lq_cli_args *a) { return run(a, false); }
