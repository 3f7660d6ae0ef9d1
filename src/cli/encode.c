/* loquat embed, rank and classify, and what the commands for encoder models share. May call: lq.h, libc, POSIX. */
#include "cli/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- inputs ---- */

static int no_memory(void) { return lq_cli_failed("There is no memory for the input."); }

int lq_cli_input_text(lq_cli_inputs *in, const lq_model *m, lq_str text, lq_str pair) {
  size_t n = 0, room = text.n + pair.n + 16; /* a byte is a token at worst, and a few are added */
  size_t ids_n = in->ids.n, types_n = in->types.n;
  lq_error err;
  for (int pass = 0; pass < 2; pass++, room = n) {
    in->ids.n = ids_n;
    in->types.n = types_n;
    int32_t *ids = lq_cli_room(&in->ids, room * sizeof *ids);
    uint8_t *types = lq_cli_room(&in->types, room);
    if (!ids || !types) return LQ_CLI_FAILED;
    if (lq_input_text(m, text.p, text.n, pair.p, pair.n, ids, types, room, &n, &err) != LQ_OK) return lq_cli_error(&err);
    if (n <= room) break;
  }
  in->ids.n = ids_n + n * sizeof(int32_t);
  in->types.n = types_n + n;
  lq_buf_add(&in->sizes, &n, sizeof n);
  in->n++;
  if (n > in->longest) in->longest = n;
  return in->sizes.failed ? no_memory() : LQ_CLI_OK;
}

int lq_cli_input_ids(lq_cli_inputs *in, const char *ids, const char *types) {
  lq_buf list = {0};
  size_t from = in->ids.n;
  if (!lq_cli_ids(ids, "--ids", &in->ids) || (types && !lq_cli_ids(types, "--types", &list))) {
    lq_buf_free(&list);
    return LQ_CLI_USAGE;
  }
  size_t n = (in->ids.n - from) / sizeof(int32_t), n_types = list.n / sizeof(int32_t);
  const int32_t *given = (const void *)list.p;
  int code = types && n_types != n ? lq_cli_usage("--types holds %zu numbers for %zu ids.", n_types, n) : LQ_CLI_OK;
  for (size_t i = 0; code == LQ_CLI_OK && i < n; i++) {
    uint8_t type = types && given[i] >= 0 && given[i] < 256 ? (uint8_t)given[i] : 0;
    if (types && given[i] != type) code = lq_cli_usage("--types holds %d; types are small numbers.", (int)given[i]);
    lq_buf_add(&in->types, &type, 1);
  }
  lq_buf_free(&list);
  lq_buf_add(&in->sizes, &n, sizeof n);
  in->n++;
  if (n > in->longest) in->longest = n;
  if (code == LQ_CLI_OK && (in->types.failed || in->sizes.failed)) code = no_memory();
  return code;
}

int lq_cli_texts(const lq_cli_args *a, int first, lq_buf *lines) {
  lq_cli_reader r = {.fd = STDIN_FILENO};
  lq_str line;
  int code = LQ_CLI_OK, got;
  lines->limit = SIZE_MAX;
  for (int i = first; i < a->n_text; i++) lq_buf_add(lines, a->text[i], strlen(a->text[i]) + 1);
  if (a->n_text > first) return lines->failed ? no_memory() : LQ_CLI_OK;
  if (a->file && strcmp(a->file, "-") != 0) r.fd = open(a->file, O_RDONLY);
  if (r.fd < 0) return lq_cli_failed("%s could not be opened: %s.", a->file, strerror(errno));
  while (code == LQ_CLI_OK && (got = lq_cli_line(&r, true, &line)) != LQ_CLI_LINE_END) {
    if (got == LQ_CLI_LINE_ERROR) code = lq_cli_failed("The input could not be read: %s.", strerror(errno));
    if (got != LQ_CLI_LINE) continue;
    lq_buf_add(lines, line.p, line.n);
    lq_buf_add(lines, "", 1);
  }
  if (r.fd != STDIN_FILENO) close(r.fd);
  lq_buf_free(&r.buf);
  return code == LQ_CLI_OK && lines->failed ? no_memory() : code;
}

