/* Opening models and sessions: what is refused and how, what memory they take, and what happens when there is none.
 * The list of hostile files follows the loader's check-list: see the table's comments. */
#include "model_open.h"

#include <stdlib.h>

/* ---- refusals ---- */

static const struct { const char *file; lq_status status; const char *words; } hostile[] = {
    /* names and architectures */
    {"arch_none", LQ_E_FORMAT, "general.architecture"},
    {"arch_number", LQ_E_FORMAT, "general.architecture"},
    {"arch_unknown", LQ_E_ARCH, "\"mamba?[31m\" is not supported; this build runs llama, qwen2"},
    /* hyper-parameters that become divisors, loop bounds or sizes */
    {"embedding_length_0", LQ_E_FORMAT, "llama.embedding_length is 0"},
    {"embedding_length_huge", LQ_E_FORMAT, "2147483648"},
    {"embedding_length_none", LQ_E_FORMAT, "lacks the key llama.embedding_length"},
    {"feed_forward_length_0", LQ_E_FORMAT, "llama.feed_forward_length is 0"},
    {"feed_forward_length_huge", LQ_E_FORMAT, "2147483648"},
    {"block_count_0", LQ_E_FORMAT, "llama.block_count is 0"},
    {"block_count_huge", LQ_E_FORMAT, "2147483648"},
    {"layers_1000", LQ_E_FORMAT, "lacks the tensor blk.1."},
    {"decoder_layers_9", LQ_E_FORMAT, "lacks the tensor dec.blk.1."},
    {"context_length_0", LQ_E_FORMAT, "llama.context_length is 0"},
    {"context_length_huge", LQ_E_FORMAT, "2147483648"},
    {"attention.head_count_0", LQ_E_FORMAT, "head_count is 0"},
    {"attention.head_count_huge", LQ_E_FORMAT, "2147483648"},
    {"attention.head_count_kv_0", LQ_E_FORMAT, "head_count_kv is 0"},
    {"attention.head_count_none", LQ_E_FORMAT, "lacks the key"},
    {"heads_3", LQ_E_FORMAT, "blk.0.attn_q.weight is 8 x 8"},
    {"head_odd", LQ_E_FORMAT, "rope.dimension_count"},
    {"heads_above_width", LQ_E_FORMAT, "key_length"},
    {"key_length_4096", LQ_E_FORMAT, "8 x 8192"},
    {"key_value_differ", LQ_E_UNSUPPORTED, "key length 4 and value length 2"},
    {"eps_nan", LQ_E_FORMAT, "epsilon"},
    {"eps_inf", LQ_E_FORMAT, "epsilon"},
    {"eps_negative", LQ_E_FORMAT, "epsilon is -1"},
    {"rope_base_0", LQ_E_FORMAT, "rope.freq_base is 0"},
    {"rope_base_nan", LQ_E_FORMAT, "rope.freq_base"},
    {"rope_base_negative", LQ_E_FORMAT, "rope.freq_base is -1"},
    {"rope_dims_odd", LQ_E_FORMAT, "must be even"},
    {"rope_dims_huge", LQ_E_FORMAT, "2147483648"},
    {"rope_longrope", LQ_E_UNSUPPORTED, "\"longrope\""},
    {"rope_scale_0", LQ_E_FORMAT, "rope.scaling.factor is 0"},
    {"rope_freqs_0", LQ_E_FORMAT, "rope_freqs.weight[0]"},
    {"buckets_1", LQ_E_FORMAT, "relative_buckets_count is 1"},
    {"distance_small", LQ_E_FORMAT, "relative_max_distance is 4"},
    {"logit_scale_nan", LQ_E_FORMAT, "logit_scale"},
    {"activation_unknown", LQ_E_UNSUPPORTED, "\"swoosh\""},
    {"alibi_nan", LQ_E_FORMAT, "max_alibi_bias"},
    {"alibi_negative", LQ_E_FORMAT, "max_alibi_bias is -8"},
    {"clamp_kqv", LQ_E_UNSUPPORTED, "clamp_kqv is 6"},
    {"position_offset_huge", LQ_E_FORMAT, "gpt2.position_offset is 2147483648"},
    {"layer_norm_eps_nan", LQ_E_FORMAT, "layer_norm_epsilon"},
    {"norm_place_unknown", LQ_E_UNSUPPORTED, "the place of the norms \"nowhere\""},
    {"parallel_post", LQ_E_UNSUPPORTED, "use_parallel_residual"},
    {"sinusoid_unknown", LQ_E_UNSUPPORTED, "the layout of sinusoids \"waves\""},
    {"embedding_scale_nan", LQ_E_FORMAT, "embedding_scale"},
    {"attention_scale_inf", LQ_E_FORMAT, "attention.scale"},
    {"softcap_negative", LQ_E_FORMAT, "attn_logit_softcapping is -1"},
    {"softcap_nan", LQ_E_FORMAT, "final_logit_softcapping"},
    {"window_huge", LQ_E_FORMAT, "sliding_window is 2147483648"},
    {"window_pattern_huge", LQ_E_FORMAT, "sliding_window_pattern is 2147483648"},
    {"window_pattern_empty", LQ_E_FORMAT, "sliding_window_pattern has 0 entries for 1 layers"},
    {"window_pattern_words", LQ_E_FORMAT, "sliding_window_pattern"},
    {"rope_base_swa_nan", LQ_E_FORMAT, "freq_base_swa"},
    {"nope_step_huge", LQ_E_FORMAT, "nope_step is 2147483648"},
    {"yarn_base_1", LQ_E_FORMAT, "rope.freq_base is 1"},
    {"yarn_original_0", LQ_E_FORMAT, "original_context_length is 0"},
    {"yarn_beta_nan", LQ_E_FORMAT, "yarn_beta_fast"},
    {"yarn_beta_0", LQ_E_FORMAT, "yarn_beta_slow is 0"},
    {"yarn_attn_nan", LQ_E_FORMAT, "attn_factor"},
    /* tensors: presence, shape, type */
    {"qkv_short", LQ_E_FORMAT, "blk.0.attn_qkv.weight is 8 x 23; the model's shape asks for 8 x 24"},
    {"qkv_bias_none", LQ_E_FORMAT, "lacks the tensor blk.0.attn_qkv.bias"},
    {"norm_bias_none", LQ_E_FORMAT, "lacks the tensor blk.0.ffn_norm.bias"},
    {"positions_short", LQ_E_FORMAT, "position_embd.weight is 8 x 15; the model's shape asks for 8 x 16"},
    {"positions_none", LQ_E_FORMAT, "lacks the tensor position_embd.weight"},
    {"position_offset_2", LQ_E_FORMAT, "position_embd.weight is 8 x 16; the model's shape asks for 8 x 18"},
    {"norm_place_post", LQ_E_FORMAT, "lacks the tensor blk.0.attn_output_norm.weight"},
    {"embed_none", LQ_E_FORMAT, "token_embd.weight"},
    {"embed_vector", LQ_E_FORMAT, "token_embd.weight must be a matrix"},
    {"norm_none", LQ_E_FORMAT, "lacks the tensor output_norm.weight"},
    {"norm_short", LQ_E_FORMAT, "blk.0.attn_norm.weight is 7 x 1"},
    {"matrix_none", LQ_E_FORMAT, "lacks the tensor blk.0.attn_q.weight"},
    {"matrix_turned", LQ_E_FORMAT, "blk.0.ffn_up.weight is 16 x 4"},
    {"matrix_3d", LQ_E_FORMAT, "blk.0.attn_q.weight has 3 dimensions"},
    {"bias_short", LQ_E_FORMAT, "blk.0.attn_q.bias is 7 x 1"},
    {"rel_bias_none", LQ_E_FORMAT, "enc.blk.0.attn_rel_b.weight"},
    {"cross_none", LQ_E_FORMAT, "dec.blk.0.cross_attn_k.weight"},
    {"tensor_iq2", LQ_E_UNSUPPORTED, "type IQ2_XS"},
    {"tensor_i32", LQ_E_UNSUPPORTED, "type I32"},
    {"vocab_other", LQ_E_FORMAT, "vocab_size is 13, but token_embd.weight has 12"},
    /* ids against the vocabulary, defaults too */
    {"decoder_start_out", LQ_E_FORMAT, "decoder_start_token_id is 12"},
    {"eos_list_out", LQ_E_FORMAT, "generation.eos_token_ids holds 99"},
    {"eos_list_negative", LQ_E_FORMAT, "generation.eos_token_ids holds -1"},
    {"tok_eos_out", LQ_E_FORMAT, "eos_token_id is 12"},
    {"tok_more_than_scores", LQ_E_FORMAT, "the tokenizer has 12 tokens, but the model only scores 11"},
    /* languages */
    {"languages_number", LQ_E_FORMAT, "loquat.languages"},
    {"languages_many", LQ_E_FORMAT, "more than 64"},
    {"language_long", LQ_E_FORMAT, "no language code"},
    {"language_empty", LQ_E_FORMAT, "no language code"},
    {"language_nul", LQ_E_FORMAT, "no language code"},
    {"language_pattern", LQ_E_FORMAT, "no token for the language \"en\""},
    {"language_pattern_long", LQ_E_FORMAT, "no token for the language \"en\""},
    /* tokenizers: element types, lengths, byte tokens, charsmap indices */
    {"tok_model_unknown", LQ_E_UNSUPPORTED, "\"rwkv\""},
    {"tok_scores_short", LQ_E_FORMAT, "12 tokens"},
    {"tok_scores_nan", LQ_E_FORMAT, "scores[0]"},
    {"tok_types_wild", LQ_E_FORMAT, "token_type[0] is 77"},
    {"tok_byte_minus_1", LQ_E_FORMAT, "<0x-1>"},
    {"tok_charsmap_wild", LQ_E_FORMAT, "precompiled_charsmap"},
    {"merges_wild", LQ_E_FORMAT, "merge"},
    /* heads of encoders */
    {"bert_two_heads", LQ_E_UNSUPPORTED, "one of the two"},
    {"bert_labels_few", LQ_E_FORMAT, "output_labels has 1 labels, but the classifier scores 3"},
    {"bert_labels_numbers", LQ_E_FORMAT, "bert.classifier.output_labels"},
    {"bert_activation", LQ_E_UNSUPPORTED, "activation \"mish\""},
    {"bert_problem", LQ_E_UNSUPPORTED, "classifier.problem is \"x\""},
    {"bert_pooling_9", LQ_E_FORMAT, "bert.pooling_type is 9"},
    {"bert_span_3", LQ_E_FORMAT, "cls.span.weight is 8 x 3; the model's shape asks for 8 x 2"},
    {"bert_pooler_turned", LQ_E_FORMAT, "cls.weight is 8 x 7"},
    {"bert_words_no_norm", LQ_E_FORMAT, "lacks the tensor cls.mlm_norm.weight"},
    {"bert_embed_norm_none", LQ_E_FORMAT, "lacks the tensor token_embd_norm.weight"},
};

