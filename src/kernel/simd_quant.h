/* Quantised matrix products, written once over the vectors of an instruction set: LQ_R packed rows (pack.h) side by side, one lane
 * each. A lane's sum runs over the groups of 32 values in order, each adding scale * (exact integer sum) (+ minimum * sum of x), so
 * a (row, x) pair gives the same bits in every tile. Included by one .c file per table. May call: quant, pack. */
#ifndef LQ_SIMD_QUANT_H
#define LQ_SIMD_QUANT_H

#include "kernel/kernel.h"
#include "kernel/pack.h"

/* What a type's groups look like. HALVES: scales for 16 values each. MIN: a minimum. WIDE: codes are signed bytes. */
enum { HALVES = 1, MIN = 2, WIDE = 4 };

/* One group of 32 values of LQ_R rows, decoded. */
typedef struct { vw q[8]; rf a[2], b[2]; } tile;
/* What a group of activations adds to: its scale, scale * sum (of each half when HALVES) and -zero * sum. */
typedef struct { float d, ds[2]; int32_t z[2]; } xside;
typedef struct { const uint8_t *q; const xside *side; } xrow;

/* ---- decoding: group g (0..7) of a packed block at p ---- */

LQ_INLINE void decode_q8_0(tile *t, const uint8_t *p, unsigned g) {
  (void)g;
  t->a[0] = rf_f16(p);
  LQ_UNROLL for (int c = 0; c < 8; c++) t->q[c] = vw_make_wide(vb_load(p + (2 + 4 * c) * LQ_R));
}

/* Q4_0 Q4_1 Q5_0 Q5_1 */
LQ_INLINE void decode_small(tile *t, const uint8_t *p, bool min, bool five) {
  size_t at = (min ? 4 : 2) * LQ_R;
  t->a[0] = rf_f16(p);
  if (min) t->b[0] = rf_f16(p + 2 * LQ_R);
  const uint8_t *codes = p + at + (five ? 4 * LQ_R : 0);
  vb h = vb_load(p + at);
  LQ_UNROLL for (int c = 0; c < 4; c++) {
    vb v = vb_load(codes + 4 * c * LQ_R), lo = vb_mask(v, 15), hi = vb_mask(vb_shr(v, 4), 15);
    if (five) lo = vb_or(lo, vb_fifth(h, 4 * c)), hi = vb_or(hi, vb_fifth(h, 16 + 4 * c));
    t->q[c] = vw_make(lo), t->q[c + 4] = vw_make(hi);
  }
}
LQ_INLINE void decode_q4_0(tile *t, const uint8_t *p, unsigned g) { (void)g, decode_small(t, p, false, false); }
LQ_INLINE void decode_q4_1(tile *t, const uint8_t *p, unsigned g) { (void)g, decode_small(t, p, true, false); }
LQ_INLINE void decode_q5_0(tile *t, const uint8_t *p, unsigned g) { (void)g, decode_small(t, p, false, true); }
LQ_INLINE void decode_q5_1(tile *t, const uint8_t *p, unsigned g) { (void)g, decode_small(t, p, true, true); }

LQ_INLINE rf negative(rf a) { return rf_mul(a, rf_splat(-1)); }

LQ_INLINE void decode_q2_k(tile *t, const uint8_t *p, unsigned g) {
  rf d = rf_f16(p + 80 * LQ_R), m = negative(rf_f16(p + 82 * LQ_R));
  LQ_UNROLL for (unsigned i = 0; i < 2; i++) {
    ri s = ri_u8(p + (2 * g + i) * LQ_R);
    t->a[i] = rf_mul(d, rf_from(ri_and(s, 15))), t->b[i] = rf_mul(m, rf_from(ri_shr(s, 4)));
  }
  const uint8_t *codes = p + (16 + g / 4 * 32) * LQ_R;
  LQ_UNROLL for (unsigned c = 0; c < 8; c++) t->q[c] = vw_make(vb_mask(vb_shr(vb_load(codes + 4 * c * LQ_R), 2 * (g % 4)), 3));
}

