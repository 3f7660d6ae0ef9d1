/* Chat templates: operators, comparison, index and slice, as Python has them. May call: base, template_impl.h. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "text/template_impl.h"

#define MAX_VALUE_DEPTH 150 /* lists in lists, when compared */

static int cmp_num(const lq_tv *a, const lq_tv *b) { /* 2: not comparable (NaN) */
  if (a->type != TV_FLOAT && b->type != TV_FLOAT) {
    int64_t x = a->type == TV_BOOL ? a->u.b : a->u.i, y = b->type == TV_BOOL ? b->u.b : b->u.i;
    return x < y ? -1 : x > y;
  }
  double x = lq_tv_num(a), y = lq_tv_num(b);
  return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

static int cmp_str(lq_str a, lq_str b) { /* by code point: UTF-8 keeps that order */
  size_t n = a.n < b.n ? a.n : b.n;
  int c = n ? memcmp(a.p, b.p, n) : 0;
  return c ? (c < 0 ? -1 : 1) : a.n < b.n ? -1 : a.n > b.n;
}

static bool eq_dict(lq_tpl *t, const lq_tdict *a, const lq_tdict *b, unsigned depth, bool *out) {
  *out = a->n == b->n;
  for (size_t i = 0; *out && i < a->n; i++) {
    const lq_tv *other;
    if (!lq_tv_find(t, b, a->e[i].key, &other)) return false;
    *out = other != NULL;
    if (other && !lq_tv_eq(t, &a->e[i].value, other, depth + 1, out)) return false;
  }
  return true;
}

bool lq_tv_eq(lq_tpl *t, const lq_tv *a, const lq_tv *b, unsigned depth, bool *out) {
  if (depth > MAX_VALUE_DEPTH)
    return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "lists are nested more than %d deep, the limit for a comparison", MAX_VALUE_DEPTH);
  if (!lq_tpl_step(t, 1)) return false;
  if (lq_tv_is_num(a) && lq_tv_is_num(b)) {
    *out = cmp_num(a, b) == 0;
    return true;
  }
  *out = false;
  if (a->type != b->type) return true;
  switch (a->type) {
    case TV_UNDEFINED:
    case TV_NONE: *out = true; return true;
    case TV_STR: *out = lq_str_eq(a->u.s, b->u.s); return lq_tpl_step(t, a->u.s.n == b->u.s.n ? a->u.s.n / 16 : 0);
    case TV_DICT: return eq_dict(t, a->u.dict, b->u.dict, depth, out);
    case TV_LIST:
    case TV_TUPLE:
    case TV_RANGE:
      *out = a->u.list->n == b->u.list->n;
      for (size_t i = 0; *out && i < a->u.list->n; i++)
        if (!lq_tv_eq(t, &a->u.list->v[i], &b->u.list->v[i], depth + 1, out)) return false;
      return true;
    case TV_NAMESPACE: *out = a->u.dict == b->u.dict; return true;
    case TV_LOOP: *out = a->u.loop == b->u.loop; return true;
    case TV_MACRO: *out = a->u.macro == b->u.macro; return true;
    case TV_FUNC: *out = a->id == b->id; return true;
    default: return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "values of type %s cannot be compared here", lq_tv_name(a));
  }
}

bool lq_tv_cmp(lq_tpl *t, const lq_tv *a, const lq_tv *b, const char *op, int *out) {
  if (!lq_tpl_step(t, 1)) return false;
  if (a->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, a);
  if (b->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, b);
  if (lq_tv_is_num(a) && lq_tv_is_num(b)) {
    *out = cmp_num(a, b);
    return true;
  }
  if (a->type == TV_STR && b->type == TV_STR) {
    *out = cmp_str(a->u.s, b->u.s);
    return lq_tpl_step(t, (a->u.s.n < b->u.s.n ? a->u.s.n : b->u.s.n) / 16);
  }
  if (a->type == b->type && (a->type == TV_LIST || a->type == TV_TUPLE)) {
    const lq_tlist *x = a->u.list, *y = b->u.list;
    for (size_t i = 0; i < x->n && i < y->n; i++) {
      bool same;
      if (!lq_tv_eq(t, &x->v[i], &y->v[i], 0, &same)) return false;
      if (same) continue;
      if (++t->depth > LQ_TPL_MAX_DEPTH) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "lists are nested too deep to be compared");
      bool ok = lq_tv_cmp(t, &x->v[i], &y->v[i], op, out);
      t->depth--;
      return ok;
    }
    *out = x->n < y->n ? -1 : x->n > y->n;
    return true;
  }
  return lq_tpl_fail(t, LQ_E_ARG, "'%s' does not work between %s and %s", op, lq_tv_name(a), lq_tv_name(b));
}

