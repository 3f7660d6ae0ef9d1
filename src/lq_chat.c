/* Chat: messages -> prompt text through the model's template. May call: text, base. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "lq_internal.h"
#include "text/template.h"

/* Appends the content of a message: text as it is, text parts joined. */
static lq_status write_content(const lq_json *c, size_t i, lq_buf *out, lq_error *err) {
  if (c->type == LQ_JSON_STRING || c->type == LQ_JSON_NULL) {
    lq_json_write(c, out);
    return LQ_OK;
  }
  if (c->type != LQ_JSON_ARRAY) return lq_fail(err, LQ_E_ARG, "message %zu: content must be a text or a list of text parts", i + 1);
  lq_buf text = {0};
  lq_status s = LQ_OK;
  for (size_t k = 0; s == LQ_OK && k < c->n; k++) {
    const lq_json *type = lq_json_get(&c->items[k], "type"), *t = lq_json_get(&c->items[k], "text");
    if (!t) t = lq_json_get(&c->items[k], "value");
    if (!type || type->type != LQ_JSON_STRING || !lq_str_eqz(type->str, "text") || !t || t->type != LQ_JSON_STRING)
      s = lq_fail(err, LQ_E_UNSUPPORTED, "message %zu: only content parts of type \"text\" are supported", i + 1);
    else lq_buf_add(&text, t->str.p, t->str.n);
  }
  lq_buf_json_str(out, text.p ? text.p : "", text.n);
  if (text.failed) out->failed = true;
  lq_buf_free(&text);
  return s;
}

static lq_status write_messages(const lq_json *messages, lq_buf *out, lq_error *err) {
  if (messages->type != LQ_JSON_ARRAY || messages->n == 0)
    return lq_fail(err, LQ_E_ARG, "messages must be a list of at least one {role, content}");
  lq_buf_addz(out, "{\"messages\":[");
  for (size_t i = 0; i < messages->n; i++) {
    const lq_json *m = &messages->items[i], *role = lq_json_get(m, "role");
    if (!role || role->type != LQ_JSON_STRING) return lq_fail(err, LQ_E_ARG, "message %zu has no role (system, user or assistant)", i + 1);
    if (!lq_json_get(m, "content") && !lq_json_get(m, "tool_calls")) return lq_fail(err, LQ_E_ARG, "message %zu has no content", i + 1);
    lq_buf_addz(out, i ? ",{" : "{");
    for (size_t k = 0; k < m->n; k++) {
      if (k) lq_buf_addz(out, ",");
      lq_buf_json_str(out, m->items[k].key.p, m->items[k].key.n);
      lq_buf_addz(out, ":");
      if (lq_str_eqz(m->items[k].key, "content")) LQ_TRY(write_content(&m->items[k], i, out, err));
      else lq_json_write(&m->items[k], out);
    }
    lq_buf_addz(out, "}");
  }
  lq_buf_addz(out, "]");
  return LQ_OK;
}

static void write_token(const lq_model *m, const char *name, int32_t id, lq_buf *out) {
  if (id < 0) return;
  lq_str piece = lq_tok_piece(m->tok, id);
  lq_buf_printf(out, ",\"%s\":", name);
  lq_buf_json_str(out, piece.p, piece.n);
}

static lq_status write_context(const lq_model *m, const lq_json *messages, int add_generation_prompt, const lq_json *extra, lq_buf *out, lq_error *err) {
  LQ_TRY(write_messages(messages, out, err));
  lq_buf_printf(out, ",\"add_generation_prompt\":%s", add_generation_prompt ? "true" : "false");
  if (m->tok) {
    write_token(m, "bos_token", lq_tok_bos(m->tok), out);
    write_token(m, "eos_token", lq_tok_eos(m->tok), out);
    write_token(m, "pad_token", lq_tok_pad(m->tok), out);
    write_token(m, "unk_token", lq_tok_unk(m->tok), out);
  }
  for (size_t i = 0; extra && i < extra->n; i++) {
    lq_buf_addz(out, ",");
    lq_buf_json_str(out, extra->items[i].key.p, extra->items[i].key.n);
    lq_buf_addz(out, ":");
    lq_json_write(&extra->items[i], out);
  }
  lq_buf_addz(out, "}");
  return out->failed ? lq_fail(err, LQ_E_NOMEM, "no memory for the messages") : LQ_OK;
}

lq_status lq_chat_render(const lq_model *m, const char *messages_json, size_t n, int add_generation_prompt, const char *extra_json,
                         const char *template_override, lq_buf *out, lq_error *err) {
  lq_arena a;
  lq_json *messages, *extra = NULL;
  lq_buf context = {0};
  lq_arena_growing(&a, 1 << 14);
  lq_status s = lq_json_parse((lq_str){messages_json, n}, &a, &messages, err);
  if (s == LQ_OK && extra_json) s = lq_json_parse((lq_str){extra_json, strlen(extra_json)}, &a, &extra, err);
  if (s == LQ_OK && extra && extra->type != LQ_JSON_OBJECT) s = lq_fail(err, LQ_E_ARG, "extra template variables must be a JSON object");
  if (s == LQ_OK) s = write_context(m, messages, add_generation_prompt, extra, &context, err);
  lq_arena_free(&a);
  if (s == LQ_OK) {
    lq_str tmpl = m->chat_template;
    if (!tmpl.p) tmpl = (lq_str){lq_template_chatml, strlen(lq_template_chatml)};
    if (template_override) tmpl = (lq_str){template_override, strlen(template_override)};
    s = lq_template_render(tmpl, (lq_str){context.p, context.n}, (int64_t)time(NULL), out, err);
  }
  lq_buf_free(&context);
  return s;
}