LQ_INLINE void decode_q3_k(tile *t, const uint8_t *p, unsigned g) {
  rf d = rf_f16(p + 108 * LQ_R);
  LQ_UNROLL for (unsigned i = 0; i < 2; i++) {
    unsigned k = 2 * g + i;
    ri low = ri_u8(p + (96 + k % 8) * LQ_R), high = ri_u8(p + (104 + k % 4) * LQ_R);
    if (k >= 8) low = ri_shr(low, 4);
    switch (k / 4) {
      case 1: high = ri_shr(high, 2); break;
      case 2: high = ri_shr(high, 4); break;
      case 3: high = ri_shr(high, 6); break;
      default: break;
    }
    t->a[i] = rf_mul(d, rf_from(ri_add(ri_or(ri_and(low, 15), ri_shl(ri_and(high, 3), 4)), -32)));
  }
  const uint8_t *codes = p + (32 + g / 4 * 32) * LQ_R;
  LQ_UNROLL for (unsigned c = 0; c < 8; c++) {
    vb high = vb_mask(vb_shr(vb_load(p + 4 * c * LQ_R), g), 1), low = vb_mask(vb_shr(vb_load(codes + 4 * c * LQ_R), 2 * (g % 4)), 3);
    t->q[c] = vw_make(vb_or(low, vb_shl(high, 2)));
  }
}

/* Q4_K and Q5_K: scale and minimum g, six bits each. */
LQ_INLINE void decode_scales_k(tile *t, const uint8_t *p, unsigned g) {
  const uint8_t *s = p + 4 * LQ_R;
  ri sc, mn;
  if (g < 4) {
    sc = ri_and(ri_u8(s + g * LQ_R), 63), mn = ri_and(ri_u8(s + (g + 4) * LQ_R), 63);
  } else {
    ri both = ri_u8(s + (g + 4) * LQ_R);
    sc = ri_or(ri_and(both, 15), ri_shl(ri_shr(ri_u8(s + (g - 4) * LQ_R), 6), 4));
    mn = ri_or(ri_shr(both, 4), ri_shl(ri_shr(ri_u8(s + g * LQ_R), 6), 4));
  }
  t->a[0] = rf_mul(rf_f16(p), rf_from(sc));
  t->b[0] = negative(rf_mul(rf_f16(p + 2 * LQ_R), rf_from(mn)));
}

LQ_INLINE void decode_q4_k(tile *t, const uint8_t *p, unsigned g) {
  const uint8_t *codes = p + (16 + g / 2 * 32) * LQ_R;
  decode_scales_k(t, p, g);
  LQ_UNROLL for (unsigned c = 0; c < 8; c++) t->q[c] = vw_make(vb_mask(vb_shr(vb_load(codes + 4 * c * LQ_R), 4 * (g % 2)), 15));
}

LQ_INLINE void decode_q5_k(tile *t, const uint8_t *p, unsigned g) {
  const uint8_t *codes = p + (48 + g / 2 * 32) * LQ_R;
  decode_scales_k(t, p, g);
  LQ_UNROLL for (unsigned c = 0; c < 8; c++) {
    vb high = vb_mask(vb_shr(vb_load(p + (16 + 4 * c) * LQ_R), g), 1);
    t->q[c] = vw_make(vb_or(vb_mask(vb_shr(vb_load(codes + 4 * c * LQ_R), 4 * (g % 2)), 15), vb_shl(high, 4)));
  }
}

LQ_INLINE void decode_q6_k(tile *t, const uint8_t *p, unsigned g) {
  unsigned h = g / 4, j = g % 4;
  rf d = rf_f16(p + 208 * LQ_R);
  LQ_UNROLL for (unsigned i = 0; i < 2; i++) t->a[i] = rf_mul(d, rf_from(ri_s8(p + (192 + 2 * g + i) * LQ_R)));
  const uint8_t *low = p + (h * 64 + (j & 1) * 32) * LQ_R, *high = p + (128 + h * 32) * LQ_R;
  LQ_UNROLL for (unsigned c = 0; c < 8; c++) {
    vb l = vb_mask(vb_shr(vb_load(low + 4 * c * LQ_R), j / 2 * 4), 15), u = vb_mask(vb_shr(vb_load(high + 4 * c * LQ_R), 2 * j), 3);
    t->q[c] = vw_make(vb_or(l, vb_shl(u, 4)));
  }
}