int lq_cli_inputs_session(lq_cli_inputs *in, const lq_model *m, lq_session **out) {
  lq_error err;
  lq_input *inputs = lq_cli_room(&in->inputs, in->n * sizeof *inputs);
  const size_t *sizes = (const void *)in->sizes.p;
  uint32_t longest = in->longest > UINT32_MAX ? UINT32_MAX : in->longest ? (uint32_t)in->longest : 1;
  uint32_t batch = longest < 512 && in->n > 1 ? 512 : longest < 4096 ? longest : 4096;
  lq_session_params p = {.n_src = longest, .n_seq = in->n < 32 ? (uint32_t)in->n : 32, .n_batch = batch};
  if (!inputs) return LQ_CLI_FAILED;
  for (size_t i = 0, at = 0; i < in->n; at += sizes[i++])
    inputs[i] = (lq_input){(const int32_t *)(const void *)in->ids.p + at, (const uint8_t *)in->types.p + at, sizes[i]};
  return lq_session_open(m, &p, out, &err) == LQ_OK ? LQ_CLI_OK : lq_cli_error(&err);
}

void lq_cli_inputs_free(lq_cli_inputs *in) {
  lq_buf_free(&in->ids);
  lq_buf_free(&in->types);
  lq_buf_free(&in->sizes);
  lq_buf_free(&in->inputs);
}

/* One command's model, inputs and session, and the numbers that came out. */
typedef struct job {
  lq_model *m;
  lq_session *s;
  lq_cli_inputs in;
  lq_buf lines, out;
} job;

static void job_free(job *j) {
  lq_session_close(j->s);
  lq_model_close(j->m);
  lq_cli_inputs_free(&j->in);
  lq_buf_free(&j->lines);
  lq_buf_free(&j->out);
}

static int add_lines(job *j, lq_str pair) {
  int code = LQ_CLI_OK;
  for (size_t at = 0; code == LQ_CLI_OK && at < j->lines.n; at += strlen(j->lines.p + at) + 1)
    code = lq_cli_input_text(&j->in, j->m, (lq_str){j->lines.p + at, strlen(j->lines.p + at)}, pair);
  return code;
}

static void print_row(const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) printf("%s%.9g", i ? "," : "[", (double)x[i]);
  puts("]");
}

/* ---- embed ---- */

/* j->out = a vector for each input. */
static int embed_inputs(const lq_cli_args *a, job *j) {
  lq_error err;
  size_t d = lq_model_width(j->m);
  int code = lq_cli_inputs_session(&j->in, j->m, &j->s);
  float *out = code == LQ_CLI_OK ? lq_cli_room(&j->out, j->in.n * d * sizeof *out) : NULL;
  if (code == LQ_CLI_OK && !out) return LQ_CLI_FAILED;
  int unit = a->no_normalize ? 0 : a->normalize ? 1 : -1;
  if (code == LQ_CLI_OK && lq_embed(j->s, (const void *)j->in.inputs.p, j->in.n, a->pooling, unit, out, &err) != LQ_OK) code = lq_cli_error(&err);
  return code;
}

int lq_cli_embed(lq_cli_args *a) {
  job j = {0};
  int code = a->normalize && a->no_normalize ? lq_cli_usage("--normalize and --no-normalize contradict each other.") : lq_cli_open(a, false, &j.m);
  if (code == LQ_CLI_OK && a->ids) code = lq_cli_input_ids(&j.in, a->ids, a->types);
  else if (code == LQ_CLI_OK) {
    code = lq_cli_texts(a, 0, &j.lines);
    if (code == LQ_CLI_OK) code = add_lines(&j, (lq_str){NULL, 0});
  }
  if (code == LQ_CLI_OK && j.in.n) code = embed_inputs(a, &j);
  size_t d = code == LQ_CLI_OK ? lq_model_width(j.m) : 0;
  for (size_t i = 0; code == LQ_CLI_OK && i < j.in.n; i++) print_row((const float *)(const void *)j.out.p + i * d, d);
  job_free(&j);
  return code;
}

/* ---- rank ---- */

typedef struct place { double score; size_t i; } place;

static int by_score(const void *a, const void *b) {
  const place *x = a, *y = b;
  return x->score != y->score ? (x->score < y->score ? 1 : -1) : x->i < y->i ? -1 : 1;
}

static double cosine(const float *a, const float *b, size_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < n; i++) {
    ab += (double)a[i] * (double)b[i];
    aa += (double)a[i] * (double)a[i];
    bb += (double)b[i] * (double)b[i];
  }
  return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static int print_ranks(const lq_cli_args *a, const job *j) {
  size_t n = j->in.n - 1, d = lq_model_width(j->m), i = 0;
  const float *x = (const void *)j->out.p;
  lq_buf room = {0}, line = {0};
  place *order = lq_cli_room(&room, n * sizeof *order + 1);
  const char **text = lq_cli_room(&line, n * sizeof *text + 1);
  if (!order || !text) return LQ_CLI_FAILED;
  for (size_t at = 0; i < n; at += strlen(j->lines.p + at) + 1, i++) {
    text[i] = j->lines.p + at;
    order[i] = (place){cosine(x, x + (i + 1) * d, d), i};
  }
  qsort(order, n, sizeof *order, by_score);
  for (i = 0; i < n && (!a->top || i < a->top); i++) {
    const char *t = text[order[i].i];
    if (a->json) {
      lq_buf quoted = {0};
      lq_buf_json_str(&quoted, t, strlen(t));
      printf("%s{\"index\":%zu,\"score\":%.9g,\"text\":%s}", i ? ",\n " : "[", order[i].i, order[i].score, quoted.p ? quoted.p : "null");
      lq_buf_free(&quoted);
    } else printf("%.4f\t%s\n", order[i].score, t);
  }
  if (a->json) puts(n ? "]" : "[]");
  lq_buf_free(&room);
  lq_buf_free(&line);
  return LQ_CLI_OK;
}

