/* SentencePiece unigram: the model's normaliser map, then the likeliest segmentation. May call: gguf, base.
 * Kudo 2018; map: darts-clone double array as in sentencepiece's normalizer. Every index into the map is checked. */
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

lq_status lq_unigram_open(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err) {
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
  if (t->unk < 0) return lq_fail(err, LQ_E_FORMAT, "a unigram tokenizer needs an unknown token (tokenizer.ggml.unknown_token_id)");
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

/* Bytes of the longest user-defined token that starts p[0..n). */
static size_t user_prefix(const lq_tokenizer *t, const char *p, size_t n) {
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
  size_t used = user_prefix(t, p, n);
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

typedef struct node { float score; int32_t id; uint32_t from; } node; /* best path to a place; from = FAR: none yet */
#define FAR UINT32_MAX

/* A path that ends in piece id, from `from` to *to, of this score: kept if it is better. Sums are rounded to float before they are
 * compared, as in sentencepiece: ties fall the same way. */
static void offer(node *to, float score, int32_t id, size_t from) {
  if (to->from == FAR || score > to->score) *to = (node){score, id, (uint32_t)from};
}

/* Long texts would lose the pieces' scores in the sum's rounding: past 1e5 the scores start again from 0 at `at`, which every path ahead
 * passes or compares with. sentencepiece 0.2.3 does the same, found by comparing texts of falling score. */
static void rebase(const lq_tokenizer *t, size_t n, size_t at, node *nodes) {
  float base = nodes[at].score;
  for (size_t i = at; i <= n && i - at <= t->longest; i++)
    if (nodes[i].from != FAR) nodes[i].score -= base;
}

/* Every piece that starts at `at` may end a better path. Returns the bytes of the character there. */
static size_t extend(const lq_tokenizer *t, const char *p, size_t n, size_t at, node *nodes) {
  unsigned char c = (unsigned char)p[at];
  size_t first = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
  uint32_t h = LQ_FNV_START;
  bool single = false;
  if (first > n - at) first = n - at;
  if (nodes[at].score < -1e5f) rebase(t, n, at, nodes);
  for (size_t len = 1; len <= n - at; len++) {
    h = lq_fnv(h, (unsigned char)p[at + len - 1]);
    if (!lq_prefix_known(&t->all, h)) break;
    int32_t id = lq_vocab_lookup(t, p + at, len, h);
    if (id < 0 || (t->kinds[id] != LQ_TOKEN_NORMAL && t->kinds[id] != LQ_TOKEN_USER)) continue;
    float own = t->kinds[id] == LQ_TOKEN_USER ? (float)((double)((float)len * t->max_score) - 0.1) : t->scores[id];
    offer(&nodes[at + len], own + nodes[at].score, id, at);
    if (len == first) single = true;
  }
  if (!single) offer(&nodes[at + first], t->unk_score + nodes[at].score, t->unk, at);
  return first;
}

/* An unknown run is one id, or its bytes when the model has byte tokens. */
static void add_piece(const lq_tokenizer *t, const char *p, size_t n, int32_t id, bool *after_unknown, lq_ids *out) {
  bool unknown = id == t->unk;
  if (unknown && t->has_bytes)
    for (size_t i = 0; i < n; i++) lq_ids_add(out, t->bytes[(unsigned char)p[i]]);
  else if (!unknown || !*after_unknown) lq_ids_add(out, id);
  *after_unknown = unknown;
}

/* The best path: read back to front, turned round in place, then told. */
static void tell_path(const lq_tokenizer *t, const lq_buf *norm, node *nodes, lq_ids *out) {
  size_t end = norm->n, next = 0;
  bool after_unknown = false;
  while (end > 0) {
    size_t from = nodes[end].from;
    nodes[end].from = (uint32_t)next; /* from now on: where the piece after this one ends */
    next = end;
    end = from;
  }
  for (size_t from = 0; next; from = end) {
    end = next;
    next = nodes[end].from;
    add_piece(t, norm->p + from, end - from, nodes[end].id, &after_unknown, out);
  }
}

lq_status lq_unigram_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err) {
  uint64_t limit = 64 * ((uint64_t)n + 64); /* NFKC's worst is 11 times; a node's place has 32 bits */
  lq_buf norm = {.limit = limit < UINT32_MAX - 1 ? (size_t)limit : UINT32_MAX - 1};
  lq_arena a;
  normalize(t, text, n, &norm);
  lq_arena_growing(&a, 1 << 12);
  node *nodes = LQ_TAKE(&a, node, (uint64_t)norm.n + 1);
  bool ok = nodes && !norm.failed;
  if (ok && norm.n) {
    for (size_t i = 1; i <= norm.n; i++) nodes[i].from = FAR;
    for (size_t at = 0; at < norm.n;) at += extend(t, norm.p, norm.n, at, nodes);
    tell_path(t, &norm, nodes, out);
  }
  bool grew = norm.failed && norm.limit - norm.n < 3 * MAX_REPLACEMENT; /* 3: a space becomes three bytes */
  lq_arena_free(&a);
  lq_buf_free(&norm);
  if (grew) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.precompiled_charsmap makes a text of %zu bytes grow more than 64 times", n);
  return ok ? LQ_OK : lq_fail(err, LQ_E_NOMEM, "no memory to tokenise %zu bytes", n);
}
