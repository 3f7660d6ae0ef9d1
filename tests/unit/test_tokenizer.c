/* text: what a tokenizer's metadata may lie about, splitting and joining small vocabularies, memory that runs out while opening.
 * Equality with the packages: tests/tokenizer/compare.py. */
#include "text/tokenizer.h"

#include <math.h>

#include "text/vocab.h"
#include "tokenizer_make.h"

/* ---- two small good ones ---- */

enum { N_UNI = 9 };
static const char *const uni_tokens[N_UNI] = {"<unk>", "</s>", "\xE2\x96\x81", "a", "b", "ab", "\xE2\x96\x81" "a", "<x>", "c"};
static const int uni_types[N_UNI] = {2, 3, 1, 1, 1, 1, 1, 4, 5};
static const float uni_scores[N_UNI] = {0, 0, -2, -3, -3, -4, -3.5f, 0, -1};

static void unigram(void) {
  start("t5");
  strings("tokenizer.ggml.tokens", N_UNI, uni_tokens);
  ints("tokenizer.ggml.token_type", LQ_GT_I32, N_UNI, uni_types);
  floats("tokenizer.ggml.scores", N_UNI, uni_scores);
  id("tokenizer.ggml.eos_token_id", 1);
}

enum { N_BPE = 9 };
static const char *const bpe_tokens[N_BPE] = {"<s>", "a", "b", "c", "\xC4\xA0", "ab", "abc", "<|im_end|>", "<u>"};
static const int bpe_types[N_BPE] = {3, 1, 1, 1, 1, 1, 1, 3, 4};
static const char *const bpe_merges[2] = {"a b", "ab c"};

static void bpe_without_merges(void) {
  start("gpt2");
  text("tokenizer.ggml.pre", "gpt-2");
  strings("tokenizer.ggml.tokens", N_BPE, bpe_tokens);
  ints("tokenizer.ggml.token_type", LQ_GT_I32, N_BPE, bpe_types);
}

static void bpe(void) {
  bpe_without_merges();
  strings("tokenizer.ggml.merges", 2, bpe_merges);
}

/* ---- encoding and decoding ---- */

TEST(tokenizer_unigram_small) {
  unigram();
  OPENS();
  CHECK_STR(encoded(" ab  a ", LQ_TOK_SPECIAL), "2 5 6 1");
  CHECK_STR(encoded("", LQ_TOK_SPECIAL), "1");
  CHECK_STR(encoded("   ", 0), "");
  CHECK_STR(encoded("zq", 0), "2 0");      /* a run of unknown characters is one token */
  CHECK_STR(encoded("c", 0), "2 0");       /* unused pieces are not used */
  CHECK_STR(encoded("a<x>b", 0), "6 7 4"); /* user-defined symbols always count */
  CHECK_STR(encoded("a</s>", 0), "6 0"); /* control tokens only when asked for */
  CHECK_STR(encoded("a</s>", LQ_TOK_PARSE_SPECIAL), "6 1");
  CHECK_STR(encoded_n("a\xFF", 2, 0), "6 0"); /* U+FFFD is unknown */
  CHECK_STR(decoded(4, (int32_t[]){6, 4, 6, 1}, false), "ab a");
  CHECK_STR(decoded(3, (int32_t[]){6, 1, 0}, true), "a</s> \xE2\x81\x87 ");
  CHECK(lq_tok_is_eog(tok, 1) && !lq_tok_is_eog(tok, 6) && !lq_tok_is_eog(tok, -1) && !lq_tok_is_eog(tok, 99));
  CHECK(lq_tok_unk(tok) == 0 && lq_tok_bos(tok) == -1 && lq_tok_find(tok, "ab", 2) == 5 && lq_tok_find(tok, "q", 1) == -1);
  done();
}

