/* loquat logits: every score after the last id, and the tensors on the way. May call: lq.h, libc, POSIX. */
#include "cli/encode.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

typedef struct probe {
  const char *folder;
  lq_buf names, index; /* names: each with its NUL */
  bool failed;
} probe;

/* A tensor that comes again (a later slice of a long prompt) gets a number. */
static unsigned times_seen(const probe *p, const char *name) {
  unsigned n = 0;
  for (size_t at = 0; at < p->names.n; at += strlen(p->names.p + at) + 1)
    if (strcmp(p->names.p + at, name) == 0) n++;
  return n;
}

static void write_tensor(void *ctx, const char *name, const float *x, size_t rows, size_t cols) {
  probe *p = ctx;
  unsigned seen = times_seen(p, name);
  lq_buf file = {0}, path = {0};
  lq_buf_addz(&file, name);
  if (seen) lq_buf_printf(&file, "@%u", seen + 1);
  lq_buf_printf(&path, "%s/%s.f32", p->folder, file.p ? file.p : "");
  FILE *f = path.failed || p->failed ? NULL : fopen(path.p, "wb");
  bool ok = f && fwrite(x, sizeof *x, rows * cols, f) == rows * cols;
  if (f && fclose(f) != 0) ok = false;
  if (!ok && !p->failed) {
    lq_cli_failed("%s could not be written: %s.", path.p ? path.p : p->folder, strerror(errno));
    p->failed = true;
  }
  lq_buf_addz(&p->index, p->index.n ? ",\n {\"name\":" : "[{\"name\":");
  lq_buf_json_str(&p->index, file.p ? file.p : "", file.n);
  lq_buf_printf(&p->index, ",\"rows\":%zu,\"cols\":%zu}", rows, cols);
  lq_buf_add(&p->names, name, strlen(name) + 1);
  lq_buf_free(&file);
  lq_buf_free(&path);
}

static int write_index(probe *p) {
  lq_buf path = {0};
  lq_buf_printf(&path, "%s/index.json", p->folder);
  FILE *f = path.failed ? NULL : fopen(path.p, "wb");
  bool ok = f && fprintf(f, "%s]\n", p->index.n ? p->index.p : "[") > 0;
  if (f && fclose(f) != 0) ok = false;
  int code = ok ? LQ_CLI_OK : lq_cli_failed("%s could not be written: %s.", path.p ? path.p : p->folder, strerror(errno));
  lq_buf_free(&path);
  return code;
}

/* Scores that are not numbers (a damaged model's) are null: JSON has no other word for them. */
static void print_all(const float *logits, size_t n) {
  lq_buf score = {0};
  fputs("{\"logits\":[", stdout);
  for (size_t i = 0; i < n; i++) {
    score.n = 0;
    lq_buf_json_num(&score, (double)logits[i]);
    printf("%s%s", i ? "," : "", score.p ? score.p : "null");
  }
  fputs("]}\n", stdout);
  lq_buf_free(&score);
}

/* The best, in order; equal scores by id. Taken ones are passed over by the order itself, so logits stay as they are. */
static void print_top(const lq_model *m, const float *logits, size_t n, uint32_t top) {
  lq_buf text = {0}, line = {0};
  size_t last = n;
  fputs("{\"top\":[", stdout);
  for (uint32_t k = 0; k < top && k < n; k++) {
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
      bool after = last == n || logits[i] < logits[last] || (logits[i] == logits[last] && i > last);
      if (after && (best == n || logits[i] > logits[best])) best = i;
    }
    if (best == n) break; /* the rest is not a number */
    last = best;
    int32_t id = (int32_t)best;
    text.n = line.n = 0;
    lq_buf_printf(&line, "%s{\"id\":%d,\"logit\":", k ? "," : "", (int)id);
    lq_buf_json_num(&line, (double)logits[best]);
    lq_buf_addz(&line, ",\"text\":");
    if (lq_detokenize(m, &id, 1, 1, &text, NULL) == LQ_OK) lq_buf_json_str(&line, text.n ? text.p : "", text.n);
    else lq_buf_addz(&line, "null"); /* a model without a tokenizer */
    printf("%s}", line.p ? line.p : "");
  }
  fputs("]}\n", stdout);
  lq_buf_free(&text);
  lq_buf_free(&line);
}

static void print_rows(const float *x, size_t rows, size_t cols) {
  fputs("{\"logits\":[", stdout);
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < cols; i++) printf("%s%.9g", i ? "," : r ? ",\n[" : "[", (double)x[r * cols + i]), fputs(i + 1 == cols ? "]" : "", stdout);
  fputs("]}\n", stdout);
}