bool lq_tv_in(lq_tpl *t, const lq_tv *a, const lq_tv *b, bool *out) {
  lq_tlist *l;
  const lq_tv *hit;
  *out = false;
  switch (b->type) {
    case TV_STR:
      if (a->type != TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "only a str can be 'in' a str, not %s", lq_tv_name(a));
      *out = lq_tpl_find(b->u.s, a->u.s, 0) != SIZE_MAX;
      return lq_tpl_step(t, b->u.s.n / 16 + 1);
    case TV_DICT:
      if (!lq_tv_find(t, b->u.dict, *a, &hit)) return false;
      *out = hit != NULL;
      return true;
    case TV_LOOP: return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "'in' a loop is not supported");
    default:
      if (!lq_tv_items(t, b, &l)) return false;
      for (size_t i = 0; !*out && i < l->n; i++)
        if (!lq_tv_eq(t, a, &l->v[i], 0, out)) return false;
      return true;
  }
}

bool lq_tv_compare(lq_tpl *t, lq_top op, const lq_tv *a, const lq_tv *b, bool *out) {
  static const char *const names[] = {[TO_LT] = "<", [TO_LE] = "<=", [TO_GT] = ">", [TO_GE] = ">="};
  int c;
  if (op == TO_IN || op == TO_NOTIN) {
    if (!lq_tv_in(t, a, b, out)) return false;
    if (op == TO_NOTIN) *out = !*out;
    return true;
  }
  if (op == TO_EQ || op == TO_NE) {
    if (!lq_tv_eq(t, a, b, 0, out)) return false;
    if (op == TO_NE) *out = !*out;
    return true;
  }
  if (!lq_tv_cmp(t, a, b, names[op], &c)) return false;
  *out = c != 2 && (op == TO_LT ? c < 0 : op == TO_LE ? c <= 0 : op == TO_GT ? c > 0 : c >= 0);
  return true;
}

static bool too_big(lq_tpl *t) { return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "an integer grows beyond 64 bits"); }

static bool int_pow(lq_tpl *t, int64_t x, int64_t y, lq_tv *out) {
  int64_t r = 1;
  for (; y > 0; y >>= 1) {
    if ((y & 1) && __builtin_mul_overflow(r, x, &r)) return too_big(t);
    if (y > 1 && __builtin_mul_overflow(x, x, &x)) return too_big(t);
  }
  *out = lq_tv_int(r);
  return true;
}

static bool int_op(lq_tpl *t, lq_top op, int64_t x, int64_t y, lq_tv *out) {
  int64_t r = 0;
  bool over = false;
  switch (op) {
    case TO_ADD: over = __builtin_add_overflow(x, y, &r); break;
    case TO_SUB: over = __builtin_sub_overflow(x, y, &r); break;
    case TO_MUL: over = __builtin_mul_overflow(x, y, &r); break;
    case TO_POW: return int_pow(t, x, y, out);
    default: /* // and %: towards minus infinity */
      if (x == INT64_MIN && y == -1) {
        over = op == TO_FLOORDIV;
      } else {
        int64_t q = x / y, m = x % y;
        if (m != 0 && (m < 0) != (y < 0)) q--, m += y;
        r = op == TO_FLOORDIV ? q : m;
      }
  }
  if (over) return too_big(t);
  *out = lq_tv_int(r);
  return true;
}

