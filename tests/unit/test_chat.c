/* Messages -> prompt text and ids, through lq.h: what the template is given, which template is taken, and SmolLM2's recorded prompts. */
#include <stdlib.h>

#include "base/json.h"
#include "lq.h"
#include "lq_internal.h"
#include "test.h"

static lq_model *model;
static lq_buf out;
static lq_error err;

/* A model without tokenizer and template: everything is the caller's. */
static bool open_tiny(void) {
  char path[1024];
  snprintf(path, sizeof path, "%s/../models/tiny/llama-gqa.gguf", lq_test_dir());
  lq_model_close(model);
  model = NULL;
  return lq_model_open_file(path, NULL, &model, &err) == LQ_OK;
}

static const char *chat(const char *messages, const char *extra, const char *tmpl) {
  lq_buf_free(&out);
  out = (lq_buf){0};
  err = (lq_error){0};
  lq_status s = lq_chat_render(model, messages, strlen(messages), 1, extra, tmpl, &out, &err);
  return s == LQ_OK ? out.p : err.msg;
}

static void shut(void) {
  lq_buf_free(&out);
  lq_model_close(model);
  model = NULL;
}

TEST(chat_falls_back_to_chatml) {
  CHECK_MSG(open_tiny(), "%s", err.msg);
  CHECK_STR(chat("[{\"role\":\"user\",\"content\":\"a\\nb\"}]", NULL, NULL), "<|im_start|>user\na\nb<|im_end|>\n<|im_start|>assistant\n");
  CHECK_STR(chat("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]", NULL, NULL),
            "<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\n");
  shut();
}

TEST(chat_gives_the_template_what_transformers_gives) {
  CHECK_MSG(open_tiny(), "%s", err.msg);
  CHECK_STR(chat("[{\"role\":\"user\",\"content\":\"x\",\"name\":null}]", NULL,
                 "{{ messages[0].name is defined }} {{ tools }} {{ documents }} {{ add_generation_prompt }} {{ bos_token is defined }}"),
            "False None None True False");
  CHECK_STR(chat("[{\"role\":\"user\",\"content\":\"x\"}]", "{\"tools\":[1],\"date_string\":\"1 Jan\",\"add_generation_prompt\":false}",
                 "{{ tools }} {{ date_string }} {{ add_generation_prompt }}"),
            "[1] 1 Jan False");
  const char *show = "{{ messages[0].reasoning_content }},{{ messages[0].thinking }},{{ messages[0].reasoning }}";
  CHECK_STR(chat("[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning\":\"r\"}]", NULL, show), "r,r,r");
  CHECK_STR(chat("[{\"role\":\"assistant\",\"content\":\"x\",\"thinking\":\"t\",\"reasoning_content\":null}]", NULL, show), "t,t,");
  CHECK_STR(chat("[{\"role\":\"assistant\",\"content\":\"x\",\"thinking\":\"t\",\"reasoning_content\":\"c\"}]", NULL, show), "c,t,");
  shut();
}

TEST(chat_hands_parts_on_as_the_template_takes_them) {
  const char *two = "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\" a \"},{\"type\":\"text\",\"text\":\" b \"}]}]";
  CHECK_MSG(open_tiny(), "%s", err.msg);
  CHECK_STR(chat(two, NULL, "{% for p in messages[0].content %}[{{ p.text | trim }}]{% endfor %}"), "[a][b]");
  CHECK_STR(chat(two, NULL, "{{ messages[0].content + '!' }}"), " a  b !");
  CHECK_STR(chat(two, NULL, "{{ messages[0].content | trim }}!"), "a  b!");
  CHECK_HAS(chat(two, NULL, "{{ raise_exception('not today') }}"), "not today");
  CHECK_HAS(chat("[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]", NULL, NULL),
            "message 1: only content parts of type \"text\" are supported");
  shut();
}

TEST(chat_refuses_bad_messages) {
  static const struct { const char *messages, *words; } cases[] = {
      {"[]", "at least one"}, {"{}", "at least one"}, {"[1]", "message 1 has no role"}, {"[{\"role\":\"user\"}]", "message 1 has no content"},
      {"[{\"role\":\"user\",\"content\":null}]", "message 1 has no content"}, {"[{\"role\":1,\"content\":\"\"}]", "message 1 has no role"},
      {"[{\"role\":\"user\",\"content\":5}]", "message 1: content must be a text"}, {"[", "JSON"}};
  CHECK_MSG(open_tiny(), "%s", err.msg);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) CHECK_HAS(chat(cases[i].messages, NULL, NULL), cases[i].words);
  CHECK_HAS(chat("[{\"role\":\"user\",\"content\":\"\"}]", "[]", NULL), "must be a JSON object");
  shut();
}

/* tests/golden/smollm2.json: what llama.cpp's own tokenizer made of the rendered prompt. */
TEST(chat_gives_smollm2_its_recorded_prompts_and_ids) {
  char path[1024];
  lq_arena a;
  lq_json *j;
  static char text[1 << 20];
  int32_t ids[512];
  snprintf(path, sizeof path, "%s/golden/smollm2.json", lq_test_dir());
  FILE *f = fopen(path, "rb");
  CHECK(f);
  size_t n = fread(text, 1, sizeof text, f);
  fclose(f);
  lq_arena_growing(&a, 1 << 16);
  CHECK_MSG(n < sizeof text && lq_json_parse((lq_str){text, n}, &a, &j, &err) == LQ_OK, "smollm2.json: %s", err.msg);
  snprintf(path, sizeof path, "%s/../models/smollm2-135m-instruct-q4_1.gguf", lq_test_dir());
  if (!(f = fopen(path, "rb"))) {
    lq_arena_free(&a);
    lq_test_skip("models/smollm2-135m-instruct-q4_1.gguf is not here: make models");
    return;
  }
  fclose(f);
  CHECK_MSG(lq_model_open_file(path, NULL, &model, &err) == LQ_OK, "%s", err.msg);
  const lq_json *prompts = lq_json_get(j, "prompts");
  for (size_t i = 0; i < prompts->n; i++) {
    const lq_json *p = &prompts->items[i], *user = lq_json_get(p, "user"), *want = lq_json_get(p, "ids");
    lq_buf m = {0};
    size_t got;
    lq_buf_addz(&m, "[{\"role\":\"user\",\"content\":");
    lq_buf_json_str(&m, user->str.p, user->str.n);
    lq_buf_addz(&m, "}]");
    chat(m.p, NULL, NULL);
    lq_buf_free(&m);
    CHECK_STR(out.p, lq_json_get(p, "prompt")->str.p);
    CHECK(lq_tokenize(model, out.p, out.n, 0, 1, ids, 512, &got, &err) == LQ_OK && got == want->n);
    for (size_t k = 0; k < got; k++) CHECK(ids[k] == want->items[k].i64);
  }
  CHECK(prompts->n == 5);
  lq_arena_free(&a);
  shut();
}
