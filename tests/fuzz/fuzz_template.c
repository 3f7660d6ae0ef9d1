/* Fuzz target: the bytes before the first 0xFF are a chat template, those after it its variables (JSON; without any, a short chat).
 * Replayed by replay.c in `make test`. */
#include "text/template.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char chat[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\\u00e9\"}]},{\"role\":"
    "\"assistant\",\"content\":\"<think>a</think>b\",\"tool_calls\":[{\"id\":\"abcdefghi\","
    "\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1.5}}}]},"
    "{\"role\":\"tool\",\"content\":null}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"add_generation_prompt\":true,"
    "\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"l\":[3,1,2],\"d\":{\"a\":1},\"n\":7,\"w\":\"hello\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  const uint8_t *cut = n ? memchr(data, 0xFF, n) : NULL;
  size_t n_tmpl = cut ? (size_t)(cut - data) : n, n_rest = cut ? n - n_tmpl - 1 : 0;
  char *tmpl = malloc(n_tmpl ? n_tmpl : 1), *rest = malloc(n_rest ? n_rest : 1); /* no byte more, so that reading past the end shows */
  lq_error e = {0};
  lq_buf out = {0};
  if (tmpl && rest) {
    if (n_tmpl) memcpy(tmpl, data, n_tmpl);
    if (n_rest) memcpy(rest, cut + 1, n_rest);
    lq_str context = cut ? (lq_str){rest, n_rest} : (lq_str){chat, sizeof chat - 1};
    lq_status s = lq_template_render((lq_str){tmpl, n_tmpl}, context, 1753705845, &out, &e);
    if (s != LQ_OK && (e.status != s || out.n)) abort(); /* a refusal says why and writes nothing */
  }
  lq_buf_free(&out);
  free(tmpl);
  free(rest);
  return 0;
}
