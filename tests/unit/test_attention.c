/* Attention's kernels in every table: rows do not depend on their neighbours, sums are near those in double, x86 tables agree bit for bit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "test.h"

static uint32_t seed;

static float uniform(void) {
  seed = seed * 1664525u + 1013904223u;
  return (float)(int32_t)((seed >> 8) - (1u << 23)) * 0x1.0p-23f;
}

#define EACH_TABLE(K) \
  const lq_kernels *have_[8]; \
  size_t n_have_ = lq_kernels_list(have_, 8); \
  for (size_t table_ = 0; table_ < n_have_; table_++) for (const lq_kernels *K = have_[table_]; K; K = NULL)

TEST(kernel_weighted_sums_of_rows_equal_single_ones) {
  enum { P = 7, N = 13 };
  EACH_TABLE(k) for (size_t d = 1; d < 70; d += d < 20 ? 1 : 9) {
    float p[P * N], *v = malloc(N * d * sizeof(float)), *all = calloc(P * d, sizeof(float)), *one = malloc(d * sizeof(float));
    for (int i = 0; i < P * N; i++) p[i] = uniform();
    for (size_t i = 0; i < N * d; i++) v[i] = uniform();
    k->weighted_sum(all, d, p, N, P, v, d, N, d);
    for (size_t r = 0; r < P; r++) {
      memset(one, 0, d * sizeof(float));
      k->weighted_sum(one, d, p + r * N, N, 1, v, d, N, d);
      CHECK_MSG(memcmp(one, all + r * d, d * sizeof(float)) == 0, "%s row %zu of %zu values", k->name, r, d);
      for (size_t i = 0; i < d; i++) {
        double want = 0;
        for (size_t j = 0; j < N; j++) want += (double)p[r * N + j] * (double)v[j * d + i];
        CHECK_MSG(fabs((double)one[i] - want) < 1e-5, "%s value", k->name);
      }
    }
    free(v), free(all), free(one);
  }
}

TEST(kernel_scores_do_not_depend_on_their_neighbours) {
  enum { P = 7, MOST_N = 130, MOST_D = 131 };
  static const size_t lengths[] = {1, 3, 15, 17, 64, MOST_N}, dims[] = {1, 6, 32, 64, MOST_D};
  float *q = malloc(P * MOST_D * sizeof(float)), *all = malloc(P * MOST_N * sizeof(float)), one;
  for (size_t i = 0; i < P * MOST_D; i++) q[i] = uniform();
  EACH_TABLE(k) for (size_t c = 0; c < 30; c++) {
    size_t n = lengths[c % 6], d = dims[c / 6];
    float *keys = malloc(n * d * sizeof(float)); /* not a byte more than is read */
    for (size_t i = 0; i < n * d; i++) keys[i] = uniform();
    for (size_t i = 0; i < P * MOST_N; i++) all[i] = NAN;
    k->scores(all, MOST_N, q, MOST_D, P, keys, d, n, d);
    for (size_t r = 0; r < P; r++) {
      CHECK_MSG(n == MOST_N || isnan(all[r * MOST_N + n]), "%s writes too far", k->name);
      for (size_t j = 0; j < n; j++) {
        double want = 0;
        for (size_t i = 0; i < d; i++) want += (double)q[r * MOST_D + i] * (double)keys[j * d + i];
        k->scores(&one, 1, q + r * MOST_D, MOST_D, 1, keys + j * d, d, 1, d);
        CHECK_MSG(memcmp(&one, &all[r * MOST_N + j], sizeof one) == 0 && fabs((double)one - want) < 1e-5, "%s key %zu of %zu", k->name, j, n);
      }
    }
    free(keys);
  }
  free(q), free(all);
}

TEST(kernel_sums_of_powers_are_near_libm) {
  EACH_TABLE(k) for (size_t n = 1; n < 300; n += n < 40 ? 1 : 13) {
    float *x = malloc(n * sizeof(float)), top = -100;
    double want = 0;
    for (size_t i = 0; i < n; i++) x[i] = i % 7 == 6 ? -INFINITY : 30 * uniform(), top = x[i] > top ? x[i] : top;
    for (size_t i = 0; i < n; i++) want += exp((double)x[i] - (double)top);
    CHECK_MSG(fabs(k->sum_exp(x, n, top) - want) <= 1e-6 * want, "%s n %zu", k->name, n);
    x[n / 2] = NAN;
    CHECK_MSG(isnan(k->sum_exp(x, n, top)), "%s hides a NaN", k->name);
    free(x);
  }
}

#if defined(__x86_64__)
TEST(kernel_x86_attention_gives_the_same_bits_in_every_table) {
  enum { P = 5, N = 77, D = 40 };
  float q[P * D], kv[N * D], s[2][P * N], out[2][P * D];
  const lq_kernels *first = lq_kernels_select("avx2");
  if (!first) return;
  for (int i = 0; i < P * D; i++) q[i] = 3 * uniform();
  for (int i = 0; i < N * D; i++) kv[i] = 3 * uniform();
  EACH_TABLE(k) {
    if (k == lq_kernels_ref()) continue;
    for (int i = 0; i < 2; i++) {
      const lq_kernels *t = i ? k : first;
      t->scores(s[i], N, q, D, P, kv, D, N, D);
      for (size_t r = 0; r < P; r++) t->softmax(s[i] + r * N, N - r);
      memset(out[i], 0, sizeof out[i]);
      t->weighted_sum(out[i], D, s[i], N, P, kv, D, N, D);
    }
    CHECK_MSG(memcmp(s[0], s[1], sizeof s[0]) == 0, "%s: weights differ", k->name);
    CHECK_MSG(memcmp(out[0], out[1], sizeof out[0]) == 0, "%s: sums differ", k->name);
    CHECK_MSG(k->sum_exp(kv, N * D, 3) == first->sum_exp(kv, N * D, 3), "%s: sums of powers differ", k->name);
  }
}
#endif
