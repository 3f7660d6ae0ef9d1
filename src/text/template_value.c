/* Chat templates: making and asking values. May call: base, template_impl.h. */
#include <string.h>

#include "base/utf8.h"
#include "text/template_impl.h"

lq_tv lq_tv_none(void) { return (lq_tv){.type = TV_NONE}; }
lq_tv lq_tv_undefined(lq_str what) { return (lq_tv){.type = TV_UNDEFINED, .u.s = what}; }
lq_tv lq_tv_bool(bool b) { return (lq_tv){.type = TV_BOOL, .u.b = b}; }
lq_tv lq_tv_int(int64_t i) { return (lq_tv){.type = TV_INT, .u.i = i}; }
lq_tv lq_tv_float(double f) { return (lq_tv){.type = TV_FLOAT, .u.f = f}; }
lq_tv lq_tv_str(lq_str s) { return (lq_tv){.type = TV_STR, .u.s = s}; }
lq_tv lq_tv_z(const char *z) { return lq_tv_str((lq_str){z, strlen(z)}); }

bool lq_tv_copy(lq_tpl *t, const char *p, size_t n, lq_tv *out) {
  char *to = lq_tpl_take(t, n + 1, 1);
  if (!to || !lq_tpl_step(t, n / 16)) return false;
  if (n) memcpy(to, p, n);
  *out = lq_tv_str((lq_str){to, n});
  return true;
}

bool lq_tv_list(lq_tpl *t, lq_tv_type type, lq_tv *out) {
  lq_tlist *l = lq_tpl_take(t, 1, sizeof *l);
  if (!l) return false;
  *out = (lq_tv){.type = (uint8_t)type, .u.list = l};
  return true;
}

bool lq_tv_dict(lq_tpl *t, lq_tv_type type, lq_tv *out) {
  lq_tdict *d = lq_tpl_take(t, 1, sizeof *d);
  if (!d) return false;
  *out = (lq_tv){.type = (uint8_t)type, .u.dict = d};
  return true;
}

bool lq_tv_push(lq_tpl *t, lq_tlist *l, lq_tv v) {
  if (l->n == l->cap) {
    size_t cap = l->cap ? l->cap * 2 : 4;
    lq_tv *grown = lq_tpl_take(t, cap, sizeof *grown);
    if (!grown) return false;
    if (l->n) memcpy(grown, l->v, l->n * sizeof *grown);
    l->v = grown;
    l->cap = cap;
  }
  l->v[l->n++] = v;
  return lq_tpl_step(t, 1);
}

bool lq_tv_find(lq_tpl *t, const lq_tdict *d, lq_tv key, const lq_tv **out) {
  *out = NULL;
  if (key.type == TV_UNDEFINED || key.type == TV_LIST || key.type == TV_DICT) /* not hashable in Python; Undefined is, but equals no key */
    return key.type == TV_UNDEFINED || lq_tpl_fail(t, LQ_E_ARG, "a %s cannot be the key of a dict", lq_tv_name(&key));
  if (!lq_tpl_step(t, d->n / 8)) return false;
  for (size_t i = d->n; i-- > 0;) {
    const lq_tv *k = &d->e[i].key;
    bool same;
    if (key.type == TV_STR && k->type == TV_STR) {
      if (key.u.s.n == k->u.s.n && !lq_tpl_step(t, key.u.s.n / 16)) return false;
      same = lq_str_eq(key.u.s, k->u.s);
    } else if (key.type == TV_STR || k->type == TV_STR) same = false;
    else if (!lq_tv_eq(t, &key, k, 0, &same)) return false;
    if (same) {
      *out = &d->e[i].value;
      return true;
    }
  }
  return true;
}

bool lq_tv_put(lq_tpl *t, lq_tdict *d, lq_tv key, lq_tv value) {
  const lq_tv *old;
  if (key.type > TV_TUPLE || key.type == TV_UNDEFINED)
    return lq_tpl_fail(t, LQ_E_ARG, "a value of type %s cannot be the key of a dict", lq_tv_name(&key));
  if (!lq_tv_find(t, d, key, &old)) return false;
  if (old) {
    d->e[((const char *)old - (const char *)d->e) / (ptrdiff_t)sizeof *d->e].value = value;
    return true;
  }
  if (d->n == d->cap) {
    size_t cap = d->cap ? d->cap * 2 : 4;
    lq_tentry *grown = lq_tpl_take(t, cap, sizeof *grown);
    if (!grown) return false;
    if (d->n) memcpy(grown, d->e, d->n * sizeof *grown);
    d->e = grown;
    d->cap = cap;
  }
  d->e[d->n++] = (lq_tentry){key, value};
  return true;
}

