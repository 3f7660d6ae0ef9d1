/* Chat templates: filters on one value. May call: base, template_impl.h. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "text/template_impl.h"

typedef bool (*filter)(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out);

/* A new text from v's text through fn. */
static bool recase(lq_tpl *t, const char *who, const lq_tv *v, lq_targs *a, bool (*fn)(lq_tpl *, lq_str, lq_buf *), lq_tv *out) {
  lq_str s;
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  if (!lq_targs_check(t, who, a, 0, 0, "") || !lq_tv_text(t, v, &s)) return false;
  bool ok = fn(t, s, &b);
  return lq_tpl_buf(t, &b, out) && ok;
}

static bool to_title(lq_tpl *t, lq_str s, lq_buf *b) { return lq_tpl_title(t, s, false, true, b); }
static bool to_capital(lq_tpl *t, lq_str s, lq_buf *b) { return lq_tpl_title(t, s, true, false, b); }

static bool f_upper(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return recase(t, "upper", v, a, lq_tpl_upper, out); }
static bool f_lower(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return recase(t, "lower", v, a, lq_tpl_lower, out); }
static bool f_title(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return recase(t, "title", v, a, to_title, out); }
static bool f_capitalize(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return recase(t, "capitalize", v, a, to_capital, out); }

static bool f_trim(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tv c;
  lq_str s, chars = {0};
  if (!lq_targs_check(t, "trim", a, 0, 1, "chars") || !lq_tv_text(t, v, &s)) return false;
  bool given = lq_targ(a, 0, "chars", &c) && c.type != TV_NONE;
  if (given && !lq_targ_str(t, "trim", a, 0, "chars", &chars)) return false;
  if (!lq_tpl_step(t, (uint64_t)(s.n / 16) * (1 + chars.n))) return false;
  *out = lq_tv_str(lq_tpl_strip(s, given ? &chars : NULL, true, true));
  out->safe = v->type == TV_STR && v->safe;
  return true;
}

static bool f_length(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  int64_t n = 0;
  if (!lq_targs_check(t, "length", a, 0, 0, "") || !lq_tv_length(t, v, &n)) return false;
  *out = lq_tv_int(n);
  return true;
}

static bool f_default(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  if (!lq_targs_check(t, "default", a, 0, 2, "default_value boolean")) return false;
  *out = *v;
  if (v->type == TV_UNDEFINED || (lq_targ_bool(a, 1, "boolean", false) && !lq_tv_true(v)))
    if (!lq_targ(a, 0, "default_value", out)) *out = lq_tv_z("");
  return true;
}

static bool f_string(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_str s;
  if (!lq_targs_check(t, "string", a, 0, 0, "") || !lq_tv_text(t, v, &s)) return false;
  *out = lq_tv_str(s);
  out->safe = v->type == TV_STR && v->safe;
  return true;
}

static bool f_safe(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  if (!f_string(t, v, a, out)) return false;
  out->safe = true;
  return true;
}

static bool f_escape(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  if (!f_string(t, v, a, out)) return false;
  if (!out->safe) {
    lq_tpl_escape(out->u.s, &b);
    if (!lq_tpl_buf(t, &b, out)) return false;
  }
  out->safe = true;
  return true;
}

/* Python's int(text) in base 10: *ok false when it is none. */
static bool parse_int(lq_tpl *t, lq_str s, int64_t *out, bool *ok) {
  bool minus = false, digit = false;
  int64_t n = 0;
  s = lq_tpl_strip(s, NULL, true, true);
  size_t i = 0;
  if (s.n && (s.p[0] == '-' || s.p[0] == '+')) minus = s.p[i++] == '-';
  *ok = i < s.n;
  for (; *ok && i < s.n; i++) {
    char c = s.p[i];
    if (c >= '0' && c <= '9') {
      if (__builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, c - '0', &n))
        return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "int: the number is beyond 64 bits");
      digit = true;
    } else {
      if ((unsigned char)c >= 0x80) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "int: a text beyond ASCII is not supported");
      *ok = c == '_' && digit && i + 1 < s.n; /* single, between digits */
      digit = false;
    }
  }
  *ok = *ok && digit;
  if (*ok && !minus && n == INT64_MIN) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "int: the number is beyond 64 bits");
  *out = minus ? n : *ok ? -n : 0;
  return true;
}

