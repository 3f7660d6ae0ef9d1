/* Chat templates: methods of str, list and dict that the sandbox allows. Others that Python has are refused by name.
 * May call: base, template_impl.h. */
#include <string.h>

#include "base/utf8.h"
#include "text/template_impl.h"

typedef bool (*method)(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out);

static bool with_buf(lq_tpl *t, bool ok, lq_buf *b, lq_tv *out) { return lq_tpl_buf(t, b, out) && ok; }

static bool m_upper(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  return lq_targs_check(t, "upper", a, 0, 0, "") && with_buf(t, lq_tpl_upper(t, self->u.s, &b), &b, out);
}

static bool m_lower(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  return lq_targs_check(t, "lower", a, 0, 0, "") && with_buf(t, lq_tpl_lower(t, self->u.s, &b), &b, out);
}

static bool m_title(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  return lq_targs_check(t, "title", a, 0, 0, "") && with_buf(t, lq_tpl_title(t, self->u.s, false, false, &b), &b, out);
}

static bool m_capitalize(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  return lq_targs_check(t, "capitalize", a, 0, 0, "") && with_buf(t, lq_tpl_title(t, self->u.s, true, false, &b), &b, out);
}

static bool strip(lq_tpl *t, const char *who, const lq_tv *self, lq_targs *a, bool left, bool right, lq_tv *out) {
  lq_tv v;
  lq_str chars = {0};
  if (!lq_targs_check(t, who, a, 0, 1, "")) return false;
  bool given = lq_targ(a, 0, "", &v) && v.type != TV_NONE;
  if (given && !lq_targ_str(t, who, a, 0, "chars", &chars)) return false;
  if (!lq_tpl_step(t, (uint64_t)(self->u.s.n / 16) * (1 + chars.n))) return false;
  *out = lq_tv_str(lq_tpl_strip(self->u.s, given ? &chars : NULL, left, right));
  return true;
}

static bool m_strip(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return strip(t, "strip", self, a, true, true, out); }
static bool m_lstrip(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return strip(t, "lstrip", self, a, true, false, out); }
static bool m_rstrip(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return strip(t, "rstrip", self, a, false, true, out); }

static bool push_str(lq_tpl *t, lq_tv *list, const char *p, size_t n) { return lq_tv_push(t, list->u.list, lq_tv_str((lq_str){p, n})); }

/* Words between runs of white space; the rest after `most` of them stays whole. */
static bool split_space(lq_tpl *t, lq_str s, int64_t most, lq_tv *out) {
  while ((s = lq_tpl_strip(s, NULL, true, false)).n) {
    size_t n = 0, k;
    uint32_t cp;
    if (most-- == 0) return push_str(t, out, s.p, s.n);
    for (; n < s.n; n += k) {
      k = lq_utf8_decode(s.p + n, s.n - n, &cp);
      if (lq_tpl_is_space(cp)) break;
    }
    if (!push_str(t, out, s.p, n)) return false;
    s.p += n;
    s.n -= n;
  }
  return true;
}

/* What find_back may cost. */
static bool step_back(lq_tpl *t, lq_str s, lq_str what) { return lq_tpl_step(t, (uint64_t)(s.n / 16 + 1) * (what.n / 8 + 1)); }

/* The last place of `what` that ends at or before `end`. */
static size_t find_back(lq_str s, lq_str what, size_t end) {
  if (what.n > end) return SIZE_MAX;
  for (size_t i = end - what.n + 1; i-- > 0;)
    if (memcmp(s.p + i, what.p, what.n) == 0) return i;
  return SIZE_MAX;
}

static bool split_back(lq_tpl *t, lq_str s, lq_str sep, int64_t most, lq_tv *out) {
  lq_tv back;
  size_t end = s.n, hit;
  if (!lq_tv_list(t, TV_LIST, &back) || !step_back(t, s, sep)) return false;
  for (; most-- != 0 && (hit = find_back(s, sep, end)) != SIZE_MAX; end = hit)
    if (!push_str(t, &back, s.p + hit + sep.n, end - hit - sep.n)) return false;
  if (!push_str(t, &back, s.p, end)) return false;
  for (size_t i = back.u.list->n; i-- > 0;)
    if (!lq_tv_push(t, out->u.list, back.u.list->v[i])) return false;
  return true;
}