bool lq_tv_json(lq_tpl *t, const lq_json *j, lq_tv *out) {
  lq_tv item;
  switch (j->type) {
    case LQ_JSON_NULL: *out = lq_tv_none(); return true;
    case LQ_JSON_FALSE:
    case LQ_JSON_TRUE: *out = lq_tv_bool(j->type == LQ_JSON_TRUE); return true;
    case LQ_JSON_STRING: *out = lq_tv_str(j->str); return true;
    case LQ_JSON_NUMBER:
      *out = j->is_int ? lq_tv_int(j->i64) : lq_tv_float(j->num);
      if (j->is_int || memchr(j->str.p, '.', j->str.n) || memchr(j->str.p, 'e', j->str.n) || memchr(j->str.p, 'E', j->str.n)) return true;
      return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the integer %.*s is beyond 64 bits", LQ_STR_ARG(j->str));
    case LQ_JSON_ARRAY:
      if (!lq_tv_list(t, TV_LIST, out)) return false;
      for (size_t i = 0; i < j->n; i++)
        if (!lq_tv_json(t, &j->items[i], &item) || !lq_tv_push(t, out->u.list, item)) return false;
      return true;
    default:
      if (!lq_tv_dict(t, TV_DICT, out)) return false;
      for (size_t i = 0; i < j->n; i++)
        if (!lq_tv_json(t, &j->items[i], &item) || !lq_tv_put(t, out->u.dict, lq_tv_str(j->items[i].key), item)) return false;
      return true;
  }
}

const char *lq_tv_name(const lq_tv *v) {
  static const char *const names[] = {"Undefined", "NoneType", "bool", "int", "float", "str", "list", "tuple", "dict", "range",
                                      "dict view", "generator", "Namespace", "LoopContext", "Macro", "function", "method"};
  return names[v->type];
}

bool lq_tv_bad_undefined(lq_tpl *t, const lq_tv *v) {
  if (v->u.s.n == 0) return lq_tpl_fail(t, LQ_E_ARG, "a value is undefined");
  return lq_tpl_fail(t, LQ_E_ARG, "'%.*s' is undefined", LQ_STR_ARG(v->u.s));
}

bool lq_tv_true(const lq_tv *v) {
  switch (v->type) {
    case TV_UNDEFINED:
    case TV_NONE: return false;
    case TV_BOOL: return v->u.b;
    case TV_INT: return v->u.i != 0;
    case TV_FLOAT: return v->u.f != 0;
    case TV_STR: return v->u.s.n > 0;
    case TV_LIST:
    case TV_TUPLE:
    case TV_RANGE:
    case TV_VIEW: return v->u.list->n > 0;
    case TV_DICT: return v->u.dict->n > 0;
    case TV_LOOP: return v->u.loop->items->n > 0;
    default: return true;
  }
}

bool lq_tv_is_num(const lq_tv *v) { return v->type == TV_BOOL || v->type == TV_INT || v->type == TV_FLOAT; }
double lq_tv_num(const lq_tv *v) { return v->type == TV_FLOAT ? v->u.f : v->type == TV_BOOL ? (double)v->u.b : (double)v->u.i; }

size_t lq_tv_chars(lq_str s) {
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
  return n;
}

bool lq_tv_items(lq_tpl *t, const lq_tv *v, lq_tlist **out) {
  lq_tv l;
  switch (v->type) {
    case TV_LIST:
    case TV_TUPLE:
    case TV_RANGE:
    case TV_VIEW: *out = v->u.list; return true;
    case TV_GEN:
      if (!lq_tv_list(t, TV_LIST, &l)) return false;
      l.u.list->n = l.u.list->cap = v->u.list->n - v->u.list->at;
      if (l.u.list->n) l.u.list->v = v->u.list->v + v->u.list->at;
      v->u.list->at = v->u.list->n;
      *out = l.u.list;
      return true;
    case TV_UNDEFINED:
    case TV_STR:
    case TV_DICT:
      if (!lq_tv_list(t, TV_LIST, &l)) return false;
      *out = l.u.list;
      if (v->type == TV_UNDEFINED) return true;
      for (size_t i = 0; v->type == TV_DICT && i < v->u.dict->n; i++)
        if (!lq_tv_push(t, *out, v->u.dict->e[i].key)) return false;
      for (size_t i = 0, n; v->type == TV_STR && i < v->u.s.n; i += n) {
        uint32_t cp;
        n = lq_utf8_decode(v->u.s.p + i, v->u.s.n - i, &cp);
        if (!lq_tv_push(t, *out, lq_tv_str((lq_str){v->u.s.p + i, n}))) return false;
      }
      return true;
    default: return lq_tpl_fail(t, LQ_E_ARG, "a value of type %s cannot be walked through", lq_tv_name(v));
  }
}

bool lq_tv_length(lq_tpl *t, const lq_tv *v, int64_t *out) {
  switch (v->type) {
    case TV_UNDEFINED: *out = 0; return true;
    case TV_STR: *out = (int64_t)lq_tv_chars(v->u.s); return lq_tpl_step(t, v->u.s.n / 16);
    case TV_LIST:
    case TV_TUPLE:
    case TV_RANGE:
    case TV_VIEW: *out = (int64_t)v->u.list->n; return true;
    case TV_DICT: *out = (int64_t)v->u.dict->n; return true;
    case TV_LOOP:
      if (!lq_tpl_loop_need(t, v->u.loop, SIZE_MAX)) return false;
      *out = (int64_t)v->u.loop->items->n;
      return true;
    default: return lq_tpl_fail(t, LQ_E_ARG, "a value of type %s has no length", lq_tv_name(v));
  }
}
