/* text: memory that runs out. Each allocation in turn fails while a tokenizer opens, encodes and decodes, until all of them succeed.
 * Vocabularies and texts: the seeds of the fuzz target. */
#include "test.h"
#include "text/tokenizer.h"

#ifdef LQ_TEST_WRAP /* allocations of our own code go through test_model.c (Makefile: WRAP) */
extern long lq_test_allocs_left;

static char seed[1 << 16], file[1 << 16];
static size_t n_seed;
static bool read_seed(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/fuzz/corpus/tokenizer/%s", lq_test_dir(), name);
  FILE *f = fopen(path, "rb");
  n_seed = f ? fread(seed, 1, sizeof seed, f) : 0;
  if (f) fclose(f);
  return n_seed > 3;
}

/* Opens, encodes and decodes; the first status that is not LQ_OK. */
static lq_status work(size_t *n_ids, lq_error *err) {
  lq_gguf g;
  lq_arena a;
  lq_tokenizer *t;
  lq_buf out = {0};
  int32_t ids[1024];
  size_t n_text = (size_t)((unsigned char)seed[1] | (unsigned char)seed[2] << 8);
  memcpy(file, seed + 3 + n_text, n_seed - 3 - n_text);
  lq_arena_growing(&a, 4096);
  lq_status s = lq_gguf_open(&g, file, n_seed - 3 - n_text, &a, err);
  if (!s) s = lq_tok_open(&g, &a, &t, err);
  if (!s) s = lq_tok_encode(t, seed + 3, n_text, 3, ids, 1024, n_ids, err);
  if (!s) s = lq_tok_decode(t, ids, *n_ids < 1024 ? *n_ids : 1024, true, &out, err);
  lq_buf_free(&out);
  lq_arena_free(&a);
  return s;
}

static void fails_cleanly(const char *name) {
  size_t whole = 0, n = 0;
  lq_error err = {0};
  CHECK_MSG(read_seed(name), "cannot read the seed %s", name);
  CHECK_MSG(work(&whole, &err) == LQ_OK && whole > 5, "%s: %s", name, err.msg);
  for (long k = 0; k < 500; k++) {
    err = (lq_error){0};
    lq_test_allocs_left = k;
    lq_status s = work(&n, &err);
    bool all = lq_test_allocs_left >= 0;
    lq_test_allocs_left = -1;
    CHECK_MSG(s == LQ_OK ? n == whole : s == LQ_E_NOMEM && err.msg[0], "%s, allocation %ld: %s (%s)", name, k, lq_status_name(s), err.msg);
    CHECK(all == (s == LQ_OK));
    if (all) {
      CHECK_MSG(k > 6, "only %ld allocations", k);
      return;
    }
  }
  CHECK(false);
}

TEST(tokenizer_oom_unigram) { fails_cleanly("unigram_bytes"); }
TEST(tokenizer_oom_bpe) { fails_cleanly("bpe_llama-bpe"); }
TEST(tokenizer_oom_wordpiece) { fails_cleanly("wordpiece"); }
TEST(tokenizer_oom_sp_bpe) { fails_cleanly("sp_bpe"); }
TEST(tokenizer_oom_bpe_nfc) { fails_cleanly("bpe_flags"); }
TEST(tokenizer_oom_bpe_long_run_of_marks) { fails_cleanly("bpe_marks"); }
#endif