static bool split(lq_tpl *t, const char *who, const lq_tv *self, lq_targs *a, bool back, lq_tv *out) {
  lq_tv v;
  lq_str sep = {0}, s = self->u.s;
  int64_t most = -1;
  if (!lq_targs_check(t, who, a, 0, 2, "sep maxsplit") || !lq_targ_int(t, who, a, 1, "maxsplit", &most)) return false;
  bool given = lq_targ(a, 0, "sep", &v) && v.type != TV_NONE;
  if (given && !lq_targ_str(t, who, a, 0, "sep", &sep)) return false;
  if (given && !sep.n) return lq_tpl_fail(t, LQ_E_ARG, "%s: the separator is empty", who);
  if (!lq_tv_list(t, TV_LIST, out) || !lq_tpl_step(t, s.n / 16)) return false;
  if (!given && back && most >= 0) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "rsplit with maxsplit needs a separator here");
  if (!given) return split_space(t, s, most, out);
  if (back && most >= 0) return split_back(t, s, sep, most, out);
  size_t pos = 0, hit;
  for (; most-- != 0 && (hit = lq_tpl_find(s, sep, pos)) != SIZE_MAX; pos = hit + sep.n)
    if (!push_str(t, out, s.p + pos, hit - pos)) return false;
  return push_str(t, out, s.p + pos, s.n - pos);
}

static bool m_split(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return split(t, "split", self, a, false, out); }
static bool m_rsplit(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return split(t, "rsplit", self, a, true, out); }

static bool m_splitlines(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  lq_str s = self->u.s;
  if (!lq_targs_check(t, "splitlines", a, 0, 1, "keepends") || !lq_tv_list(t, TV_LIST, out)) return false;
  bool keep = lq_targ_bool(a, 0, "keepends", false);
  for (size_t from = 0, i = 0, n; i < s.n; i += n) {
    uint32_t cp;
    n = lq_utf8_decode(s.p + i, s.n - i, &cp);
    bool ends = (cp >= 0x0A && cp <= 0x0D) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 || cp == 0x2029;
    if (cp == '\r' && i + 1 < s.n && s.p[i + 1] == '\n') n = 2;
    if (!ends && i + n < s.n) continue;
    if (!push_str(t, out, s.p + from, ends && !keep ? i - from : i + n - from)) return false;
    from = i + n;
  }
  return true;
}

/* startswith, endswith: a str or a tuple of them. */
static bool affix(lq_tpl *t, const char *who, const lq_tv *self, lq_targs *a, bool end, lq_tv *out) {
  lq_str s = self->u.s;
  if (a->n > 1) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "%s with a place is not supported", who);
  if (!lq_targs_check(t, who, a, 1, 1, "")) return false;
  const lq_tv *v = &a->v[0];
  size_t n = v->type == TV_TUPLE ? v->u.list->n : 1;
  *out = lq_tv_bool(false);
  for (size_t i = 0; i < n; i++) {
    const lq_tv *one = v->type == TV_TUPLE ? &v->u.list->v[i] : v;
    if (one->type == TV_UNDEFINED) return lq_tv_bad_undefined(t, one);
    if (one->type != TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "%s needs a str or a tuple of str, not %s", who, lq_tv_name(one));
    lq_str x = one->u.s;
    if (!lq_tpl_step(t, 1 + (x.n <= s.n ? x.n / 16 : 0))) return false;
    if (x.n <= s.n && memcmp(end ? s.p + (s.n - x.n) : s.p, x.p, x.n) == 0) out->u.b = true;
  }
  return true;
}

static bool m_startswith(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return affix(t, "startswith", self, a, false, out); }
static bool m_endswith(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return affix(t, "endswith", self, a, true, out); }

static bool cut(lq_tpl *t, const char *who, const lq_tv *self, lq_targs *a, bool end, lq_tv *out) {
  if (!affix(t, who, self, a, end, out)) return false;
  if (a->v[0].type != TV_STR) return lq_tpl_fail(t, LQ_E_ARG, "%s needs a str", who);
  lq_str s = self->u.s;
  size_t n = out->u.b ? a->v[0].u.s.n : 0;
  *out = lq_tv_str((lq_str){s.p + (end ? 0 : n), s.n - n});
  return true;
}

static bool m_removeprefix(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return cut(t, "removeprefix", self, a, false, out); }
static bool m_removesuffix(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return cut(t, "removesuffix", self, a, true, out); }

static bool m_replace(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  lq_str from = {0}, to = {0};
  int64_t count = -1;
  return lq_targs_check(t, "replace", a, 2, 3, "") && lq_targ_str(t, "replace", a, 0, "the old text", &from) &&
         lq_targ_str(t, "replace", a, 1, "the new text", &to) && lq_targ_int(t, "replace", a, 2, "count", &count) &&
         lq_tpl_replace(t, self->u.s, from, to, count, out);
}

