/* Ids -> text, whole UTF-8 characters only, as `sentencepiece` and `tokenizers` decode. May call: base. */
#include <string.h>

#include "text/vocab.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */

void lq_stream_init(lq_stream *s, const lq_tokenizer *t, bool keep_special) { *s = (lq_stream){.t = t, .keep_special = keep_special}; }

/* Passes on what is whole; an unfinished tail waits unless `end`. What is broken becomes U+FFFD: one for each maximal subpart, but one for
 * each byte of byte tokens, as sentencepiece has it. */
static void drain(lq_stream *s, bool end, lq_buf *out) {
  size_t whole = end ? s->n_pending : lq_utf8_whole(s->pending, s->n_pending);
  for (size_t i = 0; i < whole;) {
    uint32_t cp;
    char one[4];
    size_t used = lq_utf8_decode(s->pending + i, whole - i, &cp), n = lq_utf8_encode(cp, one);
    bool broken = cp == LQ_REPLACEMENT && (used != n || memcmp(s->pending + i, one, n) != 0);
    for (size_t k = 0; k < (broken && s->byte_tokens ? used : 1); k++) lq_buf_add(out, one, n);
    i += used;
  }
  s->n_pending -= (unsigned)whole;
  memmove(s->pending, s->pending + whole, s->n_pending);
  if (whole) s->wrote = true;
}

static void push_bytes(lq_stream *s, const char *p, size_t n, lq_buf *out) {
  for (size_t i = 0; i < n; i++) {
    s->pending[s->n_pending++] = p[i];
    drain(s, false, out);
  }
}

/* A piece is in the byte alphabet as a whole, or it is text as it stands. */
static void push_bpe(lq_stream *s, lq_str piece, lq_buf *out) {
  uint32_t cp;
  bool mapped = true;
  for (size_t i = 0; i < piece.n && mapped;) {
    i += lq_utf8_decode(piece.p + i, piece.n - i, &cp);
    mapped = lq_char_to_byte(cp) >= 0;
  }
  for (size_t i = 0; i < piece.n && mapped;) {
    i += lq_utf8_decode(piece.p + i, piece.n - i, &cp);
    char c = (char)lq_char_to_byte(cp);
    push_bytes(s, &c, 1, out);
  }
  if (!mapped) push_bytes(s, piece.p, piece.n, out);
}

/* Text so far empty: one leading space goes, the dummy prefix; every leading space when the model squeezes them. */
static void push_sp(lq_stream *s, lq_token_kind kind, lq_str piece, lq_buf *out) {
  const lq_tokenizer *t = s->t;
  size_t i = 0;
  if (s->n_pending) drain(s, true, out); /* a character cannot go on in another piece */
  s->byte_tokens = false;
  if (s->space_seen || s->wrote) s->begun = true;
  s->space_seen = false;
  if (kind == LQ_TOKEN_UNKNOWN) piece = LQ_STR(" \xE2\x81\x87 ");
  else if (kind == LQ_TOKEN_CONTROL) {
    if (!s->keep_special) return;
  } else if (!s->begun && (t->space_prefix || t->squeeze) && piece.n >= 3 && memcmp(piece.p, SPACE, 3) == 0) {
    i = 3;
    s->space_seen = !t->squeeze;
  }
  while (i < piece.n) {
    bool space = piece.n - i >= 3 && memcmp(piece.p + i, SPACE, 3) == 0;
    push_bytes(s, space ? " " : piece.p + i, 1, out);
    i += space ? 3 : 1;
  }
  drain(s, true, out);
}

/* A space before every piece but a word's later ones and, cleaned up, what `tokenizers` writes without. The first piece of all keeps its "##". */
static void push_word(lq_stream *s, lq_token_kind kind, lq_str piece, lq_buf *out) {
  static const char *const joined[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
  bool starts = piece.n >= 3 && memcmp(piece.p, SPACE, 3) == 0, apart = starts || kind != LQ_TOKEN_NORMAL;
  if (starts) piece = (lq_str){piece.p + 3, piece.n - 3};
  for (size_t i = 0; apart && s->t->clean_up && i < sizeof(joined) / sizeof(joined[0]); i++)
    if (piece.n >= strlen(joined[i]) && memcmp(piece.p, joined[i], strlen(joined[i])) == 0) apart = false;
  if (!s->begun && !starts && kind == LQ_TOKEN_NORMAL) push_bytes(s, "##", 2, out);
  if (s->begun && apart) push_bytes(s, " ", 1, out);
  s->begun = true;
  push_bytes(s, piece.p, piece.n, out);
  drain(s, true, out);
}

void lq_stream_push(lq_stream *s, int32_t id, lq_buf *out) {
  lq_token_kind kind = lq_tok_kind(s->t, id);
  lq_str piece = lq_tok_piece(s->t, id);
  if (s->t->sp && kind == LQ_TOKEN_BYTE) {
    char c = (char)lq_byte_piece(piece);
    s->byte_tokens = true;
    push_bytes(s, &c, 1, out);
  } else if (s->t->sp) {
    push_sp(s, kind, piece, out);
  } else if (kind != LQ_TOKEN_UNUSED && (s->keep_special || (kind != LQ_TOKEN_CONTROL && kind != LQ_TOKEN_UNKNOWN))) {
    if (s->t->algo == LQ_ALGO_WORDPIECE) push_word(s, kind, piece, out);
    else push_bpe(s, piece, out);
  }
}

void lq_stream_end(lq_stream *s, lq_buf *out) { drain(s, true, out); }

lq_status lq_tok_decode(const lq_tokenizer *t, const int32_t *ids, size_t n, bool keep_special, lq_buf *out, lq_error *err) {
  lq_stream s;
  lq_stream_init(&s, t, keep_special);
  for (size_t i = 0; i < n; i++) lq_stream_push(&s, ids[i], out);
  lq_stream_end(&s, out);
  return out->failed ? lq_fail(err, LQ_E_NOMEM, "no memory for the text of %zu tokens", n) : LQ_OK;
}