/* Encoders: a row of scores for each token, or one for the input as a whole. */
static int encoder_scores(const lq_cli_args *a, const lq_model *m, lq_session *s) {
  lq_cli_inputs in = {0};
  lq_buf room = {0}, at = {0};
  lq_error err = {0};
  unsigned tasks = lq_model_tasks(m);
  int code = lq_cli_input_ids(&in, a->ids, a->types);
  lq_input input = {(const void *)in.ids.p, (const void *)in.types.p, in.ids.n / sizeof(int32_t)};
  bool words = tasks & LQ_TASK_FILL_MASK, whole = !words && (tasks & LQ_TASK_CLASSIFY);
  size_t cols = words ? lq_model_vocab(m) : tasks & LQ_TASK_QA ? 2 : lq_model_labels(m), rows = whole ? 1 : input.n;
  if (code == LQ_CLI_OK && !cols) code = lq_cli_failed("This model has no head that scores anything: see loquat embed.");
  float *x = code == LQ_CLI_OK ? lq_cli_room(&room, rows * cols * sizeof *x) : NULL;
  for (uint32_t i = 0; i < input.n; i++) lq_buf_add(&at, &i, sizeof i);
  if (code == LQ_CLI_OK && (!x || at.failed)) code = LQ_CLI_FAILED;
  lq_status done = code != LQ_CLI_OK ? LQ_OK : words ? lq_fill_mask(s, &input, (const void *)at.p, (uint32_t)input.n, x, &err)
                 : whole ? lq_classify(s, &input, 1, x, &err)
                 : tasks & LQ_TASK_QA ? lq_spans(s, &input, 1, x, &err) : lq_classify_tokens(s, &input, 1, x, &err);
  if (done != LQ_OK) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK) print_rows(x, rows, cols);
  lq_buf_free(&room);
  lq_buf_free(&at);
  lq_cli_inputs_free(&in);
  return code;
}

static int decoder_scores(const lq_cli_args *a, const lq_model *m, lq_session *s, const lq_buf *ids, const lq_buf *dec) {
  lq_buf room = {0};
  lq_error err;
  size_t n = lq_model_vocab(m);
  const int32_t *d = dec->n ? (const void *)dec->p : NULL;
  float *logits = lq_cli_room(&room, n * sizeof *logits);
  int code = logits ? LQ_CLI_OK : LQ_CLI_FAILED;
  if (code == LQ_CLI_OK &&
      lq_logits(s, (const void *)ids->p, ids->n / sizeof(int32_t), d, dec->n / sizeof(int32_t), logits, NULL, &err) != LQ_OK)
    code = lq_cli_error(&err);
  if (code == LQ_CLI_OK && a->top) print_top(m, logits, n, a->top);
  else if (code == LQ_CLI_OK) print_all(logits, n);
  lq_buf_free(&room);
  return code;
}

static int score(const lq_cli_args *a, const lq_model *m, lq_session *s, const lq_buf *ids, const lq_buf *dec) {
  probe p = {.folder = a->probe};
  bool encoder = (lq_model_tasks(m) & LQ_TASK_EMBED) != 0;
  if (a->probe) {
    if (mkdir(a->probe, 0777) != 0 && errno != EEXIST) p.failed = true;
    if (p.failed) lq_cli_failed("The folder %s could not be made: %s.", a->probe, strerror(errno));
    lq_session_probe(s, write_tensor, &p);
  }
  int code = p.failed ? LQ_CLI_FAILED : encoder ? encoder_scores(a, m, s) : decoder_scores(a, m, s, ids, dec);
  if (code == LQ_CLI_OK && a->probe) code = p.failed ? LQ_CLI_FAILED : write_index(&p);
  lq_buf_free(&p.names);
  lq_buf_free(&p.index);
  return code;
}

int lq_cli_logits(lq_cli_args *a) {
  lq_model *m = NULL;
  lq_session *s = NULL;
  lq_buf ids = {0}, dec = {0};
  lq_error err;
  if (a->n_text) return lq_cli_usage("logits takes ids, not text: \"%.40s\" is one word too many.", a->text[0]);
  if (!a->ids) return lq_cli_usage("Say which ids: --ids 1,2,3.");
  int code = lq_cli_ids(a->ids, "--ids", &ids) && (!a->decoder_ids || lq_cli_ids(a->decoder_ids, "--decoder-ids", &dec)) ? LQ_CLI_OK : LQ_CLI_USAGE;
  if (code == LQ_CLI_OK && !ids.n) code = lq_cli_usage("--ids holds no id.");
  if (code == LQ_CLI_OK) code = lq_cli_open(a, false, &m);
  uint32_t most = (uint32_t)((ids.n > dec.n ? ids.n : dec.n) / sizeof(int32_t)); /* the session is as long as the question */
  lq_session_params p = {.n_ctx = most + 1, .n_src = most, .n_batch = most < 4096 ? most : 4096}; /* in one step, if a step may be so long */
  if (code == LQ_CLI_OK && lq_session_open(m, &p, &s, &err) != LQ_OK) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK) code = score(a, m, s, &ids, &dec);
  lq_session_close(s);
  lq_model_close(m);
  lq_buf_free(&ids);
  lq_buf_free(&dec);
  return code;
}
