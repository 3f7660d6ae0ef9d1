/* Chat templates: running statements. Loops, macros, set blocks and {% generation %} have scopes of their own; if has none. A macro sees the scope it
 * was written in, as it is when called. May call: base, template_impl.h. */
#include <string.h>

#include "text/template_impl.h"

lq_tscope *lq_tpl_scope(lq_tpl *t, lq_tscope *up) {
  lq_tscope *sc = lq_tpl_take(t, 1, sizeof *sc);
  if (sc) sc->up = up;
  return sc;
}

bool lq_tpl_set(lq_tpl *t, lq_tscope *sc, lq_str name, lq_tv v) {
  struct lq_tvar *var = sc->vars;
  uint64_t seen = 0;
  for (; var && !lq_str_eq(var->name, name); var = var->next) seen++;
  if (!lq_tpl_step(t, seen / 8)) return false;
  if (!var) {
    if (!(var = lq_tpl_take(t, 1, sizeof *var))) return false;
    var->name = name;
    var->next = sc->vars;
    sc->vars = var;
  }
  var->value = v;
  return true;
}

bool lq_tpl_assign(lq_tpl *t, lq_tscope *sc, const lq_tnode *target, lq_tv v) {
  lq_tlist *l;
  lq_tv ns;
  t->line = target->line;
  if (target->kind == TN_NAME) return lq_tpl_set(t, sc, target->name, v);
  if (target->kind == TN_ATTR) {
    if (!lq_tpl_eval(t, sc, target->a, &ns)) return false;
    if (ns.type != TV_NAMESPACE) return lq_tpl_fail(t, LQ_E_ARG, "the attribute %.*s can only be set on a namespace", LQ_STR_ARG(target->name));
    if (target->name.p[0] == '_')
      return lq_tpl_fail(t, LQ_E_ARG, "a namespace cannot hold \"%.*s\": names that begin with _ are reserved", LQ_STR_ARG(target->name));
    return lq_tv_put(t, ns.u.dict, lq_tv_str(target->name), v);
  }
  size_t n = 0, i = 0;
  for (const lq_tnode *k = target->kids; k; k = k->next) n++;
  if (v.type == TV_UNDEFINED) return lq_tv_bad_undefined(t, &v);
  if (!lq_tv_items(t, &v, &l)) return false;
  if (l->n != n) return lq_tpl_fail(t, LQ_E_ARG, "%zu values stand for %zu names", l->n, n);
  for (const lq_tnode *k = target->kids; k; k = k->next)
    if (!lq_tpl_assign(t, sc, k, l->v[i++])) return false;
  return true;
}

bool lq_tpl_loop_need(lq_tpl *t, lq_tloop *l, size_t n) {
  lq_tv test = lq_tv_bool(true);
  while (l->items->n < n && l->at < l->source->n) {
    lq_tv item = l->source->v[l->at++];
    if (l->node->c) {
      lq_tscope *sc = lq_tpl_scope(t, l->up);
      if (!sc || !lq_tpl_set(t, sc, LQ_STR("loop"), lq_tv_undefined(LQ_STR("loop"))) || !lq_tpl_assign(t, sc, l->node->a, item) ||
          !lq_tpl_eval(t, sc, l->node->c, &test))
        return false;
    }
    if (lq_tv_true(&test) && !lq_tv_push(t, l->items, item)) return false;
  }
  return true;
}

static bool exec_for(lq_tpl *t, lq_tscope *up, const lq_tnode *n) {
  lq_tv v, kept;
  lq_tlist *source;
  if (!lq_tpl_eval(t, up, n->b, &v)) return false;
  t->line = n->line;
  lq_tloop *loop = lq_tpl_take(t, 1, sizeof *loop);
  if (!loop || !lq_tv_items(t, &v, &source) || !lq_tv_list(t, TV_LIST, &kept)) return false;
  *loop = (lq_tloop){.items = n->c ? kept.u.list : source, .source = source, .at = n->c ? 0 : source->n, .node = n, .up = up};
  for (; lq_tpl_loop_need(t, loop, loop->i + 1) && loop->i < loop->items->n; loop->i++) {
    lq_tscope *sc = lq_tpl_scope(t, up);
    if (!sc || !lq_tpl_step(t, 1) || !lq_tpl_set(t, sc, LQ_STR("loop"), (lq_tv){.type = TV_LOOP, .u.loop = loop}) ||
        !lq_tpl_assign(t, sc, n->a, loop->items->v[loop->i]) || !lq_tpl_exec(t, sc, n->body))
      return false;
    bool ends = t->flow == FLOW_BREAK;
    t->flow = FLOW_NONE;
    if (ends) break;
  }
  if (t->status != LQ_OK || loop->items->n || !n->orelse) return t->status == LQ_OK;
  lq_tscope *sc = lq_tpl_scope(t, up);
  return sc && lq_tpl_exec(t, sc, n->orelse);
}

/* What the list writes, as a value, from a scope of its own. */
static bool captured(lq_tpl *t, lq_tscope *sc, const lq_tnode *list, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_OUTPUT}, *outer = t->out;
  t->out = &b;
  bool ok = lq_tpl_exec(t, sc, list);
  t->out = outer;
  return lq_tpl_buf(t, &b, out) && ok;
}

