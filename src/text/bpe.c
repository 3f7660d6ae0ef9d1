/* Byte-level BPE: merges by rank with a heap, O(n log n) however long the word. May call: gguf, base.
 * Sennrich et al. 2016; byte alphabet of Radford et al. 2019. */
#include "text/vocab.h"

#include <string.h>

uint32_t lq_byte_to_char(unsigned b) {
  bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  if (plain) return b;
  if (b <= 32) return 256 + b;
  return b == 173 ? 256 + 67 : 256 + 33 + (b - 127);
}

int lq_char_to_byte(uint32_t cp) {
  if (cp < 256) return lq_byte_to_char(cp) == cp ? (int)cp : -1;
  if (cp <= 256 + 32) return (int)(cp - 256);
  if (cp < 256 + 67) return (int)(cp - 256 - 33 + 127);
  return cp == 256 + 67 ? 173 : -1;
}

/* The place of a pair, or the free place for it; *probes += the steps it took. */
static lq_merge *merge_place(const lq_tokenizer *t, uint64_t pair, uint32_t *probes) {
  uint64_t h = pair * 0x9e3779b97f4a7c15u;
  for (uint32_t at = (uint32_t)(h >> 32) & t->merge_mask;; at = (at + 1) & t->merge_mask, ++*probes)
    if (t->merges[at].rank == UINT32_MAX || t->merges[at].pair == pair) return &t->merges[at];
}

static uint64_t pair_of(int32_t a, int32_t b) { return (uint64_t)(uint32_t)a << 32 | (uint32_t)b; }

static lq_status add_merge(lq_tokenizer *t, lq_str text, uint32_t rank, lq_error *err) {
  const char *space = text.n > 2 ? memchr(text.p + 1, ' ', text.n - 2) : NULL;
  if (!space) return lq_fail(err, LQ_E_FORMAT, "merge %u \"%.*s\" is not two pieces", (unsigned)rank, LQ_STR_ARG(text));
  lq_str left = {text.p, (size_t)(space - text.p)}, right = {space + 1, text.n - left.n - 1};
  uint32_t h = lq_fnv_str(LQ_FNV_START, left.p, left.n), probes = 0;
  int32_t a = lq_vocab_lookup(t, left.p, left.n, h), b = lq_tok_find(t, right.p, right.n);
  int32_t r = lq_vocab_lookup_pair(t, left, right, lq_fnv_str(h, right.p, right.n));
  if (a < 0 || b < 0 || r < 0)
    return lq_fail(err, LQ_E_FORMAT, "merge %u \"%.*s\" uses a piece that is not in the vocabulary", (unsigned)rank, LQ_STR_ARG(text));
  lq_merge *m = merge_place(t, pair_of(a, b), &probes);
  if (probes > LQ_MAX_PROBES) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.merges is made so that looking its merges up takes too long");
  if (m->rank == UINT32_MAX) *m = (lq_merge){pair_of(a, b), rank, r};
  return LQ_OK;
}

static lq_status read_pre(lq_tokenizer *t, const lq_gguf *g, lq_error *err) {
  static const struct { const char *name; lq_pre pre; } names[] = {
      {"gpt-2", LQ_PRE_GPT2}, {"gpt2", LQ_PRE_GPT2}, {"smollm", LQ_PRE_SMOLLM}, {"llama-bpe", LQ_PRE_LLAMA3}, {"llama3", LQ_PRE_LLAMA3},
      {"llama-v3", LQ_PRE_LLAMA3}, {"qwen2", LQ_PRE_QWEN2}};
  lq_str pre;
  LQ_TRY(lq_gguf_str(g, "tokenizer.ggml.pre", LQ_STR("gpt-2"), &pre, err));
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (!lq_str_eqz(pre, names[i].name)) continue;
    t->pre = names[i].pre;
    /* llama.cpp: a Llama 3 file that does not say so begins texts with BOS too */
    LQ_TRY(lq_gguf_bool(g, "tokenizer.ggml.add_bos_token", t->pre == LQ_PRE_LLAMA3, &t->add_bos, err));
    LQ_TRY(lq_gguf_bool(g, "loquat.tokenizer.ignore_merges", t->pre == LQ_PRE_LLAMA3, &t->ignore_merges, err));
    return lq_gguf_bool(g, "loquat.tokenizer.nfc", t->pre == LQ_PRE_QWEN2, &t->nfc, err);
  }
  return lq_fail(err, LQ_E_UNSUPPORTED, "the pre-tokeniser \"%.*s\" is not supported (gpt-2, smollm, llama-bpe and qwen2 are)", LQ_STR_ARG(pre));
}

lq_status lq_bpe_open(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err) {
  const lq_gguf_kv *kv;
  lq_str text;
  uint32_t rank = 0, size = 16;
  LQ_TRY(read_pre(t, g, err));
  LQ_TRY(lq_gguf_array(g, "tokenizer.ggml.merges", LQ_GT_STRING, &kv, err));
  if (!kv) return lq_fail(err, LQ_E_FORMAT, "the model file lacks the key tokenizer.ggml.merges");
  if (kv->count > 1u << 24) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.merges has more than %u entries", 1u << 24);
  while (size < 2 * kv->count) size *= 2;
  t->merges = LQ_TAKE(a, lq_merge, size);
  if (!t->merges) return lq_fail(err, LQ_E_NOMEM, "no memory for %llu merges", (unsigned long long)kv->count);
  t->merge_mask = size - 1;
  for (uint32_t i = 0; i < size; i++) t->merges[i].rank = UINT32_MAX;
  for (uint64_t pos = 0; lq_gguf_next_str(kv, &pos, &text);) LQ_TRY(add_merge(t, text, rank++, err));
  for (unsigned b = 0; b < 256; b++) {
    char c[4];
    size_t n = lq_utf8_encode(lq_byte_to_char(b), c);
    t->bytes[b] = lq_tok_find(t, c, n);
  }
  return LQ_OK;
}