static bool m_join(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  lq_tlist *l;
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  if (!lq_targs_check(t, "join", a, 1, 1, "") || !lq_tv_items(t, &a->v[0], &l)) return false;
  bool ok = true;
  for (size_t i = 0; ok && i < l->n; i++) {
    if (i) lq_buf_add(&b, self->u.s.p, self->u.s.n);
    if (l->v[i].type != TV_STR) ok = lq_tpl_fail(t, LQ_E_ARG, "join: item %zu is no str but %s", i, lq_tv_name(&l->v[i]));
    else lq_buf_add(&b, l->v[i].u.s.p, l->v[i].u.s.n);
    ok = ok && lq_tpl_step(t, (self->u.s.n + (l->v[i].type == TV_STR ? l->v[i].u.s.n : 0)) / 16 + 1);
  }
  return with_buf(t, ok, &b, out);
}

/* find, rfind, index, rindex: place in characters. */
static bool find(lq_tpl *t, const char *who, const lq_tv *self, lq_targs *a, bool back, bool must, lq_tv *out) {
  lq_str what = {0}, s = self->u.s;
  if (a->n > 1) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "%s with a place is not supported", who);
  if (!lq_targs_check(t, who, a, 1, 1, "") || !lq_targ_str(t, who, a, 0, "the text", &what)) return false;
  if (back && !step_back(t, s, what)) return false;
  size_t hit = back ? find_back(s, what, s.n) : lq_tpl_find(s, what, 0);
  if (hit == SIZE_MAX && must) return lq_tpl_fail(t, LQ_E_ARG, "%s: the text was not found", who);
  *out = lq_tv_int(hit == SIZE_MAX ? -1 : (int64_t)lq_tv_chars((lq_str){s.p, hit}));
  return lq_tpl_step(t, s.n / 16);
}

static bool m_find(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return find(t, "find", self, a, false, false, out); }
static bool m_rfind(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return find(t, "rfind", self, a, true, false, out); }
static bool m_rindex(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return find(t, "rindex", self, a, true, true, out); }

static bool m_index(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  if (self->type == TV_STR) return find(t, "index", self, a, false, true, out);
  bool same;
  if (!lq_targs_check(t, "index", a, 1, 1, "")) return false;
  for (size_t i = 0; i < self->u.list->n; i++) {
    if (!lq_tv_eq(t, &self->u.list->v[i], &a->v[0], 0, &same)) return false;
    if (same) {
      *out = lq_tv_int((int64_t)i);
      return true;
    }
  }
  return lq_tpl_fail(t, LQ_E_ARG, "index: the value is not in the %s", lq_tv_name(self));
}

static bool m_count(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  int64_t n = 0;
  bool same;
  lq_str what = {0}, s = self->u.s;
  if (!lq_targs_check(t, "count", a, 1, 1, "")) return false;
  if (self->type != TV_STR) {
    for (size_t i = 0; i < self->u.list->n; i++) {
      if (!lq_tv_eq(t, &self->u.list->v[i], &a->v[0], 0, &same)) return false;
      n += same;
    }
  } else {
    if (!lq_targ_str(t, "count", a, 0, "the text", &what)) return false;
    if (!what.n) n = (int64_t)lq_tv_chars(s) + 1;
    for (size_t pos = 0; what.n && (pos = lq_tpl_find(s, what, pos)) != SIZE_MAX; pos += what.n) n++;
  }
  *out = lq_tv_int(n);
  return self->type != TV_STR || lq_tpl_step(t, s.n / 16);
}

/* All characters are of a kind, and there is one. ASCII digits and letters beyond that as base/utf8 has them. */
static bool all(lq_tpl *t, const char *who, const lq_tv *self, lq_targs *a, bool (*is)(uint32_t), lq_tv *out) {
  lq_str s = self->u.s;
  *out = lq_tv_bool(s.n > 0);
  for (size_t i = 0; i < s.n;) {
    uint32_t cp;
    i += lq_utf8_decode(s.p + i, s.n - i, &cp);
    if (!is(cp)) out->u.b = false;
  }
  return lq_targs_check(t, who, a, 0, 0, "") && lq_tpl_step(t, s.n / 16);
}

static bool m_isalpha(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return all(t, "isalpha", self, a, lq_uni_letter, out); }
static bool m_isdecimal(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return all(t, "isdecimal", self, a, lq_uni_digit, out); }
static bool m_isspace(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return all(t, "isspace", self, a, lq_tpl_is_space, out); }

