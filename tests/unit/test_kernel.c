/* Every kernel table against sums in double over decoded values, at extremes and odd sizes, in buffers of exact size;
 * packed rows against plain ones, batches against single rows, threads against one; the self-test and the fallback. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "kernel/kernel.h"
#include "nn/linear.h"
#include "test.h"

static uint32_t seed;

static uint32_t bits(void) {
  seed = seed * 1664525u + 1013904223u;
  return seed >> 8;
}

static float uniform(void) { return (float)(int32_t)(bits() - (1u << 23)) * 0x1.0p-23f; }

static const lq_type types[] = {LQ_F32, LQ_F16, LQ_BF16, LQ_Q8_0, LQ_Q4_0, LQ_Q4_1, LQ_Q5_0, LQ_Q5_1, LQ_Q2_K, LQ_Q3_K, LQ_Q4_K, LQ_Q5_K, LQ_Q6_K};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

static bool floats(lq_type t) { return t == LQ_F32 || t == LQ_F16 || t == LQ_BF16; }
static const char *type_name(lq_type t) { return lq_type_get((uint32_t)t)->name; }

/* What a case fills weights and activations with. */
enum { RANDOM, ALL_ONES, ALL_ZERO_BITS, N_FILLS };

typedef struct product {
  const lq_kernels *k;
  lq_type type;
  size_t n_rows, n_x, n_in, row_bytes, x_bytes;
  uint8_t *w;   /* [n_rows][row_bytes] */
  void *x;      /* [n_x][x_bytes] */
  double *want, *scale; /* [n_x][n_rows]: sums in double, and of magnitudes */
  float *y;     /* [n_x][n_rows] */
} product;

/* Offsets of the halves of a block: all bits but theirs are free. */
static void set_halves(lq_type t, uint8_t *block) {
  size_t at = t == LQ_Q2_K ? 80 : t == LQ_Q3_K ? 108 : t == LQ_Q6_K ? 208 : 0;
  bool two = t == LQ_Q4_1 || t == LQ_Q5_1 || t == LQ_Q2_K || t == LQ_Q4_K || t == LQ_Q5_K;
  for (size_t i = 0; i < (two ? 2u : 1u); i++) {
    uint16_t h = lq_f32_to_f16(uniform() * 0.01f);
    memcpy(block + at + 2 * i, &h, 2);
  }
}

static void fill_row(lq_type t, uint8_t *row, size_t bytes, size_t n, int fill) {
  const lq_type_info *info = lq_type_get((uint32_t)t);
  if (floats(t)) {
    float *wide = malloc(n * sizeof(float));
    for (size_t j = 0; j < n; j++) wide[j] = uniform();
    lq_quantize_row(t, wide, row, n);
    free(wide);
    return;
  }
  for (size_t i = 0; i < bytes; i++) row[i] = fill == ALL_ONES ? 0xFF : fill == ALL_ZERO_BITS ? 0 : (uint8_t)bits();
  if (t == LQ_Q8_0 && fill != RANDOM) memset(row, fill == ALL_ONES ? -128 : 127, bytes);
  for (size_t b = 0; b < bytes; b += info->block_bytes) set_halves(t, row + b);
}

static void fill_x(lq_q8a *q, size_t n_groups, int fill) {
  for (size_t g = 0; g < n_groups; g++) {
    q[g].d = 0.01f + fabsf(uniform());
    q[g].s[0] = q[g].s[1] = 0;
    for (int i = 0; i < 32; i++) {
      q[g].qs[i] = (int8_t)(fill == ALL_ONES ? -127 : fill == ALL_ZERO_BITS ? 127 : (int)(bits() % 255) - 127);
      q[g].s[i / 16] = (int16_t)(q[g].s[i / 16] + q[g].qs[i]);
    }
  }
}

