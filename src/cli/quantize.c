/* loquat quantize: a model written again with smaller weights, complete or not at all. May call: lq.h, libc, POSIX. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct sink {
  int fd, why; /* why: errno of a failed write */
  uint64_t n;
} sink;

static int put(void *ctx, const void *p, size_t n) {
  sink *s = ctx;
  for (const char *at = p; n > 0;) {
    if (lq_cli_interrupted()) return 1;
    ssize_t done = write(s->fd, at, n);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      s->why = errno ? errno : EIO;
      return 1;
    }
    at += done;
    n -= (size_t)done;
    s->n += (uint64_t)done;
  }
  return 0;
}

static void print_report(const lq_buf *report) {
  lq_buf text = {0};
  for (const char *line = report->p; line && *line;) {
    const char *end = strchr(line, '\n'), *v;
    text.n = 0;
    for (int i = 0; i < 3; i++) {
      v = lq_cli_json_get(line, ((const char *[]){"tensor", "from", "to"})[i]);
      if (v) lq_cli_json_text(v, &text);
      while (text.n < (size_t[]){40, 47, 54}[i]) lq_buf_addz(&text, " ");
    }
    lq_cli_clean(&text);
    v = lq_cli_json_get(line, "rmse");
    printf("%s %s %.3g\n", text.p ? text.p : "", "rmse", v ? strtod(v, NULL) : 0.0);
    line = end ? end + 1 : NULL;
  }
  lq_buf_free(&text);
}

/* Maps IN privately and writes it to fd. */
static int convert(const lq_cli_args *a, int in, const struct stat *st, sink *out) {
  lq_error err;
  lq_buf report = {0};
  size_t n = (size_t)st->st_size;
  void *bytes = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, in, 0);
  if (bytes == MAP_FAILED) return lq_cli_failed("%s could not be read: %s.", a->text[0], strerror(errno));
  lq_status s = lq_quantize(bytes, n, a->text[2], put, out, a->verbose ? &report : NULL, &err);
  int code = LQ_CLI_OK;
  if (s != LQ_OK && lq_cli_interrupted()) code = LQ_CLI_INTERRUPTED;
  else if (s != LQ_OK && out->why) code = lq_cli_failed("%s could not be written: %s.", a->text[1], strerror(out->why));
  else if (s != LQ_OK) code = lq_cli_model_error(a->text[0], &err);
  if (code == LQ_CLI_OK) {
    if (a->verbose) print_report(&report);
    printf("%s: %.1f MB -> %s: %.1f MB (%s)\n", a->text[0], 1e-6 * (double)n, a->text[1], 1e-6 * (double)out->n, a->text[2]);
  }
  lq_buf_free(&report);
  munmap(bytes, n);
  return code;
}

/* Everything goes to a file beside OUT that takes its name at the very end. */
static int write_beside(const lq_cli_args *a, int in, const struct stat *st) {
  lq_buf temp = {0};
  lq_buf_printf(&temp, "%s.XXXXXX", a->text[1]);
  if (temp.failed) return lq_cli_failed("Not enough memory for a file name.");
  sink out = {.fd = mkstemp(temp.p)};
  if (out.fd < 0) {
    int code = lq_cli_failed("%s could not be created: %s.", a->text[1], strerror(errno));
    lq_buf_free(&temp);
    return code;
  }
  lq_cli_catch_interrupt();
  signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a failed write like any other */
  mode_t mask = umask(0);
  umask(mask);
  int code = convert(a, in, st, &out);
  bool ok = code == LQ_CLI_OK && fchmod(out.fd, 0666 & ~mask) == 0 && fsync(out.fd) == 0;
  if (close(out.fd) != 0) ok = false;
  if (ok && rename(temp.p, a->text[1]) != 0) ok = false;
  if (code == LQ_CLI_OK && !ok) code = lq_cli_failed("%s could not be written: %s.", a->text[1], strerror(errno));
  if (code != LQ_CLI_OK) unlink(temp.p);
  lq_buf_free(&temp);
  return code;
}

int lq_cli_quantize(lq_cli_args *a) {
  struct stat in_stat, out_stat;
  if (a->n_text != 3) return lq_cli_usage("quantize takes three words: IN OUT TYPE. See: loquat quantize -h");
  int in = open(a->text[0], O_RDONLY | O_NONBLOCK), code = LQ_CLI_OK;
  if (in < 0 || fstat(in, &in_stat) != 0) code = lq_cli_failed("%s could not be opened: %s.", a->text[0], strerror(errno));
  else if (!S_ISREG(in_stat.st_mode)) code = lq_cli_failed("%s is not a file.", a->text[0]);
  else if (in_stat.st_size == 0) code = lq_cli_failed("%s is empty.", a->text[0]);
  else if ((uint64_t)in_stat.st_size > SIZE_MAX) code = lq_cli_failed("%s is too large for this machine.", a->text[0]);
  if (code == LQ_CLI_OK && stat(a->text[1], &out_stat) == 0) {
    if (out_stat.st_dev == in_stat.st_dev && out_stat.st_ino == in_stat.st_ino)
      code = lq_cli_usage("IN and OUT are the same file: %s. Choose another name.", a->text[1]);
    else if (!S_ISREG(out_stat.st_mode)) code = lq_cli_usage("%s exists and is not a file.", a->text[1]);
  }
  if (code == LQ_CLI_OK) code = write_beside(a, in, &in_stat);
  if (in >= 0) close(in);
  return code;
}
