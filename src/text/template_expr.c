/* Chat templates: expressions -> tree, with Jinja2's precedence (which differs from Python's: ~ binds tighter than + and -, and filters and tests
 * tighter than any operator but a sign). May call: base, template_impl.h. */
#include <string.h>

#include "text/template_impl.h"

bool lq_tpl_is_op(const lq_tpl *t, const char *op) { return t->tok->kind == TT_OP && lq_str_eqz(t->tok->s, op); }
bool lq_tpl_is_name(const lq_tpl *t, const char *name) { return t->tok->kind == TT_NAME && lq_str_eqz(t->tok->s, name); }

bool lq_tpl_skip_op(lq_tpl *t, const char *op) {
  if (!lq_tpl_is_op(t, op)) return false;
  t->tok++;
  return true;
}

bool lq_tpl_skip_name(lq_tpl *t, const char *name) {
  if (!lq_tpl_is_name(t, name)) return false;
  t->tok++;
  return true;
}

bool lq_tpl_unexpected(lq_tpl *t, const char *wanted) {
  static const char *const what[] = {"the end of the template", "text", "{{", "}}", "{%", "%}", NULL, "a string", NULL, NULL, NULL};
  t->line = t->tok->line;
  if (what[t->tok->kind]) return lq_tpl_fail(t, LQ_E_FORMAT, "%s where %s should stand", what[t->tok->kind], wanted);
  return lq_tpl_fail(t, LQ_E_FORMAT, "\"%.*s\" where %s should stand", LQ_STR_ARG(t->tok->s), wanted);
}

bool lq_tpl_want_op(lq_tpl *t, const char *op) {
  char wanted[16] = "\"";
  strcat(strcat(wanted, op), "\"");
  return lq_tpl_skip_op(t, op) || lq_tpl_unexpected(t, wanted);
}

bool lq_tpl_enter(lq_tpl *t) {
  t->line = t->tok->line;
  if (++t->nesting <= LQ_TPL_MAX_NESTING) return true;
  return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "nested more than %d deep, the limit for a template", LQ_TPL_MAX_NESTING);
}

lq_tnode *lq_tpl_node(lq_tpl *t, lq_tnode_kind kind, uint32_t line) {
  lq_tnode *n = lq_tpl_take(t, 1, sizeof *n);
  if (!n) return NULL;
  n->kind = (uint8_t)kind;
  n->line = line;
  n->depth = 1;
  return n;
}

lq_tnode *lq_tpl_grow(lq_tpl *t, lq_tnode *n) {
  const lq_tnode *part[] = {n->a, n->b, n->c};
  unsigned most = 0;
  for (size_t i = 0; i < 3; i++)
    if (part[i] && part[i]->depth > most) most = part[i]->depth;
  for (const lq_tnode *k = n->kids; k; k = k->next)
    if (k->depth > most) most = k->depth;
  n->depth = (uint16_t)(most + 1);
  t->line = n->line;
  if (most < 2 * LQ_TPL_MAX_NESTING) return n;
  lq_tpl_fail(t, LQ_E_UNSUPPORTED, "an expression is nested more than %d deep, the limit for a template", 2 * LQ_TPL_MAX_NESTING);
  return NULL;
}

static lq_tnode *make(lq_tpl *t, lq_tnode_kind kind, lq_tnode *a, lq_tnode *b) {
  lq_tnode *n = lq_tpl_node(t, kind, a ? a->line : t->tok->line);
  if (!n) return NULL;
  n->a = a;
  n->b = b;
  return lq_tpl_grow(t, n);
}

static lq_tnode *constant(lq_tpl *t, lq_tv v) {
  lq_tnode *n = lq_tpl_node(t, TN_CONST, t->tok->line);
  if (n) n->lit = v;
  return n;
}

