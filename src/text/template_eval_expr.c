/* Chat templates: values of expressions. May call: base, template_impl.h. */
#include <string.h>

#include "text/template_impl.h"

static bool eval_name(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  uint64_t seen = 0;
  *out = lq_tv_undefined(n->name);
  for (bool found = false; sc && !found; sc = sc->up)
    for (struct lq_tvar *v = sc->vars; v && !found; v = v->next, seen++)
      if ((found = lq_str_eq(v->name, n->name))) *out = v->value;
  return lq_tpl_step(t, seen / 8); /* a few names cost nothing */
}

static bool eval_items(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  lq_tv key, v;
  if (n->kind == TN_DICT) {
    if (!lq_tv_dict(t, TV_DICT, out)) return false;
    for (const lq_tnode *k = n->kids; k; k = k->next->next)
      if (!lq_tpl_eval(t, sc, k, &key) || !lq_tpl_eval(t, sc, k->next, &v) || !lq_tv_put(t, out->u.dict, key, v)) return false;
    return true;
  }
  if (!lq_tv_list(t, n->kind == TN_LIST ? TV_LIST : TV_TUPLE, out)) return false;
  for (const lq_tnode *k = n->kids; k; k = k->next)
    if (!lq_tpl_eval(t, sc, k, &v) || !lq_tv_push(t, out->u.list, v)) return false;
  return true;
}

static bool eval_args(lq_tpl *t, lq_tscope *sc, const lq_tnode *kids, lq_targs *a) {
  unsigned n = 0, named = 0;
  for (const lq_tnode *k = kids; k; k = k->next) k->kind == TN_SET ? named++ : n++;
  *a = (lq_targs){0};
  if (!n && !named) return true;
  a->v = lq_tpl_take(t, n + named, sizeof *a->v);
  a->names = lq_tpl_take(t, named, sizeof *a->names);
  if (!a->v || !a->names) return false;
  a->named = a->v + n;
  for (const lq_tnode *k = kids; k; k = k->next) {
    bool by_name = k->kind == TN_SET;
    for (unsigned i = 0; by_name && i < a->n_named; i++)
      if (lq_str_eq(a->names[i], k->name)) return lq_tpl_fail(t, LQ_E_ARG, "the argument \"%.*s\" is given twice", LQ_STR_ARG(k->name));
    if (by_name) a->names[a->n_named] = k->name;
    if (!lq_tpl_eval(t, sc, by_name ? k->a : k, by_name ? &a->named[a->n_named] : &a->v[a->n])) return false;
    if (by_name) a->n_named++;
    else a->n++;
  }
  return true;
}

static bool eval_chain(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  lq_tv acc, v, next;
  if (!lq_tpl_eval(t, sc, n->kids, &acc)) return false;
  for (const lq_tnode *k = n->kids->next; k; k = k->next) {
    if (!lq_tpl_eval(t, sc, k, &v)) return false;
    t->line = n->line;
    if (!lq_tv_binary(t, (lq_top)k->op, &acc, &v, &next)) return false;
    acc = next;
  }
  *out = acc;
  return true;
}

static bool eval_compare(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  lq_tv left, right;
  bool yes = true;
  if (!lq_tpl_eval(t, sc, n->kids, &left)) return false;
  for (const lq_tnode *k = n->kids->next; k && yes; k = k->next) {
    if (!lq_tpl_eval(t, sc, k, &right)) return false;
    t->line = n->line;
    if (!lq_tv_compare(t, (lq_top)k->op, &left, &right, &yes)) return false;
    left = right;
  }
  *out = lq_tv_bool(yes);
  return true;
}

/* and, or: the operand that decides, as in Python. */
static bool eval_logic(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  for (const lq_tnode *k = n->kids; k; k = k->next) {
    if (!lq_tpl_eval(t, sc, k, out)) return false;
    if (lq_tv_true(out) == (n->kind == TN_OR)) return true;
  }
  return true;
}

static bool eval_cond(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  lq_tv test;
  if (!lq_tpl_eval(t, sc, n->b, &test)) return false;
  if (lq_tv_true(&test)) return lq_tpl_eval(t, sc, n->a, out);
  if (n->c) return lq_tpl_eval(t, sc, n->c, out);
  *out = lq_tv_undefined(LQ_STR("an if without else"));
  return true;
}

static bool eval_slice(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  lq_tv a, part[3];
  const lq_tnode *k = n->kids;
  if (!lq_tpl_eval(t, sc, n->a, &a)) return false;
  for (int i = 0; i < 3; i++, k = k->next)
    if (!lq_tpl_eval(t, sc, k, &part[i])) return false;
  return lq_tv_slice(t, &a, part, out);
}

/* Call, filter and test: something with arguments. */
static bool eval_applied(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  lq_tv a;
  lq_targs args;
  bool yes;
  if (!lq_tpl_eval(t, sc, n->a, &a) || !eval_args(t, sc, n->kids, &args)) return false;
  t->line = n->line;
  if (n->kind == TN_CALL) return lq_tpl_call(t, &a, &args, out);
  if (n->kind == TN_FILTER) return lq_tpl_filter(t, n->name, &a, &args, out);
  if (!lq_tpl_test(t, n->name, &a, &args, &yes)) return false;
  *out = lq_tv_bool(yes);
  return true;
}

/* One operand: not, a sign, .name, [index]. */
static bool eval_unary(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  lq_tv a, b;
  if (!lq_tpl_eval(t, sc, n->a, &a)) return false;
  t->line = n->line;
  switch (n->kind) {
    case TN_NOT: *out = lq_tv_bool(!lq_tv_true(&a)); return true;
    case TN_NEG: return lq_tv_negate(t, &a, out);
    case TN_POS: return lq_tv_negate(t, &a, &b) && lq_tv_negate(t, &b, out);
    case TN_ATTR: return lq_tv_attr(t, &a, n->name, out);
    default: return lq_tpl_eval(t, sc, n->b, &b) && lq_tv_item(t, &a, &b, out);
  }
}

static bool eval(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  switch (n->kind) {
    case TN_CONST: *out = n->lit; return true;
    case TN_NAME: return eval_name(t, sc, n, out);
    case TN_LIST:
    case TN_TUPLE:
    case TN_DICT: return eval_items(t, sc, n, out);
    case TN_SLICE: return eval_slice(t, sc, n, out);
    case TN_CALL:
    case TN_FILTER:
    case TN_TEST: return eval_applied(t, sc, n, out);
    case TN_CHAIN: return eval_chain(t, sc, n, out);
    case TN_COMPARE: return eval_compare(t, sc, n, out);
    case TN_AND:
    case TN_OR: return eval_logic(t, sc, n, out);
    case TN_COND: return eval_cond(t, sc, n, out);
    default: return eval_unary(t, sc, n, out);
  }
}

bool lq_tpl_eval(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out) {
  t->line = n->line;
  if (!lq_tpl_step(t, 1)) return false;
  if (++t->depth > LQ_TPL_MAX_DEPTH) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "it runs more than %d deep, the limit for a template", LQ_TPL_MAX_DEPTH);
  bool ok = eval(t, sc, n, out);
  t->depth--;
  return ok && t->status == LQ_OK;
}
