/* What the SentencePiece models share: the normaliser with its map, and unknown text. May call: gguf, base.
 * Map: darts-clone double array as in sentencepiece's normalizer. Every index into it is checked. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "text/vocab.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */
#define MAX_REPLACEMENT 1024 /* bytes; the longest of NFKC is 33 */

/* The normaliser map: u32 bytes of its table, the table, the replacements. No replacement may be long, or a small text grows without end. */
static lq_status read_map(lq_tokenizer *t, const lq_gguf *g, lq_error *err) {
  const lq_gguf_kv *kv = lq_gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
  if (!kv || (kv->type == LQ_GT_ARRAY && kv->count == 0)) return LQ_OK;
  if (kv->type != LQ_GT_ARRAY || (kv->elem != LQ_GT_U8 && kv->elem != LQ_GT_I8))
    return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.precompiled_charsmap must be an array of bytes");
  uint32_t bytes = kv->count >= 4 ? lq_load_u32(kv->data) : 0;
  if (kv->count < 4 || bytes % 4 != 0 || bytes == 0 || bytes > kv->count - 4 || kv->count - 4 - bytes > UINT32_MAX)
    return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.precompiled_charsmap: its table of %u bytes does not fit in it", (unsigned)bytes);
  t->trie = kv->data + 4;
  t->n_units = bytes / 4;
  t->replace = (const char *)kv->data + 4 + bytes;
  t->n_replace = (uint32_t)(kv->count - 4 - bytes);
  uint32_t from = 0;
  for (uint32_t i = 0; i < t->n_replace && i < from + MAX_REPLACEMENT; i++)
    if (t->replace[i] == '\0') from = i + 1;
  if (from != t->n_replace)
    return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.precompiled_charsmap: the replacement at byte %u has no end within %d bytes", (unsigned)from,
                   MAX_REPLACEMENT);
  return LQ_OK;
}

lq_status lq_sp_open(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err) {
  float min = FLT_MAX;
  uint64_t n_bytes = 0;
  t->max_score = FLT_MIN; /* as sentencepiece has it: never below */
  for (uint32_t i = 0; i < t->n; i++) {
    if (!isfinite(t->scores[i])) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.scores[%u] is not a finite number", (unsigned)i);
    if (t->kinds[i] == LQ_TOKEN_NORMAL && t->scores[i] < min) min = t->scores[i];
    if (t->kinds[i] == LQ_TOKEN_NORMAL && t->scores[i] > t->max_score) t->max_score = t->scores[i];
    if (t->kinds[i] == LQ_TOKEN_UNKNOWN && t->unk < 0) t->unk = (int32_t)i;
    n_bytes += t->pieces[i].n;
  }
  t->unk_score = min - 10.0f;
  if (t->unk < 0) return lq_fail(err, LQ_E_FORMAT, "a SentencePiece tokenizer needs an unknown token (tokenizer.ggml.unknown_token_id)");
  if (t->algo != LQ_ALGO_UNIGRAM) return read_map(t, g, err);
  if (!lq_prefixes_open(&t->all, n_bytes, a)) return lq_fail(err, LQ_E_NOMEM, "no memory for %u tokens", (unsigned)t->n);
  for (uint32_t i = 0; i < t->n; i++)
    if (t->kinds[i] == LQ_TOKEN_NORMAL || t->kinds[i] == LQ_TOKEN_USER) lq_prefixes_add(&t->all, t->pieces[i]);
  return read_map(t, g, err);
}

static uint32_t unit(const lq_tokenizer *t, uint32_t i) { return lq_load_u32(t->trie + (size_t)i * 4); }
static uint32_t offset_of(uint32_t u) { return (u >> 10) << ((u & (1u << 9)) >> 6); }

/* Longest entry of the map that starts text[0..n): its length and replacement. 0 if none. */
static size_t map_prefix(const lq_tokenizer *t, const char *p, size_t n, lq_str *to) {
  size_t best = 0;
  if (!t->trie) return 0;
  uint32_t at = offset_of(unit(t, 0));
  for (size_t i = 0; i < n; i++) {
    at ^= (unsigned char)p[i];
    if (at >= t->n_units) break;
    uint32_t u = unit(t, at);
    if ((u & (1u << 31 | 0xFF)) != (unsigned char)p[i]) break;
    at ^= offset_of(u);
    if (!(u >> 8 & 1)) continue;
    if (at >= t->n_units) break;
    uint32_t value = unit(t, at) & 0x7FFFFFFFu;
    const char *end = value < t->n_replace ? memchr(t->replace + value, '\0', t->n_replace - value) : NULL;
    if (!end) continue;
    *to = (lq_str){t->replace + value, (size_t)(end - (t->replace + value))};
    best = i + 1;
  }
  return best;
}

