/* Ids -> text, whole UTF-8 characters only. May call: base. */
#include <string.h>

#include "text/vocab.h"

void lq_stream_init(lq_stream *s, const lq_tokenizer *t, bool keep_special) { *s = (lq_stream){.t = t, .keep_special = keep_special}; }

/* Passes on what is whole; broken sequences become U+FFFD, an unfinished tail waits unless `end`. */
static void drain(lq_stream *s, bool end, lq_buf *out) {
  char clean[3 * sizeof(s->pending)];
  size_t whole = end ? s->n_pending : lq_utf8_whole(s->pending, s->n_pending);
  if (whole == 0) return;
  lq_buf_add(out, clean, lq_utf8_clean(s->pending, whole, clean));
  s->n_pending -= (unsigned)whole;
  memmove(s->pending, s->pending + whole, s->n_pending);
}

static void push_byte(lq_stream *s, char c, lq_buf *out) {
  s->pending[s->n_pending++] = c;
  drain(s, s->n_pending == sizeof(s->pending), out);
}

static void push_bpe(lq_stream *s, lq_str piece, lq_buf *out) {
  uint32_t cp;
  for (size_t i = 0; i < piece.n;) {
    size_t used = lq_utf8_decode(piece.p + i, piece.n - i, &cp);
    int b = lq_char_to_byte(cp);
    if (b >= 0) push_byte(s, (char)b, out);
    else
      for (size_t k = 0; k < used; k++) push_byte(s, piece.p[i + k], out);
    i += used;
  }
}

static void push_unigram(lq_stream *s, lq_str piece, lq_buf *out) {
  bool first = !s->started && s->t->space_prefix;
  for (size_t i = 0; i < piece.n;) {
    bool space = piece.n - i >= 3 && memcmp(piece.p + i, "\xE2\x96\x81", 3) == 0;
    if (!space) push_byte(s, piece.p[i], out);
    else if (!(first && i == 0)) push_byte(s, ' ', out);
    i += space ? 3 : 1;
  }
}

void lq_stream_push(lq_stream *s, int32_t id, lq_buf *out) {
  const lq_tokenizer *t = s->t;
  lq_token_kind kind = lq_tok_kind(t, id);
  lq_str piece = lq_tok_piece(t, id);
  bool special = kind == LQ_TOKEN_CONTROL || (kind == LQ_TOKEN_UNKNOWN && !t->unigram);
  if (special && !s->keep_special) return;
  if (kind == LQ_TOKEN_BYTE && t->unigram) {
    for (int b = 0; b < 256; b++)
      if (t->bytes[b] == id) push_byte(s, (char)b, out);
    s->started = true;
    return;
  }
  if (t->unigram) drain(s, true, out); /* a character cannot go on in another piece */
  if (kind == LQ_TOKEN_UNKNOWN && t->unigram) piece = LQ_STR(" \xE2\x81\x87 ");
  if (t->unigram) push_unigram(s, piece, out);
  else if (special || kind == LQ_TOKEN_USER)
    for (size_t i = 0; i < piece.n; i++) push_byte(s, piece.p[i], out);
  else push_bpe(s, piece, out);
  s->started = true;
}

void lq_stream_end(lq_stream *s, lq_buf *out) { drain(s, true, out); }

lq_status lq_tok_decode(const lq_tokenizer *t, const int32_t *ids, size_t n, bool keep_special, lq_buf *out, lq_error *err) {
  lq_stream s;
  lq_stream_init(&s, t, keep_special);
  for (size_t i = 0; i < n; i++) lq_stream_push(&s, ids[i], out);
  lq_stream_end(&s, out);
  return out->failed ? lq_fail(err, LQ_E_NOMEM, "no memory for the text of %zu tokens", n) : LQ_OK;
}