TEST(model_refuses_hostile_files_by_name) {
  for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
    char path[128];
    opened o;
    lq_error e = {0};
    snprintf(path, sizeof path, "fuzz/corpus/model/%s", hostile[i].file);
    opened_read(&o, path);
    CHECK(o.bytes);
    lq_status s = lq_model_open(o.bytes, o.n, NULL, &o.m, &e);
    if (s != hostile[i].status || !strstr(e.msg, hostile[i].words)) lq_test_fail(__FILE__, __LINE__, "%s: status %d, \"%s\"", hostile[i].file,
        (int)s, e.msg);
    opened_close(&o);
  }
}

TEST(model_takes_what_does_no_harm) {
  static const char *const files[] = {"good_llama", "good_t5", "good_pair", "good_chat", "good_gpt2", "good_alibi", "parallel", "window_1",
                                      "window_pattern", "nope_step_1", "yarn", "softcap_tiny", "generation_absurd",
                                      "template_unclosed", "language_space"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char path[128];
    opened o;
    snprintf(path, sizeof path, "fuzz/corpus/model/%s", files[i]);
    if (opened_with(&o, path, NULL, NULL)) opened_close(&o);
  }
}

/* A template that cannot be run is refused when a chat begins, not before: the model may still generate. */
TEST(model_templates_cannot_run_away) {
  static const char *const files[] = {"template_deep", "template_parens", "template_loop", "template_unclosed"};
  static const char talk[] = "[{\"role\":\"user\",\"content\":\"a\"}]";
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char path[128];
    opened o;
    lq_error e = {0};
    snprintf(path, sizeof path, "fuzz/corpus/model/%s", files[i]);
    if (!opened_with(&o, path, NULL, NULL)) return;
    lq_status s = lq_chat(o.s, talk, sizeof talk - 1, NULL, &e);
    CHECK_MSG(s != LQ_OK && e.msg[0], "%s is taken", files[i]);
    CHECK(lq_generate_ids(o.s, (int32_t[]){1}, 1, NULL, &e) == LQ_OK);
    opened_close(&o);
  }
}

