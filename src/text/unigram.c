/* SentencePiece unigram: the model's normaliser map, then the likeliest segmentation. May call: gguf, base.
 * Kudo 2018; map: darts-clone double array as in sentencepiece's normalizer. Every index into the map is checked. */
#include <math.h>
#include <string.h>

#include "text/vocab.h"

lq_status lq_unigram_open(lq_tokenizer *t, const lq_gguf *g, lq_error *err) {
  const lq_gguf_kv *kv = lq_gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
  float min = 0;
  for (uint32_t i = 0; i < t->n; i++) {
    if (!isfinite(t->scores[i])) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.scores[%u] is not a finite number", (unsigned)i);
    if (t->kinds[i] == LQ_TOKEN_NORMAL && t->scores[i] < min) min = t->scores[i];
    if (t->kinds[i] == LQ_TOKEN_NORMAL && t->scores[i] > t->max_score) t->max_score = t->scores[i];
  }
  t->unk_score = min - 10.0f;
  if (t->unk < 0) return lq_fail(err, LQ_E_FORMAT, "a unigram tokenizer needs tokenizer.ggml.unknown_token_id");
  if (!kv || kv->count == 0) return LQ_OK;
  if (kv->type != LQ_GT_ARRAY || (kv->elem != LQ_GT_U8 && kv->elem != LQ_GT_I8))
    return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.precompiled_charsmap must be an array of bytes");
  uint32_t bytes = kv->count >= 4 ? lq_load_u32(kv->data) : 0;
  if (kv->count < 4 || bytes % 4 != 0 || bytes == 0 || bytes > kv->count - 4 || kv->count - 4 - bytes > UINT32_MAX)
    return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.precompiled_charsmap: its table of %u bytes does not fit in it", (unsigned)bytes);
  t->trie = kv->data + 4;
  t->n_units = bytes / 4;
  t->replace = (const char *)kv->data + 4 + bytes;
  t->n_replace = (uint32_t)(kv->count - 4 - bytes);
  return LQ_OK;
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

static size_t user_prefix(const lq_tokenizer *t, const char *p, size_t n) {
  size_t best = 0;
  for (uint32_t i = 0; i < t->n_special; i++) {
    lq_str s = t->pieces[t->special[i]];
    if (t->kinds[t->special[i]] == LQ_TOKEN_USER && s.n > best && s.n <= n && memcmp(s.p, p, s.n) == 0) best = s.n;
  }
  return best;
}

/* Appends with ASCII spaces as U+2581; runs of them collapse when the model says so. */
static void add_normal(const lq_tokenizer *t, lq_buf *b, const char *p, size_t n, bool *after_space) {
  for (size_t i = 0; i < n; i++) {
    bool space = p[i] == ' ';
    if (space && *after_space && t->squeeze) continue;
    if (space) lq_buf_addz(b, "\xE2\x96\x81");
    else lq_buf_add(b, p + i, 1);
    *after_space = space;
  }
}

static void normalize(const lq_tokenizer *t, const char *p, size_t n, lq_buf *b) {
  bool after_space = true; /* of the start: leading spaces go the same way */
  lq_buf body = {.limit = SIZE_MAX / 2};
  for (size_t i = 0; i < n;) {
    lq_str to;
    size_t user = user_prefix(t, p + i, n - i), used = user ? user : map_prefix(t, p + i, n - i, &to);
    if (user) to = (lq_str){p + i, user};
    if (!used) {
      uint32_t cp;
      used = lq_utf8_decode(p + i, n - i, &cp);
      to = (lq_str){p + i, used};
    }
    add_normal(t, &body, to.p, to.n, &after_space);
    i += used;
  }
  while (t->squeeze && body.n >= 3 && memcmp(body.p + body.n - 3, "\xE2\x96\x81", 3) == 0) body.n -= 3;
  if (body.n && t->space_prefix) lq_buf_addz(b, "\xE2\x96\x81");
  if (body.n) lq_buf_add(b, body.p, body.n);
  if (body.failed) b->failed = true;
  lq_buf_free(&body);
}

typedef struct node { float score; int32_t id; size_t from; bool reached; } node;

/* Every piece that starts at `at` may end a better path. */
static void extend(const lq_tokenizer *t, const char *p, size_t n, size_t at, node *nodes) {
  uint32_t fnv = LQ_FNV_START;
  size_t most = n - at < t->longest ? n - at : t->longest;
  size_t first = ((unsigned char)p[at] < 0x80) ? 1 : ((unsigned char)p[at] < 0xE0) ? 2 : ((unsigned char)p[at] < 0xF0) ? 3 : 4;
  bool single = false;
  if (first > n - at) first = n - at;
  for (size_t len = 1; len <= most; len++) {
    fnv = lq_fnv(fnv, (unsigned char)p[at + len - 1]);
    int32_t id = lq_vocab_lookup(t, p + at, len, fnv);
    if (id < 0 || (t->kinds[id] != LQ_TOKEN_NORMAL && t->kinds[id] != LQ_TOKEN_USER)) continue;
    float own = t->kinds[id] == LQ_TOKEN_USER ? (float)len * t->max_score - 0.1f : t->scores[id];
    float score = own + nodes[at].score;
    node *to = &nodes[at + len];
    if (!to->reached || score > to->score) *to = (node){score, id, at, true};
    if (len == first) single = true;
  }
  node *to = &nodes[at + first];
  float score = t->unk_score + nodes[at].score;
  if (!single && (!to->reached || score > to->score)) *to = (node){score, t->unk, at, true};
}

/* An unknown run is one id, or its bytes when the model has byte tokens. */
static void add_piece(const lq_tokenizer *t, const char *p, size_t n, int32_t id, bool *after_unknown, lq_ids *out) {
  bool unknown = id == t->unk;
  if (unknown && t->has_bytes)
    for (size_t i = 0; i < n; i++) lq_ids_add(out, t->bytes[(unsigned char)p[i]]);
  else if (!unknown || !*after_unknown) lq_ids_add(out, id);
  *after_unknown = unknown;
}

lq_status lq_unigram_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err) {
  lq_buf norm = {.limit = SIZE_MAX / 2};
  lq_arena a;
  normalize(t, text, n, &norm);
  lq_arena_growing(&a, 1 << 12);
  node *nodes = LQ_TAKE(&a, node, norm.n + 1);
  size_t *ends = LQ_TAKE(&a, size_t, norm.n + 1), n_ends = 0;
  bool ok = nodes && ends && !norm.failed, after_unknown = false;
  if (ok && norm.n) {
    nodes[0].reached = true;
    for (size_t at = 0; at < norm.n; at++)
      if (nodes[at].reached) extend(t, norm.p, norm.n, at, nodes);
    for (size_t at = norm.n; at > 0; at = nodes[at].from) ends[n_ends++] = at;
    while (n_ends) {
      size_t end = ends[--n_ends], from = nodes[end].from;
      add_piece(t, norm.p + from, end - from, nodes[end].id, &after_unknown, out);
    }
  }
  lq_arena_free(&a);
  lq_buf_free(&norm);
  return ok ? LQ_OK : lq_fail(err, LQ_E_NOMEM, "no memory to tokenise %zu bytes", n);
}
