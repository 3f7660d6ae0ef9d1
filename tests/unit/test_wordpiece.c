/* text: WordPiece and SentencePiece's BPE on small vocabularies, and what their metadata may lie about. Equality with the packages:
 * tests/tokenizer/compare.py. */
#include <math.h>

#include "tokenizer_make.h"

#define W "\xE2\x96\x81" /* before a piece that starts a word */

enum { N_WORD = 15 };
static const char *const word_tokens[N_WORD] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", W "un", "aff", "able", W "ete", W ",",
                                                W "\xE4\xBA\xBA", W "'", W "s", "i\xCC\x87", W "<u>"};
static const int word_types[N_WORD] = {3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4};

static void wordpiece(void) {
  start("bert");
  strings("tokenizer.ggml.tokens", N_WORD, word_tokens);
  ints("tokenizer.ggml.token_type", LQ_GT_I32, N_WORD, word_types);
}

TEST(wordpiece_small) {
  wordpiece();
  OPENS();
  CHECK(lq_tok_bos(tok) == 2 && lq_tok_eos(tok) == 3 && lq_tok_pad(tok) == 0 && lq_tok_unk(tok) == 1 && lq_tok_mask(tok) == 4);
  CHECK_STR(encoded("Unaffable, \xC3\x89T\xC3\x89", LQ_TOK_SPECIAL), "2 5 6 7 9 8 3");
  CHECK_STR(encoded("", LQ_TOK_SPECIAL), "2 3");
  CHECK_STR(encoded("un able", 0), "5 1");            /* a later piece starts no word */
  CHECK_STR(encoded("unun", 0), "1");                 /* nor does a first one go on: the whole word is unknown */
  CHECK_STR(encoded("un\xE4\xBA\xBAun", 0), "5 10 5"); /* CJK characters stand alone */
  CHECK_STR(encoded("u\x01n\xEF\xBF\xBD\xE2\x80\x8B un\xC2\xA0un\x80", 0), "5 5 5"); /* control characters and U+FFFD go */
  CHECK_STR(encoded("un[MASK]un", LQ_TOK_PARSE_SPECIAL), "5 4 5");
  CHECK_STR(encoded("un[MASK]un", 0), "5 1 1 1 5");
  CHECK_STR(encoded("un" W "un", 0), "1");            /* U+2581 in a text is no start of a word */
  CHECK_STR(decoded(9, (int32_t[]){2, 5, 6, 7, 9, 8, 11, 12, 3}, false), "unaffable, ete ' s");
  CHECK_STR(decoded(4, (int32_t[]){6, 5, 3, 1}, true), "##aff un [SEP] [UNK]");
  done();
}

TEST(wordpiece_settings) {
  wordpiece();
  flag("loquat.tokenizer.lowercase", false);
  flag("loquat.tokenizer.clean_up", false);
  flag("loquat.tokenizer.space_cjk", false);
  flag("loquat.tokenizer.clean_text", false);
  id("tokenizer.ggml.cls_token_id", 4);
  OPENS();
  CHECK_STR(encoded("un Un \xC3\xA9te", LQ_TOK_SPECIAL), "4 5 1 1 3"); /* without lower case accents stay */
  CHECK_STR(encoded("un\xE4\xBA\xBA u\x01n", 0), "1 1");
  CHECK_STR(decoded(2, (int32_t[]){5, 9}, false), "un ,");
  done();
  wordpiece();
  flag("loquat.tokenizer.strip_accents", false);
  OPENS();
  CHECK_STR(encoded("UN\xC4\xB0", 0), "5 13"); /* capital I with dot: two characters in lower case */
  done();
}

TEST(wordpiece_long_words_are_unknown) {
  char text[304];
  wordpiece();
  OPENS();
  for (int n = 98; n <= 102; n += 4) { /* un, then "able" n / 4 times: 2 + 96 characters, 2 + 100 */
    memcpy(text, "un", 2);
    for (int i = 0; i < n / 4; i++) memcpy(text + 2 + 4 * i, "able", 4);
    size_t count;
    int32_t ids[40];
    CHECK(lq_tok_encode(tok, text, (size_t)(2 + n / 4 * 4), 0, ids, 40, &count, &err) == LQ_OK);
    CHECK_MSG(n == 98 ? count == 25 && ids[24] == 7 : count == 1 && ids[0] == 1, "%d: %zu ids", n, count);
  }
  for (int i = 0; i < 100; i++) memcpy(text + 3 * i, "\xE2\x82\xAC", 3); /* 300 bytes are still 100 characters */
  CHECK_STR(encoded_n(text, 300, 0), "1");
  done();
}