/* Python's float(text). */
static bool parse_float(lq_tpl *t, lq_str s, double *out, bool *ok) {
  char text[128], *end;
  s = lq_tpl_strip(s, NULL, true, true);
  size_t k = 0;
  *ok = false;
  for (size_t i = 0; i < s.n; i++) {
    if ((unsigned char)s.p[i] >= 0x80) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "float: a text beyond ASCII is not supported");
    if (k + 1 >= sizeof text) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "float: a text of more than %zu bytes is not supported", sizeof text - 1);
    if (s.p[i] == '_') {
      if (i == 0 || i + 1 == s.n || s.p[i - 1] < '0' || s.p[i - 1] > '9' || s.p[i + 1] < '0' || s.p[i + 1] > '9') return true;
      continue;
    }
    if (s.p[i] == 'x' || s.p[i] == 'X' || s.p[i] == '(' || s.p[i] == 0) return true; /* C's, not Python's */
    text[k++] = s.p[i];
  }
  text[k] = 0;
  if (!k || lq_tpl_is_space((unsigned char)text[0])) return true;
  *out = lq_strtod(text, &end);
  *ok = *end == 0;
  return true;
}

static bool number_of(lq_tpl *t, const lq_tv *v, double *out, bool *ok) {
  *ok = lq_tv_is_num(v);
  if (*ok) *out = lq_tv_num(v);
  return v->type != TV_STR || parse_float(t, v->u.s, out, ok);
}

static bool f_int(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  int64_t i = 0, base = 10;
  double f = 0;
  bool ok = false;
  if (!lq_targs_check(t, "int", a, 0, 2, "default base") || !lq_targ_int(t, "int", a, 1, "base", &base)) return false;
  if (base != 10) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "int: a base other than 10 is not supported");
  if (v->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, v);
  if (v->type == TV_INT || v->type == TV_BOOL) {
    *out = lq_tv_int(v->type == TV_INT ? v->u.i : v->u.b);
    return true;
  }
  if (v->type == TV_STR && !parse_int(t, v->u.s, &i, &ok)) return false;
  if (ok) {
    *out = lq_tv_int(i);
    return true;
  }
  if (!number_of(t, v, &f, &ok)) return false;
  if (ok && isinf(f) && v->type == TV_FLOAT) return lq_tpl_fail(t, LQ_E_ARG, "int: infinity is no integer");
  if (ok && isfinite(f)) {
    if (fabs(f) >= 9223372036854775808.0) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "int: the number is beyond 64 bits");
    *out = lq_tv_int((int64_t)f);
    return true;
  }
  if (!lq_targ(a, 0, "default", out)) *out = lq_tv_int(0);
  return true;
}

static bool f_float(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  double f = 0;
  bool ok;
  if (!lq_targs_check(t, "float", a, 0, 1, "default")) return false;
  if (v->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, v);
  if (!number_of(t, v, &f, &ok)) return false;
  if (ok) *out = lq_tv_float(f);
  else if (!lq_targ(a, 0, "default", out)) *out = lq_tv_float(0);
  return true;
}

static bool f_abs(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  if (!lq_targs_check(t, "abs", a, 0, 0, "")) return false;
  if (!lq_tv_is_num(v)) return lq_tpl_fail(t, LQ_E_ARG, "abs needs a number, not %s", lq_tv_name(v));
  if (lq_tv_num(v) < 0) return lq_tv_negate(t, v, out);
  *out = v->type == TV_BOOL ? lq_tv_int(v->u.b) : v->type == TV_FLOAT ? lq_tv_float(fabs(v->u.f)) : *v;
  return true;
}

static bool f_round(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  int64_t precision = 0;
  lq_str how = LQ_STR("common");
  char text[400];
  if (!lq_targs_check(t, "round", a, 0, 2, "precision method") || !lq_targ_int(t, "round", a, 0, "precision", &precision) ||
      !lq_targ_str(t, "round", a, 1, "method", &how))
    return false;
  bool common = lq_str_eqz(how, "common"), up = lq_str_eqz(how, "ceil");
  if (!common && !up && !lq_str_eqz(how, "floor")) return lq_tpl_fail(t, LQ_E_ARG, "round: the method must be common, ceil or floor");
  if (!lq_tv_is_num(v)) return lq_tpl_fail(t, LQ_E_ARG, "round needs a number, not %s", lq_tv_name(v));
  if (precision < 0 || precision > 15) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "round: a precision outside of 0 to 15 is not supported");
  double f = lq_tv_num(v), scale = pow(10, (double)precision);
  if (common && v->type != TV_FLOAT) {
    *out = v->type == TV_BOOL ? lq_tv_int(v->u.b) : *v;
  } else if (!isfinite(f)) {
    if (!common) return lq_tpl_fail(t, LQ_E_ARG, "round: the number is not finite");
    *out = *v;
  } else if (common) {
    lq_format(text, sizeof text, "%.*f", (int)precision, f); /* exact decimal, ties to even: as Python's round */
    *out = lq_tv_float(lq_strtod(text, NULL));
  } else {
    *out = lq_tv_float((up ? ceil(f * scale) : floor(f * scale)) / scale);
  }
  return true;
}

