/* Chat templates: reading the arguments of a call. May call: base, template_impl.h. */
#include <string.h>

#include "text/template_impl.h"

bool lq_targ(const lq_targs *a, unsigned i, const char *name, lq_tv *out) {
  if (i < a->n) {
    *out = a->v[i];
    return true;
  }
  for (unsigned k = 0; k < a->n_named; k++)
    if (lq_str_eqz(a->names[k], name)) {
      *out = a->named[k];
      return true;
    }
  return false;
}

static bool in_names(lq_str name, const char *names) {
  for (const char *p = names; *p;) {
    size_t n = strcspn(p, " ");
    if (lq_str_eq(name, (lq_str){p, n})) return true;
    p += n;
    if (*p) p++;
  }
  return false;
}

bool lq_targs_check(lq_tpl *t, const char *who, const lq_targs *a, unsigned least, unsigned most, const char *names) {
  for (unsigned k = 0; k < a->n_named; k++)
    if (!in_names(a->names[k], names)) return lq_tpl_fail(t, LQ_E_ARG, "%s has no argument named \"%.*s\"", who, LQ_STR_ARG(a->names[k]));
  if (a->n + a->n_named > most) return lq_tpl_fail(t, LQ_E_ARG, "%s takes at most %u arguments, %u are given", who, most, a->n + a->n_named);
  if (a->n + a->n_named < least) return lq_tpl_fail(t, LQ_E_ARG, "%s needs %u arguments, %u are given", who, least, a->n + a->n_named);
  return true;
}

bool lq_targ_str(lq_tpl *t, const char *who, const lq_targs *a, unsigned i, const char *name, lq_str *out) {
  lq_tv v;
  if (!lq_targ(a, i, name, &v)) return true;
  if (v.type == TV_UNDEFINED) return lq_tv_bad_undefined(t, &v);
  if (v.type != TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "%s: %s must be a str, not %s", who, name, lq_tv_name(&v));
  *out = v.u.s;
  return true;
}

bool lq_targ_int(lq_tpl *t, const char *who, const lq_targs *a, unsigned i, const char *name, int64_t *out) {
  lq_tv v;
  if (!lq_targ(a, i, name, &v)) return true;
  if (v.type != TV_INT && v.type != TV_BOOL) return lq_tpl_fail(t, LQ_E_ARG, "%s: %s must be an int, not %s", who, name, lq_tv_name(&v));
  *out = v.type == TV_INT ? v.u.i : v.u.b;
  return true;
}

bool lq_targ_bool(const lq_targs *a, unsigned i, const char *name, bool otherwise) {
  lq_tv v;
  return lq_targ(a, i, name, &v) ? lq_tv_true(&v) : otherwise;
}