static void expect(product *p) {
  float *wide = malloc(p->n_in * sizeof(float));
  for (size_t i = 0; i < p->n_rows; i++) {
    lq_dequantize_row(p->type, p->w + i * p->row_bytes, wide, p->n_in);
    for (size_t r = 0; r < p->n_x; r++) {
      const uint8_t *x = (const uint8_t *)p->x + r * p->x_bytes;
      double sum = 0, scale = 0;
      for (size_t j = 0; j < p->n_in; j++) {
        const lq_q8a *q = (const lq_q8a *)(const void *)x + j / LQ_QK;
        double v = floats(p->type) ? (double)((const float *)(const void *)x)[j] : (double)q->d * q->qs[j % LQ_QK];
        sum += v * (double)wide[j], scale += fabs(v * (double)wide[j]);
      }
      p->want[r * p->n_rows + i] = sum, p->scale[r * p->n_rows + i] = scale;
    }
  }
  free(wide);
}

static product make(const lq_kernels *k, lq_type t, size_t n_rows, size_t n_x, size_t n_in, int fill) {
  product p = {.k = k, .type = t, .n_rows = n_rows, .n_x = n_x, .n_in = n_in};
  uint64_t bytes = 0;
  lq_row_bytes(t, n_in, &bytes);
  p.row_bytes = (size_t)bytes;
  p.x_bytes = floats(t) ? n_in * sizeof(float) : n_in / LQ_QK * sizeof(lq_q8a);
  p.w = malloc(n_rows * p.row_bytes);
  p.x = malloc(n_x * p.x_bytes);
  p.want = malloc(n_x * n_rows * sizeof(double));
  p.scale = malloc(n_x * n_rows * sizeof(double));
  p.y = malloc(n_x * n_rows * sizeof(float));
  for (size_t i = 0; i < n_rows; i++) fill_row(t, p.w + i * p.row_bytes, p.row_bytes, n_in, fill);
  if (floats(t)) for (size_t i = 0; i < n_x * n_in; i++) ((float *)p.x)[i] = uniform();
  else fill_x(p.x, n_x * (n_in / LQ_QK), fill);
  expect(&p);
  return p;
}

static void drop(product *p) { free(p->w), free(p->x), free(p->want), free(p->scale), free(p->y); }

static void pack_all(product *p) {
  size_t group = p->k->repack_rows[p->type];
  void *tmp = malloc(group * p->row_bytes);
  for (size_t i = 0; i + group <= p->n_rows; i += group) p->k->pack[p->type](p->w + i * p->row_bytes, tmp, p->n_in);
  free(tmp);
}

/* Rows [i, i + n) of the weights times rows [r, r + nx) of x; y in a buffer of its exact size. */
static bool part_is_same(const product *p, lq_matmul_fn fn, size_t i, size_t n, size_t r, size_t nx) {
  float *y = malloc(n * nx * sizeof(float));
  fn(y, n, p->w + i * p->row_bytes, p->row_bytes, n, (const uint8_t *)p->x + r * p->x_bytes, p->x_bytes, nx, p->n_in);
  bool same = true;
  for (size_t q = 0; q < nx; q++) same = same && memcmp(y + q * n, p->y + (r + q) * p->n_rows + i, n * sizeof(float)) == 0;
  free(y);
  return same;
}

/* NULL, or what is wrong. step: rows that must stay together. */
static const char *wrong(product *p, lq_matmul_fn fn, size_t step) {
  fn(p->y, p->n_rows, p->w, p->row_bytes, p->n_rows, p->x, p->x_bytes, p->n_x, p->n_in);
  for (size_t i = 0; i < p->n_rows * p->n_x; i++)
    if (!(fabs((double)p->y[i] - p->want[i]) <= 1e-5 * p->scale[i] + 1e-30)) return "value";
  for (size_t r = 0; r < p->n_x; r++)
    if (!part_is_same(p, fn, 0, p->n_rows, r, 1)) return "batch differs from single";
  for (size_t i = 0; i + step <= p->n_rows; i += step)
    if (!part_is_same(p, fn, i, step, 0, p->n_x) || !part_is_same(p, fn, i, step, p->n_x - 1, 1)) return "place in the call matters";
  return NULL;
}

