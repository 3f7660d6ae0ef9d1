/* Opening a vocabulary, finding pieces, splitting at special tokens. May call: gguf, base. */
#include <stdlib.h>
#include <string.h>

#include "text/vocab.h"

int32_t lq_vocab_lookup(const lq_tokenizer *t, const char *p, size_t n, uint32_t fnv) {
  for (uint32_t at = fnv & t->hash_mask; t->hash[at]; at = (at + 1) & t->hash_mask) {
    lq_str s = t->pieces[t->hash[at] - 1];
    if (s.n == n && memcmp(s.p, p, n) == 0) return (int32_t)(t->hash[at] - 1);
  }
  return -1;
}

int32_t lq_tok_find(const lq_tokenizer *t, const char *p, size_t n) {
  uint32_t h = LQ_FNV_START;
  for (size_t i = 0; i < n; i++) h = lq_fnv(h, (unsigned char)p[i]);
  return lq_vocab_lookup(t, p, n, h);
}

static lq_status read_pieces(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err) {
  const lq_gguf_kv *kv;
  LQ_TRY(lq_gguf_array(g, "tokenizer.ggml.tokens", LQ_GT_STRING, &kv, err));
  if (!kv || kv->count == 0 || kv->count > 1u << 24) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.tokens is missing, empty or too long");
  t->n = (uint32_t)kv->count;
  uint32_t size = 16;
  while (size < 2 * t->n) size *= 2;
  t->pieces = LQ_TAKE(a, lq_str, t->n);
  t->scores = LQ_TAKE(a, float, t->n);
  t->kinds = LQ_TAKE(a, uint8_t, t->n);
  t->special = LQ_TAKE(a, int32_t, t->n);
  t->hash = LQ_TAKE(a, uint32_t, size);
  if (!t->pieces || !t->scores || !t->kinds || !t->special || !t->hash) return lq_fail(err, LQ_E_NOMEM, "no memory for %u tokens", (unsigned)t->n);
  t->hash_mask = size - 1;
  uint32_t id = 0;
  lq_str s;
  for (uint64_t pos = 0; lq_gguf_next_str(kv, &pos, &s); id++) {
    uint32_t h = LQ_FNV_START;
    for (size_t i = 0; i < s.n; i++) h = lq_fnv(h, (unsigned char)s.p[i]);
    t->pieces[id] = s;
    if (s.n > t->longest) t->longest = (uint32_t)s.n;
    if (lq_vocab_lookup(t, s.p, s.n, h) >= 0) continue; /* written twice: the first one counts */
    uint32_t at = h & t->hash_mask;
    while (t->hash[at]) at = (at + 1) & t->hash_mask;
    t->hash[at] = id + 1;
  }
  return LQ_OK;
}

/* "<0x41>" -> 65; -1 for anything else. */
static int byte_piece(lq_str s) {
  static const char hex[] = "0123456789ABCDEF";
  if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>') return -1;
  const char *a = s.p[3] ? strchr(hex, s.p[3]) : NULL, *b = s.p[4] ? strchr(hex, s.p[4]) : NULL;
  return a && b ? (int)((a - hex) * 16 + (b - hex)) : -1;
}

static lq_status read_kinds(lq_tokenizer *t, const lq_gguf *g, lq_error *err) {
  const lq_gguf_kv *kinds, *scores;
  LQ_TRY(lq_gguf_array(g, "tokenizer.ggml.token_type", LQ_GT_I32, &kinds, err));
  LQ_TRY(lq_gguf_array(g, "tokenizer.ggml.scores", LQ_GT_F32, &scores, err));
  if ((kinds && kinds->count != t->n) || (scores && scores->count != t->n) || (t->unigram && !scores))
    return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.token_type and scores must have one entry for each of the %u tokens", (unsigned)t->n);
  for (int b = 0; b < 256; b++) t->bytes[b] = -1;
  uint32_t n_bytes = 0;
  for (uint32_t i = 0; i < t->n; i++) {
    double kind = kinds ? lq_gguf_num_at(kinds, i) : LQ_TOKEN_NORMAL;
    if (!(kind >= LQ_TOKEN_NORMAL && kind <= LQ_TOKEN_BYTE)) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.token_type[%u] is %g", (unsigned)i, kind);
    t->kinds[i] = (uint8_t)kind;
    t->scores[i] = scores ? (float)lq_gguf_num_at(scores, i) : 0.0f;
    if ((t->kinds[i] == LQ_TOKEN_CONTROL || t->kinds[i] == LQ_TOKEN_USER) && t->pieces[i].n) t->special[t->n_special++] = (int32_t)i;
    if (t->kinds[i] != LQ_TOKEN_BYTE) continue;
    int b = byte_piece(t->pieces[i]);
    if (b < 0) return lq_fail(err, LQ_E_FORMAT, "token %u \"%.*s\" is no byte token such as <0x41>", (unsigned)i, LQ_STR_ARG(t->pieces[i]));
    if (t->bytes[b] < 0) n_bytes++;
    t->bytes[b] = (int32_t)i;
  }
  t->has_bytes = n_bytes == 256;
  return LQ_OK;
}