TEST(tokenizer_bpe_small) {
  bpe();
  id("tokenizer.ggml.bos_token_id", 0);
  flag("tokenizer.ggml.add_bos_token", true);
  OPENS();
  CHECK_STR(encoded("abc ab", LQ_TOK_SPECIAL), "0 6 4 5");
  CHECK_STR(encoded("ab<s>c", 0), "5 3");                      /* bytes without a token are left out; control tokens are text */
  CHECK_STR(encoded("ab<s>c", LQ_TOK_PARSE_SPECIAL), "5 0 3");
  CHECK_STR(encoded("ab<u>c", 0), "5 8 3");                    /* user-defined tokens are not */
  CHECK_STR(decoded(4, (int32_t[]){0, 6, 4, 7}, false), "abc ");
  CHECK_STR(decoded(4, (int32_t[]){0, 6, 4, 7}, true), "<s>abc <|im_end|>");
  CHECK(lq_tok_is_eog(tok, 7) && !lq_tok_is_eog(tok, 0));
  done();
}

TEST(tokenizer_counts_beyond_the_room) {
  bpe();
  OPENS();
  int32_t ids[2] = {-7, -7};
  size_t n = 0;
  CHECK(lq_tok_encode(tok, "cccc", 4, 0, ids, 1, &n, &err) == LQ_OK && n == 4 && ids[0] == 3 && ids[1] == -7);
  CHECK(lq_tok_encode(tok, "cccc", 4, 0, NULL, 0, &n, &err) == LQ_OK && n == 4);
  CHECK(lq_tok_encode(tok, NULL, 0, 0, NULL, 0, &n, &err) == LQ_OK && n == 0);
  done();
}

/* "abc" is one token by Llama 3's rule though no merge leads there; without the key such files begin with BOS. */
TEST(tokenizer_llama3_whole_words_and_bos) {
  for (int k = 0; k < 3; k++) {
    start("gpt2");
    text("tokenizer.ggml.pre", "llama-bpe");
    strings("tokenizer.ggml.tokens", N_BPE, bpe_tokens);
    ints("tokenizer.ggml.token_type", LQ_GT_I32, N_BPE, bpe_types);
    strings("tokenizer.ggml.merges", 1, bpe_merges);
    id("tokenizer.ggml.bos_token_id", 0);
    if (k == 1) flag("tokenizer.ggml.add_bos_token", false);
    if (k == 2) flag("loquat.tokenizer.ignore_merges", false);
    OPENS();
    CHECK_STR(encoded("abc", LQ_TOK_SPECIAL), k == 0 ? "0 6" : k == 1 ? "6" : "0 5 3");
    done();
  }
}

TEST(tokenizer_added_token_flags) {
  bpe();
  ints("loquat.tokenizer.lstrip", LQ_GT_I32, 1, (int[]){8});
  ints("loquat.tokenizer.rstrip", LQ_GT_I32, 1, (int[]){7});
  OPENS();
  CHECK_STR(encoded("a \xC2\xA0<u> b", 0), "1 8 4 2");
  CHECK_STR(encoded("a <|im_end|> \n b", LQ_TOK_PARSE_SPECIAL), "1 4 7 2");
  done();
}

/* Byte tokens: every byte of a broken sequence is a U+FFFD of its own, as sentencepiece has it; pieces come out whole. */
TEST(tokenizer_streams_whole_characters) {
  static char names[256][8];
  const char *tokens[260] = {"<unk>", "\xE2\x96\x81" "h\xC3\xA9", "x"};
  int types[260] = {2, 1, 1};
  float scores[260] = {0, -1, -2};
  for (int b = 0; b < 256; b++) {
    snprintf(names[b], sizeof names[b], "<0x%02X>", (unsigned)b);
    tokens[3 + b] = names[b];
    types[3 + b] = 6;
  }
  start("t5");
  strings("tokenizer.ggml.tokens", 259, tokens);
  ints("tokenizer.ggml.token_type", LQ_GT_I32, 259, types);
  floats("tokenizer.ggml.scores", 259, scores);
  OPENS();
  CHECK_STR(encoded("h\xC3\xA9\xF0\x9F\x98\x80", 0), "1 243 162 155 131");
  lq_stream s;
  lq_buf out = {0};
  lq_stream_init(&s, tok, false);
  const struct { int32_t id; const char *so_far; } steps[] = {
      {1, "h\xC3\xA9"}, {3 + 0xF0, "h\xC3\xA9"}, {3 + 0x9F, "h\xC3\xA9"}, {3 + 0x98, "h\xC3\xA9"}, {3 + 0x80, "h\xC3\xA9\xF0\x9F\x98\x80"},
      {3 + 0xE2, "h\xC3\xA9\xF0\x9F\x98\x80"}, {3 + 0x82, "h\xC3\xA9\xF0\x9F\x98\x80"}, {2, "h\xC3\xA9\xF0\x9F\x98\x80\xEF\xBF\xBD\xEF\xBF\xBDx"}};
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    lq_stream_push(&s, steps[i].id, &out);
    CHECK_STR(out.p ? out.p : "", steps[i].so_far);
  }
  lq_stream_push(&s, 3 + 0xC3, &out);
  lq_stream_end(&s, &out);
  CHECK_HAS(out.p, "x\xEF\xBF\xBD");
  lq_buf_free(&out);
  done();
}

