/* Chat templates: filters on sequences. What Jinja2 gives as a generator is a TV_GEN here: true even if empty, walked once, not printed.
 * May call: base, template_impl.h. */
#include <string.h>

#include "text/template_impl.h"

typedef bool (*filter)(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out);

/* item.part or item[part] along a dotted path; an int is one index. otherwise (may be NULL) stands for what is missing, at each step. */
static bool get_path(lq_tpl *t, lq_tv item, const lq_tv *path, const lq_tv *otherwise, lq_tv *out) {
  lq_str s = path->u.s;
  *out = item;
  if (path->type == TV_INT) {
    if (!lq_tv_item(t, &item, path, out)) return false;
    if (out->type == TV_UNDEFINED && otherwise) *out = *otherwise;
    return true;
  }
  if (path->type != TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "attribute must be a str or an int, not %s", lq_tv_name(path));
  if (memchr(s.p, ',', s.n)) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "several attributes in one text are not supported");
  for (bool more = true; more;) {
    const char *dot = memchr(s.p, '.', s.n);
    size_t n = dot ? (size_t)(dot - s.p) : s.n;
    lq_tv key = lq_tv_str((lq_str){s.p, n}), got;
    bool digits = n > 0 && n < 10;
    int64_t index = 0;
    for (size_t i = 0; i < n && digits; i++) {
      digits = s.p[i] >= '0' && s.p[i] <= '9';
      index = index * 10 + (s.p[i] - '0');
    }
    if (digits) key = lq_tv_int(index);
    if (!lq_tv_item(t, out, &key, &got)) return false;
    *out = got.type == TV_UNDEFINED && otherwise ? *otherwise : got;
    more = dot != NULL;
    if (dot) s = (lq_str){dot + 1, s.n - n - 1};
  }
  return true;
}

static bool fold_case(lq_tpl *t, lq_tv *v) {
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  if (v->type != TV_STR) return true;
  bool ok = lq_tpl_lower(t, v->u.s, &b);
  return lq_tpl_buf(t, &b, v) && ok;
}

/* v's items, and for each the key that attribute and case_sensitive make of it. */
static bool keyed(lq_tpl *t, const lq_tv *v, const lq_tv *path, bool fold, lq_tlist **items, lq_tlist **keys) {
  lq_tv k, list;
  if (!lq_tv_items(t, v, items) || !lq_tv_list(t, TV_LIST, &list)) return false;
  *keys = list.u.list;
  for (size_t i = 0; i < (*items)->n; i++) {
    k = (*items)->v[i];
    if (path && !get_path(t, k, path, NULL, &k)) return false;
    if (fold && !fold_case(t, &k)) return false;
    if (!lq_tv_push(t, *keys, k)) return false;
  }
  return true;
}

static const lq_tv *path_arg(const lq_targs *a, unsigned i, lq_tv *store) {
  return lq_targ(a, i, "attribute", store) && store->type != TV_NONE ? store : NULL;
}

static bool f_join(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tv d = lq_tv_z(""), store;
  lq_str between, one;
  lq_tlist *items, *keys;
  if (!lq_targs_check(t, "join", a, 0, 2, "d attribute")) return false;
  lq_targ(a, 0, "d", &d);
  if (!lq_tv_text(t, &d, &between) || !keyed(t, v, path_arg(a, 1, &store), false, &items, &keys)) return false;
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  bool ok = true;
  for (size_t i = 0; ok && i < keys->n; i++) {
    if (i) lq_buf_add(&b, between.p, between.n);
    ok = lq_tv_text(t, &keys->v[i], &one) && lq_tpl_step(t, (one.n + between.n) / 16 + 1);
    if (ok) lq_buf_add(&b, one.p, one.n);
  }
  return lq_tpl_buf(t, &b, out) && ok;
}

