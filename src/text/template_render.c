/* Chat templates: one run from template text to prompt text; memory, work and errors of a run. May call: base, template_*. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/template.h"
#include "text/template_impl.h"

const char lq_template_chatml[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

bool lq_tpl_fail(lq_tpl *t, lq_status s, const char *fmt, ...) {
  if (t->status != LQ_OK) return false; /* the first error is the cause */
  char msg[256];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(msg, sizeof msg, fmt, ap);
  va_end(ap);
  t->status = lq_fail(t->err, s, "chat template, line %u: %s", t->line, msg);
  return false;
}

bool lq_tpl_full(lq_tpl *t, const lq_buf *b) {
  if (!b->over) return lq_tpl_fail(t, LQ_E_NOMEM, "no memory left");
  return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "it writes more than %zu MiB, the limit for a text", b->limit >> 20);
}

bool lq_tpl_step(lq_tpl *t, uint64_t n) {
  t->steps += n;
  if (t->steps <= LQ_TPL_MAX_STEPS) return true;
  return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "it needs more than %d steps, the limit for a template", LQ_TPL_MAX_STEPS);
}

void *lq_tpl_take(lq_tpl *t, uint64_t n, size_t size) {
  uint64_t bytes;
  if (!lq_mul_u64(n, size, &bytes) || bytes > LQ_TPL_MAX_MEMORY || t->taken + bytes > LQ_TPL_MAX_MEMORY) {
    lq_tpl_fail(t, LQ_E_UNSUPPORTED, "it needs more than %u MiB of memory, the limit for a template", LQ_TPL_MAX_MEMORY >> 20);
    return NULL;
  }
  bytes = (bytes + 15) & ~(uint64_t)15;
  t->taken += bytes;
  if (bytes > t->page_left) {
    bool own = bytes > 512;
    char *p = lq_arena_take(t->arena, own ? bytes : 2048, 1);
    if (!p) {
      lq_tpl_fail(t, LQ_E_NOMEM, "no memory left");
      return NULL;
    }
    if (own) return p;
    t->page = p;
    t->page_left = 2048;
  }
  char *p = t->page;
  t->page += bytes;
  t->page_left -= (size_t)bytes;
  return p;
}

static bool put_context(lq_tpl *t, lq_str context_json, lq_tscope *sc) {
  lq_json *j;
  lq_status s = lq_json_parse(context_json, t->arena, &j, t->err);
  if (s != LQ_OK) {
    t->status = s;
    return false;
  }
  if (j->type != LQ_JSON_OBJECT) return lq_tpl_fail(t, LQ_E_ARG, "the variables must be one JSON object");
  for (size_t i = 0; i < j->n; i++) {
    lq_tv v;
    if (!lq_tv_json(t, &j->items[i], &v) || !lq_tpl_set(t, sc, j->items[i].key, v)) return false;
  }
  return true;
}

lq_status lq_tpl_run(lq_arena *a, lq_str tmpl, lq_str context_json, int64_t now, lq_buf *out, lq_error *err) {
  lq_tpl t = {.arena = a, .now = now, .err = err, .line = 1};
  lq_buf text = {.limit = LQ_TPL_MAX_OUTPUT};
  lq_ttok *tokens;
  lq_tnode *root;
  lq_tscope *globals = lq_tpl_scope(&t, NULL), *sc = globals ? lq_tpl_scope(&t, globals) : NULL;
  t.globals = globals;
  t.out = &text;
  if (sc && lq_tpl_globals(&t) && lq_tpl_lex(&t, tmpl, &tokens) && lq_tpl_parse(&t, tokens, &root) && put_context(&t, context_json, sc))
    lq_tpl_exec(&t, sc, root);
  if (t.status == LQ_OK && text.failed)
    lq_tpl_full(&t, &text);
  if (t.status == LQ_OK) {
    lq_buf_add(out, text.p ? text.p : "", text.n);
    if (out->failed) t.status = lq_fail(err, LQ_E_NOMEM, "no memory for a prompt of %zu bytes", text.n);
  }
  lq_buf_free(&text);
  return t.status;
}

lq_status lq_template_render(lq_str tmpl, lq_str context_json, int64_t now, lq_buf *out, lq_error *err) {
  lq_arena a;
  lq_arena_growing(&a, 1 << 16);
  lq_status s = lq_tpl_run(&a, tmpl, context_json, now, out, err);
  lq_arena_free(&a);
  return s;
}
