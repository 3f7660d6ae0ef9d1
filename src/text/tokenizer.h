/* Tokenizers: bytes <-> ids. SentencePiece unigram ("t5") and BPE ("llama"), byte-level BPE ("gpt2") and WordPiece ("bert"), from GGUF metadata.
 * May call: gguf (reading keys), base. Knows nothing of models.
 * Keys: tokenizer.ggml.{model,pre,tokens,scores,token_type,merges,*_token_id,add_bos_token,add_eos_token,add_space_prefix,
 * remove_extra_whitespaces,precompiled_charsmap}, as llama.cpp writes them, and ours for what it has no key for:
 * tokenizer.ggml.{escape_whitespaces,treat_whitespace_as_suffix} (SentencePiece's flags) and loquat.tokenizer.{ignore_merges,nfc}
 * (booleans), loquat.tokenizer.{clean_text,space_cjk,strip_accents,lowercase,clean_up} (booleans: BERT's normaliser, and whether decoding
 * takes the space before a full stop away), loquat.tokenizer.{lstrip,rstrip,normalized} (ids, I32: the flags of added tokens in tokenizer.json).
 */
#ifndef LQ_TOKENIZER_H
#define LQ_TOKENIZER_H

#include "gguf/gguf.h"

typedef struct lq_tokenizer lq_tokenizer;

enum { /* flags of lq_tok_encode */
  LQ_TOK_SPECIAL = 1,       /* add BOS / EOS as the file says */
  LQ_TOK_PARSE_SPECIAL = 2  /* control tokens written in the text become their ids */
};

typedef enum lq_token_kind {
  LQ_TOKEN_NORMAL = 1, LQ_TOKEN_UNKNOWN = 2, LQ_TOKEN_CONTROL = 3, LQ_TOKEN_USER = 4, LQ_TOKEN_UNUSED = 5, LQ_TOKEN_BYTE = 6
} lq_token_kind;

/* *out = NULL with LQ_OK when the file has no tokenizer (ids only). Memory from `a`; pieces point into the file.
 * Everything is checked: ids in range, tries bounded, merges known, byte tokens well formed. Unknown model or `pre`: LQ_E_UNSUPPORTED, named. */
lq_status lq_tok_open(const lq_gguf *g, lq_arena *a, lq_tokenizer **out, lq_error *err);

/* text[n] -> ids. Invalid UTF-8 is first replaced by rule: each maximal ill-formed subpart becomes one U+FFFD (utf8.h; Python's
 * errors="replace"). User-defined tokens written in the text always become their ids, control tokens with LQ_TOK_PARSE_SPECIAL only.
 * Writes at most cap ids; *n_ids = how many there are in all
 * (> cap: call again with room). Memory while working: malloc'd scratch linear in n. Time O(n log n). */
lq_status lq_tok_encode(const lq_tokenizer *t, const char *text, size_t n, unsigned flags, int32_t *ids, size_t cap, size_t *n_ids, lq_error *err);
/* ids -> text appended to *out, as `sentencepiece`/`tokenizers` decode does; special tokens are skipped unless keep_special. */
lq_status lq_tok_decode(const lq_tokenizer *t, const int32_t *ids, size_t n, bool keep_special, lq_buf *out, lq_error *err);

uint32_t lq_tok_size(const lq_tokenizer *t);
lq_str lq_tok_piece(const lq_tokenizer *t, int32_t id);     /* as stored; empty if out of range */
lq_token_kind lq_tok_kind(const lq_tokenizer *t, int32_t id);
int32_t lq_tok_find(const lq_tokenizer *t, const char *piece, size_t n); /* exact piece; -1 if none */
/* -1 when the file has none */
int32_t lq_tok_bos(const lq_tokenizer *t);
int32_t lq_tok_eos(const lq_tokenizer *t);
int32_t lq_tok_pad(const lq_tokenizer *t);
int32_t lq_tok_unk(const lq_tokenizer *t);
int32_t lq_tok_mask(const lq_tokenizer *t);
bool lq_tok_adds_bos(const lq_tokenizer *t);
bool lq_tok_adds_eos(const lq_tokenizer *t);
/* End of generation: EOS, EOT, <|im_end|>, <|eot_id|>, <end_of_turn>, <|endoftext|> where they are control tokens. */
bool lq_tok_is_eog(const lq_tokenizer *t, int32_t id);

/* The next word of text[0..n) from *at on, bytes *begin to *end, and *at behind it. Encoding the words one by one gives the ids of the whole.
 * False at the end, and at once for tokenizers other than WordPiece: their tokens have no words of their own. */
bool lq_tok_next_word(const lq_tokenizer *t, const char *text, size_t n, size_t *at, size_t *begin, size_t *end);
bool lq_tok_has_words(const lq_tokenizer *t);

/* Streaming detokeniser: whole UTF-8 characters only; the concatenation equals lq_tok_decode of all ids. */
typedef struct lq_stream {
  const lq_tokenizer *t;
  bool keep_special;
  bool wrote, begun, space_seen; /* SentencePiece: text came out / no leading space is dropped any more / the last piece lost one */
  bool byte_tokens;              /* SentencePiece: the pending bytes come from byte tokens */
  char pending[8];               /* bytes of an unfinished character */
  unsigned n_pending;
} lq_stream;
void lq_stream_init(lq_stream *s, const lq_tokenizer *t, bool keep_special);
void lq_stream_push(lq_stream *s, int32_t id, lq_buf *out); /* appends what became whole; may append nothing */
void lq_stream_end(lq_stream *s, lq_buf *out);              /* a broken tail becomes U+FFFD */

#endif