static void check_product(const lq_kernels *k, lq_type t, size_t n_rows, size_t n_x, size_t n_in, int fill) {
  product p = make(k, t, n_rows, n_x, n_in, fill);
  const char *bad = wrong(&p, k->matmul[t], 1);
  if (bad) lq_test_fail(__FILE__, __LINE__, "%s %s %zux%zu, %zu rows, fill %d: %s", k->name, type_name(t), n_rows, n_in, n_x, fill, bad);
  size_t group = k->repack_rows[t];
  if (group && n_rows % group == 0) {
    pack_all(&p);
    bad = wrong(&p, k->matmul_packed[t], group);
    if (bad) lq_test_fail(__FILE__, __LINE__, "%s packed %s %zux%zu, %zu rows, fill %d: %s", k->name, type_name(t), n_rows, n_in, n_x, fill, bad);
  }
  drop(&p);
}

#define EACH_TABLE(K) \
  const lq_kernels *have_[8]; \
  size_t n_have_ = lq_kernels_list(have_, 8); \
  for (size_t table_ = 0; table_ < n_have_; table_++) for (const lq_kernels *K = have_[table_]; K; K = NULL)

TEST(kernel_products_equal_sums_over_decoded_values) {
  EACH_TABLE(k) for (size_t i = 0; i < N_TYPES; i++) {
    seed = 1;
    check_product(k, types[i], 32, 7, 512, RANDOM);
    check_product(k, types[i], 16, 35, 256, RANDOM);  /* more rows than share a panel */
    check_product(k, types[i], 16, 2, 1280, RANDOM);  /* more than a panel */
    check_product(k, types[i], 16, 1, 8448, RANDOM);  /* more than a vector's panel */
    check_product(k, types[i], 19, 3, 256, RANDOM);   /* rows that make no group */
    check_product(k, types[i], 3, 5, 256, RANDOM);
  }
}

TEST(kernel_integer_sums_are_exact_at_the_extremes) {
  EACH_TABLE(k) for (size_t i = 0; i < N_TYPES; i++)
    for (int fill = ALL_ONES; fill < N_FILLS; fill++) {
      seed = 2;
      check_product(k, types[i], 16, 5, 256, fill);
      check_product(k, types[i], 16, 1, 256, fill);
    }
}

/* Q8_0 with all four corners of (-128, 127) x (-127, 127) in one group: one step too narrow saturates and shows. */
TEST(kernel_q8_0_corners_are_exact) {
  static const int corner[4][2] = {{-128, -127}, {-128, 127}, {127, -127}, {127, 127}};
  EACH_TABLE(k) for (int c = 0; c < 16; c++) {
    lq_block_q8_0 w[16];
    lq_q8a x = {.d = 1};
    uint8_t tmp[sizeof(w)];
    int want = 0;
    for (int i = 0; i < 32; i++) {
      const int *v = corner[i % 2 ? c / 4 : c % 4];
      for (int r = 0; r < 16; r++) w[r].d = lq_f32_to_f16(1), w[r].qs[i] = (int8_t)v[0];
      x.qs[i] = (int8_t)v[1], x.s[i / 16] = (int16_t)(x.s[i / 16] + v[1]);
      want += v[0] * v[1];
    }
    float y[2][16];
    k->matmul[LQ_Q8_0](y[0], 16, w, sizeof(w[0]), 16, &x, sizeof(x), 1, 32);
    if (k->repack_rows[LQ_Q8_0]) {
      for (size_t i = 0; i < 16; i += k->repack_rows[LQ_Q8_0]) k->pack[LQ_Q8_0](w + i, tmp, 32);
      k->matmul_packed[LQ_Q8_0](y[1], 16, w, sizeof(w[0]), 16, &x, sizeof(x), 1, 32);
    }
    bool packed = k->repack_rows[LQ_Q8_0] != 0;
    for (int r = 0; r < 16; r++)
      CHECK_MSG(y[0][r] == (float)want && (!packed || y[1][r] == (float)want), "%s corner %d: %g, not %d", k->name, c, (double)y[0][r], want);
  }
}