/* ---- metadata that lies ---- */

TEST(tokenizer_absent_or_unknown) {
  start("none");
  CHECK(open_failing(-1) == LQ_OK && !tok);
  done();
  start("rwkv");
  REFUSED(LQ_E_UNSUPPORTED, "\"rwkv\" is not supported");
  start("gpt2");
  text("tokenizer.ggml.pre", "default");
  strings("tokenizer.ggml.tokens", N_BPE, bpe_tokens);
  REFUSED(LQ_E_UNSUPPORTED, "the pre-tokeniser \"default\"");
}

TEST(tokenizer_bad_tokens) {
  start("t5");
  REFUSED(LQ_E_FORMAT, "tokens is missing, empty or too long");
  start("t5");
  strings("tokenizer.ggml.tokens", 0, NULL);
  REFUSED(LQ_E_FORMAT, "tokens is missing, empty or too long");
  start("t5");
  ints("tokenizer.ggml.tokens", LQ_GT_I32, 2, uni_types);
  REFUSED(LQ_E_FORMAT, "tokenizer.ggml.tokens");
  static char huge[65537];
  memset(huge, 'a', 65536);
  start("gpt2");
  strings("tokenizer.ggml.tokens", 2, (const char *const[]){"b", huge});
  REFUSED(LQ_E_FORMAT, "token 1 of tokenizer.ggml.tokens has 65536 bytes; the limit is 4096");
}

TEST(tokenizer_bad_types_and_scores) {
  start("t5");
  strings("tokenizer.ggml.tokens", N_UNI, uni_tokens);
  REFUSED(LQ_E_FORMAT, "one entry for each of the 9 tokens");
  start("t5");
  strings("tokenizer.ggml.tokens", N_UNI, uni_tokens);
  floats("tokenizer.ggml.scores", N_UNI - 1, uni_scores);
  REFUSED(LQ_E_FORMAT, "one entry for each of the 9 tokens");
  start("t5");
  strings("tokenizer.ggml.tokens", N_UNI, uni_tokens);
  ints("tokenizer.ggml.scores", LQ_GT_I32, N_UNI, uni_types); /* llama.cpp #26690: the element type is not looked at */
  REFUSED(LQ_E_FORMAT, "tokenizer.ggml.scores");
  start("gpt2");
  strings("tokenizer.ggml.tokens", 3, bpe_tokens);
  ints("tokenizer.ggml.token_type", LQ_GT_I32, 3, (int[]){1, 7, 1});
  REFUSED(LQ_E_FORMAT, "token_type[1] is 7");
  for (int k = 0; k < 2; k++) {
    float scores[N_UNI];
    memcpy(scores, uni_scores, sizeof scores);
    scores[4] = k ? NAN : -INFINITY;
    start("t5");
    strings("tokenizer.ggml.tokens", N_UNI, uni_tokens);
    ints("tokenizer.ggml.token_type", LQ_GT_I32, N_UNI, uni_types);
    floats("tokenizer.ggml.scores", N_UNI, scores);
    REFUSED(LQ_E_FORMAT, "scores[4] is not a finite number");
  }
}

TEST(tokenizer_bad_byte_tokens) { /* llama.cpp #25969: <0x-1> */
  static const char *const bad[] = {"<0x-1>", "<0xG0>", "<0x4>", "<0x041>", "a", "<0x4\xC3>", "<0xab>"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    start("t5");
    strings("tokenizer.ggml.tokens", 2, (const char *const[]){"<unk>", bad[i]});
    ints("tokenizer.ggml.token_type", LQ_GT_I32, 2, (int[]){2, 6});
    floats("tokenizer.ggml.scores", 2, uni_scores);
    REFUSED(LQ_E_FORMAT, "is no byte token such as <0x41>");
  }
}