/* ---- encoding ---- */

typedef struct symbol { int32_t id, prev, next; } symbol; /* id -1: merged away */
typedef struct candidate { uint32_t rank; int32_t left, result; uint64_t pair; } candidate;

/* Working memory, kept from word to word; it grows with the longest word. */
typedef struct bpe {
  const lq_tokenizer *t;
  lq_arena *a;
  symbol *s;
  candidate *heap;
  char *mapped; /* a word in the byte alphabet, at most t->longest bytes */
  size_t room, n_heap;
} bpe;

/* Each merge frees one symbol and pushes at most two candidates: three for each byte are enough. */
static bool reserve(bpe *b, size_t n) {
  if (n <= b->room) return true;
  size_t room = n < 64 ? 64 : 2 * n;
  b->s = LQ_TAKE(b->a, symbol, room);
  b->heap = LQ_TAKE(b->a, candidate, 3 * (uint64_t)room);
  b->room = b->s && b->heap ? room : 0;
  return b->room != 0;
}

static bool before(const candidate *a, const candidate *b) { return a->rank < b->rank || (a->rank == b->rank && a->left < b->left); }

static void push(bpe *b, int32_t left) {
  int32_t right = left < 0 ? -1 : b->s[left].next;
  if (left < 0 || right < 0) return;
  uint64_t pair = pair_of(b->s[left].id, b->s[right].id);
  uint32_t probes = 0;
  const lq_merge *m = merge_place(b->t, pair, &probes);
  if (m->rank == UINT32_MAX) return;
  size_t at = b->n_heap++;
  candidate c = {m->rank, left, m->result, pair};
  for (; at && before(&c, &b->heap[(at - 1) / 2]); at = (at - 1) / 2) b->heap[at] = b->heap[(at - 1) / 2];
  b->heap[at] = c;
}

static candidate pop(bpe *b) {
  candidate top = b->heap[0], c = b->heap[--b->n_heap];
  size_t at = 0;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= b->n_heap) break;
    if (child + 1 < b->n_heap && before(&b->heap[child + 1], &b->heap[child])) child++;
    if (!before(&b->heap[child], &c)) break;
    b->heap[at] = b->heap[child];
    at = child;
  }
  b->heap[at] = c;
  return top;
}

static void merge_word(bpe *b, const unsigned char *p, size_t n, lq_ids *out) {
  size_t count = 0;
  b->n_heap = 0;
  for (size_t i = 0; i < n; i++) {
    int32_t id = b->t->bytes[p[i]];
    if (id < 0) continue; /* a byte the vocabulary has no token for is left out, as `tokenizers` does */
    b->s[count] = (symbol){id, (int32_t)count - 1, (int32_t)count + 1};
    count++;
  }
  if (count == 0) return;
  b->s[count - 1].next = -1;
  for (size_t i = 0; i + 1 < count; i++) push(b, (int32_t)i);
  while (b->n_heap) {
    candidate c = pop(b);
    symbol *l = &b->s[c.left];
    if (l->id < 0 || l->next < 0 || pair_of(l->id, b->s[l->next].id) != c.pair) continue;
    symbol *r = &b->s[l->next];
    l->id = c.result;
    l->next = r->next;
    r->id = -1;
    if (l->next >= 0) b->s[l->next].prev = c.left;
    push(b, l->prev);
    push(b, c.left);
  }
  for (int32_t i = 0; i >= 0; i = b->s[i].next) lq_ids_add(out, b->s[i].id);
}

/* Llama 3: a word that is a token as a whole is that token, whatever the merges say. */
static bool whole_word(const bpe *b, const unsigned char *p, size_t n, lq_ids *out) {
  size_t at = 0;
  if (!b->mapped || n > b->t->longest) return false;
  for (size_t i = 0; i < n && at <= b->t->longest; i++) at += lq_utf8_encode(lq_byte_to_char(p[i]), b->mapped + at);
  int32_t id = at <= b->t->longest ? lq_tok_find(b->t, b->mapped, at) : -1;
  if (id >= 0) lq_ids_add(out, id);
  return id >= 0;
}

lq_status lq_bpe_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err) {
  lq_arena a;
  lq_arena_growing(&a, 1 << 12);
  uint32_t *cp = LQ_TAKE(&a, uint32_t, n), *at = LQ_TAKE(&a, uint32_t, (uint64_t)n + 1);
  bpe b = {.t = t, .a = &a, .mapped = t->ignore_merges ? LQ_TAKE(&a, char, t->longest + 4) : NULL};
  size_t n_cp = 0, stop = 0;
  bool ok = cp && at && (b.mapped || !t->ignore_merges);
  for (size_t i = 0; ok && i < n; n_cp++) {
    at[n_cp] = (uint32_t)i;
    i += lq_utf8_decode(text + i, n - i, &cp[n_cp]);
    at[n_cp + 1] = (uint32_t)i;
  }
  for (size_t i = 0; ok && i < n_cp;) {
    size_t end = lq_pretoken_end(t->pre, cp, n_cp, i, &stop), len = at[end] - at[i];
    const unsigned char *p = (const unsigned char *)text + at[i];
    ok = reserve(&b, len);
    if (ok && !whole_word(&b, p, len, out)) merge_word(&b, p, len, out);
    i = end;
  }
  lq_arena_free(&a);
  return ok ? LQ_OK : lq_fail(err, LQ_E_NOMEM, "no memory to tokenise %zu bytes", n);
}
