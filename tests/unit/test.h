/* The one C test runner: TEST(name) { CHECK(...); } and a main per binary from test_main.c. Prints TAP-like lines and
 * "N passed, N failed, N skipped". The same sources run natively and, compiled to wasm, in Node. */
#ifndef LQ_TEST_H
#define LQ_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct lq_test { const char *name; void (*run)(void); struct lq_test *next; } lq_test;
void lq_test_add(lq_test *t);
void lq_test_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void lq_test_skip(const char *why); /* marks the running test as skipped; return afterwards */
/* Chooses a locale that writes 0,5 for 0.5, where the machine has one; lq_test_locale(false) goes back to the plain one. */
void lq_test_locale(bool comma);
/* Folder with test data (tests/), from the environment LQ_TESTS or "tests". */
const char *lq_test_dir(void);

#define TEST(NAME)                                                                  \
  static void NAME(void);                                                           \
  __attribute__((constructor)) static void lq_reg_##NAME(void) {                    \
    static lq_test t = {#NAME, NAME, NULL};                                         \
    lq_test_add(&t);                                                                \
  }                                                                                 \
  static void NAME(void)

#define CHECK(COND) do { if (!(COND)) { lq_test_fail(__FILE__, __LINE__, "%s", #COND); return; } } while (0)
#define CHECK_MSG(COND, ...) do { if (!(COND)) { lq_test_fail(__FILE__, __LINE__, __VA_ARGS__); return; } } while (0)
#define CHECK_STR(GOT, WANT) \
  do { const char *g_ = (GOT), *w_ = (WANT); CHECK_MSG(strcmp(g_, w_) == 0, "got \"%s\", want \"%s\"", g_, w_); } while (0)
/* For error messages: GOT must contain PART. */
#define CHECK_HAS(GOT, PART) \
  do { const char *g_ = (GOT), *w_ = (PART); CHECK_MSG(strstr(g_, w_), "\"%s\" lacks \"%s\"", g_, w_); } while (0)

#endif
