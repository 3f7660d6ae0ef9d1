/* SentencePiece unigram: the likeliest segmentation of the normalised text. May call: gguf, base. Kudo 2018. */
#include "text/vocab.h"

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
    lq_sp_add(t, norm->p + from, end - from, nodes[end].id, &after_unknown, out);
  }
}

lq_status lq_unigram_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err) {
  lq_buf norm;
  lq_arena a;
  LQ_TRY(lq_sp_normalize(t, text, n, &norm, err));
  lq_arena_growing(&a, 1 << 12);
  node *nodes = LQ_TAKE(&a, node, (uint64_t)norm.n + 1);
  if (nodes && norm.n) {
    for (size_t i = 1; i <= norm.n; i++) nodes[i].from = FAR;
    for (size_t at = 0; at < norm.n;) at += extend(t, norm.p, norm.n, at, nodes);
    tell_path(t, &norm, nodes, out);
  }
  lq_arena_free(&a);
  lq_buf_free(&norm);
  return nodes ? LQ_OK : lq_fail(err, LQ_E_NOMEM, "no memory to tokenise %zu bytes", n);
}