static bool f_first(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tlist *l;
  if (!lq_targs_check(t, "first", a, 0, 0, "")) return false;
  if (v->type == TV_GEN) { /* takes one, leaves the rest */
    l = v->u.list;
    *out = l->at < l->n ? l->v[l->at++] : lq_tv_undefined(LQ_STR("the first item"));
    return true;
  }
  if (!lq_tv_items(t, v, &l)) return false;
  *out = l->n ? l->v[0] : lq_tv_undefined(LQ_STR("the first item"));
  return true;
}

static bool f_last(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tlist *l;
  if (v->type == TV_GEN) return lq_tpl_fail(t, LQ_E_ARG, "last needs a list, not a generator");
  if (!lq_targs_check(t, "last", a, 0, 0, "") || !lq_tv_items(t, v, &l)) return false;
  *out = l->n ? l->v[l->n - 1] : lq_tv_undefined(LQ_STR("the last item"));
  return true;
}

static bool f_list(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tlist *l;
  if (!lq_targs_check(t, "list", a, 0, 0, "") || !lq_tv_items(t, v, &l)) return false;
  *out = (lq_tv){.type = TV_LIST, .u.list = l};
  return true;
}

static bool f_reverse(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tlist *l;
  lq_tv part[3] = {lq_tv_none(), lq_tv_none(), lq_tv_int(-1)};
  if (!lq_targs_check(t, "reverse", a, 0, 0, "")) return false;
  if (v->type == TV_STR) return lq_tv_slice(t, v, part, out);
  if (!lq_tv_items(t, v, &l) || !lq_tv_list(t, TV_GEN, out)) return false;
  for (size_t i = l->n; i-- > 0;)
    if (!lq_tv_push(t, out->u.list, l->v[i])) return false;
  return true;
}

static bool f_items(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  if (!lq_targs_check(t, "items", a, 0, 0, "")) return false;
  if (v->type == TV_UNDEFINED) return lq_tv_list(t, TV_GEN, out);
  if (v->type != TV_DICT) return lq_tpl_fail(t, LQ_E_ARG, "items needs a dict, not %s", lq_tv_name(v));
  if (!lq_tpl_method(t, v, LQ_STR("items"), a, out)) return false;
  out->type = TV_GEN;
  return true;
}

/* Sorts items by keys, stably: binary insertion is not worth it for what a template sorts; the step limit bounds it. */
static bool sort(lq_tpl *t, lq_tlist *items, lq_tlist *keys, bool reverse, lq_tv *out) {
  if (!lq_tv_list(t, TV_LIST, out)) return false;
  lq_tlist *l = out->u.list;
  lq_tv order;
  if (!lq_tv_list(t, TV_LIST, &order)) return false;
  for (size_t i = 0; i < items->n; i++) {
    int c;
    size_t k = i;
    if (!lq_tv_push(t, l, items->v[i]) || !lq_tv_push(t, order.u.list, keys->v[i])) return false;
    for (; k > 0; k--) {
      const lq_tv *left = &order.u.list->v[k - 1];
      if (reverse ? !lq_tv_cmp(t, left, &keys->v[i], "<", &c) : !lq_tv_cmp(t, &keys->v[i], left, "<", &c)) return false;
      if (c != -1) break;
      order.u.list->v[k] = *left;
      l->v[k] = l->v[k - 1];
    }
    order.u.list->v[k] = keys->v[i];
    l->v[k] = items->v[i];
  }
  return true;
}

static bool f_sort(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tv store;
  lq_tlist *items, *keys;
  return lq_targs_check(t, "sort", a, 0, 3, "reverse case_sensitive attribute") &&
         keyed(t, v, path_arg(a, 2, &store), !lq_targ_bool(a, 1, "case_sensitive", false), &items, &keys) &&
         sort(t, items, keys, lq_targ_bool(a, 0, "reverse", false), out);
}

