/* Opening a GGUF file: every byte of its directory is checked here, once, before anything uses it.
 * May call: quant, base. Spec: ggml docs/gguf.md (v2, v3). */
#include "gguf/gguf.h"

#include "gguf/gguf_kv.h"

#include <limits.h>
#include <string.h>

#define MAX_ENTRIES (1u << 20) /* metadata keys, tensors: hundreds in practice */
#define MAX_NAME 256u          /* tensor name; ggml's own limit is 64 */
#define MAX_KEY 65535u         /* the specification's */
#define MIN_KV_BYTES 14u       /* key length, one byte of key, type, one byte of value */
#define MIN_TENSOR_BYTES 33u   /* name length, one byte of name, n_dims, one dim, type, offset */
#define DEFAULT_ALIGNMENT 32u

static bool starts(const lq_gguf *g, const char *with, size_t n) {
  return g->n_bytes >= n && memcmp(g->bytes, with, n) == 0;
}

/* What a file that is no GGUF seems to be, for the message; NULL if nothing we know. */
static const char *looks_like(const lq_gguf *g) {
  if (starts(g, "FUGG", 4)) return "a big-endian GGUF file";
  if (starts(g, "PK\3\4", 4)) return "a zip archive or PyTorch checkpoint; convert it to GGUF first";
  if (starts(g, "\x1f\x8b", 2)) return "a gzip archive; unpack it first";
  if (starts(g, "lmgg", 4) || starts(g, "tjgg", 4) || starts(g, "fmgg", 4) || starts(g, "algg", 4))
    return "an old GGML file from before GGUF; convert it again";
  if (starts(g, "version https://git-lfs", 23)) return "a Git LFS pointer, not the file it points to";
  if (g->n_bytes > 8 && g->bytes[8] == '{' && lq_load_u64(g->bytes) < (uint64_t)1 << 32)
    return "a safetensors file; convert it to GGUF first";
  uint64_t i = starts(g, "\xEF\xBB\xBF", 3) ? 3 : 0;
  while (i < g->n_bytes && i < 256 && (g->bytes[i] == ' ' || (g->bytes[i] >= 9 && g->bytes[i] <= 13))) i++;
  if (i < g->n_bytes && g->bytes[i] == '<') return "an HTML or XML page, perhaps a server's error page";
  if (i < g->n_bytes && g->bytes[i] == '{') return "JSON text";
  return NULL;
}

static lq_status read_header(lq_gguf *g, lq_bytes *b, lq_error *err) {
  uint32_t magic = 0;
  if (g->n_bytes == 0) return lq_fail(err, LQ_E_FORMAT, "not a GGUF file: it is empty");
  if (!lq_read_u32(b, &magic) || magic != 0x46554747u) {
    const char *what = looks_like(g);
    if (what) return lq_fail(err, LQ_E_FORMAT, "not a GGUF file: it looks like %s", what);
    return lq_fail(err, LQ_E_FORMAT, "not a GGUF file: it does not start with \"GGUF\"");
  }
  if (!lq_read_u32(b, &g->version))
    return lq_fail(err, LQ_E_FORMAT, "truncated: the file ends after %llu bytes, inside its header",
                   (unsigned long long)g->n_bytes);
  if (g->version == 1) return lq_fail(err, LQ_E_UNSUPPORTED, "GGUF version 1 is not supported; convert it again (2 and 3 are)");
  if (g->version && (g->version & 0xFFFFu) == 0)
    return lq_fail(err, LQ_E_UNSUPPORTED, "this is a big-endian GGUF file; only little-endian ones are supported");
  if (g->version != 2 && g->version != 3)
    return lq_fail(err, LQ_E_UNSUPPORTED, "GGUF version %u is not supported (2 and 3 are)", (unsigned)g->version);
  if (!lq_read_u64(b, &g->n_tensors) || !lq_read_u64(b, &g->n_kv))
    return lq_fail(err, LQ_E_FORMAT, "truncated: the file ends after %llu bytes, inside its header",
                   (unsigned long long)g->n_bytes);
  return LQ_OK;
}

