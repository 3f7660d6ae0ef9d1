/* Opening a vocabulary and asking about it. May call: gguf, base. */
#include <string.h>

#include "text/vocab.h"

bool lq_prefixes_open(lq_prefixes *x, uint64_t n_bytes, lq_arena *a) {
  uint32_t bits = 64;
  while (bits < 8 * n_bytes && bits < 1u << 31) bits *= 2;
  x->mask = bits - 1;
  x->bits = LQ_TAKE(a, uint8_t, bits / 8);
  return x->bits != NULL;
}

void lq_prefixes_add(lq_prefixes *x, lq_str s) {
  uint32_t h = LQ_FNV_START;
  for (size_t i = 0; i < s.n; i++) {
    h = lq_fnv(h, (unsigned char)s.p[i]);
    uint32_t at = (h ^ h >> 15) & x->mask;
    x->bits[at >> 3] |= (uint8_t)(1u << (at & 7));
  }
}

static uint32_t place(const lq_tokenizer *t, uint32_t fnv) { return (fnv ^ fnv >> 15) & t->hash_mask; }

int32_t lq_vocab_lookup(const lq_tokenizer *t, const char *p, size_t n, uint32_t fnv) {
  return lq_vocab_lookup_pair(t, (lq_str){p, n}, (lq_str){p, 0}, fnv);
}

int32_t lq_vocab_lookup_pair(const lq_tokenizer *t, lq_str l, lq_str r, uint32_t fnv) {
  for (uint32_t at = place(t, fnv); t->hash[at]; at = (at + 1) & t->hash_mask) {
    lq_str s = t->pieces[t->hash[at] - 1];
    if (s.n == l.n + r.n && memcmp(s.p, l.p, l.n) == 0 && memcmp(s.p + l.n, r.p, r.n) == 0) return (int32_t)(t->hash[at] - 1);
  }
  return -1;
}

int32_t lq_tok_find(const lq_tokenizer *t, const char *p, size_t n) { return lq_vocab_lookup(t, p, n, lq_fnv_str(LQ_FNV_START, p, n)); }

/* Enters piece id; written twice, the first one counts. */
static lq_status add_piece(lq_tokenizer *t, uint32_t id, lq_str s, lq_error *err) {
  uint32_t at = place(t, lq_fnv_str(LQ_FNV_START, s.p, s.n));
  if (s.n > LQ_MAX_PIECE)
    return lq_fail(err, LQ_E_FORMAT, "token %u of tokenizer.ggml.tokens has %llu bytes; the limit is %u", (unsigned)id, (unsigned long long)s.n,
                   LQ_MAX_PIECE);
  t->pieces[id] = s;
  if (s.n > t->longest) t->longest = (uint32_t)s.n;
  for (uint32_t probes = 0; t->hash[at]; at = (at + 1) & t->hash_mask) {
    if (lq_str_eq(t->pieces[t->hash[at] - 1], s)) return LQ_OK;
    if (++probes > LQ_MAX_PROBES) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.tokens is made so that looking its tokens up takes too long");
  }
  t->hash[at] = id + 1;
  return LQ_OK;
}

static lq_status read_pieces(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err) {
  const lq_gguf_kv *kv;
  LQ_TRY(lq_gguf_array(g, "tokenizer.ggml.tokens", LQ_GT_STRING, &kv, err));
  if (!kv || kv->count == 0 || kv->count > 1u << 24) return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.tokens is missing, empty or too long");
  t->n = (uint32_t)kv->count;
  uint32_t size = 16, id = 0;
  while (size < 2 * t->n) size *= 2;
  t->pieces = LQ_TAKE(a, lq_str, t->n);
  t->scores = LQ_TAKE(a, float, t->n);
  t->kinds = LQ_TAKE(a, uint8_t, t->n);
  t->added = LQ_TAKE(a, uint8_t, t->n);
  t->hash = LQ_TAKE(a, uint32_t, size);
  if (!t->pieces || !t->scores || !t->kinds || !t->added || !t->hash) return lq_fail(err, LQ_E_NOMEM, "no memory for %u tokens", (unsigned)t->n);
  t->hash_mask = size - 1;
  lq_str s;
  for (uint64_t pos = 0; lq_gguf_next_str(kv, &pos, &s); id++) LQ_TRY(add_piece(t, id, s, err));
  return LQ_OK;
}

