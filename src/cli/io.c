/* Input, output, errors and interrupts of the command line. May call: lq.h, libc, POSIX. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The one mutable global of the program: a signal handler has no other way to tell. */
static volatile sig_atomic_t interrupts;

static int say(int code, const char *fmt, va_list ap) {
  fflush(stdout);
  fputs("loquat: ", stderr);
  vfprintf(stderr, fmt, ap);
  fputc('\n', stderr);
  return code;
}

int lq_cli_usage(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  int code = say(LQ_CLI_USAGE, fmt, ap);
  va_end(ap);
  return code;
}

int lq_cli_failed(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  int code = say(LQ_CLI_FAILED, fmt, ap);
  va_end(ap);
  return code;
}

int lq_cli_error(const lq_error *e) {
  bool users = e->status == LQ_E_OPTION || e->status == LQ_E_ARG || e->status == LQ_E_LANGUAGE || e->status == LQ_E_RANGE;
  return users ? lq_cli_usage("%s", e->msg) : lq_cli_failed("%s", e->msg);
}

int lq_cli_finish(int code) {
  if (fflush(stdout) != 0 || ferror(stdout)) return lq_cli_failed("Standard output could not be written: %s.", strerror(errno));
  return code;
}

void lq_cli_invite(const char *what) {
  if (isatty(STDIN_FILENO)) fprintf(stderr, "%s; Ctrl-D ends.\n", what);
}

double lq_cli_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void *lq_cli_room(lq_buf *b, size_t bytes) {
  static const char zeros[4096];
  size_t start = b->n;
  if (!b->limit) b->limit = SIZE_MAX;
  for (size_t left = bytes; left > 0 && !b->failed;) {
    size_t part = left < sizeof zeros ? left : sizeof zeros;
    lq_buf_add(b, zeros, part);
    left -= part;
  }
  if (b->failed) {
    lq_cli_failed("Not enough memory: %zu more bytes are needed.", bytes);
    return NULL;
  }
  return b->p + start;
}

int lq_cli_read_all(const char *path, lq_buf *out) {
  bool standard = strcmp(path, "-") == 0;
  const char *shown = standard ? "Standard input" : path;
  int fd = standard ? STDIN_FILENO : open(path, O_RDONLY);
  if (fd < 0) return lq_cli_failed("%s could not be opened: %s.", path, strerror(errno));
  char part[65536];
  ssize_t got;
  lq_buf_add(out, "", 0);
  while ((got = read(fd, part, sizeof part)) > 0) lq_buf_add(out, part, (size_t)got);
  int why = errno;
  if (!standard) close(fd);
  if (got < 0) return lq_cli_failed("%s could not be read: %s.", shown, strerror(why));
  if (out->failed) return lq_cli_failed("%s is too long: at most 64 MiB of text are read.", shown);
  return LQ_CLI_OK;
}

void lq_cli_join(char **words, int n, lq_buf *out) {
  lq_buf_add(out, "", 0);
  for (int i = 0; i < n; i++) {
    if (i) lq_buf_addz(out, " ");
    lq_buf_addz(out, words[i]);
  }
}

bool lq_cli_ids(const char *text, const char *what, lq_buf *out) {
  for (const char *p = text; *p;) {
    if (strchr(" ,[]\t\n\r", *p)) {
      p++;
      continue;
    }
    char *end;
    errno = 0;
    long v = strtol(p, &end, 10);
    if (end == p || errno || v < 0 || v > INT32_MAX || (*end && !strchr(" ,]\t\n\r", *end))) {
      lq_cli_usage("%s: \"%.20s\" is no whole number from 0 on, as in 1,2,3.", what, p);
      return false;
    }
    int32_t id = (int32_t)v;
    lq_buf_add(out, &id, sizeof id);
    p = end;
  }
  if (out->failed) lq_cli_failed("%s: too many ids for the memory there is.", what);
  return !out->failed;
}

void lq_cli_print_ids(const int32_t *ids, size_t n) {
  putchar('[');
  for (size_t i = 0; i < n; i++) printf("%s%d", i ? "," : "", (int)ids[i]);
  fputs("]\n", stdout);
}

static void on_interrupt(int sig) {
  (void)sig;
  if (interrupts) _exit(LQ_CLI_INTERRUPTED);
  interrupts = 1;
}

void lq_cli_catch_interrupt(void) {
  /* A write that waits for the terminal goes on afterwards; a waiting read is cut in pieces by fill(). */
  struct sigaction act = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
  sigemptyset(&act.sa_mask);
  sigaction(SIGINT, &act, NULL);
}

bool lq_cli_interrupted(void) { return interrupts != 0; }
void lq_cli_clear_interrupt(void) { interrupts = 0; }

/* Reads once more. 1: got bytes or the end; 0: none there yet and !wait; else a LQ_CLI_LINE_ code. The wait is cut in pieces, because an
 * interrupt that comes just before a call would not end it. */
static int fill(lq_cli_reader *r, bool wait) {
  struct pollfd p = {.fd = r->fd, .events = POLLIN};
  int ready = poll(&p, 1, 0);
  while ((ready == 0 || (ready < 0 && errno == EINTR)) && wait && !interrupts) ready = poll(&p, 1, 100);
  if (interrupts && wait) return LQ_CLI_LINE_INTERRUPTED;
  if (ready <= 0 && !wait) return 0;
  char part[16384];
  ssize_t got = read(r->fd, part, sizeof part);
  if (got < 0) return errno == EINTR ? LQ_CLI_LINE_INTERRUPTED : LQ_CLI_LINE_ERROR;
  if (got == 0) r->eof = true;
  if (r->pos) { /* drop what was handed out */
    memmove(r->buf.p, r->buf.p + r->pos, r->buf.n - r->pos);
    r->buf.n -= r->pos;
    r->pos = 0;
  }
  lq_buf_add(&r->buf, part, (size_t)got);
  if (r->buf.failed) errno = EFBIG; /* a line beyond lq_buf's 64 MiB, or beyond memory */
  return r->buf.failed ? LQ_CLI_LINE_ERROR : 1;
}

int lq_cli_line(lq_cli_reader *r, bool wait, lq_str *out) {
  size_t seen = 0; /* bytes already searched for a line feed */
  for (;;) {
    size_t have = r->buf.n - r->pos;
    const char *start = have ? r->buf.p + r->pos : NULL;
    const char *feed = have > seen ? memchr(start + seen, '\n', have - seen) : NULL;
    if (feed || (r->eof && have)) {
      *out = (lq_str){start, feed ? (size_t)(feed - start) : have};
      r->pos += out->n + (feed ? 1 : 0);
      return LQ_CLI_LINE;
    }
    if (r->eof) return LQ_CLI_LINE_END;
    seen = have;
    int got = fill(r, wait);
    if (got != 1) return got;
  }
}
