/* WordPiece as BERT has it: the text is cleaned, CJK characters are set apart, accents and case may go; words at white space and punctuation;
 * in each word the longest piece first. May call: gguf, base. Devlin et al. 2019.
 * As llama.cpp stores it, a piece that starts a word has U+2581 before it and a later one lost its "##". */
#include <string.h>

#include "base/nfc.h"
#include "text/vocab.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */
#define MAX_WORD 100u        /* characters; a longer word is unknown */

/* The id that `key` or else the piece `name` gives. */
static lq_status fill_id(const lq_tokenizer *t, const lq_gguf *g, const char *key, const char *name, int32_t *id, lq_error *err) {
  int64_t stated;
  LQ_TRY(lq_gguf_i64(g, key, -1, &stated, err));
  if (stated >= (int64_t)t->n && stated != (int64_t)UINT32_MAX)
    return lq_fail(err, LQ_E_FORMAT, "%s is %lld, outside the vocabulary of %u", key, (long long)stated, (unsigned)t->n);
  if (stated >= 0 && stated < (int64_t)t->n) *id = (int32_t)stated;
  else if (*id < 0) *id = lq_tok_find(t, name, strlen(name));
  return LQ_OK;
}

lq_status lq_wordpiece_open(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err) {
  uint64_t n_bytes = 0;
  LQ_TRY(fill_id(t, g, "tokenizer.ggml.cls_token_id", "[CLS]", &t->bos, err));
  LQ_TRY(fill_id(t, g, "tokenizer.ggml.seperator_token_id", "[SEP]", &t->eos, err)); /* so spelt */
  LQ_TRY(fill_id(t, g, "tokenizer.ggml.mask_token_id", "[MASK]", &t->mask, err));
  LQ_TRY(fill_id(t, g, "tokenizer.ggml.padding_token_id", "[PAD]", &t->pad, err));
  LQ_TRY(fill_id(t, g, "tokenizer.ggml.unknown_token_id", "[UNK]", &t->unk, err));
  if (t->unk < 0) return lq_fail(err, LQ_E_FORMAT, "a WordPiece tokenizer needs an unknown token (tokenizer.ggml.unknown_token_id or [UNK])");
  LQ_TRY(lq_gguf_bool(g, "loquat.tokenizer.clean_text", true, &t->clean_text, err));
  LQ_TRY(lq_gguf_bool(g, "loquat.tokenizer.space_cjk", true, &t->space_cjk, err));
  LQ_TRY(lq_gguf_bool(g, "loquat.tokenizer.lowercase", true, &t->lowercase, err));
  LQ_TRY(lq_gguf_bool(g, "loquat.tokenizer.strip_accents", t->lowercase, &t->strip_accents, err));
  LQ_TRY(lq_gguf_bool(g, "loquat.tokenizer.clean_up", true, &t->clean_up, err));
  for (uint32_t i = 0; i < t->n; i++)
    if (t->kinds[i] == LQ_TOKEN_NORMAL) n_bytes += t->pieces[i].n;
  if (!lq_prefixes_open(&t->all, n_bytes, a)) return lq_fail(err, LQ_E_NOMEM, "no memory for %u tokens", (unsigned)t->n);
  for (uint32_t i = 0; i < t->n; i++)
    if (t->kinds[i] == LQ_TOKEN_NORMAL) lq_prefixes_add(&t->all, t->pieces[i]);
  return LQ_OK;
}

static bool is_cjk(uint32_t c) {
  return c - 0x4E00 < 0x5200 || c - 0x3400 < 0x19C0 || c - 0xF900 < 0x200 || c - 0x20000 < 0xA6E0 || c - 0x2A700 < 0x1120 ||
         c - 0x2B920 < 0x1590 || c - 0x2F800 < 0x220;
}

static bool is_punct(uint32_t c) {
  if (c < 128) return c - 33 < 15 || c - 58 < 7 || c - 91 < 6 || c - 123 < 4;
  return lq_uni_punct(c);
}

static void add_char(lq_buf *b, uint32_t cp) {
  char one[4];
  lq_buf_add(b, one, lq_utf8_encode(cp, one));
}

/* Control characters out, white space plain, CJK characters between spaces. */
static void clean(const lq_tokenizer *t, const char *p, size_t n, lq_buf *out) {
  for (size_t i = 0; i < n;) {
    uint32_t cp;
    i += lq_utf8_decode(p + i, n - i, &cp);
    if (t->clean_text) {
      if (cp == '\t' || cp == '\n' || cp == '\r') cp = ' ';
      else if (cp == LQ_REPLACEMENT || lq_uni_control(cp)) continue;
      else if (lq_uni_space(cp)) cp = ' ';
    }
    bool apart = t->space_cjk && is_cjk(cp);
    if (apart) lq_buf_add(out, " ", 1);
    add_char(out, cp);
    if (apart) lq_buf_add(out, " ", 1);
  }
}