static bool f_replace(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tv from = {0}, to = {0}, c;
  lq_str s, x, y;
  int64_t count = -1;
  if (!lq_targs_check(t, "replace", a, 2, 3, "old new count")) return false;
  if (!lq_targ(a, 0, "old", &from) || !lq_targ(a, 1, "new", &to)) return lq_tpl_fail(t, LQ_E_ARG, "replace needs the old and the new text");
  if (lq_targ(a, 2, "count", &c) && c.type != TV_NONE && !lq_targ_int(t, "replace", a, 2, "count", &count)) return false;
  return lq_tv_text(t, v, &s) && lq_tv_text(t, &from, &x) && lq_tv_text(t, &to, &y) && lq_tpl_replace(t, s, x, y, count, out);
}

/* The end of the line that begins at `at`, and where the next one begins (str.splitlines). */
static size_t line_end(lq_str s, size_t at, size_t *next) {
  for (size_t i = at, n; i < s.n; i += n) {
    uint32_t cp;
    n = lq_utf8_decode(s.p + i, s.n - i, &cp);
    if (!((cp >= 0x0A && cp <= 0x0D) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 || cp == 0x2029)) continue;
    *next = i + (cp == '\r' && i + 1 < s.n && s.p[i + 1] == '\n' ? 2 : n);
    return i;
  }
  *next = s.n + 1;
  return s.n;
}

static bool f_indent(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) {
  lq_tv w = lq_tv_int(4);
  lq_buf pad = {.limit = 1 << 16}, b = {.limit = LQ_TPL_MAX_MEMORY};
  if (!lq_targs_check(t, "indent", a, 0, 3, "width first blank")) return false;
  lq_targ(a, 0, "width", &w);
  if (w.type != TV_STR && w.type != TV_INT) return lq_tpl_fail(t, LQ_E_ARG, "indent: width must be an int or a str");
  if (v->type != TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "indent needs a str, not %s", lq_tv_name(v));
  if (w.type == TV_STR) lq_buf_add(&pad, w.u.s.p, w.u.s.n);
  for (int64_t i = 0; w.type == TV_INT && i < w.u.i && !pad.failed; i++) lq_buf_add(&pad, " ", 1);
  bool first = lq_targ_bool(a, 1, "first", false), blank = lq_targ_bool(a, 2, "blank", false), ok = !pad.failed;
  if (!ok) lq_tpl_fail(t, LQ_E_UNSUPPORTED, "indent: width is too large");
  size_t next = 0;
  for (size_t at = 0; ok && at <= v->u.s.n; at = next) {
    size_t end = line_end(v->u.s, at, &next);
    if (at) lq_buf_addz(&b, "\n");
    if (at ? (blank || end > at) : first) lq_buf_add(&b, pad.p ? pad.p : "", pad.n);
    lq_buf_add(&b, v->u.s.p + at, end - at);
    ok = !b.failed && lq_tpl_step(t, (pad.n + end - at) / 16 + 1);
  }
  lq_buf_free(&pad);
  return lq_tpl_buf(t, &b, out) && ok;
}

static bool f_tojson(lq_tpl *t, const lq_tv *v, lq_targs *a, lq_tv *out) { return lq_tv_tojson(t, v, a, out); }

static const struct { const char *name; filter fn; bool safe; } filters[] = { /* safe: knows what to do with text marked safe */
    {"upper", f_upper, false}, {"lower", f_lower, false}, {"title", f_title, false}, {"capitalize", f_capitalize, false}, {"trim", f_trim, true},
    {"length", f_length, true}, {"count", f_length, true}, {"default", f_default, true}, {"d", f_default, true}, {"string", f_string, true},
    {"safe", f_safe, true}, {"escape", f_escape, true}, {"e", f_escape, true}, {"int", f_int, true}, {"float", f_float, true}, {"abs", f_abs, true},
    {"round", f_round, true}, {"replace", f_replace, false}, {"indent", f_indent, false}, {"tojson", f_tojson, true}};

bool lq_tpl_filter(lq_tpl *t, lq_str name, const lq_tv *v, lq_targs *args, lq_tv *out) {
  bool known;
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
    if (!lq_str_eqz(name, filters[i].name)) continue;
    if (v->type == TV_STR && v->safe && !filters[i].safe)
      return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the filter %s on a text marked safe is not supported", filters[i].name);
    return filters[i].fn(t, v, args, out);
  }
  if (!lq_tpl_filter_seq(t, name, v, args, out, &known)) return false;
  return known || lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the filter \"%.*s\" is not supported", LQ_STR_ARG(name));
}

bool lq_tpl_has_filter(lq_str name) {
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
    if (lq_str_eqz(name, filters[i].name)) return true;
  return lq_tpl_has_filter_seq(name);
}