/* "a", "b" side by side are one string. */
static lq_tnode *strings(lq_tpl *t) {
  lq_tnode *n = constant(t, lq_tv_str(t->tok->s));
  t->tok++;
  while (n && t->tok->kind == TT_STRING) {
    size_t a = n->lit.u.s.n, b = t->tok->s.n;
    char *p = lq_tpl_take(t, a + b, 1);
    if (!p || !lq_tpl_step(t, (a + b) / 16)) return NULL;
    memcpy(p, n->lit.u.s.p, a);
    memcpy(p + a, t->tok->s.p, b);
    n->lit.u.s = (lq_str){p, a + b};
    t->tok++;
  }
  return n;
}

/* Items up to `close`, for lists and dicts. */
static lq_tnode *bracketed(lq_tpl *t, lq_tnode_kind kind, const char *close) {
  lq_tnode *n = lq_tpl_node(t, kind, t->tok->line), **tail = n ? &n->kids : NULL;
  if (!n || !lq_tpl_enter(t)) return NULL;
  t->tok++;
  for (bool first = true; !lq_tpl_is_op(t, close); first = false) {
    if (!first && !lq_tpl_want_op(t, ",")) return NULL;
    if (lq_tpl_is_op(t, close)) break;
    for (int part = 0; part < (kind == TN_DICT ? 2 : 1); part++) {
      if (part && !lq_tpl_want_op(t, ":")) return NULL;
      *tail = lq_tpl_parse_expr(t, true);
      if (!*tail) return NULL;
      tail = &(*tail)->next;
    }
  }
  t->tok++;
  t->nesting--;
  return lq_tpl_grow(t, n);
}

static lq_tnode *name(lq_tpl *t) {
  static const char *const hidden[] = {"caller", "varargs", "kwargs", "self", "super"}; /* the first three: in macros */
  static const struct { const char *name; int value; } words[] = {{"true", 1}, {"True", 1}, {"false", 0}, {"False", 0}, {"none", 2}, {"None", 2}};
  lq_str s = t->tok->s;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (lq_str_eqz(s, words[i].name)) {
      lq_tnode *c = constant(t, words[i].value == 2 ? lq_tv_none() : lq_tv_bool(words[i].value == 1));
      t->tok++;
      return c;
    }
  t->line = t->tok->line;
  for (size_t i = t->macro_depth ? 0 : 3; i < sizeof hidden / sizeof *hidden; i++)
    if (lq_str_eqz(s, hidden[i])) {
      lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the variable %s is not supported", hidden[i]);
      return NULL;
    }
  lq_tnode *n = lq_tpl_node(t, TN_NAME, t->tok->line);
  if (n) n->name = s;
  t->tok++;
  return n;
}

lq_tnode *lq_tpl_parse_primary(lq_tpl *t) {
  lq_tnode *n = NULL;
  switch (t->tok->kind) {
    case TT_NAME: return name(t);
    case TT_STRING: return strings(t);
    case TT_INT: n = constant(t, lq_tv_int(t->tok->i)); break;
    case TT_FLOAT: n = constant(t, lq_tv_float(t->tok->f)); break;
    default:
      if (lq_tpl_is_op(t, "[")) return bracketed(t, TN_LIST, "]");
      if (lq_tpl_is_op(t, "{")) return bracketed(t, TN_DICT, "}");
      if (!lq_tpl_is_op(t, "(")) {
        lq_tpl_unexpected(t, "a value");
        return NULL;
      }
      if (!lq_tpl_enter(t)) return NULL;
      t->tok++;
      if (lq_tpl_is_op(t, ")")) n = lq_tpl_node(t, TN_TUPLE, t->tok->line);
      else n = lq_tpl_parse_tuple(t, true);
      if (!n || !lq_tpl_is_op(t, ")")) {
        if (n) lq_tpl_unexpected(t, "\")\"");
        return NULL;
      }
      t->nesting--;
  }
  t->tok++;
  return n;
}