static lq_status read_id(const lq_tokenizer *t, const lq_gguf *g, const char *key, int32_t *out, lq_error *err) {
  int64_t id;
  LQ_TRY(lq_gguf_i64(g, key, -1, &id, err));
  if (id == -1 || id == (int64_t)UINT32_MAX) {
    *out = -1;
    return LQ_OK;
  }
  if (id < 0 || id >= t->n) return lq_fail(err, LQ_E_FORMAT, "%s is %lld, outside the vocabulary of %u", key, (long long)id, (unsigned)t->n);
  *out = (int32_t)id;
  return LQ_OK;
}

static lq_status read_settings(lq_tokenizer *t, const lq_gguf *g, lq_error *err) {
  LQ_TRY(read_id(t, g, "tokenizer.ggml.bos_token_id", &t->bos, err));
  LQ_TRY(read_id(t, g, "tokenizer.ggml.eos_token_id", &t->eos, err));
  LQ_TRY(read_id(t, g, "tokenizer.ggml.padding_token_id", &t->pad, err));
  LQ_TRY(read_id(t, g, "tokenizer.ggml.unknown_token_id", &t->unk, err));
  LQ_TRY(read_id(t, g, "tokenizer.ggml.eot_token_id", &t->eot, err));
  LQ_TRY(lq_gguf_bool(g, "tokenizer.ggml.add_bos_token", false, &t->add_bos, err));
  LQ_TRY(lq_gguf_bool(g, "tokenizer.ggml.add_eos_token", t->unigram, &t->add_eos, err));
  LQ_TRY(lq_gguf_bool(g, "tokenizer.ggml.add_space_prefix", t->unigram, &t->space_prefix, err));
  return lq_gguf_bool(g, "tokenizer.ggml.remove_extra_whitespaces", t->unigram, &t->squeeze, err);
}

lq_status lq_tok_open(const lq_gguf *g, lq_arena *a, lq_tokenizer **out, lq_error *err) {
  lq_str model;
  *out = NULL;
  LQ_TRY(lq_gguf_str(g, "tokenizer.ggml.model", (lq_str){NULL, 0}, &model, err));
  if (!model.p || lq_str_eqz(model, "none") || lq_str_eqz(model, "no_vocab")) return LQ_OK;
  bool unigram = lq_str_eqz(model, "t5");
  if (!unigram && !lq_str_eqz(model, "gpt2"))
    return lq_fail(err, LQ_E_UNSUPPORTED, "the tokenizer \"%.*s\" is not supported (t5 = unigram and gpt2 = byte-level BPE are)", LQ_STR_ARG(model));
  lq_tokenizer *t = LQ_TAKE(a, lq_tokenizer, 1);
  if (!t) return lq_fail(err, LQ_E_NOMEM, "no memory for a tokenizer");
  t->unigram = unigram;
  LQ_TRY(read_pieces(t, g, a, err));
  LQ_TRY(read_kinds(t, g, err));
  LQ_TRY(read_settings(t, g, err));
  LQ_TRY(unigram ? lq_unigram_open(t, g, err) : lq_bpe_open(t, g, a, err));
  *out = t;
  return LQ_OK;
}