/* Bounds a count by the bytes left before anything is allocated for it. */
static lq_status check_count(uint64_t n, uint64_t least, const lq_bytes *b, const char *what, lq_error *err) {
  if (n > MAX_ENTRIES)
    return lq_fail(err, LQ_E_FORMAT, "the header counts %llu %s; the limit is %u", (unsigned long long)n, what, MAX_ENTRIES);
  if (n > lq_bytes_left(b) / least)
    return lq_fail(err, LQ_E_FORMAT, "truncated or damaged: the header counts %llu %s, but only %llu bytes follow",
                   (unsigned long long)n, what, (unsigned long long)lq_bytes_left(b));
  return LQ_OK;
}

static bool read_str(lq_bytes *b, lq_str *out) {
  uint64_t at = b->pos, n;
  const uint8_t *p;
  if (!lq_read_u64(b, &n) || !lq_read_skip(b, n, &p)) {
    b->pos = at;
    return false;
  }
  *out = (lq_str){(const char *)p, (size_t)n}; /* n <= bytes in memory */
  return true;
}

static lq_status cut_short(const lq_gguf_kv *kv, lq_error *err) {
  return lq_fail(err, LQ_E_FORMAT, "truncated or damaged: the value of key '%.*s' (%s, %llu elements) does not fit in the file",
                 LQ_STR_ARG(kv->key), lq_gguf_type_name(kv->elem), (unsigned long long)kv->count);
}

/* Walks kv->count elements of kv->elem at b. */
static lq_status read_elements(lq_gguf_kv *kv, lq_bytes *b, lq_error *err) {
  uint64_t start = b->pos, bytes;
  uint32_t size = lq_gguf_type_size(kv->elem);
  kv->data = b->p + b->pos;
  if (kv->elem == LQ_GT_STRING) {
    lq_str s;
    for (uint64_t i = 0; i < kv->count; i++) /* each takes 8 bytes or ends the walk */
      if (!read_str(b, &s)) return cut_short(kv, err);
  } else if (!lq_mul_u64(kv->count, size, &bytes) || !lq_read_skip(b, bytes, NULL)) {
    return cut_short(kv, err);
  }
  kv->data_bytes = b->pos - start;
  if (kv->elem == LQ_GT_BOOL)
    for (uint64_t i = 0; i < kv->count; i++)
      if (kv->data[i] > 1)
        return lq_fail(err, LQ_E_FORMAT, "key '%.*s' holds %u where a boolean is 0 or 1", LQ_STR_ARG(kv->key), kv->data[i]);
  return LQ_OK;
}

static lq_status read_kv(lq_gguf_kv *kv, uint64_t i, lq_bytes *b, lq_error *err) {
  uint32_t type, elem;
  if (!read_str(b, &kv->key) || !lq_read_u32(b, &type))
    return lq_fail(err, LQ_E_FORMAT, "truncated or damaged: metadata key %llu at byte %llu does not fit in the file",
                   (unsigned long long)i, (unsigned long long)b->pos);
  if (kv->key.n == 0 || kv->key.n > MAX_KEY)
    return lq_fail(err, LQ_E_FORMAT, "metadata key %llu is %llu bytes long; keys have 1 to %u", (unsigned long long)i,
                   (unsigned long long)kv->key.n, MAX_KEY);
  if (type >= LQ_GT_COUNT)
    return lq_fail(err, LQ_E_FORMAT, "key '%.*s' has the unknown value type %u", LQ_STR_ARG(kv->key), (unsigned)type);
  kv->type = kv->elem = (lq_gguf_type)type;
  kv->count = 1;
  if (kv->type != LQ_GT_ARRAY) return read_elements(kv, b, err);
  if (!lq_read_u32(b, &elem) || !lq_read_u64(b, &kv->count))
    return lq_fail(err, LQ_E_FORMAT, "truncated or damaged: the array of key '%.*s' does not fit in the file", LQ_STR_ARG(kv->key));
  if (elem == LQ_GT_ARRAY)
    return lq_fail(err, LQ_E_UNSUPPORTED, "key '%.*s' is an array of arrays, which is not supported", LQ_STR_ARG(kv->key));
  if (elem >= LQ_GT_COUNT)
    return lq_fail(err, LQ_E_FORMAT, "key '%.*s' is an array of the unknown type %u", LQ_STR_ARG(kv->key), (unsigned)elem);
  kv->elem = (lq_gguf_type)elem;
  return read_elements(kv, b, err);
}

