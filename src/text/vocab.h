/* The tokenizer's insides, shared by the files of this room only. May call: gguf, base. */
#ifndef LQ_VOCAB_H
#define LQ_VOCAB_H

#include "base/utf8.h"
#include "text/tokenizer.h"

typedef enum lq_pre { LQ_PRE_GPT2, LQ_PRE_SMOLLM, LQ_PRE_LLAMA3, LQ_PRE_QWEN2 } lq_pre;

typedef enum lq_algo { LQ_ALGO_BPE, LQ_ALGO_UNIGRAM, LQ_ALGO_SP_BPE, LQ_ALGO_WORDPIECE } lq_algo; /* SP_BPE: SentencePiece's BPE */

typedef struct lq_merge { uint64_t pair; uint32_t rank; int32_t result; } lq_merge; /* rank UINT32_MAX = free place */

/* Which hashes the prefixes of some pieces have: "no longer piece starts like this" ends a search. A chance hit only costs a step. */
typedef struct lq_prefixes { uint8_t *bits; uint32_t mask; } lq_prefixes;

enum { LQ_ADDED_LSTRIP = 1, LQ_ADDED_RSTRIP = 2, LQ_ADDED_NORMALIZED = 4 };

#define LQ_MAX_PIECE 4096u /* bytes; known vocabularies stay below 300 */
#define LQ_MAX_PROBES 4096u /* steps to a free place; thousands only in tables made to be slow */

struct lq_tokenizer {
  lq_algo algo;
  bool sp;                 /* SentencePiece: unigram or its BPE */
  uint32_t n;
  lq_str *pieces;
  float *scores;
  uint8_t *kinds;
  uint8_t *added;          /* LQ_ADDED_* of control and user-defined tokens */
  uint32_t *hash;          /* id + 1 by piece text; 0 = free */
  uint32_t hash_mask;
  int32_t bos, eos, pad, unk, eot, mask;
  bool add_bos, add_eos, space_prefix, squeeze, escape, suffix, has_bytes;
  int32_t bytes[256];      /* token of each byte, -1 = none */
  lq_prefixes split;       /* of control and user-defined tokens, which split the text (SentencePiece: only control tokens do) */
  lq_prefixes user;        /* SentencePiece: of user-defined tokens, which the normaliser leaves alone */
  lq_prefixes all;         /* unigram and WordPiece: of the pieces text may become */
  bool has_user, has_normalized; /* some token of that kind / LQ_ADDED_NORMALIZED */
  uint32_t longest;        /* bytes of the longest piece */
  lq_pre pre;
  bool nfc, ignore_merges;
  lq_merge *merges;
  uint32_t merge_mask;
  const uint8_t *trie;     /* double array of the normaliser map, n_units little-endian words */
  uint32_t n_units;
  const char *replace;     /* NUL-terminated replacements */
  uint32_t n_replace;
  float unk_score, max_score;
  bool clean_text, space_cjk, strip_accents, lowercase, clean_up; /* WordPiece: BERT's normaliser; its decoder's spaces */
};

/* Ids being collected: all are counted, the first cap are kept. */
typedef struct lq_ids { int32_t *p; size_t cap, n; } lq_ids;
static inline void lq_ids_add(lq_ids *o, int32_t id) {
  if (o->n < o->cap) o->p[o->n] = id;
  o->n++;
}

#define LQ_FNV_START 2166136261u
static inline uint32_t lq_fnv(uint32_t h, unsigned char c) { return (h ^ c) * 16777619u; }
static inline uint32_t lq_fnv_str(uint32_t h, const char *p, size_t n) {
  for (size_t i = 0; i < n; i++) h = lq_fnv(h, (unsigned char)p[i]);
  return h;
}

static inline bool lq_prefix_known(const lq_prefixes *x, uint32_t fnv) {
  uint32_t at = (fnv ^ fnv >> 15) & x->mask;
  return x->bits[at >> 3] >> (at & 7) & 1;
}
/* Room for the prefixes of pieces of n_bytes together; false: no memory. */
bool lq_prefixes_open(lq_prefixes *x, uint64_t n_bytes, lq_arena *a);
void lq_prefixes_add(lq_prefixes *x, lq_str piece);

/* Id of the piece p[0..n) whose hash is fnv; -1 if none. */
int32_t lq_vocab_lookup(const lq_tokenizer *t, const char *p, size_t n, uint32_t fnv);
/* Id of the piece left + right, whose hash is fnv; -1 if none. */
int32_t lq_vocab_lookup_pair(const lq_tokenizer *t, lq_str left, lq_str right, uint32_t fnv);
/* "<0x41>" -> 65; -1 for anything else. */
int lq_byte_piece(lq_str s);
/* End of the pre-token that starts at code point i < n. *stop: 0 at first, then what the last call left there. */
size_t lq_pretoken_end(lq_pre pre, const uint32_t *cp, size_t n, size_t i, size_t *stop);
lq_status lq_bpe_open(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err);
lq_status lq_bpe_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err);
lq_status lq_sp_open(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err);
/* *norm, freed by the caller when LQ_OK, = text as the pieces have it. */
lq_status lq_sp_normalize(const lq_tokenizer *t, const char *text, size_t n, lq_buf *norm, lq_error *err);
/* Bytes of the longest user-defined token that starts p[0..n). */
size_t lq_sp_user_prefix(const lq_tokenizer *t, const char *p, size_t n);
/* Adds piece id, which p[0..n) became; an unknown run is one id, or its bytes when the model has byte tokens. */
void lq_sp_add(const lq_tokenizer *t, const char *p, size_t n, int32_t id, bool *after_unknown, lq_ids *out);
lq_status lq_sp_bpe_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err);
lq_status lq_wordpiece_open(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err);
lq_status lq_wordpiece_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err);
lq_status lq_unigram_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err);
/* GPT-2's printable stand-in of a byte, and back (-1: none). */
uint32_t lq_byte_to_char(unsigned b);
int lq_char_to_byte(uint32_t cp);

#endif
