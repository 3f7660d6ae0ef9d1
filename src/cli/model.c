/* Opening a model and its options for a command. May call: lq.h, libc, POSIX. */
#include "cli/cli.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool readable(const char *folder, size_t n, const char *rest, lq_buf *out) {
  out->n = 0;
  lq_buf_add(out, folder, n);
  lq_buf_addz(out, rest);
  return !out->failed && access(out->p, R_OK) == 0;
}

/* models/fr-en.gguf above, in or beside the program's folder, or under the current one. */
static bool default_model(lq_buf *out) {
  static const char *const places[] = {"/../models/fr-en.gguf", "/models/fr-en.gguf", "/fr-en.gguf"};
  char exe[4096];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe);
  while (n > 0 && exe[n - 1] != '/') n--;
  for (size_t i = 0; n > 1 && i < sizeof places / sizeof places[0]; i++)
    if (readable(exe, (size_t)n - 1, places[i], out)) return true;
  return readable("models", 6, "/fr-en.gguf", out);
}

bool lq_cli_model_path(const lq_cli_args *a, bool fallback, lq_buf *out) {
  const char *path = a->model, *env = getenv("LOQUAT_MODEL");
  if (!path && env && *env) path = env;
  if (path) {
    lq_buf_addz(out, path);
    return !out->failed;
  }
  if (fallback && default_model(out)) return true;
  if (fallback)
    lq_cli_usage("The default model models/fr-en.gguf is not beside the program: say -m MODEL or set LOQUAT_MODEL.");
  else
    lq_cli_usage("Say which model: -m MODEL.gguf (or set LOQUAT_MODEL).");
  return false;
}

int lq_cli_default_threads(void) {
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : n > 8 ? 8 : (int)n;
}

int lq_cli_model_error(const char *path, const lq_error *e) {
  bool files = e->status == LQ_E_FORMAT || e->status == LQ_E_UNSUPPORTED || e->status == LQ_E_ARCH;
  return files ? lq_cli_failed("%s: %s", path, e->msg) : lq_cli_error(e);
}

int lq_cli_open_threads(const lq_cli_args *a, const char *path, int threads, lq_model **out) {
  lq_error err;
  lq_model_params params = {.threads = threads, .kernels = a->kernels};
  return lq_model_open_file(path, &params, out, &err) == LQ_OK ? LQ_CLI_OK : lq_cli_model_error(path, &err);
}

int lq_cli_open(const lq_cli_args *a, bool fallback, lq_model **out) {
  lq_buf path = {0};
  int code = LQ_CLI_USAGE;
  if (lq_cli_model_path(a, fallback, &path)) {
    int threads = a->threads > INT_MAX ? INT_MAX : (int)a->threads;
    code = lq_cli_open_threads(a, path.p, threads ? threads : lq_cli_default_threads(), out);
  }
  lq_buf_free(&path);
  return code;
}

/* Sampling settings do nothing in greedy decoding: say so instead of letting the user wonder. */
static void warn_greedy(const lq_cli_args *a) {
  static const char *const sampling[] = {"temperature", "top_k", "top_p", "min_p", "seed"};
  if (lq_cli_given(a, "do_sample")) return;
  for (size_t i = 0; i < sizeof sampling / sizeof sampling[0]; i++)
    if (lq_cli_given(a, sampling[i])) {
      fprintf(stderr, "loquat: note: %s matters only with --do-sample.\n", sampling[i]);
      return;
    }
}

uint32_t lq_cli_beams(const lq_options *o) {
  double n = 1;
  return o && lq_options_number(o, "num_beams", &n, NULL) == LQ_OK ? (uint32_t)n : 1;
}

int lq_cli_options(const lq_cli_args *a, const lq_model *m, lq_options **out) {
  lq_error err;
  if (lq_options_new(m, out, &err) != LQ_OK) return lq_cli_error(&err);
  const lq_cli_setting *s = (const void *)a->engine.p;
  for (size_t i = 0; i < a->engine.n / sizeof *s; i++)
    if (lq_options_set(*out, s[i].name, s[i].value, &err) != LQ_OK) return lq_cli_error(&err);
  if (a->stops.n && lq_options_set(*out, "stop_strings", a->stops.p, &err) != LQ_OK) return lq_cli_error(&err);
  if (m) warn_greedy(a);
  return LQ_CLI_OK;
}
