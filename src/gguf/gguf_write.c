/* Writing the head of a GGUF file: header, metadata, tensor directory.
 * May call: quant, base. Spec: ggml docs/gguf.md (v3). */
#include "gguf/gguf.h"

static const lq_str FILE_TYPE = {"general.file_type", sizeof "general.file_type" - 1};

static void put_u32(lq_buf *b, uint32_t v) {
  uint8_t p[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
  lq_buf_add(b, p, sizeof p);
}

static void put_u64(lq_buf *b, uint64_t v) {
  put_u32(b, (uint32_t)v);
  put_u32(b, (uint32_t)(v >> 32));
}

static void put_str(lq_buf *b, lq_str s) {
  put_u64(b, s.n);
  lq_buf_add(b, s.p, s.n);
}

static void put_kv(lq_buf *b, const lq_gguf_kv *kv) {
  put_str(b, kv->key);
  put_u32(b, (uint32_t)kv->type);
  if (kv->type == LQ_GT_ARRAY) {
    put_u32(b, (uint32_t)kv->elem);
    put_u64(b, kv->count);
  }
  lq_buf_add(b, kv->data, (size_t)kv->data_bytes);
}

static lq_status tensor_bytes(const lq_gguf_out_tensor *t, uint64_t *bytes, lq_error *err) {
  const lq_type_info *ti = lq_type_get((uint32_t)t->type);
  bool good = t->n_dims >= 1 && t->n_dims <= 4 && lq_row_bytes(t->type, t->ne[0], bytes);
  for (uint32_t d = 1; good && d < t->n_dims; d++) good = lq_mul_u64(*bytes, t->ne[d], bytes);
  if (good) return LQ_OK;
  return lq_fail(err, LQ_E_ARG, "tensor '%.*s' cannot be laid out as %s: rows of %llu values", LQ_STR_ARG(t->name),
                 ti->name ? ti->name : "that type", (unsigned long long)t->ne[0]);
}

static lq_status put_directory(const lq_gguf_out_tensor *outs, uint64_t n, uint32_t alignment, lq_buf *b, lq_error *err) {
  uint64_t offset = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t bytes;
    LQ_TRY(tensor_bytes(&outs[i], &bytes, err));
    put_str(b, outs[i].name);
    put_u32(b, outs[i].n_dims);
    for (uint32_t d = 0; d < outs[i].n_dims; d++) put_u64(b, outs[i].ne[d]);
    put_u32(b, (uint32_t)outs[i].type);
    put_u64(b, offset);
    if (!lq_add_u64(offset, bytes, &offset) || !lq_align_u64(offset, alignment, &offset))
      return lq_fail(err, LQ_E_ARG, "tensor '%.*s': the file's size overflows", LQ_STR_ARG(outs[i].name));
  }
  return LQ_OK;
}

lq_status lq_gguf_write_head(const lq_gguf *src, const lq_gguf_out_tensor *outs, uint64_t n, uint32_t file_type, lq_buf *b, lq_error *err) {
  uint32_t alignment = src->alignment ? src->alignment : 32; /* 0: a directory made by hand */
  bool had = false;
  for (uint64_t i = 0; i < src->n_kv; i++) had = had || lq_str_eq(src->kv[i].key, FILE_TYPE);
  size_t start = b->n;
  lq_buf_add(b, "GGUF", 4);
  put_u32(b, 3);
  put_u64(b, n);
  put_u64(b, src->n_kv + (had ? 0 : 1));
  for (uint64_t i = 0; i < src->n_kv; i++)
    if (!lq_str_eq(src->kv[i].key, FILE_TYPE)) put_kv(b, &src->kv[i]);
  put_str(b, FILE_TYPE);
  put_u32(b, LQ_GT_U32);
  put_u32(b, file_type);
  LQ_TRY(put_directory(outs, n, alignment, b, err));
  while ((b->n - start) % alignment && !b->failed) lq_buf_add(b, "", 1);
  if (b->failed) return lq_fail(err, LQ_E_NOMEM, "not enough memory for the head of a GGUF file with %llu tensors", (unsigned long long)n);
  return LQ_OK;
}
