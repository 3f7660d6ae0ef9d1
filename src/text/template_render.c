/* Chat templates. This version runs the plain ChatML layout only: a model's own template is rendered when it is ChatML, and refused
 * otherwise, by a clear error. May call: base. */
#include <string.h>

#include "base/json.h"
#include "text/template.h"

const char lq_template_chatml[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/* SmolLM2-Instruct: ChatML, with a system message of its own when the first one is not. */
static const char smollm2[] =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant "
    "named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

static void add_message(lq_buf *out, lq_str role, lq_str content) {
  lq_buf_addz(out, "<|im_start|>");
  lq_buf_add(out, role.p, role.n);
  lq_buf_addz(out, "\n");
  lq_buf_add(out, content.p, content.n);
  lq_buf_addz(out, "<|im_end|>\n");
}

/* "\n" written as an escape inside a template's string is the same text as a line break there. */
static bool same_template(lq_str a, const char *want) {
  size_t i = 0, k = 0, n = strlen(want);
  while (i < a.n && k < n) {
    bool ea = a.p[i] == '\\' && i + 1 < a.n && a.p[i + 1] == 'n', eb = want[k] == '\\' && want[k + 1] == 'n';
    char ca = ea ? '\n' : a.p[i], cb = eb ? '\n' : want[k];
    if (ca != cb) return false;
    i += ea ? 2 : 1;
    k += eb ? 2 : 1;
  }
  return i == a.n && k == n;
}

lq_status lq_template_render(lq_str tmpl, lq_str context_json, int64_t now, lq_buf *out, lq_error *err) {
  (void)now;
  bool smol = same_template(tmpl, smollm2);
  if (!smol && !same_template(tmpl, lq_template_chatml))
    return lq_fail(err, LQ_E_UNSUPPORTED, "this model's chat template is not supported by this version, which runs ChatML and SmolLM2's; pass the prompt as text instead");
  lq_arena a;
  lq_json *j;
  lq_arena_growing(&a, 1 << 14);
  lq_status s = lq_json_parse(context_json, &a, &j, err);
  const lq_json *messages = s == LQ_OK ? lq_json_get(j, "messages") : NULL, *gen = s == LQ_OK ? lq_json_get(j, "add_generation_prompt") : NULL;
  for (size_t i = 0; messages && i < messages->n && s == LQ_OK; i++) {
    const lq_json *role = lq_json_get(&messages->items[i], "role"), *content = lq_json_get(&messages->items[i], "content");
    if (!role || !content || role->type != LQ_JSON_STRING || content->type != LQ_JSON_STRING) {
      s = lq_fail(err, LQ_E_ARG, "message %zu needs a role and a text as content", i + 1);
      break;
    }
    if (i == 0 && smol && !lq_str_eqz(role->str, "system"))
      add_message(out, LQ_STR("system"), LQ_STR("You are a helpful AI assistant named SmolLM, trained by Hugging Face"));
    add_message(out, role->str, content->str);
  }
  if (s == LQ_OK && gen && gen->type == LQ_JSON_TRUE) lq_buf_addz(out, "<|im_start|>assistant\n");
  lq_arena_free(&a);
  if (s == LQ_OK && out->failed) return lq_fail(err, LQ_E_NOMEM, "no memory for the prompt");
  return s;
}