int lq_byte_piece(lq_str s) {
  static const char hex[] = "0123456789ABCDEF";
  if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>') return -1;
  const char *a = s.p[3] ? strchr(hex, s.p[3]) : NULL, *b = s.p[4] ? strchr(hex, s.p[4]) : NULL;
  return a && b ? (int)((a - hex) * 16 + (b - hex)) : -1;
}

static lq_status read_kinds(lq_tokenizer *t, const lq_gguf *g, lq_error *err) {
  const lq_gguf_kv *kinds, *scores;
  LQ_TRY(lq_gguf_array(g, "tokenizer.ggml.token_type", LQ_GT_I32, &kinds, err));
  LQ_TRY(lq_gguf_array(g, "tokenizer.ggml.scores", LQ_GT_F32, &scores, err));
  if ((kinds && kinds->count != t->n) || (scores && scores->count != t->n) || (t->sp && !scores))
    return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.token_type and scores must have one entry for each of the %u tokens", (unsigned)t->n);
  for (int b = 0; b < 256; b++) t->bytes[b] = -1;
  uint32_t n_bytes = 0;
  for (uint32_t i = 0; i < t->n; i++) {
    double kind = kinds ? lq_gguf_num_at(kinds, i) : LQ_TOKEN_NORMAL;
    if (!(kind >= LQ_TOKEN_NORMAL && kind <= LQ_TOKEN_BYTE))
      return lq_fail(err, LQ_E_FORMAT, "tokenizer.ggml.token_type[%u] is %g", (unsigned)i, kind);
    t->kinds[i] = (uint8_t)kind;
    t->scores[i] = scores ? (float)lq_gguf_num_at(scores, i) : 0.0f;
    if (t->kinds[i] != LQ_TOKEN_BYTE) continue;
    int b = lq_byte_piece(t->pieces[i]);
    if (b < 0) return lq_fail(err, LQ_E_FORMAT, "token %u \"%.*s\" is no byte token such as <0x41>", (unsigned)i, LQ_STR_ARG(t->pieces[i]));
    if (t->bytes[b] < 0) n_bytes++;
    t->bytes[b] = (int32_t)i;
  }
  t->has_bytes = n_bytes == 256;
  return LQ_OK;
}

/* Ids listed under `key` get the flag. Our converter writes these keys: GGUF has no place for what tokenizer.json says of added tokens. */
static lq_status read_flag(lq_tokenizer *t, const lq_gguf *g, const char *key, unsigned flag, lq_error *err) {
  const lq_gguf_kv *kv;
  LQ_TRY(lq_gguf_array(g, key, LQ_GT_I32, &kv, err));
  for (uint64_t i = 0; kv && i < kv->count; i++) {
    double id = lq_gguf_num_at(kv, i);
    if (!(id >= 0 && id < t->n)) return lq_fail(err, LQ_E_FORMAT, "%s holds the token %g, outside the vocabulary of %u", key, id, (unsigned)t->n);
    t->added[(uint32_t)id] |= (uint8_t)flag;
  }
  return LQ_OK;
}