static bool num_op(lq_tpl *t, lq_top op, const lq_tv *a, const lq_tv *b, lq_tv *out) {
  double x = lq_tv_num(a), y = lq_tv_num(b), m;
  bool ints = a->type != TV_FLOAT && b->type != TV_FLOAT;
  if ((op == TO_DIV || op == TO_FLOORDIV || op == TO_MOD) && y == 0) return lq_tpl_fail(t, LQ_E_ARG, "division by zero");
  if (op == TO_POW && x == 0 && y < 0) return lq_tpl_fail(t, LQ_E_ARG, "zero cannot be raised to a negative power");
  if (ints && op != TO_DIV && !(op == TO_POW && y < 0))
    return int_op(t, op, a->type == TV_BOOL ? a->u.b : a->u.i, b->type == TV_BOOL ? b->u.b : b->u.i, out);
  switch (op) {
    case TO_ADD: *out = lq_tv_float(x + y); break;
    case TO_SUB: *out = lq_tv_float(x - y); break;
    case TO_MUL: *out = lq_tv_float(x * y); break;
    case TO_DIV: *out = lq_tv_float(x / y); break;
    case TO_POW:
      if (x < 0 && y != floor(y)) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "complex numbers are not supported");
      *out = lq_tv_float(pow(x, y));
      if (isinf(out->u.f) && isfinite(x) && isfinite(y)) return lq_tpl_fail(t, LQ_E_ARG, "a power is too large");
      break;
    default: /* as CPython's float_divmod */
      m = fmod(x, y);
      if (m != 0 && (m < 0) != (y < 0)) m += y;
      else if (m == 0) m = copysign(0.0, y);
      if (op == TO_MOD) {
        *out = lq_tv_float(m);
      } else {
        double q = (x - m) / y, f = floor(q);
        if (q != 0 && q - f > 0.5) f += 1;
        *out = lq_tv_float(q == 0 ? copysign(0.0, x / y) : f);
      }
  }
  return true;
}

/* Text + text. Text marked safe makes the other side safe too, by escaping it (markupsafe). */
static bool join(lq_tpl *t, const lq_tv *a, const lq_tv *b, lq_tv *out) {
  bool safe = a->safe || b->safe;
  lq_buf x = {.limit = LQ_TPL_MAX_MEMORY};
  if (!lq_tpl_step(t, (a->u.s.n + b->u.s.n) / 16)) return false;
  if (!safe) {
    char *p = lq_tpl_take(t, (uint64_t)a->u.s.n + b->u.s.n, 1);
    if (!p) return false;
    if (a->u.s.n) memcpy(p, a->u.s.p, a->u.s.n);
    if (b->u.s.n) memcpy(p + a->u.s.n, b->u.s.p, b->u.s.n);
    *out = lq_tv_str((lq_str){p, a->u.s.n + b->u.s.n});
    return true;
  }
  for (int side = 0; side < 2; side++) {
    const lq_tv *v = side ? b : a;
    if (v->safe) lq_buf_add(&x, v->u.s.p, v->u.s.n);
    else lq_tpl_escape(v->u.s, &x);
  }
  bool ok = lq_tpl_buf(t, &x, out);
  out->safe = true;
  return ok;
}

static bool repeat(lq_tpl *t, const lq_tv *a, int64_t times, lq_tv *out) {
  uint64_t bytes, count = times > 0 ? (uint64_t)times : 0;
  if (a->type == TV_STR) {
    if (!lq_mul_u64(a->u.s.n, count, &bytes)) bytes = UINT64_MAX;
    char *p = lq_tpl_take(t, bytes, 1);
    if (!p || !lq_tpl_step(t, bytes / 16)) return false;
    for (uint64_t i = 0; a->u.s.n && i < count; i++) memcpy(p + i * a->u.s.n, a->u.s.p, a->u.s.n);
    *out = lq_tv_str((lq_str){p, (size_t)bytes});
    out->safe = a->safe;
    return true;
  }
  if (!lq_tv_list(t, (lq_tv_type)a->type, out)) return false;
  for (uint64_t i = 0; a->u.list->n && i < count; i++)
    for (size_t k = 0; k < a->u.list->n; k++)
      if (!lq_tv_push(t, out->u.list, a->u.list->v[k])) return false;
  return true;
}