static bool m_isdigit(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  lq_str s = self->u.s;
  for (size_t i = 0; i < s.n;) {
    uint32_t cp;
    i += lq_utf8_decode(s.p + i, s.n - i, &cp);
    if (cp >= 128 && lq_uni_number(cp) && !lq_uni_digit(cp))
      return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "isdigit of U+%04X is not supported", (unsigned)cp);
  }
  return all(t, "isdigit", self, a, lq_uni_digit, out);
}

/* isupper, islower: no cased character of the other kind, and one of this. */
static bool cased(lq_tpl *t, const char *who, const lq_tv *self, lq_targs *a, bool upper, lq_tv *out) {
  lq_str s = self->u.s;
  bool one = false, other = false;
  for (size_t i = 0; i < s.n;) {
    uint32_t cp;
    i += lq_utf8_decode(s.p + i, s.n - i, &cp);
    if (upper ? lq_uni_upper(cp) : lq_uni_lower(cp)) one = true;
    if (upper ? lq_uni_lower(cp) : lq_uni_upper(cp)) other = true;
  }
  *out = lq_tv_bool(one && !other);
  return lq_targs_check(t, who, a, 0, 0, "") && lq_tpl_step(t, s.n / 16);
}

static bool m_isupper(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return cased(t, "isupper", self, a, true, out); }
static bool m_islower(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return cased(t, "islower", self, a, false, out); }

/* The value that a field of str.format means: {}, {0} or {name}. */
static bool format_field(lq_tpl *t, lq_str field, const lq_targs *a, unsigned *next, lq_tv *v) {
  unsigned place = 0;
  bool digits = field.n > 0 && field.n < 4;
  for (size_t i = 0; i < field.n; i++) {
    if (memchr(".[!:{", field.p[i], 5)) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "format: the field {%.*s} is not supported", LQ_STR_ARG(field));
    digits = digits && field.p[i] >= '0' && field.p[i] <= '9';
    if (digits) place = place * 10 + (unsigned)(field.p[i] - '0');
  }
  if (!field.n) place = (*next)++;
  if (!field.n || digits) {
    if (place >= a->n) return lq_tpl_fail(t, LQ_E_ARG, "format: argument %u is missing", place);
    *v = a->v[place];
    return true;
  }
  for (unsigned k = 0; k < a->n_named; k++)
    if (lq_str_eq(a->names[k], field)) {
      *v = a->named[k];
      return true;
    }
  return lq_tpl_fail(t, LQ_E_ARG, "format: the argument \"%.*s\" is missing", LQ_STR_ARG(field));
}

static bool m_format(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  lq_str s = self->u.s;
  unsigned next = 0;
  bool ok = lq_tpl_step(t, s.n);
  for (size_t i = 0; ok && i < s.n; i++) {
    lq_tv v;
    const char *end = NULL;
    bool twice = i + 1 < s.n && s.p[i + 1] == s.p[i];
    if ((s.p[i] != '{' && s.p[i] != '}') || twice) {
      lq_buf_add(&b, &s.p[i], 1);
      i += s.p[i] == '{' || s.p[i] == '}';
    } else if (s.p[i] == '}' || !(end = memchr(s.p + i, '}', s.n - i))) {
      ok = lq_tpl_fail(t, LQ_E_ARG, "format: a brace stands alone");
    } else {
      ok = format_field(t, (lq_str){s.p + i + 1, (size_t)(end - s.p) - i - 1}, a, &next, &v) && lq_tv_write(t, &v, &b);
      i = (size_t)(end - s.p);
    }
  }
  return with_buf(t, ok, &b, out);
}

static bool m_copy(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  *out = *self; /* nothing can change the first one */
  return lq_targs_check(t, "copy", a, 0, 0, "");
}

static bool m_get(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) {
  const lq_tv *hit;
  if (!lq_targs_check(t, "get", a, 1, 2, "") || !lq_tv_find(t, self->u.dict, a->v[0], &hit)) return false;
  *out = hit ? *hit : a->n > 1 ? a->v[1] : lq_tv_none();
  return true;
}

static bool view(lq_tpl *t, const char *who, const lq_tv *self, lq_targs *a, uint16_t which, lq_tv *out) {
  lq_tv pair;
  if (!lq_targs_check(t, who, a, 0, 0, "") || !lq_tv_list(t, TV_VIEW, out)) return false;
  out->id = which;
  for (size_t i = 0; i < self->u.dict->n; i++) {
    const lq_tentry *e = &self->u.dict->e[i];
    if (which == 2 && !(lq_tv_list(t, TV_TUPLE, &pair) && lq_tv_push(t, pair.u.list, e->key) && lq_tv_push(t, pair.u.list, e->value))) return false;
    if (!lq_tv_push(t, out->u.list, which == 0 ? e->key : which == 1 ? e->value : pair)) return false;
  }
  return true;
}

