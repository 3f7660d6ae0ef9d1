/* loquat bench: load time, prompt tokens/s, generated tokens/s; medians. May call: lq.h, libc. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_RUNS = 64 };

typedef struct bench {
  const lq_cli_args *a;
  lq_model *model;
  lq_session *session;
  uint32_t n_prompt, n_generate, runs;
  bool encoder;     /* the prompt is an encoder's source */
  const int32_t *ids;
  lq_buf ids_room, state;
  double load, prompt, generate; /* seconds */
} bench;

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *x, uint32_t n) {
  qsort(x, n, sizeof *x, ascending);
  return n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]);
}

/* Ids that a text could hold, spread over the vocabulary; the same in every run. */
static bool make_ids(bench *b) {
  uint32_t vocab = lq_model_vocab(b->model), seed = 1;
  int32_t *ids = lq_cli_room(&b->ids_room, b->n_prompt * sizeof *ids);
  for (uint32_t i = 0; ids && i < b->n_prompt; i++) {
    seed = seed * 1664525u + 1013904223u;
    ids[i] = (int32_t)((seed >> 8) % vocab);
  }
  b->ids = ids;
  return ids != NULL;
}

/* Generates n tokens, no end allowed, after the first n_ids of b->ids; *first and *all = seconds to the first and the last. */
static lq_status timed(bench *b, uint32_t n_ids, uint32_t n, double *first, double *all, lq_error *err) {
  lq_options *o = NULL;
  lq_piece p;
  char count[16];
  snprintf(count, sizeof count, "%u", (unsigned)n);
  LQ_TRY(lq_options_new(NULL, &o, err));
  lq_status s = lq_options_set(o, "max_new_tokens", count, err);
  if (s == LQ_OK) s = lq_options_set(o, "min_new_tokens", count, err);
  double t0 = lq_cli_seconds();
  if (s == LQ_OK) s = lq_generate_ids(b->session, b->ids, n_ids, o, err);
  *first = *all = 0;
  while (s == LQ_OK && (s = lq_next(b->session, &p, err)) == LQ_OK)
    if (p.token_id >= 0) {
      *all = lq_cli_seconds() - t0;
      if (*first == 0) *first = *all;
    }
  lq_options_free(o);
  return s == LQ_DONE ? LQ_OK : s;
}

static lq_status one_run(bench *b, double *prompt, double *generate, lq_error *err) {
  double first, all;
  if (b->encoder) {
    double t0 = lq_cli_seconds();
    LQ_TRY(lq_encode(b->session, b->ids, b->n_prompt, (float *)(void *)b->state.p, err));
    *prompt = lq_cli_seconds() - t0;
  } else {
    LQ_TRY(timed(b, b->n_prompt, 1, prompt, &all, err));
  }
  uint32_t n = b->n_generate + 1; /* the first one pays for the prompt: it is not counted */
  LQ_TRY(timed(b, b->encoder ? b->n_prompt < 32 ? b->n_prompt : 32 : 1, n, &first, &all, err));
  *generate = all - first;
  return LQ_OK;
}

static lq_status measure(bench *b, lq_error *err) {
  double prompt[MOST_RUNS], generate[MOST_RUNS], warm;
  LQ_TRY(one_run(b, &warm, &warm, err));
  for (uint32_t i = 0; i < b->runs; i++) LQ_TRY(one_run(b, &prompt[i], &generate[i], err));
  b->prompt = median(prompt, b->runs);
  b->generate = median(generate, b->runs);
  return LQ_OK;
}

