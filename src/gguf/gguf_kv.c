/* Looking up keys and tensors, and reading checked values with their types.
 * May call: base. The bytes were checked by lq_gguf_open. */
#include "gguf/gguf_kv.h"

#include <math.h>
#include <string.h>

static const struct { const char *name; uint32_t size; } value_types[LQ_GT_COUNT] = {
    [LQ_GT_U8] = {"u8", 1},   [LQ_GT_I8] = {"i8", 1},   [LQ_GT_U16] = {"u16", 2},      [LQ_GT_I16] = {"i16", 2},
    [LQ_GT_U32] = {"u32", 4}, [LQ_GT_I32] = {"i32", 4}, [LQ_GT_F32] = {"f32", 4},      [LQ_GT_BOOL] = {"bool", 1},
    [LQ_GT_U64] = {"u64", 8}, [LQ_GT_I64] = {"i64", 8}, [LQ_GT_F64] = {"f64", 8},      [LQ_GT_STRING] = {"string", 0},
    [LQ_GT_ARRAY] = {"array", 0}};

uint32_t lq_gguf_type_size(lq_gguf_type t) {
  return (unsigned)t < LQ_GT_COUNT ? value_types[t].size : 0;
}

const char *lq_gguf_type_name(lq_gguf_type t) {
  return (unsigned)t < LQ_GT_COUNT ? value_types[t].name : "unknown";
}

int lq_gguf_str_cmp(lq_str a, lq_str b) {
  size_t n = a.n < b.n ? a.n : b.n;
  int c = n ? memcmp(a.p, b.p, n) : 0;
  return c ? c : a.n < b.n ? -1 : a.n > b.n;
}

const lq_gguf_kv *lq_gguf_find(const lq_gguf *g, const char *key) {
  lq_str want = {key, strlen(key)};
  uint64_t lo = 0, hi = g->n_kv;
  while (lo < hi) {
    uint64_t mid = lo + (hi - lo) / 2;
    const lq_gguf_kv *kv = &g->kv[g->kv_index[mid]];
    int c = lq_gguf_str_cmp(kv->key, want);
    if (c == 0) return kv;
    if (c < 0) lo = mid + 1;
    else hi = mid;
  }
  return NULL;
}

const lq_gguf_tensor *lq_gguf_tensor_find(const lq_gguf *g, const char *name) {
  lq_str want = {name, strlen(name)};
  uint64_t lo = 0, hi = g->n_tensors;
  while (lo < hi) {
    uint64_t mid = lo + (hi - lo) / 2;
    const lq_gguf_tensor *t = &g->tensors[g->tensor_index[mid]];
    int c = lq_gguf_str_cmp(t->name, want);
    if (c == 0) return t;
    if (c < 0) lo = mid + 1;
    else hi = mid;
  }
  return NULL;
}

/* Element i as an integer; false for floats, strings and u64 beyond int64. */
static bool int_at(const lq_gguf_kv *kv, uint64_t i, int64_t *out) {
  const uint8_t *p = kv->data + i * lq_gguf_type_size(kv->elem);
  switch (kv->elem) {
    case LQ_GT_U8: *out = *p; return true;
    case LQ_GT_I8: *out = (int8_t)*p; return true;
    case LQ_GT_U16: *out = lq_load_u16(p); return true;
    case LQ_GT_I16: *out = (int16_t)lq_load_u16(p); return true;
    case LQ_GT_U32: *out = lq_load_u32(p); return true;
    case LQ_GT_I32: *out = (int32_t)lq_load_u32(p); return true;
    case LQ_GT_I64: *out = (int64_t)lq_load_u64(p); return true;
    case LQ_GT_U64:
      if (lq_load_u64(p) > INT64_MAX) return false;
      *out = (int64_t)lq_load_u64(p);
      return true;
    default: return false;
  }
}

double lq_gguf_num_at(const lq_gguf_kv *kv, uint64_t i) {
  const uint8_t *p = kv->data + i * lq_gguf_type_size(kv->elem);
  int64_t v;
  switch (kv->elem) {
    case LQ_GT_F32: return (double)lq_load_f32(p);
    case LQ_GT_F64: return lq_load_f64(p);
    case LQ_GT_BOOL: return *p;
    case LQ_GT_U64: return (double)lq_load_u64(p);
    default: return int_at(kv, i, &v) ? (double)v : 0;
  }
}

static lq_status wrong_type(const lq_gguf_kv *kv, const char *want, lq_error *err) {
  return lq_fail(err, LQ_E_FORMAT, "key '%.*s' is %s%s where %s is needed", LQ_STR_ARG(kv->key),
                 kv->type == LQ_GT_ARRAY ? "an array of " : "", lq_gguf_type_name(kv->elem), want);
}