static bool f_dictsort(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_str by = LQ_STR("key");
  lq_tv pairs, index;
  lq_targs none = {0};
  lq_tlist *items, *keys;
  if (!lq_targs_check(t, "dictsort", a, 0, 3, "case_sensitive by reverse") || !lq_targ_str(t, "dictsort", a, 1, "by", &by)) return false;
  if (!lq_str_eqz(by, "key") && !lq_str_eqz(by, "value")) return lq_tpl_fail(t, LQ_E_ARG, "dictsort: by must be key or value");
  if (v->type != TV_DICT) return lq_tpl_fail(t, LQ_E_ARG, "dictsort needs a dict, not %s", lq_tv_name(v));
  index = lq_tv_int(lq_str_eqz(by, "value"));
  return lq_tpl_method(t, v, LQ_STR("items"), &none, &pairs) &&
         keyed(t, &pairs, &index, !lq_targ_bool(a, 0, "case_sensitive", false), &items, &keys) &&
         sort(t, items, keys, lq_targ_bool(a, 2, "reverse", false), out);
}

static bool f_unique(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tv store, seen;
  lq_tlist *items, *keys;
  if (!lq_targs_check(t, "unique", a, 0, 2, "case_sensitive attribute") ||
      !keyed(t, v, path_arg(a, 1, &store), !lq_targ_bool(a, 0, "case_sensitive", false), &items, &keys) || !lq_tv_list(t, TV_GEN, out) ||
      !lq_tv_list(t, TV_LIST, &seen))
    return false;
  for (size_t i = 0; i < items->n; i++) {
    bool again;
    if (keys->v[i].type == TV_LIST || keys->v[i].type == TV_DICT)
      return lq_tpl_fail(t, LQ_E_ARG, "unique cannot tell %ss apart", lq_tv_name(&keys->v[i]));
    if (!lq_tv_in(t, &keys->v[i], &seen, &again)) return false;
    if (!again && (!lq_tv_push(t, seen.u.list, keys->v[i]) || !lq_tv_push(t, out->u.list, items->v[i]))) return false;
  }
  return true;
}

/* min, max. */
static bool extreme(lq_tpl *t, const char *who, const lq_tv *v, lq_targs *a, bool most, lq_tv *out) {
  lq_tv store;
  lq_tlist *items, *keys;
  size_t best = 0;
  if (!lq_targs_check(t, who, a, 0, 2, "case_sensitive attribute") ||
      !keyed(t, v, path_arg(a, 1, &store), !lq_targ_bool(a, 0, "case_sensitive", false), &items, &keys))
    return false;
  for (size_t i = 1; i < items->n; i++) {
    int c;
    if (!lq_tv_cmp(t, &keys->v[i], &keys->v[best], most ? ">" : "<", &c)) return false;
    if (c == (most ? 1 : -1)) best = i;
  }
  *out = items->n ? items->v[best] : lq_tv_undefined(LQ_STR("an item of an empty sequence"));
  return true;
}

static bool f_min(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return extreme(t, "min", v, a, false, out); }
static bool f_max(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return extreme(t, "max", v, a, true, out); }

static bool f_sum(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tv store, next;
  lq_tlist *items, *keys;
  if (!lq_targs_check(t, "sum", a, 0, 2, "attribute start") || !keyed(t, v, path_arg(a, 0, &store), false, &items, &keys)) return false;
  if (!lq_targ(a, 1, "start", out)) *out = lq_tv_int(0);
  if (out->type == TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "sum does not add str");
  for (size_t i = 0; i < keys->n; i++) {
    if (!lq_tv_binary(t, TO_ADD, out, &keys->v[i], &next)) return false;
    *out = next;
  }
  return true;
}

/* The arguments after the first `skip`; names stay. */
static lq_targs rest(const lq_targs *a, unsigned skip) {
  return (lq_targs){.n = a->n - skip, .v = a->v + skip, .n_named = a->n_named, .named = a->named, .names = a->names};
}