static lq_status read_added(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err) {
  uint64_t split = 0, user = 0;
  LQ_TRY(read_flag(t, g, "loquat.tokenizer.lstrip", LQ_ADDED_LSTRIP, err));
  LQ_TRY(read_flag(t, g, "loquat.tokenizer.rstrip", LQ_ADDED_RSTRIP, err));
  LQ_TRY(read_flag(t, g, "loquat.tokenizer.normalized", LQ_ADDED_NORMALIZED, err));
  for (uint32_t i = 0; i < t->n; i++) {
    bool is_user = t->kinds[i] == LQ_TOKEN_USER;
    if (is_user) t->has_user = true;
    if (is_user && t->sp) user += t->pieces[i].n;
    else if (is_user || t->kinds[i] == LQ_TOKEN_CONTROL) split += t->pieces[i].n;
    if (t->added[i] & LQ_ADDED_NORMALIZED) t->has_normalized = true;
  }
  if (!lq_prefixes_open(&t->split, split, a) || !lq_prefixes_open(&t->user, user, a))
    return lq_fail(err, LQ_E_NOMEM, "no memory for %u tokens", (unsigned)t->n);
  for (uint32_t i = 0; i < t->n; i++) {
    bool is_user = t->kinds[i] == LQ_TOKEN_USER;
    if (is_user && t->sp) lq_prefixes_add(&t->user, t->pieces[i]);
    else if (is_user || t->kinds[i] == LQ_TOKEN_CONTROL) lq_prefixes_add(&t->split, t->pieces[i]);
  }
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
  LQ_TRY(read_id(t, g, "tokenizer.ggml.mask_token_id", &t->mask, err));
  bool word = t->algo == LQ_ALGO_WORDPIECE, unigram = t->algo == LQ_ALGO_UNIGRAM;
  LQ_TRY(lq_gguf_bool(g, "tokenizer.ggml.add_bos_token", word || t->algo == LQ_ALGO_SP_BPE, &t->add_bos, err));
  LQ_TRY(lq_gguf_bool(g, "tokenizer.ggml.add_eos_token", word || unigram, &t->add_eos, err));
  LQ_TRY(lq_gguf_bool(g, "tokenizer.ggml.add_space_prefix", t->sp, &t->space_prefix, err));
  LQ_TRY(lq_gguf_bool(g, "tokenizer.ggml.escape_whitespaces", true, &t->escape, err));
  LQ_TRY(lq_gguf_bool(g, "tokenizer.ggml.treat_whitespace_as_suffix", false, &t->suffix, err));
  return lq_gguf_bool(g, "tokenizer.ggml.remove_extra_whitespaces", unigram, &t->squeeze, err);
}

lq_status lq_tok_open(const lq_gguf *g, lq_arena *a, lq_tokenizer **out, lq_error *err) {
  lq_str model;
  *out = NULL;
  LQ_TRY(lq_gguf_str(g, "tokenizer.ggml.model", (lq_str){NULL, 0}, &model, err));
  if (!model.p || lq_str_eqz(model, "none") || lq_str_eqz(model, "no_vocab")) return LQ_OK;
  static const char *const names[] = {"gpt2", "t5", "llama", "bert"}; /* in the order of lq_algo */
  size_t algo = 0;
  while (algo < 4 && !lq_str_eqz(model, names[algo])) algo++;
  if (algo == 4)
    return lq_fail(err, LQ_E_UNSUPPORTED, "the tokenizer \"%.*s\" is not supported (gpt2 = byte-level BPE, t5 = unigram, llama = SentencePiece "
                   "BPE and bert = WordPiece are)", LQ_STR_ARG(model));
  lq_tokenizer *t = LQ_TAKE(a, lq_tokenizer, 1);
  if (!t) return lq_fail(err, LQ_E_NOMEM, "no memory for a tokenizer");
  t->algo = (lq_algo)algo;
  t->sp = t->algo == LQ_ALGO_UNIGRAM || t->algo == LQ_ALGO_SP_BPE;
  LQ_TRY(read_pieces(t, g, a, err));
  LQ_TRY(read_kinds(t, g, err));
  LQ_TRY(read_settings(t, g, err));
  LQ_TRY(read_added(t, g, a, err));
  static lq_status (*const open[])(lq_tokenizer *, const lq_gguf *, lq_arena *, lq_error *) = {
      lq_bpe_open, lq_sp_open, lq_sp_open, lq_wordpiece_open};
  LQ_TRY(open[algo](t, g, a, err));
  *out = t;
  return LQ_OK;
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
int32_t lq_tok_mask(const lq_tokenizer *t) { return t->mask; }
bool lq_tok_has_words(const lq_tokenizer *t) { return t->algo == LQ_ALGO_WORDPIECE; }
bool lq_tok_adds_bos(const lq_tokenizer *t) { return t->add_bos; }
bool lq_tok_adds_eos(const lq_tokenizer *t) { return t->add_eos; }

bool lq_tok_is_eog(const lq_tokenizer *t, int32_t id) {
  static const char *const names[] = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|endoftext|>", "<|end|>"};
  if (!known(t, id)) return false;
  if (id == t->eos || id == t->eot) return true;
  for (size_t i = 0; t->kinds[id] == LQ_TOKEN_CONTROL && i < sizeof(names) / sizeof(names[0]); i++)
    if (lq_str_eqz(t->pieces[id], names[i])) return true;
  return false;
}
