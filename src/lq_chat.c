/* Chat: messages -> prompt text through the model's template. May call: text, base. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "lq_internal.h"
#include "text/template.h"

/* How content parts reach the template: as the list they are, or joined to one text. */
typedef enum parts { PARTS_LIST, PARTS_JOINED } parts;

/* Appends the content of a message: a text, or text parts. *seen: there were parts. */
static lq_status write_content(const lq_json *c, size_t i, parts how, bool *seen, lq_buf *out, lq_error *err) {
  if (c->type == LQ_JSON_STRING) {
    lq_json_write(c, out);
    return LQ_OK;
  }
  if (c->type != LQ_JSON_ARRAY) return lq_fail(err, LQ_E_ARG, "message %zu: content must be a text or a list of text parts", i + 1);
  lq_buf text = {0};
  lq_status s = LQ_OK;
  *seen = true;
  for (size_t k = 0; s == LQ_OK && k < c->n; k++) {
    const lq_json *type = lq_json_get(&c->items[k], "type"), *t = lq_json_get(&c->items[k], "text");
    if (!t) t = lq_json_get(&c->items[k], "value");
    if (!type || type->type != LQ_JSON_STRING || !lq_str_eqz(type->str, "text") || !t || t->type != LQ_JSON_STRING)
      s = lq_fail(err, LQ_E_UNSUPPORTED, "message %zu: only content parts of type \"text\" are supported", i + 1);
    else lq_buf_add(&text, t->str.p, t->str.n);
  }
  if (how == PARTS_LIST) lq_json_write(c, out);
  else lq_buf_json_str(out, text.p ? text.p : "", text.n);
  if (text.failed) out->failed = true;
  lq_buf_free(&text);
  return s;
}

static void write_key(const char *p, size_t n, bool *first, lq_buf *out) {
  lq_buf_addz(out, *first ? "" : ",");
  lq_buf_json_str(out, p, n);
  lq_buf_addz(out, ":");
  *first = false;
}

/* A member that counts: transformers drops those that are null, so that templates need not look. */
static const lq_json *member(const lq_json *m, const char *name) {
  const lq_json *v = lq_json_get(m, name);
  return v && v->type != LQ_JSON_NULL ? v : NULL;
}

/* One message as transformers hands it to a template: no nulls, and a reasoning under the names that templates know. */
static lq_status write_message(const lq_json *m, size_t i, parts how, bool *seen, lq_buf *out, lq_error *err) {
  const lq_json *role = member(m, "role"), *reasoning = member(m, "reasoning_content"), *thinking = member(m, "thinking");
  bool first = true, had = reasoning != NULL;
  if (!role || role->type != LQ_JSON_STRING) return lq_fail(err, LQ_E_ARG, "message %zu has no role (system, user or assistant)", i + 1);
  if (!member(m, "content") && !member(m, "tool_calls")) return lq_fail(err, LQ_E_ARG, "message %zu has no content", i + 1);
  if (!reasoning) reasoning = thinking ? thinking : member(m, "reasoning");
  lq_buf_addz(out, i ? ",{" : "{");
  if (reasoning) {
    write_key("thinking", 8, &first, out);
    lq_json_write(thinking ? thinking : reasoning, out);
  }
  for (size_t k = 0; k < m->n; k++) {
    const lq_json *v = &m->items[k];
    if (v->type == LQ_JSON_NULL || (reasoning && lq_str_eqz(v->key, "thinking"))) continue;
    write_key(v->key.p, v->key.n, &first, out);
    if (lq_str_eqz(v->key, "content")) LQ_TRY(write_content(v, i, how, seen, out, err));
    else lq_json_write(v, out);
  }
  if (reasoning && !had) {
    write_key("reasoning_content", 17, &first, out);
    lq_json_write(reasoning, out);
  }
  lq_buf_addz(out, "}");
  return LQ_OK;
}

static lq_status write_messages(const lq_json *messages, parts how, bool *seen, lq_buf *out, lq_error *err) {
  if (messages->type != LQ_JSON_ARRAY || messages->n == 0)
    return lq_fail(err, LQ_E_ARG, "messages must be a list of at least one {role, content}");
  lq_buf_addz(out, "{\"messages\":[");
  for (size_t i = 0; i < messages->n; i++) LQ_TRY(write_message(&messages->items[i], i, how, seen, out, err));
  lq_buf_addz(out, "]");
  return LQ_OK;
}

static void write_token(const lq_model *m, const char *name, int32_t id, lq_buf *out) {
  if (id < 0) return;
  lq_str piece = lq_tok_piece(m->tok, id);
  lq_buf_printf(out, ",\"%s\":", name);
  lq_buf_json_str(out, piece.p, piece.n);
}

