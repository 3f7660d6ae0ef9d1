/* Writing a model again in another type. May call: gguf, quant, base. */
#include <math.h>
#include <string.h>

#include "lq_internal.h"

/* general.file_type as llama.cpp numbers it. */
static uint32_t file_type_of(lq_type t) {
  switch (t) {
    case LQ_F32: return 0;
    case LQ_F16: return 1;
    case LQ_Q4_0: return 2;
    case LQ_Q4_1: return 3;
    case LQ_Q8_0: return 7;
    case LQ_Q5_0: return 8;
    case LQ_Q5_1: return 9;
    case LQ_Q4_K: return 15;
    case LQ_Q6_K: return 18;
    default: return 32;
  }
}

/* Matrices take the wanted type, or the nearest one their row length can hold; vectors, norms and position tables stay as they are. */
static lq_type type_for(const lq_gguf_tensor *t, lq_type want) {
  static const char rel[] = "attn_rel_b.weight";
  size_t n = sizeof(rel) - 1;
  bool table = t->name.n >= n && memcmp(t->name.p + t->name.n - n, rel, n) == 0, small = t->n_dims < 2 || t->ne[1] == 1 || table;
  if (small) return t->type;
  if (t->ne[0] % lq_type_get((uint32_t)want)->block_values == 0) return want;
  return t->ne[0] % LQ_QK == 0 ? LQ_Q8_0 : LQ_F16;
}

typedef struct writer {
  int (*sink)(void *, const void *, size_t);
  void *ctx;
  lq_error *err;
} writer;

static lq_status put(const writer *w, const void *p, size_t n) {
  return n == 0 || w->sink(w->ctx, p, n) == 0 ? LQ_OK : lq_fail(w->err, LQ_E_IO, "the output could not be written");
}

static lq_status write_tensor(const writer *w, const lq_gguf_tensor *t, lq_type to, uint32_t alignment, lq_arena *a, lq_buf *report) {
  static const uint8_t zeros[4096];
  uint64_t mark = lq_arena_mark(a), row, rows = t->ne[1] * t->ne[2] * t->ne[3], total;
  size_t n = (size_t)t->ne[0];
  double sum = 0;
  if (!lq_row_bytes(to, n, &row) || !lq_mul_u64(row, rows, &total))
    return lq_fail(w->err, LQ_E_UNSUPPORTED, "%.*s cannot be written in that type", LQ_STR_ARG(t->name));
  float *x = LQ_TAKE(a, float, n), *y = LQ_TAKE(a, float, n);
  uint8_t *out = LQ_TAKE(a, uint8_t, row);
  if (!x || !y || !out) return lq_fail(w->err, LQ_E_NOMEM, "no memory to quantise %.*s", LQ_STR_ARG(t->name));
  for (uint64_t r = 0; r < rows; r++) {
    const uint8_t *from = t->data + r * t->row_bytes;
    if (to == t->type) {
      LQ_TRY(put(w, from, (size_t)row));
      continue;
    }
    lq_dequantize_row(t->type, from, x, n);
    for (size_t i = 0; i < n; i++)
      if (!isfinite(x[i]))
        return lq_fail(w->err, LQ_E_FORMAT, "%.*s holds a value that is not a number (row %llu)", LQ_STR_ARG(t->name), (unsigned long long)r);
    lq_quantize_row(to, x, out, n);
    lq_dequantize_row(to, out, y, n);
    for (size_t i = 0; i < n; i++)
      if (!isfinite(y[i]))
        return lq_fail(w->err, LQ_E_UNSUPPORTED, "%.*s holds %g, too large for %s", LQ_STR_ARG(t->name), (double)x[i],
                       lq_type_get((uint32_t)to)->name);
    for (size_t i = 0; i < n; i++) sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    LQ_TRY(put(w, out, (size_t)row));
  }
  lq_arena_release(a, mark);
  for (uint64_t pad = (alignment - total % alignment) % alignment; pad;) {
    size_t some = pad < sizeof(zeros) ? (size_t)pad : sizeof(zeros);
    LQ_TRY(put(w, zeros, some));
    pad -= some;
  }
  if (!report) return LQ_OK;
  lq_buf_addz(report, "{\"tensor\":");
  lq_buf_json_str(report, t->name.p, t->name.n);
  lq_buf_printf(report, ",\"from\":\"%s\",\"to\":\"%s\",\"rmse\":", lq_type_get((uint32_t)t->type)->name, lq_type_get((uint32_t)to)->name);
  lq_buf_json_num(report, sqrt(sum / ((double)rows * (double)n)));
  lq_buf_addz(report, "}\n");
  return LQ_OK;
}

static lq_status write_all(lq_gguf *g, lq_type want, const writer *w, lq_arena *dir, lq_arena *work, lq_buf *report) {
  lq_buf head = {.limit = SIZE_MAX / 2};
  lq_gguf_out_tensor *outs = LQ_TAKE(dir, lq_gguf_out_tensor, g->n_tensors);
  if (!outs) return lq_fail(w->err, LQ_E_NOMEM, "no memory for the list of tensors");
  for (uint64_t i = 0; i < g->n_tensors; i++) {
    const lq_gguf_tensor *t = &g->tensors[i];
    outs[i] = (lq_gguf_out_tensor){.name = t->name, .type = type_for(t, want), .n_dims = t->n_dims};
    memcpy(outs[i].ne, t->ne, sizeof(t->ne));
  }
  lq_status s = lq_gguf_write_head(g, outs, g->n_tensors, file_type_of(want), &head, w->err);
  if (s == LQ_OK) s = put(w, head.p, head.n);
  for (uint64_t i = 0; s == LQ_OK && i < g->n_tensors; i++) s = write_tensor(w, &g->tensors[i], outs[i].type, g->alignment, work, report);
  lq_buf_free(&head);
  return s;
}

lq_status lq_quantize(void *bytes, uint64_t n_bytes, const char *type, int (*sink)(void *ctx, const void *p, size_t n), void *sink_ctx,
                      lq_buf *report,
                      lq_error *err) {
  lq_type want;
  if (!lq_type_by_name(type, &want) || !lq_type_get((uint32_t)want)->can_encode)
    return lq_fail(err, LQ_E_OPTION,
                   "\"%s\" is no type this version can write; it writes F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K and Q6_K",
                   type);
  lq_arena dir, work;
  lq_gguf g;
  lq_arena_growing(&dir, 1 << 16);
  memset(&work, 0, sizeof(work));
  lq_status s = lq_gguf_open(&g, bytes, n_bytes, &dir, err);
  uint64_t widest = 0;
  for (uint64_t i = 0; s == LQ_OK && i < g.n_tensors; i++)
    if (g.tensors[i].ne[0] > widest) widest = g.tensors[i].ne[0];
  if (s == LQ_OK && !lq_arena_fixed(&work, 12 * widest + 4096))
    s = lq_fail(err, LQ_E_NOMEM, "no memory for rows of %llu values", (unsigned long long)widest);
  writer w = {sink, sink_ctx, err};
  if (s == LQ_OK) s = write_all(&g, want, &w, &dir, &work, report);
  lq_arena_free(&work);
  lq_arena_free(&dir);
  return s;
}