/* Everything the loops below want to know of a type; constants wherever they are inlined. */
typedef struct qtype {
  lq_type type;
  int kind, zero;    /* codes stand for code - zero */
  size_t block_bytes;
  unsigned groups;   /* groups of 32 in a block */
  void (*decode)(tile *t, const uint8_t *p, unsigned g);
} qtype;

/* ---- activations ---- */

LQ_INLINE void prepare_x(xside *side, uint8_t *wide, const uint8_t *x, size_t n_groups, int kind, int zero) {
  for (size_t g = 0; g < n_groups; g++) {
    lq_q8a b;
    memcpy(&b, x + g * sizeof b, sizeof b);
    int32_t s[2] = {b.s[0], b.s[1]};
    if (!(kind & HALVES)) s[0] += s[1], s[1] = 0;
    side[g] = (xside){b.d, {b.d * (float)s[0], b.d * (float)s[1]}, {-zero * s[0], -zero * s[1]}};
#ifdef LQ_X_WIDEN
    LQ_X_WIDEN(wide + g * LQ_X_STEP, b.qs);
#endif
  }
  (void)wide;
}

/* Where the dots read the activations of row x from. */
LQ_INLINE const uint8_t *x_codes(const uint8_t *wide, const uint8_t *x) {
#ifdef LQ_X_WIDEN
  (void)x;
  return wide;
#else
  (void)wide;
  return x + offsetof(lq_q8a, qs);
#endif
}

/* ---- the sums ---- */

/* y += group `t` times one group of activations. */
LQ_INLINE rf add_group(rf y, const tile *t, const uint8_t *q, const xside *s, int kind, int zero) {
  rf d = rf_splat(s->d);
  const int n_parts = kind & HALVES ? 2 : 1, n_chunks = 8 / n_parts;
  LQ_UNROLL for (int h = 0; h < n_parts; h++) {
    vacc acc[2] = {acc_init(zero ? s->z[h] : 0), acc_init(0)}; /* two chains hide the latency of the dots */
    LQ_UNROLL for (int c = 0; c < n_chunks; c++) {
      vacc *to = &acc[2 * c / n_chunks];
      vw w = t->q[h * n_chunks + c];
      *to = kind & WIDE ? acc_dot_wide(*to, w, q, h * n_chunks + c) : acc_dot(*to, w, q, h * n_chunks + c, kind & HALVES);
    }
    acc[0] = acc_add(acc[0], acc[1]);
    y = rf_fma(rf_from(kind & WIDE ? acc_sum_wide(acc[0]) : acc_sum(acc[0])), rf_mul(t->a[h], d), y);
    if (kind & MIN) y = rf_fma(t->b[h], rf_splat(s->ds[h]), y);
  }
  return y;
}

/* y[nx rows][ng * LQ_R] += n groups of ng decoded panels. */
LQ_INLINE void add_panel(float *y, size_t ldy, const tile *panel, size_t n, const xrow *x, size_t ng, size_t nx, int kind, int zero, bool first) {
  const int n_parts = kind & HALVES ? 2 : 1, n_chunks = 8 / n_parts;
  rf sum[LQ_TILE_G][LQ_TILE_X];
  LQ_UNROLL for (size_t j = 0; j < ng; j++)
    LQ_UNROLL for (size_t r = 0; r < nx; r++) sum[j][r] = first ? rf_splat(0) : rf_load(y + r * ldy + j * LQ_R);
  for (size_t g = 0; g < n; g++) {
    vacc acc[LQ_TILE_G][LQ_TILE_X];
    LQ_UNROLL for (int h = 0; h < n_parts; h++) {
      LQ_UNROLL for (size_t j = 0; j < ng; j++)
        LQ_UNROLL for (size_t r = 0; r < nx; r++) acc[j][r] = acc_init(zero ? x[r].side[g].z[h] : 0);
      LQ_UNROLL for (int c = h * n_chunks; c < (h + 1) * n_chunks; c++)
        LQ_UNROLL for (size_t r = 0; r < nx; r++)
          LQ_UNROLL for (size_t j = 0; j < ng; j++) {
            vw w = panel[j * LQ_PANEL + g].q[c];
            const uint8_t *q = x[r].q + g * LQ_X_STEP;
            acc[j][r] = kind & WIDE ? acc_dot_wide(acc[j][r], w, q, c) : acc_dot(acc[j][r], w, q, c, kind & HALVES);
          }
      LQ_UNROLL for (size_t j = 0; j < ng; j++) {
        const tile *t = &panel[j * LQ_PANEL + g];
        LQ_UNROLL for (size_t r = 0; r < nx; r++) {
          const xside *s = &x[r].side[g];
          sum[j][r] = rf_fma(rf_from(kind & WIDE ? acc_sum_wide(acc[j][r]) : acc_sum(acc[j][r])), rf_mul(t->a[h], rf_splat(s->d)), sum[j][r]);
          if (kind & MIN) sum[j][r] = rf_fma(t->b[h], rf_splat(s->ds[h]), sum[j][r]);
        }
      }
    }
  }
  LQ_UNROLL for (size_t j = 0; j < ng; j++)
    LQ_UNROLL for (size_t r = 0; r < nx; r++) rf_store(y + r * ldy + j * LQ_R, sum[j][r]);
}