bool lq_tpl_parse_args(lq_tpl *t, lq_tnode **kids) {
  unsigned count = 0;
  bool named = false;
  if (!lq_tpl_enter(t)) return false;
  for (bool first = true; !lq_tpl_is_op(t, ")"); first = false) {
    if (!first && !lq_tpl_want_op(t, ",")) return false;
    if (lq_tpl_is_op(t, ")")) break;
    t->line = t->tok->line;
    if (lq_tpl_is_op(t, "*") || lq_tpl_is_op(t, "**")) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "%s before an argument is not supported", t->tok->s.p);
    if (++count > LQ_TPL_MAX_ARGS) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "a call has more than %d arguments", LQ_TPL_MAX_ARGS);
    lq_str key = {0};
    if (t->tok->kind == TT_NAME && t->tok[1].kind == TT_OP && lq_str_eqz(t->tok[1].s, "=")) {
      key = t->tok->s;
      t->tok += 2;
      named = true;
    } else if (named) {
      return lq_tpl_fail(t, LQ_E_FORMAT, "an argument without a name follows one with a name");
    }
    lq_tnode *v = lq_tpl_parse_expr(t, true), *arg = v && key.p ? make(t, TN_SET, v, NULL) : v;
    if (!arg) return false;
    if (key.p) arg->name = key;
    *kids = arg;
    kids = &arg->next;
  }
  t->tok++;
  t->nesting--;
  return true;
}

static lq_tnode *call(lq_tpl *t, lq_tnode *a) {
  lq_tnode *n = make(t, TN_CALL, a, NULL);
  t->tok++;
  return n && lq_tpl_parse_args(t, &n->kids) ? lq_tpl_grow(t, n) : NULL;
}

/* a[...]: an index, or up to three parts of a slice. */
static lq_tnode *subscript(lq_tpl *t, lq_tnode *a) {
  lq_tnode *part[3] = {NULL, NULL, NULL}, *n;
  unsigned colons = 0;
  if (!lq_tpl_enter(t)) return NULL;
  t->tok++;
  while (!lq_tpl_is_op(t, "]")) {
    if (lq_tpl_is_op(t, ":") && colons < 2) {
      colons++;
      t->tok++;
    } else if (!part[colons]) {
      if (!(part[colons] = colons ? lq_tpl_parse_expr(t, true) : lq_tpl_parse_tuple(t, true))) return NULL;
    } else {
      lq_tpl_unexpected(t, "\"]\"");
      return NULL;
    }
  }
  t->nesting--;
  if (!colons && !part[0]) {
    lq_tpl_unexpected(t, "an index");
    return NULL;
  }
  t->tok++;
  if (!colons) return make(t, TN_ITEM, a, part[0]);
  if (!(n = make(t, TN_SLICE, a, NULL))) return NULL;
  for (unsigned i = 3; i-- > 0;) {
    if (!part[i] && !(part[i] = constant(t, lq_tv_none()))) return NULL;
    part[i]->next = n->kids;
    n->kids = part[i];
  }
  return lq_tpl_grow(t, n);
}

static lq_tnode *postfix(lq_tpl *t, lq_tnode *a) {
  while (a) {
    if (lq_tpl_skip_op(t, ".")) {
      if (t->tok->kind == TT_INT) {
        lq_tnode *i = constant(t, lq_tv_int(t->tok->i));
        a = i ? make(t, TN_ITEM, a, i) : NULL;
      } else if (t->tok->kind == TT_NAME) {
        if ((a = make(t, TN_ATTR, a, NULL))) a->name = t->tok->s;
      } else {
        lq_tpl_unexpected(t, "a name");
        return NULL;
      }
      t->tok++;
    } else if (lq_tpl_is_op(t, "[")) {
      a = subscript(t, a);
    } else if (lq_tpl_is_op(t, "(")) {
      a = call(t, a);
    } else {
      break;
    }
  }
  return a;
}

