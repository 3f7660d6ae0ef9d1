/* Kernels: the inner loops, one table of functions per instruction set.
 * May call: quant. No allocation, no errors, no globals. Callers check shapes; kernels never read or write
 * outside the rows they are given.
 *
 * Contracts for every entry of every table:
 *  - quantize is bit-equal to lq_quantize_q8a; integer block sums are exact; floats differ from `ref` only by the
 *    order of the additions: |y - y_ref| <= 1e-5 * sum |w_i x_i| (table `wasmrelaxed`: the same bound, may use fused
 *    multiply-add; its integer dots are used only where their operands are in range, so exact).
 *  - y for one (row, x) pair does not depend on n_rows, n_x, or the place in the call: batch = single, bit for bit.
 *  - NaN and infinity in weights or activations give NaN or infinity, never a trap.
 * A missing entry is filled from `ref` by lq_kernels_select.
 */
#ifndef LQ_KERNEL_H
#define LQ_KERNEL_H

#include "quant/quant.h"

/* y[r*ldy + i] = dot(W row i, x row r), i < n_rows, r < n_x.
 * W rows lie w_stride bytes apart, each n_in values of the type; w is any alignment for block types, natural for F32/F16.
 * x: for F32, F16, BF16 weights rows of n_in floats; for quantised weights rows of n_in/32 lq_q8a. x_stride in BYTES.
 * y row-major, floats; ldy in floats. y aliases nothing. */
typedef void (*lq_matmul_fn)(float *y, size_t ldy, const void *w, size_t w_stride, size_t n_rows,
                             const void *x, size_t x_stride, size_t n_x, size_t n_in);

typedef struct lq_kernels {
  const char *name; /* "ref", "avx2", "avx512vnni", "wasm128", "wasmrelaxed", ... */
  void (*quantize)(const float *x, lq_q8a *y, size_t n);
  lq_matmul_fn matmul[LQ_TYPE_COUNT];
  /* Rows repacked in place for speed (pack.h). repack_rows[t] = rows in one group (0: no packed form). A packed group has the same bytes
   * as the rows it came from. pack: group of repack_rows[t] rows at w (w_stride == bytes of a row), tmp of the same size.
   * unpack_row: row i (0..repack_rows-1) of a packed group as floats. matmul_packed: n_rows a multiple of repack_rows. */
  uint32_t repack_rows[LQ_TYPE_COUNT];
  void (*pack[LQ_TYPE_COUNT])(void *w, void *tmp, size_t n_in);
  void (*unpack_row[LQ_TYPE_COUNT])(const void *group, size_t row, float *y, size_t n_in);
  lq_matmul_fn matmul_packed[LQ_TYPE_COUNT];
  /* s[r*lds + j] = sum_d q[r*ldq + d] * k[j*ldk + d], r < n_q, j < n, d < n_d, each sum in the order of d: attention's scores, queries that
   * share the keys together. lds, ldq, ldk in floats. */
  void (*scores)(float *s, size_t lds, const float *q, size_t ldq, size_t n_q, const float *k, size_t ldk, size_t n, size_t n_d);
  /* out[r*ldo + d] += sum_j p[r*ldp + j] * v[j*ldv + d], r < n_p, j < n, d < n_d, each sum in the order of j: attention's weighted
   * sums of values, rows that share the values together. ldo, ldp, ldv in floats. */
  void (*weighted_sum)(float *out, size_t ldo, const float *p, size_t ldp, size_t n_p, const float *v, size_t ldv, size_t n, size_t n_d);
  /* x[n] = softmax(x[n]) in place; -INFINITY entries become 0; n >= 1. Maximum subtracted first. */
  void (*softmax)(float *x, size_t n);
  /* sum of exp(x[i] - top), top the largest of x[n]; the sum in double. NaN if one of x is. */
  double (*sum_exp)(const float *x, size_t n, float top);
  /* y[i] = x[i] / sqrt(mean(x^2) + eps) * w[i]; the sum in double. w may be NULL (= 1). y may be x. */
  void (*rmsnorm)(float *y, const float *x, const float *w, size_t n, float eps);
  /* y[i] = (x[i]-mean)/sqrt(var+eps) * w[i] + b[i]; sums in double; w, b may be NULL. y may be x. */
  void (*layernorm)(float *y, const float *x, const float *w, const float *b, size_t n, float eps);
  /* In place: x[i] = act(x[i]) * (gate ? gate[i] : 1). act: lq_act. Within 3e-6 relative of the libm formula
   * (GELU_ERF and TANH are libm's own, one value at a time: no model of ours spends time there). */
  void (*activate)(int act, float *x, const float *gate, size_t n);
} lq_kernels;

typedef enum lq_act { LQ_ACT_NONE, LQ_ACT_RELU, LQ_ACT_SILU, LQ_ACT_GELU_TANH, LQ_ACT_GELU_ERF, LQ_ACT_QUICK_GELU, LQ_ACT_TANH } lq_act;

/* The scalar reference. Complete but for the packed entries. */
const lq_kernels *lq_kernels_ref(void);
/* Tables compiled into this binary and runnable on this CPU, best first, ref last; returns how many (at most cap). Each complete. */
size_t lq_kernels_list(const lq_kernels **out, size_t cap);
/* name NULL = the best one; else the named one, or NULL. Not tested. */
const lq_kernels *lq_kernels_select(const char *name);
/* The first of `tables` whose self-test passes, or NULL; *wrong = the entry in which the last failing one differs (NULL: none failed). */
const lq_kernels *lq_kernels_first_good(const lq_kernels *const *tables, size_t n, const char **wrong);
/* Compares `k` with ref on seeded vectors of every entry, NaN-free, in a few ms. NULL if all agree, else the name of the first
 * entry that differs ("matmul Q4_1"). Uses stack only. */
const char *lq_kernels_selftest(const lq_kernels *k);

#endif
