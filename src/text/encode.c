/* Text -> ids: control and user-defined tokens are cut out, the rest goes to the model's own algorithm. May call: base.
 * The order of things is that of the `tokenizers` package: tokens that are not normalised in the raw text, leftmost, then longest; then
 * normalisation; then the normalised tokens in what is left. */
#include <string.h>

#include "base/nfc.h"
#include "text/vocab.h"

typedef struct encoding {
  const lq_tokenizer *t;
  bool parse_special;
  lq_ids *out;
  lq_error *err;
} encoding;

static bool splits(const encoding *e, int32_t id, bool normalized) {
  const lq_tokenizer *t = e->t;
  if (id < 0 || normalized != ((t->added[id] & LQ_ADDED_NORMALIZED) != 0)) return false;
  return t->kinds[id] == LQ_TOKEN_CONTROL ? e->parse_special : t->kinds[id] == LQ_TOKEN_USER && !t->sp;
}

/* The longest token written at p that splits the text; -1 if none. */
static int32_t token_at(const encoding *e, const char *p, size_t n, bool normalized) {
  uint32_t h = LQ_FNV_START;
  int32_t best = -1;
  for (size_t len = 0; len < n;) {
    h = lq_fnv(h, (unsigned char)p[len++]);
    if (!lq_prefix_known(&e->t->split, h)) break;
    int32_t id = lq_vocab_lookup(e->t, p, len, h);
    if (splits(e, id, normalized)) best = id;
  }
  return best;
}

static size_t blank_before(const char *p, size_t from, size_t i) {
  while (i > from) {
    size_t back = i - 1;
    uint32_t cp;
    while (back > from && ((unsigned char)p[back] & 0xC0) == 0x80) back--;
    lq_utf8_decode(p + back, i - back, &cp);
    if (!lq_uni_space(cp)) break;
    i = back;
  }
  return i;
}

static size_t blank_after(const char *p, size_t i, size_t n) {
  while (i < n) {
    uint32_t cp;
    size_t used = lq_utf8_decode(p + i, n - i, &cp);
    if (!lq_uni_space(cp)) break;
    i += used;
  }
  return i;
}

typedef lq_status (*part_fn)(const encoding *e, const char *p, size_t n);

/* Cuts the tokens out and hands every part between them on. */
static lq_status split(const encoding *e, const char *p, size_t n, bool normalized, part_fn part) {
  size_t from = 0;
  for (size_t i = 0; i < n;) {
    int32_t id = token_at(e, p + i, n - i, normalized);
    if (id < 0) {
      i++;
      continue;
    }
    size_t end = i + e->t->pieces[id].n, begin = i;
    if (e->t->added[id] & LQ_ADDED_LSTRIP) begin = blank_before(p, from, i);
    if (e->t->added[id] & LQ_ADDED_RSTRIP) end = blank_after(p, end, n);
    if (begin > from) LQ_TRY(part(e, p + from, begin - from));
    lq_ids_add(e->out, id);
    from = i = end;
  }
  return from < n ? part(e, p + from, n - from) : LQ_OK;
}

static lq_status encode_plain(const encoding *e, const char *p, size_t n) {
  static lq_status (*const encode[])(const lq_tokenizer *, const char *, size_t, lq_ids *, lq_error *) = {
      lq_bpe_encode, lq_unigram_encode, lq_sp_bpe_encode, lq_wordpiece_encode};
  return encode[e->t->algo](e->t, p, n, e->out, e->err);
}

static lq_status encode_part(const encoding *e, const char *p, size_t n) {
  lq_buf nfc = {.limit = SIZE_MAX / 2};
  lq_status s;
  bool change = e->t->nfc && !lq_nfc_quick(p, n);
  if (change) lq_nfc(p, n, &nfc);
  if (nfc.failed) s = lq_fail(e->err, LQ_E_NOMEM, "no memory for a text of %zu bytes", n);
  else if (change) s = e->t->has_normalized ? split(e, nfc.p, nfc.n, true, encode_plain) : encode_plain(e, nfc.p, nfc.n);
  else s = e->t->has_normalized ? split(e, p, n, true, encode_plain) : encode_plain(e, p, n);
  lq_buf_free(&nfc);
  return s;
}

static lq_status encode_clean(const encoding *e, const char *p, size_t n, unsigned flags) {
  const lq_tokenizer *t = e->t;
  if ((flags & LQ_TOK_SPECIAL) && t->add_bos && t->bos >= 0) lq_ids_add(e->out, t->bos);
  LQ_TRY(split(e, p, n, false, encode_part));
  if ((flags & LQ_TOK_SPECIAL) && t->add_eos && t->eos >= 0) lq_ids_add(e->out, t->eos);
  return LQ_OK;
}

lq_status lq_tok_encode(const lq_tokenizer *t, const char *text, size_t n, unsigned flags, int32_t *ids, size_t cap, size_t *n_ids, lq_error *err) {
  lq_ids out = {ids, cap, 0};
  encoding e = {t, (flags & LQ_TOK_PARSE_SPECIAL) != 0, &out, err};
  lq_status s;
  *n_ids = 0;
  if (n > (1u << 30)) return lq_fail(err, LQ_E_ARG, "a text of %zu bytes is too long; the limit is 1 GB", n);
  if (lq_utf8_valid(text, n)) {
    s = encode_clean(&e, text, n, flags);
  } else {
    lq_arena a;
    lq_arena_growing(&a, 1 << 12);
    char *clean = LQ_TAKE(&a, char, 3 * (uint64_t)n);
    s = clean ? encode_clean(&e, clean, lq_utf8_clean(text, n, clean), flags) : lq_fail(err, LQ_E_NOMEM, "no memory for a text of %zu bytes", n);
    lq_arena_free(&a);
  }
  *n_ids = out.n;
  return s;
}