TEST(tokenizer_special_ids_out_of_range) { /* llama.cpp #25508 */
  static const char *const keys[] = {"bos", "eos", "padding", "unknown", "eot"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    char key[64];
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", keys[i]);
    bpe();
    id(key, N_BPE);
    REFUSED(LQ_E_FORMAT, "outside the vocabulary of 9");
    bpe();
    id(key, UINT32_MAX); /* llama.cpp's "none" */
    OPENS();
    done();
  }
  bpe();
  ints("loquat.tokenizer.lstrip", LQ_GT_I32, 1, (int[]){-1});
  REFUSED(LQ_E_FORMAT, "loquat.tokenizer.lstrip holds the token -1");
}

TEST(tokenizer_unigram_needs_an_unknown_token) {
  start("t5");
  strings("tokenizer.ggml.tokens", 1, (const char *const[]){"a"});
  floats("tokenizer.ggml.scores", 1, (float[]){-1});
  REFUSED(LQ_E_FORMAT, "needs an unknown token");
}

TEST(tokenizer_bad_merges) {
  bpe_without_merges();
  REFUSED(LQ_E_FORMAT, "lacks the key tokenizer.ggml.merges");
  static const char *const bad[][2] = {{"a q", "is not in the vocabulary"}, {"a c", "is not in the vocabulary"}, {"q a", "is not in the vocabulary"},
                                       {"ab", "is not two pieces"}, {"", "is not two pieces"}, {" a", "is not two pieces"},
                                       {"a ", "is not two pieces"},
                                       {" ", "is not two pieces"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    bpe_without_merges();
    strings("tokenizer.ggml.merges", 1, &bad[i][0]);
    REFUSED(LQ_E_FORMAT, bad[i][1]);
  }
  start("gpt2"); /* written twice: the first rank counts */
  strings("tokenizer.ggml.tokens", 5, (const char *const[]){"a", "b", "c", "ab", "bc"});
  strings("tokenizer.ggml.merges", 3, (const char *const[]){"a b", "b c", "a b"});
  OPENS();
  CHECK_STR(encoded("abc", 0), "3 2");
  done();
}

TEST(tokenizer_same_token_twice) {
  start("gpt2");
  strings("tokenizer.ggml.tokens", 4, (const char *const[]){"a", "b", "a", "ab"});
  strings("tokenizer.ggml.merges", 1, (const char *const[]){"a b"});
  OPENS();
  CHECK_STR(encoded("aab", 0), "0 3");
  CHECK_STR(decoded(2, (int32_t[]){2, 0}, false), "aa");
  done();
  static const char *same[5000];
  for (int i = 0; i < 5000; i++) same[i] = "ab";
  start("gpt2"); /* padding that was all named alike takes no room in the table */
  strings("tokenizer.ggml.tokens", 5000, same);
  strings("tokenizer.ggml.merges", 0, NULL);
  OPENS();
  CHECK(lq_tok_find(tok, "ab", 2) == 0);
  done();
}

/* ---- the normaliser map ---- */

static uint8_t map[4 * 258 + 1024];
static size_t map_bytes;

static void put_unit(size_t i, uint32_t v) {
  for (unsigned k = 0; k < 4; k++) map[4 + 4 * i + k] = (uint8_t)(v >> 8 * k);
}

/* 'q' -> text: the root's children begin at 256 ^ 'q'... unit 1 ^ 'q' leads to its value unit. */
static void small_map(const char *to, size_t n_to, uint32_t q_unit, uint32_t value) {
  memset(map, 0, sizeof map);
  uint32_t n = 4 * 257;
  for (unsigned k = 0; k < 4; k++) map[k] = (uint8_t)(n >> 8 * k);
  put_unit(0, 1u << 10);
  put_unit(1 ^ 'q', q_unit);
  put_unit(256, 1u << 31 | value);
  memcpy(map + 4 + n, to, n_to);
  map_bytes = 4 + n + n_to;
}
#define Q_UNIT ((uint32_t)((256u ^ 1u ^ 'q') << 10 | 1u << 8 | 'q'))

TEST(tokenizer_normaliser_map) {
  small_map("ab\0", 3, Q_UNIT, 0);
  unigram();
  bytes("tokenizer.ggml.precompiled_charsmap", map_bytes, map);
  OPENS();
  CHECK_STR(encoded("q", 0), encoded("ab", 0));
  done();
}

TEST(tokenizer_normaliser_map_may_not_grow_texts_without_end) {
  static char q[1001];
  memset(q, 'q', 1000);
  small_map(q, 1001, Q_UNIT, 0);
  unigram();
  bytes("tokenizer.ggml.precompiled_charsmap", map_bytes, map);
  OPENS();
  CHECK_HAS(encoded("qqqqqqqqqqqqqqqq", 0), "grow more than 64 times");
  done();
}

TEST(tokenizer_bad_normaliser_map) {
  small_map("ab\0", 3, Q_UNIT, 0);
  for (size_t n = 1; n < 8; n++) {
    unigram();
    bytes("tokenizer.ggml.precompiled_charsmap", n, map);
    REFUSED(LQ_E_FORMAT, "precompiled_charsmap: its table of");
  }
  unigram();
  bytes("tokenizer.ggml.precompiled_charsmap", map_bytes - 1, map);
  REFUSED(LQ_E_FORMAT, "has no end within 1024 bytes");
  unigram();
  text("tokenizer.ggml.precompiled_charsmap", "no map");
  REFUSED(LQ_E_FORMAT, "must be an array of bytes");
  static const uint32_t units[] = {UINT32_MAX, 0x7FFFFFFFu, (uint32_t)('q' | 1u << 8), (uint32_t)('q' | 1u << 8 | 1u << 9 | 0x3FFFFFu << 10)};
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) { /* units that lead out of the table or back: no crash, text still comes */
    for (uint64_t value = 0; value <= 0x7FFFFFFF; value = value * 5 + 2) {
      small_map("ab\0", 3, i ? units[i] : Q_UNIT, (uint32_t)value);
      unigram();
      bytes("tokenizer.ggml.precompiled_charsmap", map_bytes, map);
      OPENS();
      CHECK(*encoded("qqaq", 0));
      done();
    }
  }
}