typedef struct word {
  char p[4 * MAX_WORD];
  uint32_t n, n_chars; /* n_chars counts on past MAX_WORD */
} word;

static void tell_word(const lq_tokenizer *t, word *w, lq_ids *out) {
  int32_t ids[MAX_WORD];
  uint32_t n_ids = 0, at = w->n_chars > MAX_WORD ? w->n : 0;
  bool known = w->n_chars <= MAX_WORD;
  while (at < w->n) {
    lq_str mark = at ? (lq_str){w->p, 0} : LQ_STR(SPACE);
    uint32_t h = lq_fnv_str(LQ_FNV_START, mark.p, mark.n), best = 0;
    for (uint32_t len = 1; at + len <= w->n; len++) {
      h = lq_fnv(h, (unsigned char)w->p[at + len - 1]);
      if (!lq_prefix_known(&t->all, h)) break;
      int32_t id = lq_vocab_lookup_pair(t, mark, (lq_str){w->p + at, len}, h);
      if (id < 0 || t->kinds[id] != LQ_TOKEN_NORMAL) continue;
      if (at && len > 3 && memcmp(w->p + at, SPACE, 3) == 0) continue; /* U+2581 in the text: that piece starts a word */
      if (at + len < w->n && ((unsigned char)w->p[at + len] & 0xC0) == 0x80) continue; /* a piece that is no whole UTF-8 */
      ids[n_ids] = id;
      best = len;
    }
    if (!best) {
      known = false;
      break;
    }
    n_ids++;
    at += best;
  }
  if (!known) lq_ids_add(out, t->unk);
  else for (uint32_t i = 0; i < n_ids; i++) lq_ids_add(out, ids[i]);
  w->n = w->n_chars = 0;
}

static void add_to_word(word *w, uint32_t cp) {
  char one[4];
  size_t n = lq_utf8_encode(cp, one);
  if (w->n_chars++ >= MAX_WORD) return;
  memcpy(w->p + w->n, one, n);
  w->n += (uint32_t)n;
}

static void split_words(const lq_tokenizer *t, const char *p, size_t n, lq_ids *out) {
  word w;
  w.n = w.n_chars = 0;
  for (size_t i = 0; i < n;) {
    uint32_t cp;
    i += lq_utf8_decode(p + i, n - i, &cp);
    if (t->strip_accents && lq_uni_nonspacing(cp)) continue;
    bool apart = is_punct(cp), space = lq_uni_space(cp);
    if ((apart || space) && w.n_chars) tell_word(t, &w, out);
    if (space) continue;
    if (t->lowercase && cp == 0x130) add_to_word(&w, 'i'), cp = 0x307; /* the one letter whose lower case is two */
    else if (t->lowercase) cp = lq_uni_tolower(cp);
    add_to_word(&w, cp);
    if (apart) tell_word(t, &w, out);
  }
  if (w.n_chars) tell_word(t, &w, out);
}

bool lq_tok_next_word(const lq_tokenizer *t, const char *text, size_t n, size_t *at, size_t *begin, size_t *end) {
  bool inside = false;
  if (t->algo != LQ_ALGO_WORDPIECE) return false;
  for (size_t i = *at, used; i < n; i += used) {
    uint32_t cp;
    used = lq_utf8_decode(text + i, n - i, &cp);
    bool space = lq_uni_space(cp), alone = is_punct(cp) || (t->space_cjk && is_cjk(cp));
    if (inside && (space || alone)) break;
    if (!inside && !space) *begin = i;
    inside = inside || !space;
    *at = *end = i + used;
    if (alone) return true;
  }
  if (!inside) *at = n;
  return inside;
}

lq_status lq_wordpiece_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err) {
  lq_buf tidy = {.limit = SIZE_MAX / 2}, apart = {.limit = SIZE_MAX / 2};
  clean(t, text, n, &tidy);
  if (t->strip_accents) lq_nfd(tidy.p, tidy.n, &apart);
  const lq_buf *b = t->strip_accents ? &apart : &tidy;
  bool ok = !tidy.failed && !apart.failed;
  if (ok) split_words(t, b->p, b->n, out);
  lq_buf_free(&tidy);
  lq_buf_free(&apart);
  return ok ? LQ_OK : lq_fail(err, LQ_E_NOMEM, "no memory to tokenise %zu bytes", n);
}