TEST(kernel_float_products_take_any_length) {
  EACH_TABLE(k) for (size_t i = 0; i < 3; i++)
    for (size_t n = 1; n < 40; n += n < 18 ? 1 : 7) seed = (uint32_t)n, check_product(k, types[i], 6, 3, n, RANDOM);
}

TEST(kernel_bad_scales_spread_and_trap_nothing) {
  static const uint16_t bad[] = {0x7C00, 0xFC00, 0x7E00, 0x7C01};
  EACH_TABLE(k) for (size_t i = 3; i < N_TYPES; i++)
    for (size_t b = 0; b < 5; b++) {
      product p = make(k, types[i], 16, 3, 256, RANDOM);
      size_t at = types[i] == LQ_Q2_K ? 80 : types[i] == LQ_Q3_K ? 108 : types[i] == LQ_Q6_K ? 208 : 0;
      if (b < 4) memcpy(p.w + at, &bad[b], 2);
      else for (size_t r = 0; r < 3; r++) ((lq_q8a *)p.x)[r * 8].d = NAN;
      k->matmul[p.type](p.y, 16, p.w, p.row_bytes, 16, p.x, p.x_bytes, 3, 256);
      CHECK_MSG(!isfinite(p.y[0]), "%s %s bad value %zu: %g", k->name, type_name(p.type), b, (double)p.y[0]);
      if (k->repack_rows[p.type]) {
        pack_all(&p);
        k->matmul_packed[p.type](p.y, 16, p.w, p.row_bytes, 16, p.x, p.x_bytes, 3, 256);
        CHECK_MSG(!isfinite(p.y[0]), "%s packed %s bad value %zu: %g", k->name, type_name(p.type), b, (double)p.y[0]);
      }
      drop(&p);
    }
}

TEST(kernel_quantize_is_bit_equal_to_ref) {
  static const float odd[] = {0.0f, -0.0f, 0x1p-149f, 0x1p-126f, 0x1p-119f, 0x0.ffffffp-119f, 0x1p-118f, 0x1.fffffep127f, INFINITY, -INFINITY, NAN};
  enum { N = 96 };
  EACH_TABLE(k) for (size_t t = 0; t < 400; t++) {
    float x[N];
    lq_q8a a[N / LQ_QK], b[N / LQ_QK];
    for (int i = 0; i < N; i++) {
      uint32_t u = bits();
      x[i] = t % 4 == 0 ? (float)((int)(u % 255) - 127) + 0.5f : t % 4 == 1 ? uniform() : ldexpf(uniform(), (int)(u % 250) - 130);
    }
    if (t % 4 == 0) x[0] = 127; /* halves become ties */
    if (t % 4 == 3) for (int i = 0; i < N; i++) x[i] = i % 7 ? 0 : odd[(t / 4 + (size_t)i / 32) % 11];
    k->quantize(x, a, N), lq_quantize_q8a(x, b, N);
    CHECK_MSG(memcmp(a, b, sizeof(a)) == 0, "%s round %zu", k->name, t);
  }
}

static bool near(float a, float b, double relative) {
  if (a == b || (isnan(a) && isnan(b))) return true;
  return fabs((double)a - (double)b) <= relative * fabs((double)b) + 1e-37;
}

TEST(kernel_activations_are_near_libm) {
  EACH_TABLE(k) for (int act = LQ_ACT_NONE; act <= LQ_ACT_TANH; act++)
    for (size_t n = 1; n < 4000; n += n < 20 ? 1 : 3979) {
      float *x = malloc(n * sizeof(float)), *y = malloc(n * sizeof(float)), *gate = malloc(n * sizeof(float));
      for (size_t i = 0; i < n; i++) x[i] = y[i] = i % 97 == 96 ? 300 * uniform() : 12 * uniform(), gate[i] = uniform();
      x[n / 2] = y[n / 2] = n % 3 == 0 ? NAN : n % 3 == 1 ? INFINITY : -200.0f;
      k->activate(act, x, n % 2 ? gate : NULL, n), lq_kernels_ref()->activate(act, y, n % 2 ? gate : NULL, n);
      for (size_t i = 0; i < n; i++) CHECK_MSG(near(x[i], y[i], 3e-6), "%s act %d: %.9g, not %.9g", k->name, act, (double)x[i], (double)y[i]);
      free(x), free(y), free(gate);
    }
}