/* a.b.c as one dotted name of a filter or test. */
static bool dotted(lq_tpl *t, const char *wanted, lq_str *out) {
  if (t->tok->kind != TT_NAME) return lq_tpl_unexpected(t, wanted);
  *out = (t->tok++)->s;
  t->line = t->tok->line;
  if (lq_tpl_is_op(t, ".")) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "%s with a dot after \"%.*s\" is not supported", wanted, LQ_STR_ARG(*out));
  return true;
}

lq_tnode *lq_tpl_parse_filters(lq_tpl *t, lq_tnode *a) {
  for (bool bare = !a; bare || lq_tpl_is_op(t, "|"); bare = false) {
    lq_tnode *n;
    if (!bare) t->tok++;
    if (!(n = make(t, TN_FILTER, a, NULL)) || !dotted(t, "a filter", &n->name)) return NULL;
    if (lq_tpl_skip_op(t, "(") && !lq_tpl_parse_args(t, &n->kids)) return NULL;
    if (!(a = lq_tpl_grow(t, n))) return NULL;
  }
  return a;
}

static bool begins_test_argument(const lq_tpl *t) {
  lq_ttok_kind k = t->tok->kind;
  if (k == TT_STRING || k == TT_INT || k == TT_FLOAT) return true;
  if (k == TT_NAME) return !lq_tpl_is_name(t, "else") && !lq_tpl_is_name(t, "or") && !lq_tpl_is_name(t, "and");
  return lq_tpl_is_op(t, "[") || lq_tpl_is_op(t, "{");
}

static lq_tnode *test(lq_tpl *t, lq_tnode *a) {
  bool negated = lq_tpl_skip_name(t, "not");
  lq_tnode *n = make(t, TN_TEST, a, NULL);
  if (!n || !dotted(t, "a test", &n->name)) return NULL;
  if (lq_tpl_is_op(t, "(")) {
    t->tok++;
    if (!lq_tpl_parse_args(t, &n->kids)) return NULL;
  } else if (begins_test_argument(t)) {
    if (lq_tpl_is_name(t, "is")) {
      lq_tpl_unexpected(t, "one test only");
      return NULL;
    }
    lq_tnode *v = lq_tpl_parse_primary(t);
    if (!(n->kids = postfix(t, v))) return NULL;
  }
  if (!lq_tpl_grow(t, n)) return NULL;
  return negated ? make(t, TN_NOT, n, NULL) : n;
}

static lq_tnode *unary(lq_tpl *t, bool filters) {
  lq_tnode *n;
  if (lq_tpl_is_op(t, "-") || lq_tpl_is_op(t, "+")) {
    lq_tnode_kind kind = lq_tpl_is_op(t, "-") ? TN_NEG : TN_POS;
    if (!lq_tpl_enter(t)) return NULL;
    t->tok++;
    lq_tnode *a = unary(t, false);
    n = a ? make(t, kind, a, NULL) : NULL;
    t->nesting--;
  } else {
    n = lq_tpl_parse_primary(t);
  }
  n = postfix(t, n);
  while (filters && n) {
    if (lq_tpl_is_op(t, "|")) n = lq_tpl_parse_filters(t, n);
    else if (lq_tpl_skip_name(t, "is")) n = test(t, n);
    else if (lq_tpl_is_op(t, "(")) n = call(t, n);
    else break;
  }
  return n;
}