TEST(model_parameters_are_checked) {
  opened o;
  lq_error e;
  lq_session *s;
  opened_read(&o, LLAMA);
  CHECK(o.bytes);
  CHECK(lq_model_open(o.bytes, o.n, &(lq_model_params){.threads = 65}, &o.m, &e) == LQ_E_OPTION);
  CHECK(lq_model_open(o.bytes, o.n, &(lq_model_params){.kernels = "abacus"}, &o.m, &e) == LQ_E_OPTION);
  CHECK_HAS(e.msg, "\"abacus\"");
  CHECK_HAS(e.msg, "ref");
  CHECK(lq_model_open((char *)o.bytes + 1, o.n - 1, NULL, &o.m, &e) == LQ_E_ARG);
  CHECK(lq_model_open(o.bytes, o.n, NULL, &o.m, &e) == LQ_OK);
  CHECK(lq_session_open(o.m, &(lq_session_params){.n_ctx = 1u << 21}, &s, &e) == LQ_E_CONTEXT);
  CHECK(lq_session_open(o.m, &(lq_session_params){.n_seq = 257}, &s, &e) == LQ_E_ARG);
  CHECK(lq_session_open(o.m, &(lq_session_params){.n_batch = 4097}, &s, &e) == LQ_E_ARG);
  opened_close(&o);
}