TEST(kernel_softmax_sums_to_one_and_masks) {
  EACH_TABLE(k) for (size_t n = 1; n < 300; n += n < 40 ? 1 : 13) {
    float *x = malloc(n * sizeof(float)), *y = malloc(n * sizeof(float));
    for (size_t i = 0; i < n; i++) x[i] = y[i] = i % 5 == 4 ? -INFINITY : 40 * uniform();
    k->softmax(x, n), lq_kernels_ref()->softmax(y, n);
    for (size_t i = 0; i < n; i++) CHECK_MSG(fabsf(x[i] - y[i]) <= 1e-6f * y[i] + 1e-9f && (i % 5 < 4 || x[i] == 0), "%s n %zu", k->name, n);
    for (size_t i = 0; i < n; i++) x[i] = -INFINITY;
    k->softmax(x, n);
    for (size_t i = 0; i < n; i++) CHECK_MSG(x[i] == 0, "%s all masked", k->name);
    for (size_t i = 0; i < n; i++) x[i] = i == n / 2 ? NAN : 0;
    k->softmax(x, n);
    for (size_t i = 0; i < n; i++) CHECK_MSG(isnan(x[i]), "%s hides a NaN", k->name);
    free(x), free(y);
  }
}

TEST(kernel_norms_are_near_ref) {
  EACH_TABLE(k) for (size_t n = 1; n < 300; n += n < 40 ? 1 : 13) {
    float *x = malloc(n * sizeof(float)), *w = malloc(n * sizeof(float)), *a = malloc(n * sizeof(float)), *b = malloc(n * sizeof(float));
    for (size_t i = 0; i < n; i++) x[i] = 3 * uniform(), w[i] = uniform();
    for (int with = 0; with < 2; with++) {
      const float *s = with ? w : NULL;
      k->rmsnorm(a, x, s, n, 1e-5f), lq_kernels_ref()->rmsnorm(b, x, s, n, 1e-5f);
      for (size_t i = 0; i < n; i++) CHECK_MSG(near(a[i], b[i], 1e-6), "%s rmsnorm %zu", k->name, n);
      k->layernorm(a, x, s, s, n, 1e-5f), lq_kernels_ref()->layernorm(b, x, s, s, n, 1e-5f);
      for (size_t i = 0; i < n; i++) CHECK_MSG(fabsf(a[i] - b[i]) <= 2e-6f, "%s layernorm %zu", k->name, n);
    }
    memcpy(a, x, n * sizeof(float));
    k->rmsnorm(a, a, w, n, 1e-5f), k->rmsnorm(b, x, w, n, 1e-5f);
    CHECK_MSG(memcmp(a, b, n * sizeof(float)) == 0, "%s rmsnorm in place", k->name);
    free(x), free(w), free(a), free(b);
  }
}

/* ---- linear layers ---- */