TEST(wordpiece_lies) {
  const char *const plain[2] = {W "a", "b"};
  start("bert");
  strings("tokenizer.ggml.tokens", 2, plain);
  REFUSED(LQ_E_FORMAT, "needs an unknown token");
  static const char *const keys[] = {"tokenizer.ggml.cls_token_id", "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.mask_token_id",
                                     "tokenizer.ggml.padding_token_id", "tokenizer.ggml.unknown_token_id"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    wordpiece();
    id(keys[i], N_WORD);
    REFUSED(LQ_E_FORMAT, "outside the vocabulary of 15");
  }
  wordpiece();
  id("loquat.tokenizer.lowercase", 1);
  REFUSED(LQ_E_FORMAT, "loquat.tokenizer.lowercase");
  const char *const half[3] = {"[UNK]", W "a\xC3", "\xA9"}; /* pieces that cut a character */
  start("bert");
  strings("tokenizer.ggml.tokens", 3, half);
  flag("loquat.tokenizer.strip_accents", false);
  OPENS();
  CHECK_STR(encoded("a\xC3\xA9", 0), "0");
  CHECK_STR(decoded(2, (int32_t[]){1, 2}, false), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  done();
}

/* ---- SentencePiece's BPE ---- */

enum { N_SP = 12 };
static const char *const sp_tokens[N_SP] = {"<unk>", "<s>", "</s>", W, "a", "b", "c", "ab", "bc", W "ab", "<x>", "abc"};
static const int sp_types[N_SP] = {2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 4, 5};

static void sp_bpe(void) {
  static const float scores[N_SP] = {0, 0, 0, -9, -9, -9, -9, -2, -1, -3, 0, 0};
  start("llama");
  strings("tokenizer.ggml.tokens", N_SP, sp_tokens);
  ints("tokenizer.ggml.token_type", LQ_GT_I32, N_SP, sp_types);
  floats("tokenizer.ggml.scores", N_SP, scores);
  id("tokenizer.ggml.bos_token_id", 1);
  id("tokenizer.ggml.eos_token_id", 2);
}

TEST(sp_bpe_small) {
  sp_bpe();
  OPENS();
  CHECK_STR(encoded("ab", LQ_TOK_SPECIAL), "1 9"); /* BOS by default, no EOS */
  CHECK_STR(encoded("  ab", 0), "3 3 9");         /* white space stays */
  CHECK_STR(encoded("abc", 0), "3 4 8");          /* bc scores above ab; the unused abc is taken apart again */
  CHECK_STR(encoded("a<x>b", 0), "3 4 10 5");
  CHECK_STR(encoded("zz", 0), "3 0");
  CHECK_STR(encoded("", 0), "");
  CHECK_STR(decoded(3, (int32_t[]){1, 9, 8}, false), "abbc");
  done();
  sp_bpe();
  flag("tokenizer.ggml.add_space_prefix", false);
  OPENS();
  CHECK_STR(encoded("ab</s>", LQ_TOK_PARSE_SPECIAL | LQ_TOK_SPECIAL), "1 7 2");
  done();
}

TEST(sp_bpe_long_words_take_no_square_time) {
  enum { N = 1 << 20 };
  char *text = malloc(N);
  size_t count = 0;
  sp_bpe();
  OPENS();
  CHECK(text != NULL);
  for (int i = 0; text && i < N; i++) text[i] = "ab"[i & 1];
  CHECK(text && lq_tok_encode(tok, text, N, 0, NULL, 0, &count, &err) == LQ_OK && count == N / 2);
  free(text);
  done();
}

TEST(sp_bpe_lies) {
  start("llama");
  strings("tokenizer.ggml.tokens", N_SP, sp_tokens);
  ints("tokenizer.ggml.token_type", LQ_GT_I32, N_SP, sp_types);
  REFUSED(LQ_E_FORMAT, "one entry for each of the 12 tokens");
  start("llama");
  strings("tokenizer.ggml.tokens", 1, sp_tokens + 4);
  floats("tokenizer.ggml.scores", 1, (float[]){0});
  REFUSED(LQ_E_FORMAT, "needs an unknown token");
  start("llama");
  strings("tokenizer.ggml.tokens", 2, sp_tokens);
  ints("tokenizer.ggml.token_type", LQ_GT_I32, 2, sp_types);
  floats("tokenizer.ggml.scores", 2, (float[]){0, INFINITY});
  REFUSED(LQ_E_FORMAT, "is not a finite number");
}