/* Row and tensor bytes from type and dims. */
static lq_status size_tensor(lq_gguf_tensor *t, uint32_t type, lq_error *err) {
  const lq_type_info *ti = lq_type_get(type);
  if (!ti->name) return lq_fail(err, LQ_E_UNSUPPORTED, "tensor '%.*s' has the unknown type %u", LQ_STR_ARG(t->name), (unsigned)type);
  if (!ti->block_bytes)
    return lq_fail(err, LQ_E_UNSUPPORTED, "tensor '%.*s' has type %s, which is not supported", LQ_STR_ARG(t->name), ti->name);
  t->type = (lq_type)type;
  if (t->ne[0] % ti->block_values)
    return lq_fail(err, LQ_E_FORMAT, "tensor '%.*s': rows of %llu values are no multiple of %s's block of %u", LQ_STR_ARG(t->name),
                   (unsigned long long)t->ne[0], ti->name, (unsigned)ti->block_values);
  uint64_t values = 1, rows = 1;
  size_t here;
  bool fits = lq_row_bytes(t->type, t->ne[0], &t->row_bytes);
  for (int i = 0; i < 4; i++) fits = fits && lq_mul_u64(values, t->ne[i], &values);
  for (int i = 1; i < 4; i++) fits = fits && lq_mul_u64(rows, t->ne[i], &rows);
  if (!fits || !lq_mul_u64(rows, t->row_bytes, &t->n_bytes) || values > INT64_MAX || !lq_to_size(values, &here))
    return lq_fail(err, LQ_E_FORMAT, "tensor '%.*s': its size %llu x %llu x %llu x %llu overflows", LQ_STR_ARG(t->name),
                   (unsigned long long)t->ne[0], (unsigned long long)t->ne[1], (unsigned long long)t->ne[2],
                   (unsigned long long)t->ne[3]);
  return LQ_OK;
}

/* One directory entry. Its offset waits in *offset: where the data start is known after the last entry. */
static lq_status read_tensor(lq_gguf_tensor *t, uint64_t i, uint64_t *offset, lq_bytes *b, lq_error *err) {
  uint32_t type;
  bool there = read_str(b, &t->name) && lq_read_u32(b, &t->n_dims);
  if (there && (t->name.n == 0 || t->name.n > MAX_NAME))
    return lq_fail(err, LQ_E_FORMAT, "the name of tensor %llu is %llu bytes long; names have 1 to %u", (unsigned long long)i,
                   (unsigned long long)t->name.n, MAX_NAME);
  if (there && (t->n_dims < 1 || t->n_dims > 4))
    return lq_fail(err, LQ_E_FORMAT, "tensor '%.*s' has %u dimensions; 1 to 4 are possible", LQ_STR_ARG(t->name), (unsigned)t->n_dims);
  for (uint32_t d = 0; d < 4; d++) {
    t->ne[d] = 1;
    if (d < t->n_dims) there = there && lq_read_u64(b, &t->ne[d]);
    if (there && t->ne[d] == 0)
      return lq_fail(err, LQ_E_FORMAT, "tensor '%.*s': dimension %u is 0", LQ_STR_ARG(t->name), (unsigned)d);
  }
  if (!there || !lq_read_u32(b, &type) || !lq_read_u64(b, offset))
    return lq_fail(err, LQ_E_FORMAT, "truncated or damaged: entry %llu of the tensor directory does not fit in the file",
                   (unsigned long long)i);
  return size_tensor(t, type, err);
}