static bool is_seq(const lq_tv *v) { return v->type == TV_STR || v->type == TV_LIST || v->type == TV_TUPLE; }

bool lq_tv_binary(lq_tpl *t, lq_top op, const lq_tv *a, const lq_tv *b, lq_tv *out) {
  static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**", "~"};
  lq_str x, y;
  if (op == TO_CONCAT) {
    if (!lq_tv_text(t, a, &x) || !lq_tv_text(t, b, &y)) return false;
    lq_tv left = lq_tv_str(x), right = lq_tv_str(y);
    return join(t, &left, &right, out);
  }
  if (a->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, a);
  if (b->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, b);
  if (lq_tv_is_num(a) && lq_tv_is_num(b)) return num_op(t, op, a, b, out);
  if (op == TO_ADD && a->type == b->type && is_seq(a)) {
    if (a->type == TV_STR) return join(t, a, b, out);
    if (!lq_tv_list(t, (lq_tv_type)a->type, out)) return false;
    for (int side = 0; side < 2; side++)
      for (size_t i = 0; i < (side ? b : a)->u.list->n; i++)
        if (!lq_tv_push(t, out->u.list, (side ? b : a)->u.list->v[i])) return false;
    return true;
  }
  if (op == TO_MUL && is_seq(a) && (b->type == TV_INT || b->type == TV_BOOL)) return repeat(t, a, b->type == TV_INT ? b->u.i : b->u.b, out);
  if (op == TO_MUL && is_seq(b) && (a->type == TV_INT || a->type == TV_BOOL)) return repeat(t, b, a->type == TV_INT ? a->u.i : a->u.b, out);
  if (op == TO_MOD && a->type == TV_STR) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "formatting a str with %% is not supported");
  return lq_tpl_fail(t, LQ_E_ARG, "'%s' does not work between %s and %s", names[op], lq_tv_name(a), lq_tv_name(b));
}

bool lq_tv_negate(lq_tpl *t, const lq_tv *a, lq_tv *out) {
  if (a->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, a);
  if (!lq_tv_is_num(a)) return lq_tpl_fail(t, LQ_E_ARG, "a sign does not work before %s", lq_tv_name(a));
  if (a->type == TV_FLOAT) {
    *out = lq_tv_float(-a->u.f);
    return true;
  }
  return int_op(t, TO_SUB, 0, a->type == TV_BOOL ? a->u.b : a->u.i, out);
}

/* Byte place of character i, counted from the end when negative; false when outside. */
static bool char_at(lq_str s, int64_t i, lq_str *out) {
  size_t pos = 0;
  if (i < 0) i += (int64_t)lq_tv_chars(s);
  if (i < 0) return false;
  for (; pos < s.n; i--) {
    uint32_t cp;
    size_t n = lq_utf8_decode(s.p + pos, s.n - pos, &cp);
    if (i == 0) {
      *out = (lq_str){s.p + pos, n};
      return true;
    }
    pos += n;
  }
  return false;
}

bool lq_tv_item(lq_tpl *t, const lq_tv *a, const lq_tv *key, lq_tv *out) {
  const lq_tv *hit;
  lq_str one;
  if (a->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, a);
  *out = lq_tv_undefined(key->type == TV_STR ? key->u.s : (lq_str){"an item", 7});
  if (a->type == TV_DICT) {
    if (key->type == TV_LIST || key->type == TV_DICT) return true; /* TypeError there, which Jinja2 takes for "missing" */
    if (!lq_tv_find(t, a->u.dict, *key, &hit)) return false;
    if (hit) {
      *out = *hit;
      return true;
    }
  }
  if (key->type == TV_INT || key->type == TV_BOOL) {
    int64_t i = key->type == TV_INT ? key->u.i : key->u.b;
    if (a->type == TV_STR) {
      if (!lq_tpl_step(t, a->u.s.n / 16)) return false;
      if (char_at(a->u.s, i, &one)) {
        *out = lq_tv_str(one);
        out->safe = a->safe;
      }
    } else if (a->type == TV_LIST || a->type == TV_TUPLE || a->type == TV_RANGE) {
      if (i < 0) i += (int64_t)a->u.list->n;
      if (i >= 0 && (uint64_t)i < a->u.list->n) *out = a->u.list->v[i];
    }
    return true;
  }
  return key->type != TV_STR || lq_tv_attr(t, a, key->u.s, out);
}