TEST(linear_gives_the_same_bits_for_any_thread_count_and_packing) {
  enum { N_IN = 256, N_OUT = 99, MOST_ROWS = 133 };
  static const uint32_t rows[] = {11, MOST_ROWS}; /* few: threads share outputs; many: rows */
  EACH_TABLE(k) for (size_t i = 0; i < 2 * N_TYPES; i++) {
    const uint32_t n_rows = rows[i / N_TYPES];
    const lq_type type = types[i % N_TYPES];
    const size_t n_y = (size_t)n_rows * N_OUT;
    seed = 5;
    product p = make(k, type, N_OUT, 1, N_IN, RANDOM);
    float *x = malloc(n_rows * N_IN * sizeof(float)), *bias = malloc(N_OUT * sizeof(float)), *row = malloc(2 * N_IN * sizeof(float));
    float *first = malloc(2 * n_y * sizeof(float)), *y = malloc(2 * n_y * sizeof(float));
    lq_q8a *q = malloc(n_rows * (N_IN / LQ_QK) * sizeof(lq_q8a));
    for (size_t j = 0; j < n_rows * N_IN; j++) x[j] = uniform();
    for (size_t j = 0; j < N_OUT; j++) bias[j] = uniform();
    lq_mat m = {.data = p.w, .bias = bias, .row_bytes = p.row_bytes, .n_in = N_IN, .n_out = N_OUT, .type = type};
    uint8_t *plain = malloc(N_OUT * p.row_bytes);
    memcpy(plain, p.w, N_OUT * p.row_bytes);
    lq_nn nn = {k, NULL};
    void *tmp = malloc(lq_mat_pack_scratch(&nn, &m) + 1);
    lq_mat_pack(&nn, &m, tmp);
    for (int threads = 1; threads <= 4; threads++) {
      lq_acts a = {.x = x, .q = q, .n_rows = n_rows, .n_in = N_IN};
      lq_error err;
      if (lq_pool_new(threads, &nn.pool, &err) != LQ_OK) break; /* a build without threads */
      lq_mat no_bias = m;
      no_bias.bias = NULL;
      float *to = threads == 1 ? first : y;
      lq_linear(&nn, &a, (lq_product[]){{&m, to}, {&no_bias, to + n_y}}, 2);
      lq_pool_free(nn.pool);
      if (threads > 1 && memcmp(first, y, 2 * n_y * sizeof(float)) != 0)
        lq_test_fail(__FILE__, __LINE__, "%s %s: %d threads differ", k->name, type_name(type), threads);
    }
    nn.pool = NULL;
    for (uint32_t r = 0; r < N_OUT; r++) {
      lq_mat_row(&nn, &m, r, row), lq_dequantize_row(type, plain + r * p.row_bytes, row + N_IN, N_IN);
      if (memcmp(row, row + N_IN, N_IN * sizeof(float)) != 0)
        lq_test_fail(__FILE__, __LINE__, "%s %s: row %u", k->name, type_name(type), (unsigned)r);
    }
    drop(&p);
    free(x), free(bias), free(row), free(first), free(y), free(q), free(plain), free(tmp);
  }
}

TEST(linear_with_the_rest_of_the_activations_is_near_floats) {
  enum { N_IN = 256, N_OUT = 99, ROWS = 35 };
  EACH_TABLE(k) for (size_t i = 0; i < N_TYPES; i++) {
    product p = make(k, types[i], N_OUT, 1, N_IN, RANDOM);
    float *x = malloc(ROWS * N_IN * sizeof(float)), *y = malloc(ROWS * N_OUT * sizeof(float)), *w = malloc(N_OUT * N_IN * sizeof(float));
    lq_q8a *q = malloc(2 * ROWS * (N_IN / LQ_QK) * sizeof(lq_q8a));
    for (size_t j = 0; j < ROWS * N_IN; j++) x[j] = uniform();
    for (size_t j = 0; j < N_OUT; j++) lq_dequantize_row(types[i], p.w + j * p.row_bytes, w + j * N_IN, N_IN);
    lq_mat m = {.data = p.w, .row_bytes = p.row_bytes, .n_in = N_IN, .n_out = N_OUT, .type = types[i]};
    lq_nn nn = {k, NULL};
    void *tmp = malloc(lq_mat_pack_scratch(&nn, &m) + 1);
    lq_mat_pack(&nn, &m, tmp);
    lq_acts a = {.x = x, .q = q, .rest = q + ROWS * (N_IN / LQ_QK), .n_rows = ROWS, .n_in = N_IN};
    lq_linear(&nn, &a, &(lq_product){&m, y}, 1);
    for (size_t c = 0; c < ROWS * N_OUT; c++) {
      const float *v = x + c / N_OUT * N_IN, *u = w + c % N_OUT * N_IN;
      double want = 0, size = 0;
      for (size_t j = 0; j < N_IN; j++) want += (double)u[j] * (double)v[j], size += fabs((double)u[j] * (double)v[j]);
      CHECK_MSG(fabs((double)y[c] - want) <= 3e-5 * size, "%s %s: %g of %g", k->name, type_name(types[i]), fabs((double)y[c] - want), size);
    }
    drop(&p);
    free(x), free(y), free(w), free(q), free(tmp);
  }
}