/* ---- memory ---- */

static void session_bytes_are_exact(const char *file) {
  static const lq_session_params some[] = {{0}, {.n_ctx = 1}, {.n_ctx = 17, .n_seq = 3}, {.n_ctx = 32, .n_batch = 1},
      {.n_ctx = 9, .n_src = 33, .n_seq = 5, .n_batch = 200}, {.n_ctx = 16, .n_beams = 4}, {.n_ctx = 9, .n_seq = 3, .n_beams = 64}};
  for (int threads = 1; threads <= 3; threads += 2)
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
      opened o;
      uint64_t bytes;
      if (!opened_with(&o, file, &(lq_model_params){.threads = threads}, &some[i])) return;
      CHECK(lq_session_bytes(o.m, &some[i], &bytes, NULL) == LQ_OK);
      CHECK_MSG(o.s->arena.used == bytes && !o.s->arena.chunk_bytes, "%s, %zu: %llu taken, %llu said", file, i, (unsigned long long)o.s->arena.used,
                (unsigned long long)bytes);
      opened_close(&o);
    }
}

TEST(model_session_bytes_are_exact) {
  session_bytes_are_exact(CHAT);
  session_bytes_are_exact(PAIR);
  CHECK(each_tiny_model(session_bytes_are_exact) >= 20);
}

TEST(model_session_too_large_says_how_much) {
  opened o;
  uint64_t bytes;
  lq_error e;
  lq_session *s;
  lq_session_params p = {.n_ctx = 1u << 20, .n_seq = 256, .n_src = 8192, .n_batch = 4096};
  if (!opened_with(&o, T5, NULL, NULL)) return;
  CHECK(lq_session_bytes(o.m, &p, &bytes, &e) == LQ_OK && bytes > (uint64_t)1 << 36); /* 64-bit even where size_t is not */
#ifdef LQ_TEST_WRAP
  extern long lq_test_allocs_left;
  lq_test_allocs_left = 0;
  lq_status st = lq_session_open(o.m, &p, &s, &e);
  lq_test_allocs_left = -1;
  CHECK(st == LQ_E_NOMEM);
  CHECK_HAS(e.msg, " MB");
#else
  (void)s;
#endif
  opened_close(&o);
}

#ifdef LQ_TEST_WRAP /* the linker sends malloc and its kin of our own code through here (Makefile: WRAP) */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

long lq_test_allocs_left = -1; /* allocations until one fails; negative = never */
static long outstanding;

static bool refuse(void) {
  if (lq_test_allocs_left < 0) return false;
  return lq_test_allocs_left-- == 0;
}

void *__wrap_malloc(size_t n) {
  void *p = refuse() ? NULL : __real_malloc(n);
  if (p) __atomic_add_fetch(&outstanding, 1, __ATOMIC_RELAXED);
  return p;
}

void *__wrap_calloc(size_t n, size_t size) {
  void *p = refuse() ? NULL : __real_calloc(n, size);
  if (p) __atomic_add_fetch(&outstanding, 1, __ATOMIC_RELAXED);
  return p;
}

void *__wrap_realloc(void *old, size_t n) {
  void *p = refuse() ? NULL : __real_realloc(old, n);
  if (p && !old) __atomic_add_fetch(&outstanding, 1, __ATOMIC_RELAXED);
  return p;
}

void __wrap_free(void *p) {
  if (p) __atomic_sub_fetch(&outstanding, 1, __ATOMIC_RELAXED);
  __real_free(p);
}

static const char talk[] = "[{\"role\":\"user\",\"content\":\"abc\"}]", text[] = "a b. b a c.";