LQ_INLINE void add_panel_rows(float *y, size_t ldy, const tile *panel, size_t n, const xrow *x, size_t n_x, size_t ng, int kind, int zero,
                              bool first) {
  size_t r = 0;
  for (; r + LQ_TILE_X <= n_x; r += LQ_TILE_X) add_panel(y + r * ldy, ldy, panel, n, x + r, ng, LQ_TILE_X, kind, zero, first);
  if (LQ_TILE_X > 4 && r + 4 <= n_x) add_panel(y + r * ldy, ldy, panel, n, x + r, ng, 4, kind, zero, first), r += 4;
  for (; r + 2 <= n_x; r += 2) add_panel(y + r * ldy, ldy, panel, n, x + r, ng, 2, kind, zero, first);
  if (r < n_x) add_panel(y + r * ldy, ldy, panel, n, x + r, ng, 1, kind, zero, first);
}

/* The add_panel of a kind is one function for all types of the kind. */
#define LQ_PANEL_FN(NAME, KIND)                                                                                            \
  static __attribute__((noinline)) void NAME(float *y, size_t ldy, const tile *panel, size_t n, const xrow *x, size_t n_x, size_t ng, bool first) { \
    if (LQ_TILE_G == 1 || ng == 1) add_panel_rows(y, ldy, panel, n, x, n_x, 1, KIND, !((KIND) & MIN), first);                                \
    else add_panel_rows(y, ldy, panel, n, x, n_x, LQ_TILE_G, KIND, !((KIND) & MIN), first);                                \
  }
LQ_PANEL_FN(add_panel_plain, 0)
LQ_PANEL_FN(add_panel_min, MIN)
LQ_PANEL_FN(add_panel_halves, HALVES)
LQ_PANEL_FN(add_panel_halves_min, HALVES | MIN)
LQ_PANEL_FN(add_panel_wide, WIDE)

LQ_INLINE void add_panel_kind(int kind, float *y, size_t ldy, const tile *panel, size_t n, const xrow *x, size_t n_x, size_t ng, bool first) {
  switch (kind) {
    case 0: add_panel_plain(y, ldy, panel, n, x, n_x, ng, first); break;
    case MIN: add_panel_min(y, ldy, panel, n, x, n_x, ng, first); break;
    case HALVES: add_panel_halves(y, ldy, panel, n, x, n_x, ng, first); break;
    case HALVES | MIN: add_panel_halves_min(y, ldy, panel, n, x, n_x, ng, first); break;
    default: add_panel_wide(y, ldy, panel, n, x, n_x, ng, first); break;
  }
}

/* panel = groups [g0, g0 + n) of a packed group of rows. */
LQ_INLINE void decode_panel(tile *panel, const uint8_t *w, size_t g0, size_t n, qtype t) {
  for (size_t g = 0; g < n; g++) t.decode(&panel[g], w + (g0 + g) / t.groups * t.block_bytes * LQ_R, (unsigned)((g0 + g) % t.groups));
}

/* One row of activations against packed rows: weights are read once, so decoded in registers. */
LQ_INLINE void matvec_packed(float *y, const uint8_t *w, size_t group_bytes, size_t n_rows, xrow x, size_t g0, size_t n, qtype t) {
  for (size_t i = 0; i < n_rows; i += LQ_R, w += group_bytes) {
    rf sum = g0 ? rf_load(y + i) : rf_splat(0);
    const uint8_t *p = w + g0 / t.groups * t.block_bytes * LQ_R;
    for (size_t g = 0; g < n; p += t.block_bytes * LQ_R)
      for (unsigned k = 0; k < t.groups && g < n; k++, g++) {
        tile d;
        t.decode(&d, p, k);
        sum = add_group(sum, &d, x.q + g * LQ_X_STEP, &x.side[g], t.kind, t.zero);
      }
    rf_store(y + i, sum);
  }
}