static bool f_map(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tlist *l;
  lq_tv path, otherwise, one;
  bool by_path = !a->n && lq_targ(a, 0, "attribute", &path), has_default = !a->n && lq_targ(a, 1, "default", &otherwise) && otherwise.type != TV_NONE;
  if (by_path && !lq_targs_check(t, "map", a, 1, 2, "attribute default")) return false;
  if (!by_path && !a->n) return lq_tpl_fail(t, LQ_E_ARG, "map needs a filter's name or attribute=");
  if (!by_path && a->v[0].type != TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "map: the filter's name must be a str");
  if (!lq_tv_list(t, TV_GEN, out)) return false;
  if (!lq_tv_true(v)) return true; /* Jinja2 takes none, 0... for an empty sequence here */
  if (!lq_tv_items(t, v, &l)) return false;
  for (size_t i = 0; i < l->n; i++) {
    lq_targs more = rest(a, a->n ? 1 : 0);
    if (by_path ? !get_path(t, l->v[i], &path, has_default ? &otherwise : NULL, &one) : !lq_tpl_filter(t, a->v[0].u.s, &l->v[i], &more, &one))
      return false;
    if (!lq_tv_push(t, out->u.list, one)) return false;
  }
  return true;
}

/* select, reject, selectattr, rejectattr: keeps the items for which the test (truth, if none is named) says `want`. */
static bool choose(lq_tpl *t, const char *who, const lq_tv *v, lq_targs *a, bool attr, bool want, lq_tv *out) {
  lq_tlist *l;
  unsigned at = attr ? 1 : 0;
  if (attr && !a->n) return lq_tpl_fail(t, LQ_E_ARG, "%s needs the attribute's name", who);
  if (a->n > at && a->v[at].type != TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "%s: the test's name must be a str", who);
  if (!lq_tv_list(t, TV_GEN, out)) return false;
  if (!lq_tv_true(v)) return true;
  if (!lq_tv_items(t, v, &l)) return false;
  for (size_t i = 0; i < l->n; i++) {
    lq_tv one = l->v[i];
    bool yes;
    if (attr && !get_path(t, one, &a->v[0], NULL, &one)) return false;
    yes = lq_tv_true(&one);
    if (a->n > at) {
      lq_targs more = rest(a, at + 1);
      if (!lq_tpl_test(t, a->v[at].u.s, &one, &more, &yes)) return false;
    }
    if (yes == want && !lq_tv_push(t, out->u.list, l->v[i])) return false;
    if (!lq_tpl_step(t, 1)) return false;
  }
  return true;
}

static bool f_select(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return choose(t, "select", v, a, false, true, out); }
static bool f_reject(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return choose(t, "reject", v, a, false, false, out); }
static bool f_selectattr(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return choose(t, "selectattr", v, a, true, true, out); }
static bool f_rejectattr(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return choose(t, "rejectattr", v, a, true, false, out); }

static const struct { const char *name; filter fn; } filters[] = {
    {"join", f_join}, {"first", f_first}, {"last", f_last}, {"list", f_list}, {"reverse", f_reverse}, {"items", f_items}, {"sort", f_sort},
    {"dictsort", f_dictsort}, {"unique", f_unique}, {"min", f_min}, {"max", f_max}, {"sum", f_sum}, {"map", f_map}, {"select", f_select},
    {"reject", f_reject}, {"selectattr", f_selectattr}, {"rejectattr", f_rejectattr}};

bool lq_tpl_has_filter_seq(lq_str name) {
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
    if (lq_str_eqz(name, filters[i].name)) return true;
  return false;
}

bool lq_tpl_filter_seq(lq_tpl *t, lq_str name, const lq_tv *v, lq_targs *args, lq_tv *out, bool *known) {
  *known = true;
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
    if (lq_str_eqz(name, filters[i].name)) return filters[i].fn(t, v, args, out);
  *known = false;
  return true;
}