/* The operator of this level at the token, -1 if there is none. Levels: 0 comparisons, 1 + -, 2 ~, 3 * / // %, 4 **. */
static int operator_at(const lq_tpl *t, int level) {
  static const struct { const char *s; int level, op; } ops[] = {
      {"==", 0, TO_EQ}, {"!=", 0, TO_NE}, {"<", 0, TO_LT}, {"<=", 0, TO_LE}, {">", 0, TO_GT}, {">=", 0, TO_GE}, {"+", 1, TO_ADD}, {"-", 1, TO_SUB},
      {"~", 2, TO_CONCAT}, {"*", 3, TO_MUL}, {"/", 3, TO_DIV}, {"//", 3, TO_FLOORDIV}, {"%", 3, TO_MOD}, {"**", 4, TO_POW}};
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (ops[i].level == level && lq_tpl_is_op(t, ops[i].s)) return ops[i].op;
  if (level == 0 && lq_tpl_is_name(t, "in")) return TO_IN;
  if (level == 0 && lq_tpl_is_name(t, "not") && t->tok[1].kind == TT_NAME && lq_str_eqz(t->tok[1].s, "in")) return TO_NOTIN;
  return -1;
}

/* A chain of one level: operands hang from one node, so that a long sum is not a deep tree. */
static lq_tnode *chain(lq_tpl *t, int level) {
  lq_tnode *first = level == 5 ? unary(t, true) : chain(t, level + 1), *n, *tail;
  if (!first || level == 5 || operator_at(t, level) < 0) return first;
  if (!(n = make(t, level == 0 ? TN_COMPARE : TN_CHAIN, NULL, NULL))) return NULL;
  n->line = first->line;
  n->kids = tail = first;
  for (int op; (op = operator_at(t, level)) >= 0;) {
    t->tok += op == TO_NOTIN ? 2 : 1;
    if (!(tail->next = chain(t, level + 1))) return NULL;
    tail = tail->next;
    tail->op = (uint8_t)op;
  }
  return lq_tpl_grow(t, n);
}

static lq_tnode *not(lq_tpl *t) {
  if (!lq_tpl_is_name(t, "not")) return chain(t, 0);
  if (!lq_tpl_enter(t)) return NULL;
  t->tok++;
  lq_tnode *a = not(t);
  t->nesting--;
  return a ? make(t, TN_NOT, a, NULL) : NULL;
}

static lq_tnode *logic(lq_tpl *t, bool or) {
  lq_tnode *first = or ? logic(t, false) : not(t), *n, *tail;
  const char *word = or ? "or" : "and";
  if (!first || !lq_tpl_is_name(t, word)) return first;
  if (!(n = make(t, or ? TN_OR : TN_AND, NULL, NULL))) return NULL;
  n->kids = tail = first;
  while (lq_tpl_skip_name(t, word)) {
    if (!(tail->next = or ? logic(t, false) : not(t))) return NULL;
    tail = tail->next;
  }
  return lq_tpl_grow(t, n);
}

lq_tnode *lq_tpl_parse_expr(lq_tpl *t, bool cond) {
  lq_tnode *a = logic(t, true);
  while (cond && a && lq_tpl_skip_name(t, "if")) {
    lq_tnode *b = logic(t, true), *c = NULL, *n = b ? make(t, TN_COND, a, b) : NULL;
    if (!n) return NULL;
    if (lq_tpl_skip_name(t, "else")) {
      if (!lq_tpl_enter(t) || !(c = lq_tpl_parse_expr(t, true))) return NULL;
      t->nesting--;
    }
    n->c = c;
    a = lq_tpl_grow(t, n);
  }
  return a;
}

lq_tnode *lq_tpl_parse_tuple(lq_tpl *t, bool cond) {
  lq_tnode *first = lq_tpl_parse_expr(t, cond), *n, *tail;
  if (!first || !lq_tpl_is_op(t, ",")) return first;
  if (!(n = make(t, TN_TUPLE, NULL, NULL))) return NULL;
  n->kids = tail = first;
  while (lq_tpl_skip_op(t, ",")) {
    if (t->tok->kind == TT_VAR_END || t->tok->kind == TT_BLOCK_END || lq_tpl_is_op(t, ")") || lq_tpl_is_op(t, "]")) break;
    if (!(tail->next = lq_tpl_parse_expr(t, cond))) return NULL;
    tail = tail->next;
  }
  return lq_tpl_grow(t, n);
}