static void print_row(const bench *b, int threads, bool first) {
  double pp = b->prompt > 0 ? b->n_prompt / b->prompt : 0, tg = b->generate > 0 ? b->n_generate / b->generate : 0;
  lq_buf info = {0}, name = {0}, kernels = {0};
  if (lq_model_info(b->model, 0, 0, &info, NULL) == LQ_OK && !info.failed) {
    const char *n = lq_cli_json_get(info.p, "name"), *k = lq_cli_json_get(info.p, "kernels");
    if (n) lq_cli_json_text(n, &name);
    if (k) lq_cli_json_text(k, &kernels);
  }
  if (b->a->json) {
    lq_buf line = {0};
    lq_buf_addz(&line, first ? "[{\"model\":" : ",\n {\"model\":");
    lq_buf_json_str(&line, name.n ? name.p : "", name.n);
    lq_buf_addz(&line, ",\"kernels\":");
    lq_buf_json_str(&line, kernels.n ? kernels.p : "", kernels.n);
    lq_buf_printf(&line,
                  ",\"threads\":%d,\"load_ms\":%.1f,\"%s\":%u,\"prompt_per_second\":%.2f,\"generated_tokens\":%u,"
                  "\"generated_per_second\":%.2f,\"repetitions\":%u}",
                  threads, 1e3 * b->load, b->encoder ? "source_tokens" : "prompt_tokens", (unsigned)b->n_prompt, pp,
                  (unsigned)b->n_generate, tg, (unsigned)b->runs);
    fputs(line.p ? line.p : "", stdout);
    lq_buf_free(&line);
  } else {
    lq_cli_clean(&name);
    if (first) printf("%s\n%-8s %-12s %10s %20s %20s\n", name.n ? name.p : "model", "threads", "kernels", "load", b->encoder ? "source" : "prompt",
                      "generated");
    printf("%-8d %-12s %7.1f ms %6u at %7.1f/s %6u at %7.1f/s\n", threads, kernels.n ? kernels.p : "", 1e3 * b->load, (unsigned)b->n_prompt, pp,
           (unsigned)b->n_generate, tg);
  }
  fflush(stdout);
  lq_buf_free(&info);
  lq_buf_free(&name);
  lq_buf_free(&kernels);
}

/* Is there an encoder? Asked by running it on one id. */
static lq_status open_session(bench *b, lq_error *err) {
  lq_session_params p = {.n_ctx = (b->n_prompt > b->n_generate ? b->n_prompt : b->n_generate) + 2, .n_src = b->n_prompt, .n_batch = b->a->batch};
  LQ_TRY(lq_session_open(b->model, &p, &b->session, err));
  if (!lq_cli_room(&b->state, (size_t)b->n_prompt * lq_model_width(b->model) * sizeof(float)) || !make_ids(b))
    return lq_fail(err, LQ_E_NOMEM, "Not enough memory for the prompt.");
  lq_status s = lq_encode(b->session, b->ids, 1, (float *)(void *)b->state.p, err);
  b->encoder = s == LQ_OK;
  return s == LQ_E_TASK ? LQ_OK : s;
}

static int with_threads(const lq_cli_args *a, const char *path, int threads, bool first) {
  bench b = {.a = a, .n_prompt = a->n_prompt ? a->n_prompt : 512, .n_generate = a->n_generate ? a->n_generate : 128,
             .runs = a->repetitions ? a->repetitions : 3};
  lq_error err;
  double t0 = lq_cli_seconds();
  int code = lq_cli_open_threads(a, path, threads, &b.model);
  b.load = lq_cli_seconds() - t0;
  if (code == LQ_CLI_OK && (open_session(&b, &err) != LQ_OK || measure(&b, &err) != LQ_OK)) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK) print_row(&b, threads, first);
  lq_session_close(b.session);
  lq_model_close(b.model);
  lq_buf_free(&b.ids_room);
  lq_buf_free(&b.state);
  return code;
}

int lq_cli_bench(lq_cli_args *a) {
  lq_buf path = {0}, counts = {0};
  int32_t dflt = lq_cli_default_threads();
  int code = LQ_CLI_USAGE;
  if (a->n_text) {
    lq_cli_usage("bench takes no text: \"%.40s\" is one word too many.", a->text[0]);
    goto done;
  }
  if (a->repetitions > MOST_RUNS) {
    lq_cli_usage("-r takes at most %d runs, not %u.", MOST_RUNS, (unsigned)a->repetitions);
    goto done;
  }
  if (a->thread_list && !lq_cli_ids(a->thread_list, "-t", &counts)) goto done;
  if (!counts.n) lq_buf_add(&counts, &dflt, sizeof dflt);
  if (!lq_cli_model_path(a, false, &path)) goto done;
  const int32_t *t = (const void *)counts.p;
  code = LQ_CLI_OK;
  for (size_t i = 0; code == LQ_CLI_OK && i < counts.n / sizeof *t; i++)
    code = t[i] < 1 || t[i] > 64 ? lq_cli_usage("-t takes thread counts from 1 to 64, not %d.", (int)t[i]) : with_threads(a, path.p, t[i], i == 0);
  if (code == LQ_CLI_OK && a->json) puts("]");
done:
  lq_buf_free(&path);
  lq_buf_free(&counts);
  return code;
}