static bool m_keys(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return view(t, "keys", self, a, 0, out); }
static bool m_values(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return view(t, "values", self, a, 1, out); }
static bool m_items(lq_tpl *t, const lq_tv *self, lq_targs *a, lq_tv *out) { return view(t, "items", self, a, 2, out); }

/* fn NULL: Python has it, we do not, or the sandbox forbids it. of: s str, l list and tuple, d dict. */
static const struct { const char *name; char of; method fn; } methods[] = {
    {"upper", 's', m_upper}, {"lower", 's', m_lower}, {"title", 's', m_title}, {"capitalize", 's', m_capitalize}, {"strip", 's', m_strip},
    {"lstrip", 's', m_lstrip}, {"rstrip", 's', m_rstrip}, {"split", 's', m_split}, {"rsplit", 's', m_rsplit}, {"splitlines", 's', m_splitlines},
    {"startswith", 's', m_startswith}, {"endswith", 's', m_endswith}, {"removeprefix", 's', m_removeprefix}, {"removesuffix", 's', m_removesuffix},
    {"replace", 's', m_replace}, {"join", 's', m_join}, {"find", 's', m_find}, {"rfind", 's', m_rfind}, {"index", 's', m_index},
    {"rindex", 's', m_rindex}, {"count", 's', m_count}, {"isalpha", 's', m_isalpha}, {"isdecimal", 's', m_isdecimal}, {"isdigit", 's', m_isdigit},
    {"isspace", 's', m_isspace}, {"isupper", 's', m_isupper}, {"islower", 's', m_islower}, {"casefold", 's', NULL}, {"center", 's', NULL},
    {"encode", 's', NULL}, {"expandtabs", 's', NULL}, {"format", 's', m_format}, {"format_map", 's', NULL}, {"isalnum", 's', NULL},
    {"isascii", 's', NULL},
    {"isidentifier", 's', NULL}, {"isnumeric", 's', NULL}, {"isprintable", 's', NULL}, {"istitle", 's', NULL}, {"ljust", 's', NULL},
    {"maketrans", 's', NULL}, {"partition", 's', NULL}, {"rjust", 's', NULL}, {"rpartition", 's', NULL}, {"swapcase", 's', NULL},
    {"translate", 's', NULL}, {"zfill", 's', NULL}, {"index", 'l', m_index}, {"count", 'l', m_count}, {"copy", 'l', m_copy}, {"append", 'l', NULL},
    {"clear", 'l', NULL}, {"extend", 'l', NULL}, {"insert", 'l', NULL}, {"pop", 'l', NULL}, {"remove", 'l', NULL}, {"reverse", 'l', NULL},
    {"sort", 'l', NULL}, {"keys", 'd', m_keys}, {"values", 'd', m_values}, {"items", 'd', m_items}, {"get", 'd', m_get}, {"copy", 'd', m_copy},
    {"clear", 'd', NULL}, {"fromkeys", 'd', NULL}, {"pop", 'd', NULL}, {"popitem", 'd', NULL}, {"setdefault", 'd', NULL}, {"update", 'd', NULL}};

static size_t lookup(const lq_tv *self, lq_str name) {
  char of = self->type == TV_STR ? 's' : self->type == TV_LIST || self->type == TV_TUPLE ? 'l' : self->type == TV_DICT ? 'd' : 0;
  size_t n = sizeof methods / sizeof *methods, i = 0;
  while (i < n && !(methods[i].of == of && lq_str_eqz(name, methods[i].name))) i++;
  return i;
}

bool lq_tpl_has_method(const lq_tv *self, lq_str name, bool *python_has) {
  size_t i = lookup(self, name);
  bool here = i < sizeof methods / sizeof *methods;
  if (here && self->type == TV_TUPLE && methods[i].fn != m_index && methods[i].fn != m_count) here = false;
  *python_has = here;
  return here && methods[i].fn;
}

bool lq_tpl_method(lq_tpl *t, const lq_tv *self, lq_str name, lq_targs *args, lq_tv *out) {
  if (self->type == TV_STR && self->safe) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "methods of a text marked safe are not supported");
  return methods[lookup(self, name)].fn(t, self, args, out);
}