/* ---- encoding ---- */

/* The longest special token written at p; -1 if none. */
static int32_t special_at(const lq_tokenizer *t, const char *p, size_t n) {
  int32_t best = -1;
  size_t len = 0;
  for (uint32_t i = 0; i < t->n_special; i++) {
    lq_str s = t->pieces[t->special[i]];
    if (s.p[0] != p[0] || s.n <= len || s.n > n || memcmp(s.p, p, s.n) != 0) continue;
    best = t->special[i];
    len = s.n;
  }
  return best;
}

static lq_status encode_plain(const lq_tokenizer *t, const char *p, size_t n, lq_ids *out, lq_error *err) {
  if (n == 0) return LQ_OK;
  return t->unigram ? lq_unigram_encode(t, p, n, out, err) : lq_bpe_encode(t, p, n, out, err);
}

static lq_status encode_clean(const lq_tokenizer *t, const char *p, size_t n, unsigned flags, lq_ids *out, lq_error *err) {
  size_t from = 0;
  if ((flags & LQ_TOK_SPECIAL) && t->add_bos && t->bos >= 0) lq_ids_add(out, t->bos);
  for (size_t i = 0; (flags & LQ_TOK_PARSE_SPECIAL) && i < n;) {
    int32_t id = special_at(t, p + i, n - i);
    if (id < 0) {
      i++;
      continue;
    }
    LQ_TRY(encode_plain(t, p + from, i - from, out, err));
    lq_ids_add(out, id);
    from = i += t->pieces[id].n;
  }
  LQ_TRY(encode_plain(t, p + from, n - from, out, err));
  if ((flags & LQ_TOK_SPECIAL) && t->add_eos && t->eos >= 0) lq_ids_add(out, t->eos);
  return LQ_OK;
}

lq_status lq_tok_encode(const lq_tokenizer *t, const char *text, size_t n, unsigned flags, int32_t *ids, size_t cap, size_t *n_ids, lq_error *err) {
  lq_ids out = {ids, cap, 0};
  lq_status s;
  if (n > (1u << 30)) return lq_fail(err, LQ_E_ARG, "a text of %zu bytes is too long; the limit is 1 GB", n);
  if (lq_utf8_valid(text, n)) {
    s = encode_clean(t, text, n, flags, &out, err);
  } else {
    lq_arena a;
    lq_arena_growing(&a, 3 * n + 1);
    char *clean = LQ_TAKE(&a, char, 3 * n);
    s = clean ? encode_clean(t, clean, lq_utf8_clean(text, n, clean), flags, &out, err) : lq_fail(err, LQ_E_NOMEM, "no memory for a text of %zu bytes", n);
    lq_arena_free(&a);
  }
  *n_ids = out.n;
  return s;
}

/* ---- queries ---- */

uint32_t lq_tok_size(const lq_tokenizer *t) { return t->n; }
static bool known(const lq_tokenizer *t, int32_t id) { return id >= 0 && (uint32_t)id < t->n; }
lq_str lq_tok_piece(const lq_tokenizer *t, int32_t id) { return known(t, id) ? t->pieces[id] : (lq_str){"", 0}; }
lq_token_kind lq_tok_kind(const lq_tokenizer *t, int32_t id) { return known(t, id) ? (lq_token_kind)t->kinds[id] : LQ_TOKEN_UNUSED; }
int32_t lq_tok_bos(const lq_tokenizer *t) { return t->bos; }
int32_t lq_tok_eos(const lq_tokenizer *t) { return t->eos; }
int32_t lq_tok_pad(const lq_tokenizer *t) { return t->pad; }
int32_t lq_tok_unk(const lq_tokenizer *t) { return t->unk; }

bool lq_tok_is_eog(const lq_tokenizer *t, int32_t id) {
  static const char *const names[] = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|endoftext|>", "<|end|>"};
  if (!known(t, id)) return false;
  if (id == t->eos || id == t->eot) return true;
  for (size_t i = 0; t->kinds[id] == LQ_TOKEN_CONTROL && i < sizeof(names) / sizeof(names[0]); i++)
    if (lq_str_eqz(t->pieces[id], names[i])) return true;
  return false;
}
