/* Chat templates: a.name, the loop variable, global functions and calls. May call: base, template_impl.h. */
#include <string.h>

#include "text/template_impl.h"

enum { F_RANGE, F_DICT, F_NAMESPACE, F_RAISE, F_STRFTIME, F_LIPSUM, F_CYCLER, F_JOINER };
static const char *const functions[] = {"range", "dict", "namespace", "raise_exception", "strftime_now", "lipsum", "cycler", "joiner"};

bool lq_tpl_globals(lq_tpl *t) {
  for (uint16_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (!lq_tpl_set(t, t->globals, (lq_str){functions[i], strlen(functions[i])}, (lq_tv){.type = TV_FUNC, .id = i})) return false;
  return true;
}

static bool loop_attr(lq_tpl *t, const lq_tv *a, lq_str name, lq_tv *out) {
  lq_tloop *l = a->u.loop;
  static const char *const ahead[] = {"last", "nextitem", "length", "revindex", "revindex0"}; /* the first two look at one more item only */
  for (size_t k = 0; k < sizeof ahead / sizeof *ahead; k++)
    if (lq_str_eqz(name, ahead[k]) && !lq_tpl_loop_need(t, l, k < 2 ? l->i + 2 : SIZE_MAX)) return false;
  int64_t i = (int64_t)l->i, n = (int64_t)l->items->n;
  if (lq_str_eqz(name, "index")) *out = lq_tv_int(i + 1);
  else if (lq_str_eqz(name, "index0")) *out = lq_tv_int(i);
  else if (lq_str_eqz(name, "first")) *out = lq_tv_bool(i == 0);
  else if (lq_str_eqz(name, "last")) *out = lq_tv_bool(i == n - 1);
  else if (lq_str_eqz(name, "length")) *out = lq_tv_int(n);
  else if (lq_str_eqz(name, "revindex")) *out = lq_tv_int(n - i);
  else if (lq_str_eqz(name, "revindex0")) *out = lq_tv_int(n - i - 1);
  else if (lq_str_eqz(name, "depth")) *out = lq_tv_int(1);
  else if (lq_str_eqz(name, "depth0")) *out = lq_tv_int(0);
  else if (lq_str_eqz(name, "previtem")) *out = i > 0 ? l->items->v[i - 1] : lq_tv_undefined(LQ_STR("there is no previous item"));
  else if (lq_str_eqz(name, "nextitem")) *out = i + 1 < n ? l->items->v[i + 1] : lq_tv_undefined(LQ_STR("there is no next item"));
  else if (lq_str_eqz(name, "cycle") || lq_str_eqz(name, "changed")) {
    lq_tv *self = lq_tpl_take(t, 1, sizeof *self);
    struct lq_tmethod *m = lq_tpl_take(t, 1, sizeof *m);
    if (!self || !m) return false;
    *self = *a;
    *m = (struct lq_tmethod){name, self};
    *out = (lq_tv){.type = TV_METHOD, .u.method = m};
  } else *out = lq_tv_undefined(name);
  return true;
}

bool lq_tv_attr(lq_tpl *t, const lq_tv *a, lq_str name, lq_tv *out) {
  const lq_tv *hit = NULL;
  bool python_has = false;
  if (a->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, a);
  if (a->type == TV_LOOP) return loop_attr(t, a, name, out);
  if (a->type == TV_NAMESPACE) {
    if (!lq_tv_find(t, a->u.dict, lq_tv_str(name), &hit)) return false;
    *out = hit ? *hit : lq_tv_undefined(name);
    return true;
  }
  if (lq_tpl_has_method(a, name, &python_has)) {
    lq_tv *self = lq_tpl_take(t, 1, sizeof *self);
    struct lq_tmethod *m = lq_tpl_take(t, 1, sizeof *m);
    if (!self || !m) return false;
    *self = *a;
    *m = (struct lq_tmethod){name, self};
    *out = (lq_tv){.type = TV_METHOD, .u.method = m};
    return true;
  }
  if (python_has) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the method %.*s of %s is not supported", LQ_STR_ARG(name), lq_tv_name(a));
  if (a->type > TV_NAMESPACE) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the attribute %.*s of a %s is not supported", LQ_STR_ARG(name), lq_tv_name(a));
  if (a->type == TV_DICT && !lq_tv_find(t, a->u.dict, lq_tv_str(name), &hit)) return false;
  *out = hit ? *hit : lq_tv_undefined(name);
  return true;
}

static bool call_range(lq_tpl *t, lq_targs *args, lq_tv *out) {
  int64_t from = 0, to = 0, step = 1, v;
  uint64_t n = 0;
  if (!lq_targs_check(t, "range", args, 1, 3, "")) return false;
  for (unsigned i = 0; i < args->n; i++)
    if (!lq_targ_int(t, "range", args, i, "an argument", i == 2 ? &step : i == 1 ? &to : args->n > 1 ? &from : &to)) return false;
  if (step == 0) return lq_tpl_fail(t, LQ_E_ARG, "range: the step cannot be zero");
  if (step > 0 ? to > from : from > to) {
    uint64_t span = step > 0 ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to;
    uint64_t by = step > 0 ? (uint64_t)step : (uint64_t)0 - (uint64_t)step;
    n = (span - 1) / by + 1;
  }
  if (n > LQ_TPL_MAX_RANGE) return lq_tpl_fail(t, LQ_E_ARG, "range is longer than %d, the limit for a template", LQ_TPL_MAX_RANGE);
  if (!lq_tv_list(t, TV_RANGE, out)) return false;
  for (v = from; n > 0; n--) {
    if (!lq_tv_push(t, out->u.list, lq_tv_int(v))) return false;
    if (n > 1) v += step;
  }
  return true;
}

/* dict(...) and namespace(...): a mapping or pairs, then keywords. */
static bool call_dict(lq_tpl *t, lq_tv_type type, lq_targs *args, lq_tv *out) {
  const char *who = type == TV_DICT ? "dict" : "namespace";
  lq_tlist *l, *pair;
  if (args->n > 1) return lq_tpl_fail(t, LQ_E_ARG, "%s takes at most 1 argument without a name", who);
  if (!lq_tv_dict(t, type, out)) return false;
  if (args->n && args->v[0].type == TV_DICT) {
    for (size_t i = 0; i < args->v[0].u.dict->n; i++)
      if (!lq_tv_put(t, out->u.dict, args->v[0].u.dict->e[i].key, args->v[0].u.dict->e[i].value)) return false;
  } else if (args->n) {
    if (!lq_tv_items(t, &args->v[0], &l)) return false;
    for (size_t i = 0; i < l->n; i++) {
      if (!lq_tv_items(t, &l->v[i], &pair)) return false;
      if (pair->n != 2) return lq_tpl_fail(t, LQ_E_ARG, "%s: an item is not a pair", who);
      if (!lq_tv_put(t, out->u.dict, pair->v[0], pair->v[1])) return false;
    }
  }
  for (unsigned i = 0; i < args->n_named; i++)
    if (!lq_tv_put(t, out->u.dict, lq_tv_str(args->names[i]), args->named[i])) return false;
  for (size_t i = 0; type == TV_NAMESPACE && i < out->u.dict->n; i++) {
    const lq_tv *k = &out->u.dict->e[i].key;
    if (k->type == TV_STR && k->u.s.n && k->u.s.p[0] == '_')
      return lq_tpl_fail(t, LQ_E_ARG, "a namespace cannot hold \"%.*s\": names that begin with _ are reserved", LQ_STR_ARG(k->u.s));
  }
  return true;
}

/* The template's own refusal: its words, nothing around them. */
static bool call_raise(lq_tpl *t, lq_targs *args, lq_tv *out) {
  lq_str s;
  (void)out;
  if (!lq_targs_check(t, "raise_exception", args, 1, 1, "message")) return false;
  if (!lq_tv_text(t, args->n ? &args->v[0] : &args->named[0], &s)) return false;
  if (t->status == LQ_OK) t->status = lq_fail(t->err, LQ_E_ARG, "%.*s", s.n > 255 ? 255 : (int)s.n, s.p);
  return false;
}

static bool call_loop(lq_tpl *t, const struct lq_tmethod *m, lq_targs *args, lq_tv *out) {
  lq_tloop *l = m->self->u.loop;
  if (args->n_named) return lq_tpl_fail(t, LQ_E_ARG, "loop.%.*s takes no argument with a name", LQ_STR_ARG(m->name));
  if (lq_str_eqz(m->name, "cycle")) {
    if (!args->n) return lq_tpl_fail(t, LQ_E_ARG, "loop.cycle needs at least 1 argument");
    *out = args->v[l->i % args->n];
    return true;
  }
  lq_tv now;
  bool same = false;
  if (!lq_tv_list(t, TV_TUPLE, &now)) return false;
  for (unsigned i = 0; i < args->n; i++)
    if (!lq_tv_push(t, now.u.list, args->v[i])) return false;
  if (l->has_changed && !lq_tv_eq(t, &l->changed, &now, 0, &same)) return false;
  l->has_changed = true;
  l->changed = now;
  *out = lq_tv_bool(!same);
  return true;
}

bool lq_tpl_call(lq_tpl *t, const lq_tv *f, lq_targs *args, lq_tv *out) {
  lq_str fmt = {"", 0};
  if (f->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, f);
  if (f->type == TV_MACRO) return lq_tpl_macro(t, f->u.macro, args, out);
  if (f->type == TV_METHOD) {
    if (f->u.method->self->type == TV_LOOP) return call_loop(t, f->u.method, args, out);
    return lq_tpl_method(t, f->u.method->self, f->u.method->name, args, out);
  }
  if (f->type == TV_LOOP) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "\"recursive\" loops are not supported");
  if (f->type != TV_FUNC) return lq_tpl_fail(t, LQ_E_ARG, "a value of type %s cannot be called", lq_tv_name(f));
  switch (f->id) {
    case F_RANGE: return call_range(t, args, out);
    case F_DICT: return call_dict(t, TV_DICT, args, out);
    case F_NAMESPACE: return call_dict(t, TV_NAMESPACE, args, out);
    case F_RAISE: return call_raise(t, args, out);
    case F_STRFTIME:
      return lq_targs_check(t, "strftime_now", args, 1, 1, "format") && lq_targ_str(t, "strftime_now", args, 0, "format", &fmt) &&
             lq_tpl_strftime(t, fmt, out);
    default: return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the function %s is not supported", functions[f->id]);
  }
}
