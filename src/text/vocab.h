/* The tokenizer's insides, shared by the files of this room only. May call: gguf, base. */
#ifndef LQ_VOCAB_H
#define LQ_VOCAB_H

#include "base/utf8.h"
#include "text/tokenizer.h"

typedef enum lq_pre { LQ_PRE_GPT2, LQ_PRE_SMOLLM, LQ_PRE_LLAMA3, LQ_PRE_QWEN2 } lq_pre;

typedef struct lq_merge { uint64_t pair; uint32_t rank; int32_t result; } lq_merge; /* rank UINT32_MAX = free place */

struct lq_tokenizer {
  bool unigram;
  uint32_t n;
  lq_str *pieces;
  float *scores;
  uint8_t *kinds;
  uint32_t *hash; /* id + 1 by piece text; 0 = free */
  uint32_t hash_mask;
  int32_t bos, eos, pad, unk, eot;
  bool add_bos, add_eos, space_prefix, squeeze, has_bytes;
  int32_t bytes[256];      /* token of each byte, -1 = none */
  int32_t *special;        /* control and user-defined tokens */
  uint32_t n_special;
  uint32_t longest;        /* bytes of the longest piece */
  lq_pre pre;
  lq_merge *merges;
  uint32_t merge_mask;
  bool ignore_merges;
  const uint8_t *trie;     /* double array of the normaliser map, n_units little-endian words */
  uint32_t n_units;
  const char *replace;     /* NUL-terminated replacements */
  uint32_t n_replace;
  float unk_score, max_score;
};

/* Ids being collected: all are counted, the first cap are kept. */
typedef struct lq_ids { int32_t *p; size_t cap, n; } lq_ids;
static inline void lq_ids_add(lq_ids *o, int32_t id) {
  if (o->n < o->cap) o->p[o->n] = id;
  o->n++;
}

#define LQ_FNV_START 2166136261u
static inline uint32_t lq_fnv(uint32_t h, unsigned char c) { return (h ^ c) * 16777619u; }

int32_t lq_vocab_lookup(const lq_tokenizer *t, const char *p, size_t n, uint32_t fnv);
/* End of the pre-token that starts at code point i. */
size_t lq_pretoken_end(lq_pre pre, const uint32_t *cp, size_t n, size_t i);
lq_status lq_bpe_open(lq_tokenizer *t, const lq_gguf *g, lq_arena *a, lq_error *err);
lq_status lq_bpe_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err);
lq_status lq_unigram_open(lq_tokenizer *t, const lq_gguf *g, lq_error *err);
lq_status lq_unigram_encode(const lq_tokenizer *t, const char *text, size_t n, lq_ids *out, lq_error *err);
/* GPT-2's printable stand-in of a byte, and back (-1: none). */
uint32_t lq_byte_to_char(unsigned b);
int lq_char_to_byte(uint32_t cp);

#endif