/* The variables: what transformers always sets, then the caller's, which win. */
static lq_status write_context(const lq_model *m, const lq_json *messages, int add_generation_prompt, const lq_json *extra, parts how, bool *seen,
                               lq_buf *out, lq_error *err) {
  bool first = false;
  LQ_TRY(write_messages(messages, how, seen, out, err));
  lq_buf_printf(out, ",\"tools\":null,\"documents\":null,\"add_generation_prompt\":%s", add_generation_prompt ? "true" : "false");
  if (m->tok) {
    write_token(m, "bos_token", lq_tok_bos(m->tok), out);
    write_token(m, "eos_token", lq_tok_eos(m->tok), out);
    write_token(m, "pad_token", lq_tok_pad(m->tok), out);
    write_token(m, "unk_token", lq_tok_unk(m->tok), out);
  }
  for (size_t i = 0; extra && i < extra->n; i++) {
    write_key(extra->items[i].key.p, extra->items[i].key.n, &first, out);
    lq_json_write(&extra->items[i], out);
  }
  lq_buf_addz(out, "}");
  return out->failed ? lq_fail(err, LQ_E_NOMEM, "no memory for the messages") : LQ_OK;
}

/* The file's template: the one for tools when there are tools and it has one, else its only or default one, else ChatML. */
static lq_status choose_template(const lq_model *m, const lq_json *extra, lq_str *tmpl, lq_error *err) {
  const lq_str none = {NULL, 0};
  *tmpl = none;
  if (member(extra, "tools")) LQ_TRY(lq_gguf_str(&m->gguf, "tokenizer.chat_template.tool_use", none, tmpl, err));
  if (!tmpl->p) *tmpl = m->chat_template;
  if (!tmpl->p) LQ_TRY(lq_gguf_str(&m->gguf, "tokenizer.chat_template.default", none, tmpl, err));
  if (!tmpl->p) *tmpl = (lq_str){lq_template_chatml, strlen(lq_template_chatml)};
  return LQ_OK;
}

static lq_status render(const lq_model *m, const lq_json *messages, int add_generation_prompt, const lq_json *extra, lq_str tmpl, parts how,
                        bool *seen, lq_buf *out, lq_error *err) {
  lq_buf context = {0};
  lq_status s = write_context(m, messages, add_generation_prompt, extra, how, seen, &context, err);
  if (s == LQ_OK) s = lq_template_render(tmpl, (lq_str){context.p, context.n}, (int64_t)time(NULL), out, err);
  lq_buf_free(&context);
  return s;
}

/* Templates that know parts get the list. One that takes content for a text fails on it, or prints it as Python does: then the parts go as one
 * text. */
static lq_status render_parts(const lq_model *m, const lq_json *messages, int add_generation_prompt, const lq_json *extra, lq_str tmpl, lq_buf *out,
                              lq_error *err) {
  bool seen = false;
  size_t before = out->n;
  lq_status s = render(m, messages, add_generation_prompt, extra, tmpl, PARTS_LIST, &seen, out, err);
  bool printed = s == LQ_OK && seen && memmem(out->p + before, out->n - before, "[{'type':", 9);
  if (!seen || out->failed || (s == LQ_OK && !printed)) return s;
  out->n = before;
  return render(m, messages, add_generation_prompt, extra, tmpl, PARTS_JOINED, &seen, out, err);
}

lq_status lq_chat_render(const lq_model *m, const char *messages_json, size_t n, int add_generation_prompt, const char *extra_json,
                         const char *template_override, lq_buf *out, lq_error *err) {
  lq_arena a;
  lq_json *messages, *extra = NULL;
  lq_str tmpl;
  lq_arena_growing(&a, 1 << 14);
  lq_status s = lq_json_parse((lq_str){messages_json, n}, &a, &messages, err);
  if (s == LQ_OK && extra_json) s = lq_json_parse((lq_str){extra_json, strlen(extra_json)}, &a, &extra, err);
  if (s == LQ_OK && extra && extra->type != LQ_JSON_OBJECT) s = lq_fail(err, LQ_E_ARG, "extra template variables must be a JSON object");
  if (s == LQ_OK) s = choose_template(m, extra, &tmpl, err);
  if (s == LQ_OK && template_override) tmpl = (lq_str){template_override, strlen(template_override)};
  if (s == LQ_OK) s = render_parts(m, messages, add_generation_prompt, extra, tmpl, out, err);
  lq_arena_free(&a);
  return s;
}
