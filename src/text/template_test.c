/* Chat templates: tests, `x is name`. May call: base, template_impl.h. */
#include <string.h>

#include "base/utf8.h"
#include "text/template_impl.h"

typedef enum {
  IS_DEFINED, IS_UNDEFINED, IS_NONE, IS_BOOLEAN, IS_TRUE, IS_FALSE, IS_INTEGER, IS_FLOAT, IS_NUMBER, IS_STRING, IS_MAPPING, IS_ITERABLE, IS_SEQUENCE,
  IS_CALLABLE, IS_ESCAPED, IS_LOWER, IS_UPPER, IS_EVEN, IS_ODD, /* these take no argument */
  IS_DIVISIBLE, IS_SAMEAS, IS_EQ, IS_NE, IS_LT, IS_LE, IS_GT, IS_GE, IS_IN, IS_FILTER, IS_TEST
} is;

static const struct { const char *name; is which; } tests[] = {
    {"defined", IS_DEFINED}, {"undefined", IS_UNDEFINED}, {"none", IS_NONE}, {"boolean", IS_BOOLEAN}, {"true", IS_TRUE}, {"false", IS_FALSE},
    {"integer", IS_INTEGER}, {"float", IS_FLOAT}, {"number", IS_NUMBER}, {"string", IS_STRING}, {"mapping", IS_MAPPING}, {"iterable", IS_ITERABLE},
    {"sequence", IS_SEQUENCE}, {"callable", IS_CALLABLE}, {"escaped", IS_ESCAPED}, {"lower", IS_LOWER}, {"upper", IS_UPPER}, {"even", IS_EVEN},
    {"odd", IS_ODD}, {"divisibleby", IS_DIVISIBLE}, {"sameas", IS_SAMEAS}, {"eq", IS_EQ}, {"equalto", IS_EQ}, {"==", IS_EQ}, {"ne", IS_NE},
    {"!=", IS_NE}, {"lt", IS_LT}, {"lessthan", IS_LT}, {"<", IS_LT}, {"le", IS_LE}, {"<=", IS_LE}, {"gt", IS_GT}, {"greaterthan", IS_GT},
    {">", IS_GT}, {"ge", IS_GE}, {">=", IS_GE}, {"in", IS_IN}, {"filter", IS_FILTER}, {"test", IS_TEST}};

bool lq_tpl_has_test(lq_str name) {
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
    if (lq_str_eqz(name, tests[i].name)) return true;
  return false;
}

/* str(v).islower() or isupper() */
static bool cased(lq_tpl *t, const lq_tv *v, bool upper, bool *out) {
  lq_str s;
  bool one = false, other = false;
  if (!lq_tv_text(t, v, &s)) return false;
  for (size_t i = 0; i < s.n;) {
    uint32_t cp;
    i += lq_utf8_decode(s.p + i, s.n - i, &cp);
    if (lq_uni_upper(cp)) *(upper ? &one : &other) = true;
    if (lq_uni_lower(cp)) *(upper ? &other : &one) = true;
  }
  *out = one && !other;
  return lq_tpl_step(t, s.n / 16);
}

/* v % by == left */
static bool leaves(lq_tpl *t, const lq_tv *v, lq_tv by, double left, bool *out) {
  lq_tv m;
  if (!lq_tv_binary(t, TO_MOD, v, &by, &m)) return false;
  *out = lq_tv_num(&m) == left;
  return true;
}

/* Python's `is`: the same object. What is no object of its own here (numbers, texts) is refused but for none and the booleans. */
static bool same(lq_tpl *t, const lq_tv *a, const lq_tv *b, bool *out) {
  *out = false;
  if (a->type != b->type) return true;
  if (a->type == TV_NONE) *out = true;
  else if (a->type == TV_BOOL) *out = a->u.b == b->u.b;
  else if (a->type == TV_LIST) *out = a->u.list == b->u.list;
  else if (a->type == TV_DICT || a->type == TV_NAMESPACE) *out = a->u.dict == b->u.dict;
  else return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the test \"sameas\" on values of type %s is not supported", lq_tv_name(a));
  return true;
}

static bool with_argument(lq_tpl *t, is which, const lq_tv *v, const lq_tv *arg, bool *out) {
  static const lq_top ops[] = {TO_EQ, TO_NE, TO_LT, TO_LE, TO_GT, TO_GE, TO_IN};
  if (which == IS_DIVISIBLE) return leaves(t, v, *arg, 0, out);
  if (which == IS_SAMEAS) return same(t, v, arg, out);
  return lq_tv_compare(t, ops[which - IS_EQ], v, arg, out);
}

bool lq_tpl_test(lq_tpl *t, lq_str name, const lq_tv *v, lq_targs *args, bool *out) {
  size_t i = 0;
  unsigned type = v->type;
  while (i < sizeof tests / sizeof *tests && !lq_str_eqz(name, tests[i].name)) i++;
  if (i == sizeof tests / sizeof *tests) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the test \"%.*s\" is not supported", LQ_STR_ARG(name));
  is which = tests[i].which;
  unsigned want = which >= IS_DIVISIBLE && which <= IS_IN;
  if (args->n != want || args->n_named) return lq_tpl_fail(t, LQ_E_ARG, "the test \"%s\" takes %u arguments", tests[i].name, want);
  switch (which) {
    case IS_DEFINED: *out = type != TV_UNDEFINED; return true;
    case IS_UNDEFINED: *out = type == TV_UNDEFINED; return true;
    case IS_NONE: *out = type == TV_NONE; return true;
    case IS_BOOLEAN: *out = type == TV_BOOL; return true;
    case IS_TRUE: *out = type == TV_BOOL && v->u.b; return true;
    case IS_FALSE: *out = type == TV_BOOL && !v->u.b; return true;
    case IS_INTEGER: *out = type == TV_INT; return true;
    case IS_FLOAT: *out = type == TV_FLOAT; return true;
    case IS_NUMBER: *out = lq_tv_is_num(v); return true;
    case IS_STRING: *out = type == TV_STR; return true;
    case IS_MAPPING: *out = type == TV_DICT; return true;
    case IS_ITERABLE: *out = type == TV_UNDEFINED || (type >= TV_STR && type <= TV_GEN) || type == TV_LOOP; return true;
    case IS_SEQUENCE: *out = type == TV_UNDEFINED || (type >= TV_STR && type <= TV_RANGE); return true;
    case IS_CALLABLE: *out = type == TV_UNDEFINED || type >= TV_LOOP; return true; /* Undefined has a __call__, which fails */
    case IS_ESCAPED: *out = type == TV_STR && v->safe; return true;
    case IS_LOWER:
    case IS_UPPER: return cased(t, v, which == IS_UPPER, out);
    case IS_EVEN:
    case IS_ODD: return leaves(t, v, lq_tv_int(2), which == IS_ODD, out);
    case IS_FILTER:
    case IS_TEST:
      if (type != TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "the test \"%s\" needs a str", tests[i].name);
      *out = which == IS_FILTER ? lq_tpl_has_filter(v->u.s) : lq_tpl_has_test(v->u.s);
      return true;
    default: return with_argument(t, which, v, &args->v[0], out);
  }
}