/* ---- tables made to be slow, memory that runs out ---- */

TEST(tokenizer_long_words_take_no_square) {
  bpe();
  OPENS();
  size_t n = 1u << 20, count;
  char *p = malloc(n);
  CHECK(p != NULL);
  for (size_t i = 0; i < n; i++) p[i] = "abc"[i % 3];
  CHECK(lq_tok_encode(tok, p, n, 0, NULL, 0, &count, &err) == LQ_OK && count == n / 3 + 1);
  memset(p, '7', n);
  CHECK(lq_tok_encode(tok, p, n, 0, NULL, 0, &count, &err) == LQ_OK && count == 0);
  free(p);
  done();
}

/* Tokens chosen so that all meet in one place of the table: a search would pass thousands. */
TEST(tokenizer_tokens_made_to_collide) {
  enum { N = 5000, TABLE = 16384 };
  static char names[N][12];
  static const char *list[N];
  uint32_t n = 0;
  for (uint32_t i = 0; n < N; i++) {
    int len = snprintf(names[n], sizeof names[n], "%u", (unsigned)i);
    uint32_t h = lq_fnv_str(LQ_FNV_START, names[n], (size_t)len);
    if (((h ^ h >> 15) & (TABLE - 1)) < 64) list[n] = names[n], n++;
  }
  start("gpt2");
  strings("tokenizer.ggml.tokens", N, list);
  REFUSED(LQ_E_FORMAT, "made so that looking its tokens up takes too long");
}

static void opens_at_every_failure(void (*make)(void)) {
  for (int64_t k = 0; k < 200; k++) {
    make();
    lq_status s = open_failing(k);
    CHECK_MSG(s == LQ_OK || (s == LQ_E_NOMEM && !tok && err.msg[0]), "take %d: %s (%s)", (int)k, lq_status_name(s), err.msg);
    done();
    if (s == LQ_OK) {
      CHECK(k > 5);
      return;
    }
  }
  CHECK(false);
}
TEST(tokenizer_opens_or_says_no_memory) {
  opens_at_every_failure(unigram);
  opens_at_every_failure(bpe);
}