bool lq_tpl_macro(lq_tpl *t, const lq_tmacro *m, lq_targs *args, lq_tv *out) {
  lq_tscope *sc = lq_tpl_scope(t, m->scope);
  unsigned i = 0, used = 0;
  if (!sc) return false;
  for (const lq_tnode *k = m->node->kids; k; k = k->next, i++) {
    lq_tv v = lq_tv_undefined(k->name);
    bool given = i < args->n;
    if (given) v = args->v[i];
    for (unsigned j = 0; j < args->n_named; j++) {
      if (!lq_str_eq(args->names[j], k->name)) continue;
      if (given) return lq_tpl_fail(t, LQ_E_ARG, "macro %.*s: the argument \"%.*s\" is given twice", LQ_STR_ARG(m->node->name), LQ_STR_ARG(k->name));
      v = args->named[j];
      given = true;
      used++;
    }
    if (!given && k->a && !lq_tpl_eval(t, sc, k->a, &v)) return false;
    if (!lq_tpl_set(t, sc, k->name, v)) return false;
  }
  if (args->n > i) return lq_tpl_fail(t, LQ_E_ARG, "macro %.*s takes at most %u arguments, %u are given", LQ_STR_ARG(m->node->name), i, args->n);
  if (used < args->n_named)
    return lq_tpl_fail(t, LQ_E_ARG, "macro %.*s is given an argument with a name it does not have", LQ_STR_ARG(m->node->name));
  return captured(t, sc, m->node->body, out);
}

static bool exec_set(lq_tpl *t, lq_tscope *sc, const lq_tnode *n) {
  lq_tv v;
  return lq_tpl_eval(t, sc, n->b, &v) && lq_tpl_assign(t, sc, n->a, v);
}

/* {% set x %}, {% filter f %}: a text, through filters if there are any. */
static bool exec_captured(lq_tpl *t, lq_tscope *sc, const lq_tnode *n) {
  lq_tv v;
  lq_tscope *inner = lq_tpl_scope(t, sc);
  lq_tnode text = {.kind = TN_CONST, .line = n->line};
  if (!inner || !captured(t, inner, n->body, &text.lit)) return false;
  v = text.lit;
  if (n->b) { /* the innermost filter's operand is left open: the text goes there */
    lq_tnode *f = n->b;
    while (f->a) f = f->a;
    f->a = &text;
    bool ok = lq_tpl_eval(t, sc, n->b, &v);
    f->a = NULL;
    if (!ok) return false;
  }
  if (n->kind == TN_SETBLOCK) return lq_tpl_assign(t, sc, n->a, v);
  return lq_tv_write(t, &v, t->out);
}

static bool exec_if(lq_tpl *t, lq_tscope *sc, const lq_tnode *n) {
  lq_tv test;
  for (const lq_tnode *k = n->kids; k; k = k->next) {
    if (k->a && !lq_tpl_eval(t, sc, k->a, &test)) return false;
    if (!k->a || lq_tv_true(&test)) return lq_tpl_exec(t, sc, k->body);
  }
  return true;
}

static bool exec_with(lq_tpl *t, lq_tscope *sc, const lq_tnode *n) {
  lq_tv v;
  lq_tscope *inner = lq_tpl_scope(t, sc);
  if (!inner) return false;
  for (const lq_tnode *k = n->kids; k; k = k->next) /* the values do not see each other */
    if (!lq_tpl_eval(t, sc, k->b, &v) || !lq_tpl_assign(t, inner, k->a, v)) return false;
  return lq_tpl_exec(t, inner, n->body);
}

static bool exec_macro(lq_tpl *t, lq_tscope *sc, const lq_tnode *n) {
  lq_tmacro *m = lq_tpl_take(t, 1, sizeof *m);
  if (!m) return false;
  *m = (lq_tmacro){n, sc};
  return lq_tpl_set(t, sc, n->name, (lq_tv){.type = TV_MACRO, .u.macro = m});
}

static bool exec_print(lq_tpl *t, lq_tscope *sc, const lq_tnode *n) {
  lq_tv v;
  if (!lq_tpl_eval(t, sc, n->a, &v)) return false;
  t->line = n->line;
  return lq_tv_write(t, &v, t->out);
}

static bool exec_one(lq_tpl *t, lq_tscope *sc, const lq_tnode *n) {
  lq_tscope *inner;
  switch (n->kind) {
    case TN_TEXT: return lq_tv_write(t, &n->lit, t->out);
    case TN_PRINT: return exec_print(t, sc, n);
    case TN_IF: return exec_if(t, sc, n);
    case TN_FOR: return exec_for(t, sc, n);
    case TN_SET: return exec_set(t, sc, n);
    case TN_SETBLOCK:
    case TN_FILTERBLOCK: return exec_captured(t, sc, n);
    case TN_MACRO: return exec_macro(t, sc, n);
    case TN_WITH: return exec_with(t, sc, n);
    case TN_BREAK: t->flow = FLOW_BREAK; return true;
    case TN_CONTINUE: t->flow = FLOW_CONTINUE; return true;
    default:
      inner = lq_tpl_scope(t, sc);
      return inner && lq_tpl_exec(t, inner, n->body);
  }
}

bool lq_tpl_exec(lq_tpl *t, lq_tscope *sc, const lq_tnode *list) {
  if (++t->depth > LQ_TPL_MAX_DEPTH) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "it runs more than %d deep, the limit for a template", LQ_TPL_MAX_DEPTH);
  for (const lq_tnode *n = list; n && t->flow == FLOW_NONE; n = n->next) {
    t->line = n->line;
    if (!lq_tpl_step(t, 1) || !exec_one(t, sc, n)) return false;
    if (t->out->failed) return lq_tpl_full(t, t->out);
  }
  t->depth--;
  return true;
}