#define LQ_VECTOR_PANEL 256 /* groups of activations prepared at once for matvec_packed: a multiple of 8 */

LQ_INLINE void matmul_packed_one(float *y, const uint8_t *w, size_t ws, size_t n_rows, const uint8_t *x, size_t n_groups, qtype t) {
  xside side[LQ_VECTOR_PANEL];
#ifdef LQ_X_WIDEN
  _Alignas(64) uint8_t wide[LQ_VECTOR_PANEL * LQ_X_STEP];
#else
  uint8_t *wide = NULL;
#endif
  for (size_t g = 0; g < n_groups; g += LQ_VECTOR_PANEL) {
    size_t n = n_groups - g < LQ_VECTOR_PANEL ? n_groups - g : LQ_VECTOR_PANEL;
    const uint8_t *from = x + g * sizeof(lq_q8a);
    prepare_x(side, wide, from, n, t.kind, t.zero);
    matvec_packed(y, w, ws * LQ_R, n_rows, (xrow){x_codes(wide, from), side}, g, n, t);
  }
}

/* Activations of up to LQ_X_ROWS rows and LQ_PANEL groups. */
typedef struct xblock {
  xside side[LQ_X_ROWS][LQ_PANEL];
#ifdef LQ_X_WIDEN
  _Alignas(64) uint8_t wide[LQ_X_ROWS][LQ_PANEL * LQ_X_STEP];
#endif
  xrow row[LQ_X_ROWS];
} xblock;

LQ_INLINE void prepare_xblock(xblock *b, const uint8_t *x, size_t xs, size_t n_x, size_t g0, size_t n, qtype t) {
  for (size_t r = 0; r < n_x; r++) {
#ifdef LQ_X_WIDEN
    uint8_t *wide = b->wide[r];
#else
    uint8_t *wide = NULL;
#endif
    const uint8_t *from = x + r * xs + g0 * sizeof(lq_q8a);
    prepare_x(b->side[r], wide, from, n, t.kind, t.zero);
    b->row[r] = (xrow){x_codes(wide, from), b->side[r]};
  }
}

LQ_INLINE void matmul_packed_many(float *y, size_t ldy, const uint8_t *w, size_t ws, size_t n_rows, const uint8_t *x, size_t xs, size_t n_x,
                                  size_t n_groups, qtype t) {
  tile panel[LQ_TILE_G * LQ_PANEL];
  xblock b;
  for (size_t g = 0; g < n_groups; g += LQ_PANEL) {
    size_t n = n_groups - g < LQ_PANEL ? n_groups - g : LQ_PANEL;
    for (size_t r = 0; r < n_x; r += LQ_X_ROWS) {
      size_t nx = n_x - r < LQ_X_ROWS ? n_x - r : LQ_X_ROWS;
      prepare_xblock(&b, x + r * xs, xs, nx, g, n, t);
      for (size_t i = 0; i < n_rows; i += (size_t)LQ_TILE_G * LQ_R) {
        size_t ng = n_rows - i >= LQ_TILE_G * LQ_R ? LQ_TILE_G : 1;
        for (size_t j = 0; j < ng; j++) decode_panel(panel + j * LQ_PANEL, w + (i + j * LQ_R) * ws, g, n, t);
        add_panel_kind(t.kind, y + r * ldy + i, ldy, panel, n, b.row, nx, ng, g == 0);
      }
    }
  }
}

LQ_INLINE void matmul_packed_any(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs, size_t n_x, size_t n_in,
                                 qtype t) {
  if (n_x == 1) matmul_packed_one(y, w, ws, n_rows, x, n_in / LQ_QK, t);
  else matmul_packed_many(y, ldy, w, ws, n_rows, x, xs, n_x, n_in / LQ_QK, t);
}