static lq_status read_alignment(lq_gguf *g, lq_error *err) {
  LQ_TRY(lq_gguf_u32(g, "general.alignment", DEFAULT_ALIGNMENT, &g->alignment, err));
  if (g->alignment < 8 || (g->alignment & (g->alignment - 1)))
    return lq_fail(err, LQ_E_FORMAT, "general.alignment is %u; it must be a power of two, 8 or more", (unsigned)g->alignment);
  return LQ_OK;
}

/* Places each tensor inside the file. A file cut short is told apart from a damaged one: it says what is missing in all. */
static lq_status place_tensors(lq_gguf *g, lq_gguf_tensor *ts, const uint64_t *offsets, lq_error *err) {
  uint64_t whole = 0;
  const lq_gguf_tensor *last = NULL;
  for (uint64_t i = 0; i < g->n_tensors; i++) {
    lq_gguf_tensor *t = &ts[i];
    uint64_t start, end;
    if (offsets[i] % g->alignment)
      return lq_fail(err, LQ_E_FORMAT, "tensor '%.*s': offset %llu is no multiple of the alignment %u", LQ_STR_ARG(t->name),
                     (unsigned long long)offsets[i], (unsigned)g->alignment);
    if (!lq_add_u64(g->data_offset, offsets[i], &start) || !lq_add_u64(start, t->n_bytes, &end))
      return lq_fail(err, LQ_E_FORMAT, "tensor '%.*s': offset %llu with %llu bytes overflows", LQ_STR_ARG(t->name),
                     (unsigned long long)offsets[i], (unsigned long long)t->n_bytes);
    if (end > whole) {
      whole = end;
      last = t;
    }
    if (end <= g->n_bytes) t->data = g->bytes + start;
  }
  if (whole > g->n_bytes)
    return lq_fail(err, LQ_E_FORMAT, "truncated: %llu bytes are missing at the end (tensor '%.*s' ends at byte %llu, the file at %llu)",
                   (unsigned long long)(whole - g->n_bytes), LQ_STR_ARG(last->name), (unsigned long long)whole,
                   (unsigned long long)g->n_bytes);
  return LQ_OK;
}

static int by_key(const void *list, uint32_t a, uint32_t b) {
  const lq_gguf_kv *kv = list;
  return lq_gguf_str_cmp(kv[a].key, kv[b].key);
}

static int by_name(const void *list, uint32_t a, uint32_t b) {
  const lq_gguf_tensor *t = list;
  return lq_gguf_str_cmp(t[a].name, t[b].name);
}

static int by_place(const void *list, uint32_t a, uint32_t b) {
  const lq_gguf_tensor *t = list;
  return t[a].data < t[b].data ? -1 : t[a].data > t[b].data;
}

/* Sorts index[n] in place, never slower than n log n whatever the file wants (heap sort). */
static void sort_index(uint32_t *index, size_t n, int (*cmp)(const void *, uint32_t, uint32_t), const void *list) {
  for (size_t i = 0; i < n; i++) index[i] = (uint32_t)i;
  size_t top = n / 2, end = n;
  while (end > 1) {
    uint32_t v;
    if (top > 0) {
      v = index[--top];
    } else {
      v = index[--end];
      index[end] = index[0];
    }
    size_t at = top;
    for (size_t child; (child = 2 * at + 1) < end; at = child) {
      if (child + 1 < end && cmp(list, index[child], index[child + 1]) < 0) child++;
      if (cmp(list, v, index[child]) >= 0) break;
      index[at] = index[child];
    }
    index[at] = v;
  }
}

static lq_status no_memory(uint64_t n, const char *what, lq_error *err) {
  return lq_fail(err, LQ_E_NOMEM, "not enough memory for the directory of %llu %s", (unsigned long long)n, what);
}

