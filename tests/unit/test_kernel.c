/* Every kernel table against decoded weights in double, and the self-test against sabotage. */
#include <math.h>

#include "kernel/kernel.h"
#include "test.h"

TEST(kernel_every_table_passes_its_selftest) {
  const lq_kernels *have[8];
  size_t n = lq_kernels_list(have, 8);
  CHECK(n >= 1);
  for (size_t i = 0; i < n; i++) {
    const char *wrong = lq_kernels_selftest(have[i]);
    CHECK_MSG(!wrong, "%s: %s", have[i]->name, wrong);
  }
}

static void broken_matmul(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs, size_t n_x, size_t n_in) {
  lq_kernels_ref()->matmul[LQ_Q4_1](y, ldy, w, ws, n_rows, x, xs, n_x, n_in);
  y[0] *= 1.01f;
}

TEST(kernel_selftest_names_a_broken_entry) {
  lq_kernels k = *lq_kernels_ref();
  k.matmul[LQ_Q4_1] = broken_matmul;
  CHECK_STR(lq_kernels_selftest(&k), "matmul Q4_1");
}

TEST(kernel_select_by_name) {
  CHECK(lq_kernels_select("ref") == lq_kernels_ref());
  CHECK(lq_kernels_select(NULL) != NULL);
  CHECK(lq_kernels_select("abacus") == NULL);
}

/* The dot of quantised weights equals the dot of their decoded values with the decoded activations. */
static bool dot_matches(const lq_kernels *k, lq_type t) {
  enum { N = 512, ROWS = 7, X = 4 };
  static uint8_t w[ROWS][N * 4];
  static float x[X][N], wide[N], y[X][ROWS], one;
  static lq_q8a q[X][N / LQ_QK];
  uint32_t s = 99;
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < N; j++) s = s * 1664525u + 1013904223u, wide[j] = (float)(int32_t)s * 0x1.0p-31f;
    lq_quantize_row(t, wide, w[i], N);
  }
  for (int r = 0; r < X; r++) {
    for (int j = 0; j < N; j++) s = s * 1664525u + 1013904223u, x[r][j] = (float)(int32_t)s * 0x1.0p-30f;
    lq_quantize_q8a(x[r], q[r], N);
  }
  k->matmul[t](&y[0][0], ROWS, w, sizeof(w[0]), ROWS, q, sizeof(q[0]), X, N);
  for (int r = 0; r < X; r++)
    for (int i = 0; i < ROWS; i++) {
      double want = 0, scale = 0;
      lq_dequantize_row(t, w[i], wide, N);
      for (int j = 0; j < N; j++) {
        double p = (double)wide[j] * (double)q[r][j / LQ_QK].d * q[r][j / LQ_QK].qs[j % LQ_QK];
        want += p, scale += fabs(p);
      }
      if (!(fabs((double)y[r][i] - want) <= 1e-5 * scale)) return false;
      k->matmul[t](&one, 1, w[i], sizeof(w[0]), 1, q[r], sizeof(q[0]), 1, N);
      if (one != y[r][i]) return false;
    }
  return true;
}

TEST(kernel_quantised_dots_equal_decoded_dots_and_batch_equals_single) {
  static const lq_type types[] = {LQ_Q8_0, LQ_Q4_0, LQ_Q4_1, LQ_Q5_0, LQ_Q5_1, LQ_Q4_K, LQ_Q6_K};
  const lq_kernels *have[8];
  size_t n = lq_kernels_list(have, 8);
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++)
      CHECK_MSG(dot_matches(have[i], types[k]), "%s %s", have[i]->name, lq_type_get((uint32_t)types[k])->name);
}