/* Rows as they lie in the file: packed block by block on the way, the last row standing in for rows that are not there. */
LQ_INLINE void matmul_plain_any(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs, size_t n_x, size_t n_in,
                                qtype t) {
  tile panel[LQ_PANEL];
  xblock b;
  uint8_t packed[LQ_R * LQ_MAX_BLOCK_BYTES];
  float part[LQ_X_ROWS * LQ_R] = {0};
  const uint8_t *rows[LQ_R];
  size_t n_groups = n_in / LQ_QK;
  for (size_t g = 0; g < n_groups; g += LQ_PANEL) {
    size_t n = n_groups - g < LQ_PANEL ? n_groups - g : LQ_PANEL;
    for (size_t r = 0; r < n_x; r += LQ_X_ROWS) {
      size_t nx = n_x - r < LQ_X_ROWS ? n_x - r : LQ_X_ROWS;
      prepare_xblock(&b, (const uint8_t *)x + r * xs, xs, nx, g, n, t);
      for (size_t i = 0; i < n_rows; i += LQ_R) {
        size_t there = n_rows - i < LQ_R ? n_rows - i : LQ_R;
        for (size_t k = 0; k < n; k++) {
          if (k % t.groups == 0) {
            for (size_t j = 0; j < LQ_R; j++)
              rows[j] = (const uint8_t *)w + (i + (j < there ? j : there - 1)) * ws + (g + k) / t.groups * t.block_bytes;
            lq_pack_block(t.type, LQ_R, packed, rows);
          }
          t.decode(&panel[k], packed, (unsigned)(k % t.groups));
        }
        for (size_t q = 0; g && q < nx; q++) memcpy(part + q * LQ_R, y + (r + q) * ldy + i, there * sizeof(float));
        add_panel_kind(t.kind, part, LQ_R, panel, n, b.row, nx, 1, g == 0);
        for (size_t q = 0; q < nx; q++) memcpy(y + (r + q) * ldy + i, part + q * LQ_R, there * sizeof(float));
      }
    }
  }
}

/* X(type, decode, kind, zero, block bytes, groups in a block) */
#define LQ_SIMD_TYPES(X)                                                                                     \
  X(Q8_0, decode_q8_0, WIDE, LQ_WIDE_ZERO, 34, 1) X(Q4_0, decode_q4_0, 0, 8, 18, 1)                          \
  X(Q4_1, decode_q4_1, MIN, 0, 20, 1) X(Q5_0, decode_q5_0, 0, 16, 22, 1) X(Q5_1, decode_q5_1, MIN, 0, 24, 1) \
  X(Q2_K, decode_q2_k, HALVES | MIN, 0, 84, 8) X(Q3_K, decode_q3_k, HALVES, 4, 110, 8)                       \
  X(Q4_K, decode_q4_k, MIN, 0, 144, 8) X(Q5_K, decode_q5_k, MIN, 0, 176, 8) X(Q6_K, decode_q6_k, HALVES, 32, 210, 8)

#define LQ_SIMD_MATMUL(T, DECODE, KIND, ZERO, BYTES, GROUPS)                                                                                   \
  static void matmul_##T(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs, size_t n_x, size_t n_in) {    \
    matmul_plain_any(y, ldy, w, ws, n_rows, x, xs, n_x, n_in, (qtype){LQ_##T, KIND, ZERO, BYTES, GROUPS, DECODE});                             \
  }                                                                                                                                            \
  static void packed_##T(float *y, size_t ldy, const void *w, size_t ws, size_t n_rows, const void *x, size_t xs, size_t n_x, size_t n_in) {    \
    matmul_packed_any(y, ldy, w, ws, n_rows, x, xs, n_x, n_in, (qtype){LQ_##T, KIND, ZERO, BYTES, GROUPS, DECODE});                            \
  }                                                                                                                                            \
  static void pack_##T(void *w, void *tmp, size_t n_in) { lq_pack_rows(LQ_##T, LQ_R, w, tmp, n_in); }                                          \
  static void unpack_##T(const void *group, size_t row, float *y, size_t n_in) { lq_packed_row(LQ_##T, LQ_R, group, row, y, n_in); }
LQ_SIMD_TYPES(LQ_SIMD_MATMUL)

static void quantize_rows(const float *x, lq_q8a *y, size_t n) {
  for (size_t i = 0; i < n / LQ_QK; i++) quantize_block(x + i * LQ_QK, y + i);
}

#endif