/* Python's slice.indices: from, to and step within n items. */
static bool slice_bounds(lq_tpl *t, const lq_tv part[3], int64_t n, int64_t *from, int64_t *to, int64_t *step) {
  for (int i = 0; i < 3; i++) {
    if (part[i].type == TV_UNDEFINED) return lq_tv_bad_undefined(t, &part[i]);
    if (part[i].type != TV_NONE && part[i].type != TV_INT && part[i].type != TV_BOOL)
      return lq_tpl_fail(t, LQ_E_ARG, "the parts of a slice must be integers, not %s", lq_tv_name(&part[i]));
  }
  *step = part[2].type == TV_NONE ? 1 : part[2].type == TV_INT ? part[2].u.i : part[2].u.b;
  if (*step == 0) return lq_tpl_fail(t, LQ_E_ARG, "the step of a slice cannot be zero");
  if (*step < -n - 1) *step = -n - 1; /* no further than past everything */
  if (*step > n + 1) *step = n + 1;
  int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? n - 1 : n, *ends[2] = {from, to};
  for (int i = 0; i < 2; i++) {
    int64_t v = part[i].type == TV_INT ? part[i].u.i : part[i].u.b;
    if (part[i].type == TV_NONE) v = (*step < 0) == (i == 0) ? high : low;
    else if (v < 0) v = v + n < low ? low : v + n;
    *ends[i] = v > high ? high : v;
  }
  return true;
}

/* Characters [from, to) of a text, which stays where it is. */
static lq_tv chars_between(const lq_tv *a, int64_t from, int64_t to) {
  lq_str s = a->u.s;
  size_t begin = s.n, end = s.n;
  int64_t k = 0;
  for (size_t i = 0; i < s.n; i++) {
    if (((unsigned char)s.p[i] & 0xC0) == 0x80) continue;
    if (k == from) begin = i;
    if (k++ == to) end = i;
  }
  lq_tv v = lq_tv_str(begin < end ? (lq_str){s.p + begin, end - begin} : (lq_str){"", 0});
  v.safe = a->safe;
  return v;
}

bool lq_tv_slice(lq_tpl *t, const lq_tv *a, const lq_tv part[3], lq_tv *out) {
  lq_tlist *l;
  int64_t from = 0, to = 0, step = 1, n;
  if (a->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, a);
  if (!is_seq(a) && a->type != TV_RANGE) return lq_tpl_fail(t, LQ_E_ARG, "a value of type %s cannot be sliced", lq_tv_name(a));
  if (!lq_tv_length(t, a, &n) || !slice_bounds(t, part, n, &from, &to, &step)) return false;
  if (a->type == TV_STR && step == 1) {
    *out = chars_between(a, from, to);
    return true;
  }
  lq_tv got;
  if (!lq_tv_items(t, a, &l)) return false;
  if (!lq_tv_list(t, a->type == TV_STR ? TV_LIST : (lq_tv_type)a->type, &got)) return false;
  for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
    if (!lq_tv_push(t, got.u.list, l->v[i])) return false;
  *out = got;
  if (a->type != TV_STR) return true;
  lq_buf text = {.limit = LQ_TPL_MAX_MEMORY};
  for (size_t i = 0; i < got.u.list->n; i++) lq_buf_add(&text, got.u.list->v[i].u.s.p, got.u.list->v[i].u.s.n);
  if (!lq_tpl_buf(t, &text, out)) return false;
  out->safe = a->safe;
  return true;
}
