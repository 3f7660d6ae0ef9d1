/* SentencePiece's BPE: of all neighbours whose joined text is a piece, those of the highest score join first, the leftmost of equals; with a
 * heap, O(n log n). May call: gguf, base. Sennrich et al. 2016; Kudo and Richardson 2018. */
#include "text/vocab.h"

#define NONE UINT32_MAX

/* A stretch of the text. A join is a new one, so that unused pieces can be taken apart again. */
typedef struct stretch {
  uint32_t from, n, fnv, prev, next;
  uint32_t left, right; /* what it was joined from; NONE: one character or one user-defined token */
  int32_t id;           /* -1: no piece */
  bool frozen, gone;    /* user-defined; joined */
} stretch;

typedef struct candidate { float score; uint32_t from, left, right, fnv; int32_t id; } candidate;

typedef struct joining {
  const lq_tokenizer *t;
  const char *p;
  stretch *s;
  candidate *heap;
  uint32_t n_s;
  size_t n_heap;
} joining;

static int32_t piece_id(const lq_tokenizer *t, lq_str left, lq_str right, uint32_t fnv) {
  int32_t id = lq_vocab_lookup_pair(t, left, right, fnv);
  return id >= 0 && (t->kinds[id] == LQ_TOKEN_NORMAL || t->kinds[id] == LQ_TOKEN_USER || t->kinds[id] == LQ_TOKEN_UNUSED) ? id : -1;
}

static bool before(const candidate *a, const candidate *b) { return a->score > b->score || (a->score == b->score && a->from < b->from); }

static lq_str text_of(const joining *j, uint32_t i) { return (lq_str){j->p + j->s[i].from, j->s[i].n}; }

static void push(joining *j, uint32_t left, uint32_t right) {
  if (left == NONE || right == NONE || j->s[left].frozen || j->s[right].frozen) return;
  lq_str l = text_of(j, left), r = text_of(j, right);
  if (l.n + r.n > j->t->longest) return;
  uint32_t fnv = lq_fnv_str(j->s[left].fnv, r.p, r.n);
  int32_t id = piece_id(j->t, l, r, fnv);
  if (id < 0) return;
  size_t at = j->n_heap++;
  candidate c = {j->t->scores[id], j->s[left].from, left, right, fnv, id};
  for (; at && before(&c, &j->heap[(at - 1) / 2]); at = (at - 1) / 2) j->heap[at] = j->heap[(at - 1) / 2];
  j->heap[at] = c;
}

static candidate pop(joining *j) {
  candidate top = j->heap[0], c = j->heap[--j->n_heap];
  size_t at = 0;
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= j->n_heap) break;
    if (child + 1 < j->n_heap && before(&j->heap[child + 1], &j->heap[child])) child++;
    if (!before(&j->heap[child], &c)) break;
    j->heap[at] = j->heap[child];
    at = child;
  }
  j->heap[at] = c;
  return top;
}

/* Characters and user-defined tokens, in order. */
static void cut(joining *j, size_t n) {
  for (size_t i = 0; i < n; j->n_s++) {
    size_t used = lq_sp_user_prefix(j->t, j->p + i, n - i);
    bool frozen = used > 0;
    unsigned char c = (unsigned char)j->p[i];
    if (!frozen) used = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (used > n - i) used = n - i;
    lq_str s = {j->p + i, used};
    uint32_t fnv = lq_fnv_str(LQ_FNV_START, s.p, s.n);
    j->s[j->n_s] = (stretch){.from = (uint32_t)i, .n = (uint32_t)used, .fnv = fnv, .prev = j->n_s ? j->n_s - 1 : NONE, .next = j->n_s + 1,
                             .left = NONE, .right = NONE, .id = piece_id(j->t, s, (lq_str){s.p, 0}, fnv), .frozen = frozen};
    i += used;
  }
  if (j->n_s) j->s[j->n_s - 1].next = NONE;
}

static void join(joining *j, const candidate *c) {
  stretch *l = &j->s[c->left], *r = &j->s[c->right];
  uint32_t at = j->n_s++;
  j->s[at] = (stretch){.from = l->from, .n = l->n + r->n, .fnv = c->fnv, .prev = l->prev, .next = r->next, .left = c->left, .right = c->right,
                       .id = c->id};
  if (l->prev != NONE) j->s[l->prev].next = at;
  if (r->next != NONE) j->s[r->next].prev = at;
  l->gone = r->gone = true;
  push(j, l->prev, at);
  push(j, at, r->next);
}

/* Tells a stretch; an unused piece as what it was joined from, an unused character as unknown. It goes down the left side, and the right
 * sides wait in `next`. */
static void tell(joining *j, uint32_t i, bool *after_unknown, lq_ids *out) {
  const lq_tokenizer *t = j->t;
  for (uint32_t wait = NONE;;) {
    stretch *s = &j->s[i];
    bool unused = s->id >= 0 && t->kinds[s->id] == LQ_TOKEN_UNUSED;
    if (unused && s->left != NONE) {
      j->s[s->right].next = wait;
      wait = s->right;
      i = s->left;
      continue;
    }
    lq_sp_add(t, j->p + s->from, s->n, s->id < 0 || unused ? t->unk : s->id, after_unknown, out);
    if (wait == NONE) return;
    i = wait;
    wait = j->s[i].next;
  }
}

lq_status lq_sp_bpe_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err) {
  lq_buf norm;
  lq_arena a;
  LQ_TRY(lq_sp_normalize(t, text, n, &norm, err));
  lq_arena_growing(&a, 1 << 12);
  /* n characters at most; each join makes one stretch of two and at most two new candidates */
  joining j = {.t = t, .p = norm.p, .s = LQ_TAKE(&a, stretch, 2 * (uint64_t)norm.n), .heap = LQ_TAKE(&a, candidate, 3 * (uint64_t)norm.n)};
  bool ok = j.s && j.heap, after_unknown = false;
  if (ok && norm.n) {
    cut(&j, norm.n);
    uint32_t n_cut = j.n_s;
    for (uint32_t i = 0; i + 1 < n_cut; i++) push(&j, i, i + 1);
    while (j.n_heap) {
      candidate c = pop(&j);
      if (!j.s[c.left].gone && !j.s[c.right].gone) join(&j, &c);
    }
    uint32_t first = 0;
    for (uint32_t i = 0; i < j.n_s; i++)
      if (!j.s[i].gone && j.s[i].prev == NONE) first = i;
    for (uint32_t i = first, next; i != NONE; i = next) {
      next = j.s[i].next;
      tell(&j, i, &after_unknown, out);
    }
  }
  lq_arena_free(&a);
  lq_buf_free(&norm);
  return ok ? LQ_OK : lq_fail(err, LQ_E_NOMEM, "no memory to tokenise %zu bytes", n);
}