/* ---- threads ---- */

typedef struct { int late, in_time; } late_worker;

/* Workers take 5 ms for what the caller does at once, as if their cores were taken. */
static void late_part(void *ctx, int part, int thread) {
  late_worker *w = ctx;
  struct timespec rest = {0, thread ? 5000000 : 100000};
  (void)part;
  nanosleep(&rest, NULL);
  if (thread) w->late++; /* one worker only */
  else w->in_time++;
}

TEST(pool_goes_on_alone_when_a_worker_is_late) {
  lq_pool *pool;
  lq_error err;
  late_worker w = {0, 0};
  CHECK(lq_pool_new(2, &pool, &err) == LQ_OK);
  if (!pool) return; /* a build without threads */
  for (int i = 0; i < 300; i++) lq_pool_run(pool, late_part, &w, 2);
  lq_pool_free(pool);
  CHECK_MSG(w.late + w.in_time == 600, "%d parts of 600 ran", w.late + w.in_time);
  CHECK_MSG(w.late <= 12, "a late worker was waited for %d times", w.late);
}

/* ---- choice ---- */

TEST(kernel_every_table_passes_its_selftest) {
  EACH_TABLE(k) {
    const char *entry = lq_kernels_selftest(k);
    CHECK_MSG(!entry, "%s: %s", k->name, entry);
  }
}

static void broken_matmul(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs, size_t n_x, size_t n_in) {
  lq_kernels_ref()->matmul[LQ_Q4_1](y, ldy, w, ws, n_rows, x, xs, n_x, n_in);
  y[0] *= 1.01f;
}

static void broken_packed(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs, size_t n_x, size_t n_in) {
  lq_kernels_select(NULL)->matmul_packed[LQ_Q8_0](y, ldy, w, ws, n_rows, x, xs, n_x, n_in);
  y[0] += 0.5f;
}

TEST(kernel_selftest_names_a_broken_entry) {
  lq_kernels k = *lq_kernels_ref();
  k.matmul[LQ_Q4_1] = broken_matmul;
  CHECK_STR(lq_kernels_selftest(&k), "matmul Q4_1");
  k = *lq_kernels_select(NULL);
  if (!k.repack_rows[LQ_Q8_0]) return;
  k.matmul_packed[LQ_Q8_0] = broken_packed;
  CHECK_STR(lq_kernels_selftest(&k), "matmul Q8_0");
}

TEST(kernel_a_failing_table_gives_way_to_the_next) {
  lq_kernels broken = *lq_kernels_select(NULL);
  const char *entry = NULL;
  broken.name = "broken", broken.matmul[LQ_Q4_1] = broken_matmul;
  const lq_kernels *list[] = {&broken, lq_kernels_ref()};
  CHECK(lq_kernels_first_good(list, 2, &entry) == lq_kernels_ref());
  CHECK_STR(entry, "matmul Q4_1");
  CHECK(lq_kernels_first_good(list, 1, &entry) == NULL);
  CHECK(lq_kernels_first_good(list + 1, 1, &entry) == lq_kernels_ref() && !entry);
}

TEST(kernel_select_by_name) {
  CHECK(lq_kernels_select("ref") == lq_kernels_ref());
  CHECK(lq_kernels_select(NULL) != NULL);
  CHECK(lq_kernels_select("abacus") == NULL);
}
