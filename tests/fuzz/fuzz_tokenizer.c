/* Fuzz target: a text and a GGUF file of tokenizer keys. Byte 0: flags; bytes 1-2: length of the text; text; file.
 * Opens the tokenizer, encodes the text, decodes and streams what came out and ids drawn from the text. Replayed by replay.c in `make test`. */
#include "base/utf8.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Streamed text is whole at every step and adds up to the decoded one. */
static void decode(const lq_tokenizer *t, const int32_t *ids, size_t n, bool keep) {
  lq_buf whole = {0}, out = {0};
  lq_error e = {0};
  lq_stream s;
  if (lq_tok_decode(t, ids, n, keep, &whole, &e) != LQ_OK) abort();
  lq_stream_init(&s, t, keep);
  for (size_t i = 0; i < n; i++) {
    size_t from = out.n;
    lq_stream_push(&s, ids[i], &out);
    if (out.n > from && !lq_utf8_valid(out.p + from, out.n - from)) abort();
  }
  lq_stream_end(&s, &out);
  if (out.n != whole.n || (out.n && memcmp(out.p, whole.p, out.n) != 0)) abort();
  lq_buf_free(&whole);
  lq_buf_free(&out);
}

static void use(const lq_tokenizer *t, unsigned flags, const char *text, size_t n) {
  size_t count, again;
  lq_error e = {0};
  if (lq_tok_encode(t, text, n, flags, NULL, 0, &count, &e) != LQ_OK) {
    if (!e.msg[0]) abort();
    return;
  }
  int32_t *ids = malloc((count + n + 1) * sizeof(*ids));
  if (!ids) return;
  if (lq_tok_encode(t, text, n, flags, ids, count, &again, &e) != LQ_OK || again != count) abort();
  for (size_t i = 0; i < count; i++)
    if (ids[i] < 0 || (uint32_t)ids[i] >= lq_tok_size(t)) abort();
  decode(t, ids, count, (flags & 4) != 0);
  for (size_t i = 0; i < n; i++) ids[i] = (int32_t)((unsigned char)text[i] * 2654435761u % (lq_tok_size(t) + 2)) - 1;
  decode(t, ids, n, (flags & 4) == 0);
  free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (n < 3) return 0;
  size_t n_text = (size_t)(data[1] | data[2] << 8);
  if (n_text > n - 3) n_text = n - 3;
  size_t n_file = n - 3 - n_text;
  char *text = malloc(n_text ? n_text : 1);
  uint8_t *bytes = malloc(n_file ? n_file : 1);
  lq_arena a;
  lq_gguf g;
  lq_error e = {0};
  lq_tokenizer *t = NULL;
  lq_arena_growing(&a, 4096);
  if (text && bytes) {
    memcpy(text, data + 3, n_text);
    memcpy(bytes, data + 3 + n_text, n_file);
    if (lq_gguf_open(&g, bytes, n_file, &a, &e) == LQ_OK) {
      uint64_t before = a.used;
      lq_status s = lq_tok_open(&g, &a, &t, &e);
      if (s != LQ_OK && (e.status == LQ_OK || !e.msg[0])) abort(); /* every refusal says why */
      if (a.used - before > 32 * (uint64_t)n_file + 8192) abort(); /* a small file takes little memory */
      if (s == LQ_OK && t) use(t, data[0], text, n_text);
    }
  }
  lq_arena_free(&a);
  free(text);
  free(bytes);
  return 0;
}
