/* GGUF v2/v3: untrusted bytes -> a checked directory. Zero copy: names and data point into the file.
 * May call: quant, base. Spec: ggml docs/gguf.md. Every check of the loader stands here, once.
 */
#ifndef LQ_GGUF_H
#define LQ_GGUF_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"
#include "quant/quant.h"

typedef enum lq_gguf_type {
  LQ_GT_U8, LQ_GT_I8, LQ_GT_U16, LQ_GT_I16, LQ_GT_U32, LQ_GT_I32, LQ_GT_F32, LQ_GT_BOOL,
  LQ_GT_STRING, LQ_GT_ARRAY, LQ_GT_U64, LQ_GT_I64, LQ_GT_F64, LQ_GT_COUNT
} lq_gguf_type;

typedef struct lq_gguf_kv {
  lq_str key;
  lq_gguf_type type;  /* LQ_GT_ARRAY for arrays */
  lq_gguf_type elem;  /* element type of an array (never ARRAY: nested arrays are refused), else == type */
  uint64_t count;     /* elements; 1 for scalars */
  const uint8_t *data; /* scalar or packed elements, unaligned, little-endian; strings: u64 length + bytes, each checked */
  uint64_t data_bytes;
} lq_gguf_kv;

typedef struct lq_gguf_tensor {
  lq_str name;
  lq_type type;       /* supported ones only: others are refused by name at open */
  uint32_t n_dims;    /* 1..4 */
  uint64_t ne[4];     /* ne[0] = row length (input dim), all > 0, trailing 1 */
  uint64_t row_bytes, n_bytes;
  uint8_t *data;      /* n_bytes inside the file, aligned to the file's alignment */
} lq_gguf_tensor;

typedef struct lq_gguf {
  uint8_t *bytes;     /* borrowed */
  uint64_t n_bytes;
  uint32_t version, alignment;
  uint64_t n_kv, n_tensors, data_offset;
  const lq_gguf_kv *kv;
  const lq_gguf_tensor *tensors;
  uint32_t *tensor_index; /* hash or sorted order by name: private */
  uint32_t *kv_index;
} lq_gguf;

/* Parses and checks the whole directory. `bytes` starts at a multiple of 8, must outlive *g and stay put; `a` owns the directory.
 * Refuses: wrong magic (says what it looks like instead: HTML page, zip, safetensors, big-endian GGUF, GGUF v1), truncated, counts beyond
 * the bytes left, duplicate names, overlapping or misaligned tensors, zero or overflowing dims, alignment below 8 or no power of two, nested arrays,
 * booleans other than 0/1, unsupported tensor types (by name), tensor data beyond the end (says how many bytes are missing). */
lq_status lq_gguf_open(lq_gguf *g, void *bytes, uint64_t n_bytes, lq_arena *a, lq_error *err);
/* The same where only the first n_head of the file's n_bytes are there: what a model is, before it has been fetched. Every check is made, but no
 * tensor's data may be read. A head that ends inside the directory is LQ_E_FORMAT. */
lq_status lq_gguf_open_head(lq_gguf *g, void *bytes, uint64_t n_head, uint64_t n_bytes, lq_arena *a, lq_error *err);

const lq_gguf_kv *lq_gguf_find(const lq_gguf *g, const char *key); /* NULL if absent */
const lq_gguf_tensor *lq_gguf_tensor_find(const lq_gguf *g, const char *name);

/* Typed getters: false if absent; wrong type or out of range sets *err, marked by err->status != LQ_OK.
 * `get` style: status LQ_OK with *out = dflt when absent. Any integer type converts when the value fits. */
lq_status lq_gguf_u32(const lq_gguf *g, const char *key, uint32_t dflt, uint32_t *out, lq_error *err);
lq_status lq_gguf_i64(const lq_gguf *g, const char *key, int64_t dflt, int64_t *out, lq_error *err);
lq_status lq_gguf_f32(const lq_gguf *g, const char *key, float dflt, float *out, lq_error *err);
lq_status lq_gguf_bool(const lq_gguf *g, const char *key, bool dflt, bool *out, lq_error *err);
lq_status lq_gguf_str(const lq_gguf *g, const char *key, lq_str dflt, lq_str *out, lq_error *err);
/* Arrays. *out = NULL when absent; wrong element type is LQ_E_FORMAT. */
lq_status lq_gguf_array(const lq_gguf *g, const char *key, lq_gguf_type elem, const lq_gguf_kv **out, lq_error *err);
/* i-th number of a numeric array or scalar, converted; i < count is the caller's duty. */
double lq_gguf_num_at(const lq_gguf_kv *kv, uint64_t i);
/* Walks a string array: start with pos = 0; each call gives the next string. False at the end. */
bool lq_gguf_next_str(const lq_gguf_kv *kv, uint64_t *pos, lq_str *out);

/* --- writing (quantize, tests) --- */
typedef struct lq_gguf_out_tensor { lq_str name; lq_type type; uint32_t n_dims; uint64_t ne[4]; } lq_gguf_out_tensor;
/* Writes header, all metadata of `src` (but `general.file_type`, set to file_type), then the tensor directory of outs[n]
 * (offsets computed), then padding up to the data start, into *b. Tensor data follow, each padded to the alignment, by the caller. */
lq_status lq_gguf_write_head(const lq_gguf *src, const lq_gguf_out_tensor *outs, uint64_t n, uint32_t file_type, lq_buf *b, lq_error *err);

/* --- files (native) --- */
typedef struct lq_file { void *bytes; uint64_t n; int mapped; } lq_file;
/* Maps a file copy-on-write (weights may be repacked in place). Empty, missing or a directory: LQ_E_IO. */
lq_status lq_file_open(lq_file *f, const char *path, lq_error *err);
void lq_file_close(lq_file *f);

#endif