size_t lq_sp_user_prefix(const lq_tokenizer *t, const char *p, size_t n) {
  size_t best = 0;
  uint32_t h = LQ_FNV_START;
  for (size_t len = 0; t->has_user && len < n;) {
    h = lq_fnv(h, (unsigned char)p[len++]);
    if (!lq_prefix_known(&t->user, h)) break;
    int32_t id = lq_vocab_lookup(t, p, len, h);
    if (id >= 0 && t->kinds[id] == LQ_TOKEN_USER) best = len;
  }
  return best;
}

/* What the text at p begins with, normalised: *to; returns the bytes it stands for. */
static size_t next_normal(const lq_tokenizer *t, const char *p, size_t n, lq_str *to) {
  uint32_t cp;
  size_t used = lq_sp_user_prefix(t, p, n);
  if (!used && (used = map_prefix(t, p, n, to)) > 0) return used;
  if (!used) used = lq_utf8_decode(p, n, &cp);
  *to = (lq_str){p, used};
  return used;
}

static void add_space(const lq_tokenizer *t, lq_buf *b) { lq_buf_addz(b, t->escape ? SPACE : " "); }

/* Appends with spaces escaped. */
static void add_normal(const lq_tokenizer *t, lq_buf *b, lq_str s) {
  for (size_t i = 0, from = 0; i <= s.n; i++) {
    if (i < s.n && s.p[i] != ' ') continue;
    lq_buf_add(b, s.p + from, i - from);
    if (i < s.n) add_space(t, b);
    from = i + 1;
  }
}

/* sentencepiece's Normalizer, step by step: leading spaces go first, the prefix is set if anything is left, a piece loses its leading
 * spaces after one that ended in a space, trailing spaces go, the suffix is set. */
static void normalize(const lq_tokenizer *t, const char *p, size_t n, lq_buf *b) {
  const char *space = t->escape ? SPACE : " ";
  size_t i = 0, len = strlen(space);
  lq_str to;
  for (size_t used; t->squeeze && i < n; i += used) {
    used = next_normal(t, p + i, n - i, &to);
    if (!lq_str_eqz(to, " ")) break;
  }
  if (i >= n) return;
  if (t->space_prefix && !t->suffix) add_space(t, b);
  for (bool after_space = t->squeeze; i < n && !b->failed;) {
    i += next_normal(t, p + i, n - i, &to);
    for (; after_space && to.n && *to.p == ' '; to.n--) to.p++;
    add_normal(t, b, to);
    if (to.n) after_space = t->squeeze && to.p[to.n - 1] == ' ';
  }
  while (t->squeeze && b->n >= len && memcmp(b->p + b->n - len, space, len) == 0) b->n -= len;
  if (t->space_prefix && t->suffix) add_space(t, b);
}

lq_status lq_sp_normalize(const lq_tokenizer *t, const char *text, size_t n, lq_buf *norm, lq_error *err) {
  uint64_t limit = 64 * ((uint64_t)n + 64); /* NFKC's worst is 11 times; places have 32 bits */
  *norm = (lq_buf){.limit = limit < INT32_MAX ? (size_t)limit : INT32_MAX};
  normalize(t, text, n, norm);
  if (!norm->failed) return LQ_OK;
  bool grew = norm->limit - norm->n < 3 * MAX_REPLACEMENT; /* 3: a space becomes three bytes */
  lq_buf_free(norm);
  if (grew) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.precompiled_charsmap makes a text of %zu bytes grow more than 64 times", n);
  return lq_fail(err, LQ_E_NOMEM, "no memory to tokenise %zu bytes", n);
}

void lq_sp_add(const lq_tokenizer *t, const char *p, size_t n, int32_t id, bool *after_unknown, lq_ids *out) {
  bool unknown = id == t->unk;
  if (unknown && t->has_bytes)
    for (size_t i = 0; i < n; i++) lq_ids_add(out, t->bytes[(unsigned char)p[i]]);
  else if (!unknown || !*after_unknown) lq_ids_add(out, id);
  *after_unknown = unknown;
}
