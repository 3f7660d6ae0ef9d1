/* Runs every TEST linked in, or those whose name contains argv[1]. Exit 1 when one fails. */
#include "test.h"

#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>

static lq_test *tests;
static bool failed, skipped;

void lq_test_add(lq_test *t) {
  lq_test **p = &tests;
  while (*p) p = &(*p)->next;
  *p = t;
}

void lq_test_fail(const char *file, int line, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  printf("# %s:%d: ", file, line);
  vprintf(fmt, ap);
  printf("\n");
  va_end(ap);
  failed = true;
}

void lq_test_skip(const char *why) {
  printf("# SKIP %s\n", why);
  skipped = true;
}

void lq_test_locale(bool comma) {
  static const char *const names[] = {"fr_FR.UTF-8", "fr_CA.UTF-8", "de_DE.UTF-8", "es_ES.UTF-8", "it_IT.UTF-8", "pt_BR.UTF-8", "ru_RU.UTF-8"};
  setlocale(LC_ALL, "C");
  for (size_t i = 0; comma && i < sizeof names / sizeof names[0]; i++)
    if (setlocale(LC_ALL, names[i])) return;
}

const char *lq_test_dir(void) {
  const char *d = getenv("LQ_TESTS");
  return d ? d : "tests";
}

int main(int argc, char **argv) {
  int n_pass = 0, n_fail = 0, n_skip = 0;
  for (lq_test *t = tests; t; t = t->next) {
    if (argc > 1 && !strstr(t->name, argv[1])) continue;
    failed = skipped = false;
    t->run();
    printf("%s %s%s\n", failed ? "not ok" : "ok", t->name, skipped && !failed ? " # SKIP" : "");
    fflush(stdout);
    if (failed) n_fail++;
    else if (skipped) n_skip++;
    else n_pass++;
  }
  printf("%d passed, %d failed, %d skipped\n", n_pass, n_fail, n_skip);
  return n_fail != 0 || n_pass + n_skip == 0;
}