int lq_cli_rank(lq_cli_args *a) {
  job j = {0};
  if (!a->n_text) return lq_cli_usage("Say what to look for: loquat rank -m MODEL QUERY [PASSAGE...]");
  int code = lq_cli_open(a, false, &j.m);
  if (code == LQ_CLI_OK) code = lq_cli_input_text(&j.in, j.m, (lq_str){a->text[0], strlen(a->text[0])}, (lq_str){NULL, 0});
  if (code == LQ_CLI_OK) code = lq_cli_texts(a, 1, &j.lines);
  if (code == LQ_CLI_OK) code = add_lines(&j, (lq_str){NULL, 0});
  if (code == LQ_CLI_OK) code = embed_inputs(a, &j);
  if (code == LQ_CLI_OK) code = print_ranks(a, &j);
  job_free(&j);
  return code;
}

/* ---- classify ---- */

static void print_label(const lq_model *m, uint32_t i, bool quoted) {
  lq_str l = lq_model_label(m, i);
  lq_buf b = {0};
  if (!l.n) lq_buf_printf(&b, "LABEL_%u", (unsigned)i);
  else lq_buf_add(&b, l.p, l.n);
  lq_buf q = {0};
  if (quoted) lq_buf_json_str(&q, b.p ? b.p : "", b.n);
  fputs(quoted ? (q.p ? q.p : "null") : b.p ? b.p : "", stdout);
  lq_buf_free(&b);
  lq_buf_free(&q);
}

/* The labels of one input, best first: a line, or an array with --json. */
static void print_labels(const lq_cli_args *a, const lq_model *m, const float *p) {
  uint32_t n = lq_model_labels(m), shown = a->top && a->top < n ? a->top : n;
  place last = {0, 0};
  for (uint32_t k = 0; k < shown; k++) {
    place best = {0, n};
    for (uint32_t i = 0; i < n; i++) {
      place c = {(double)p[i], i};
      bool after = k == 0 || by_score(&last, &c) < 0;
      if (after && (best.i == n || by_score(&c, &best) < 0)) best = c;
    }
    if (best.i == n) break;
    last = best;
    fputs(a->json ? (k ? "," : "[") : k ? "\t" : "", stdout);
    if (a->json) fputs("{\"label\":", stdout);
    print_label(m, (uint32_t)best.i, a->json);
    printf(a->json ? ",\"score\":%.9g}" : " %.4f", best.score);
  }
  puts(a->json ? "]" : "");
}

int lq_cli_classify(lq_cli_args *a) {
  job j = {0};
  lq_error err;
  int code = lq_cli_open(a, false, &j.m);
  lq_str pair = {a->pair, a->pair ? strlen(a->pair) : 0};
  if (code == LQ_CLI_OK && a->ids) code = lq_cli_input_ids(&j.in, a->ids, a->types);
  else if (code == LQ_CLI_OK) {
    code = lq_cli_texts(a, 0, &j.lines);
    if (code == LQ_CLI_OK) code = add_lines(&j, pair);
  }
  if (code == LQ_CLI_OK && j.in.n) code = lq_cli_inputs_session(&j.in, j.m, &j.s);
  size_t n = code == LQ_CLI_OK ? lq_model_labels(j.m) : 0;
  float *p = code == LQ_CLI_OK ? lq_cli_room(&j.out, j.in.n * n * sizeof *p + 1) : NULL;
  if (code == LQ_CLI_OK && !p) code = LQ_CLI_FAILED;
  if (code == LQ_CLI_OK && j.in.n && lq_classify(j.s, (const void *)j.in.inputs.p, j.in.n, p, &err) != LQ_OK) code = lq_cli_error(&err);
  for (size_t i = 0; code == LQ_CLI_OK && i < j.in.n; i++) {
    lq_label_probabilities(j.m, p + i * n);
    print_labels(a, j.m, p + i * n);
  }
  job_free(&j);
  return code;
}