/* Reads an integer within lo..hi. */
static lq_status get_int(const lq_gguf_kv *kv, int64_t lo, int64_t hi, int64_t *out, lq_error *err) {
  int64_t v;
  if (kv->type == LQ_GT_ARRAY || kv->elem == LQ_GT_F32 || kv->elem == LQ_GT_F64 || kv->elem == LQ_GT_STRING || kv->elem == LQ_GT_BOOL)
    return wrong_type(kv, "an integer", err);
  if (!int_at(kv, 0, &v))
    return lq_fail(err, LQ_E_FORMAT, "key '%.*s' is %llu, beyond %lld", LQ_STR_ARG(kv->key),
                   (unsigned long long)lq_load_u64(kv->data), (long long)hi);
  if (v < lo || v > hi)
    return lq_fail(err, LQ_E_FORMAT, "key '%.*s' is %lld, outside %lld to %lld", LQ_STR_ARG(kv->key), (long long)v,
                   (long long)lo, (long long)hi);
  *out = v;
  return LQ_OK;
}

lq_status lq_gguf_u32(const lq_gguf *g, const char *key, uint32_t dflt, uint32_t *out, lq_error *err) {
  const lq_gguf_kv *kv = lq_gguf_find(g, key);
  int64_t v = dflt;
  if (kv) LQ_TRY(get_int(kv, 0, UINT32_MAX, &v, err));
  *out = (uint32_t)v;
  return LQ_OK;
}

lq_status lq_gguf_i64(const lq_gguf *g, const char *key, int64_t dflt, int64_t *out, lq_error *err) {
  const lq_gguf_kv *kv = lq_gguf_find(g, key);
  int64_t v = dflt;
  if (kv) LQ_TRY(get_int(kv, INT64_MIN, INT64_MAX, &v, err));
  *out = v;
  return LQ_OK;
}

lq_status lq_gguf_f32(const lq_gguf *g, const char *key, float dflt, float *out, lq_error *err) {
  const lq_gguf_kv *kv = lq_gguf_find(g, key);
  float v = dflt;
  if (kv) {
    if (kv->type == LQ_GT_ARRAY || kv->elem == LQ_GT_STRING || kv->elem == LQ_GT_BOOL) return wrong_type(kv, "a number", err);
    v = (float)lq_gguf_num_at(kv, 0);
    if (!isfinite(v)) return lq_fail(err, LQ_E_FORMAT, "key '%.*s' is not a finite number", LQ_STR_ARG(kv->key));
  }
  *out = v;
  return LQ_OK;
}

lq_status lq_gguf_bool(const lq_gguf *g, const char *key, bool dflt, bool *out, lq_error *err) {
  const lq_gguf_kv *kv = lq_gguf_find(g, key);
  if (kv && kv->type != LQ_GT_BOOL) return wrong_type(kv, "a boolean", err);
  *out = kv ? kv->data[0] != 0 : dflt;
  return LQ_OK;
}

lq_status lq_gguf_str(const lq_gguf *g, const char *key, lq_str dflt, lq_str *out, lq_error *err) {
  const lq_gguf_kv *kv = lq_gguf_find(g, key);
  uint64_t pos = 0;
  if (kv && kv->type != LQ_GT_STRING) return wrong_type(kv, "a string", err);
  if (!kv || !lq_gguf_next_str(kv, &pos, out)) *out = dflt;
  return LQ_OK;
}

lq_status lq_gguf_array(const lq_gguf *g, const char *key, lq_gguf_type elem, const lq_gguf_kv **out, lq_error *err) {
  const lq_gguf_kv *kv = lq_gguf_find(g, key);
  if (kv && (kv->type != LQ_GT_ARRAY || kv->elem != elem))
    return lq_fail(err, LQ_E_FORMAT, "key '%.*s' is %s%s where an array of %s is needed", LQ_STR_ARG(kv->key),
                   kv->type == LQ_GT_ARRAY ? "an array of " : "", lq_gguf_type_name(kv->elem), lq_gguf_type_name(elem));
  *out = kv;
  return LQ_OK;
}

bool lq_gguf_next_str(const lq_gguf_kv *kv, uint64_t *pos, lq_str *out) {
  lq_bytes b = {kv->data, kv->data_bytes, *pos};
  uint64_t n;
  const uint8_t *p;
  if (kv->elem != LQ_GT_STRING || *pos > kv->data_bytes || !lq_read_u64(&b, &n) || !lq_read_skip(&b, n, &p)) return false;
  *out = (lq_str){(const char *)p, (size_t)n};
  *pos = b.pos;
  return true;
}