/* Everything a program does with a model, ended by the first failure. */
static lq_status whole_life(void *bytes, uint64_t n, bool pair, bool beams, lq_error *e) {
  const char *how = beams ? "{\"max_new_tokens\":20,\"num_beams\":3,\"num_return_sequences\":2,\"bad_words_ids\":[[7]]}"
                          : "{\"max_new_tokens\":20,\"stop_strings\":[\"zz\"]}";
  lq_model *m = NULL;
  lq_session *s = NULL;
  lq_options *o = NULL;
  lq_piece p;
  lq_buf info = {0};
  lq_status st = lq_model_open(bytes, n, &(lq_model_params){.threads = 1, .no_repack = 1}, &m, e);
  if (st == LQ_OK) st = lq_options_new(m, &o, e);
  if (st == LQ_OK) st = lq_options_set_json(o, how, strlen(how), e);
  if (st == LQ_OK) st = lq_session_open(m, &(lq_session_params){.n_beams = 3}, &s, e);
  if (st == LQ_OK) st = pair ? lq_translate(s, text, sizeof text - 1, "fr", "en", o, e) : lq_chat(s, talk, sizeof talk - 1, o, e);
  while (st == LQ_OK) st = lq_next(s, &p, e);
  if (st == LQ_DONE) st = lq_model_info(m, 1, 0, &info, e);
  lq_buf_free(&info);
  lq_options_free(o);
  lq_session_close(s);
  lq_model_close(m);
  return st;
}

TEST(model_survives_every_failing_allocation) {
  static const char *const files[] = {CHAT, PAIR};
  for (size_t f = 0; f < 4; f++) {
    opened o;
    lq_error e = {0};
    opened_read(&o, files[f % 2]);
    CHECK(o.bytes);
    long before = outstanding, k = 0;
    for (lq_status st = LQ_E_NOMEM; st != LQ_OK && k < 2000; k++) {
      e = (lq_error){0};
      lq_test_allocs_left = k;
      st = whole_life(o.bytes, o.n, f % 2 == 1, f > 1, &e);
      bool failed = lq_test_allocs_left < 0;
      lq_test_allocs_left = -1;
      CHECK_MSG(!failed || st != LQ_OK, "%s: nobody noticed that allocation %ld failed", files[f % 2], k);
      CHECK_MSG(outstanding == before, "%s: allocation %ld failed and %ld are lost", files[f % 2], k, outstanding - before);
      CHECK_MSG(st == LQ_OK || (st == LQ_E_NOMEM && strlen(e.msg) > 10), "%s: allocation %ld failed: status %d, \"%s\"",
                files[f % 2], k, (int)st, e.msg);
    }
    CHECK_MSG(k > 10 && k < 2000, "%ld allocations, status %d %s", k, e.status, e.msg);
    opened_close(&o);
  }
}

/* After a step that found no memory the session begins again. */
TEST(model_session_recovers_from_no_memory) {
  opened o;
  lq_piece p;
  lq_error e;
  if (!opened_with(&o, CHAT, NULL, NULL)) return;
  for (long k = 0; k < 40; k++) {
    lq_test_allocs_left = k;
    lq_status st = lq_chat(o.s, talk, sizeof talk - 1, NULL, &e);
    while (st == LQ_OK) st = lq_next(o.s, &p, &e);
    lq_test_allocs_left = -1;
    CHECK(st == LQ_DONE || st == LQ_E_NOMEM);
  }
  char got[64];
  size_t n = 0;
  lq_status st = lq_chat(o.s, talk, sizeof talk - 1, NULL, &e);
  while (st == LQ_OK && (st = lq_next(o.s, &p, &e)) == LQ_OK)
    if (n + p.n_text < sizeof got) memcpy(got + n, p.text, p.n_text), n += p.n_text;
  got[n] = 0;
  CHECK_STR(got, "Hi é€!abcdefgh");
  opened_close(&o);
}

TEST(model_sessions_reopen_a_thousand_times) {
  opened o;
  lq_piece p;
  if (!opened_with(&o, CHAT, &(lq_model_params){.threads = 2}, NULL)) return;
  lq_session_close(o.s);
  o.s = NULL;
  long before = outstanding;
  for (int i = 0; i < 1000; i++) {
    CHECK(lq_session_open(o.m, &(lq_session_params){.n_ctx = 64}, &o.s, NULL) == LQ_OK);
    CHECK(lq_chat(o.s, talk, sizeof talk - 1, NULL, NULL) == LQ_OK && lq_next(o.s, &p, NULL) == LQ_OK);
    lq_session_close(o.s); /* in the middle of a generation */
    o.s = NULL;
    CHECK(outstanding == before);
  }
  opened_close(&o);
}
#endif