static lq_status read_metadata(lq_gguf *g, lq_bytes *b, lq_arena *a, lq_error *err) {
  LQ_TRY(check_count(g->n_kv, MIN_KV_BYTES, b, "metadata keys", err));
  lq_gguf_kv *kv = LQ_TAKE(a, lq_gguf_kv, g->n_kv);
  g->kv = kv;
  g->kv_index = LQ_TAKE(a, uint32_t, g->n_kv);
  if (!kv || !g->kv_index) return no_memory(g->n_kv, "metadata keys", err);
  for (uint64_t i = 0; i < g->n_kv; i++) LQ_TRY(read_kv(&kv[i], i, b, err));
  sort_index(g->kv_index, (size_t)g->n_kv, by_key, kv);
  for (uint64_t i = 1; i < g->n_kv; i++)
    if (by_key(kv, g->kv_index[i - 1], g->kv_index[i]) == 0)
      return lq_fail(err, LQ_E_FORMAT, "key '%.*s' stands twice in the metadata", LQ_STR_ARG(kv[g->kv_index[i]].key));
  return LQ_OK;
}

static lq_status read_directory(lq_gguf *g, lq_bytes *b, lq_arena *a, lq_error *err) {
  LQ_TRY(check_count(g->n_tensors, MIN_TENSOR_BYTES, b, "tensors", err));
  lq_gguf_tensor *ts = LQ_TAKE(a, lq_gguf_tensor, g->n_tensors);
  uint64_t *offsets = LQ_TAKE(a, uint64_t, g->n_tensors);
  uint32_t *index = LQ_TAKE(a, uint32_t, g->n_tensors);
  if (!ts || !offsets || !index) return no_memory(g->n_tensors, "tensors", err);
  g->tensors = ts;
  g->tensor_index = index;
  for (uint64_t i = 0; i < g->n_tensors; i++) LQ_TRY(read_tensor(&ts[i], i, &offsets[i], b, err));
  if (!lq_align_u64(b->pos, g->alignment, &g->data_offset))
    return lq_fail(err, LQ_E_FORMAT, "general.alignment %u overflows", (unsigned)g->alignment);
  if (g->n_tensors == 0 && g->data_offset > g->n_bytes) g->data_offset = g->n_bytes; /* no padding without data */
  LQ_TRY(place_tensors(g, ts, offsets, err));
  sort_index(index, (size_t)g->n_tensors, by_place, ts);
  for (uint64_t i = 1; i < g->n_tensors; i++) {
    const lq_gguf_tensor *s = &ts[index[i - 1]], *t = &ts[index[i]];
    if ((uint64_t)(t->data - s->data) < s->n_bytes)
      return lq_fail(err, LQ_E_FORMAT, "tensors '%.*s' and '%.*s' overlap", LQ_STR_ARG(s->name), LQ_STR_ARG(t->name));
  }
  sort_index(index, (size_t)g->n_tensors, by_name, ts);
  for (uint64_t i = 1; i < g->n_tensors; i++)
    if (by_name(ts, index[i - 1], index[i]) == 0)
      return lq_fail(err, LQ_E_FORMAT, "two tensors are named '%.*s'", LQ_STR_ARG(ts[index[i]].name));
  return LQ_OK;
}

lq_status lq_gguf_open(lq_gguf *g, void *bytes, uint64_t n_bytes, lq_arena *a, lq_error *err) {
  return lq_gguf_open_head(g, bytes, n_bytes, n_bytes, a, err);
}

lq_status lq_gguf_open_head(lq_gguf *g, void *bytes, uint64_t n_head, uint64_t n_bytes, lq_arena *a, lq_error *err) {
  size_t here;
  *g = (lq_gguf){.bytes = bytes, .n_bytes = n_head}; /* until the directory says where data lie, only the head is there */
  if (!lq_to_size(n_bytes, &here))
    return lq_fail(err, LQ_E_ARG, "%llu bytes are more than this build can address", (unsigned long long)n_bytes);
  if ((uintptr_t)bytes % 8) return lq_fail(err, LQ_E_ARG, "the model's bytes must start at an address that is a multiple of 8");
  lq_bytes b = {bytes, n_head, 0};
  LQ_TRY(read_header(g, &b, err));
  LQ_TRY(read_metadata(g, &b, a, err));
  LQ_TRY(read_alignment(g, err));
  g->n_bytes = n_bytes;
  return read_directory(g, &b, a, err);
}
