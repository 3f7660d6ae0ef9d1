/* Chat templates: values as text: Python's str() and repr(), and json.dumps. May call: base, template_impl.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/template_impl.h"

#define MAX_VALUE_DEPTH 150

/* Shortest digits that read back as the same number, laid out as Python does. */
void lq_tv_write_float(double f, lq_buf *out) {
  char text[40], digits[24];
  int k = 0, precision = 1;
  if (isnan(f)) lq_buf_addz(out, "nan");
  else if (isinf(f)) lq_buf_addz(out, f < 0 ? "-inf" : "inf");
  if (!isfinite(f)) return;
  for (; precision <= 17; precision++) {
    lq_format(text, sizeof text, "%.*e", precision - 1, f);
    if (lq_strtod(text, NULL) == f) break;
  }
  const char *p = text;
  int exponent = atoi(strchr(text, 'e') + 1);
  if (*p == '-') lq_buf_add(out, p++, 1);
  for (; *p != 'e'; p++)
    if (*p != '.') digits[k++] = *p;
  if (exponent < -4 || exponent >= 16) {
    lq_buf_add(out, digits, 1);
    if (k > 1) lq_buf_add(out, ".", 1);
    lq_buf_add(out, digits + 1, (size_t)k - 1);
    lq_buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
  } else if (exponent < 0) {
    lq_buf_addz(out, "0.");
    for (int i = -1; i > exponent; i--) lq_buf_add(out, "0", 1);
    lq_buf_add(out, digits, (size_t)k);
  } else {
    for (int i = 0; i <= exponent || i < k; i++) {
      if (i == exponent + 1) lq_buf_add(out, ".", 1);
      lq_buf_add(out, i < k ? &digits[i] : "0", 1);
    }
    if (k <= exponent + 1) lq_buf_addz(out, ".0");
  }
}

static bool printable(uint32_t cp) {
  return cp == ' ' || lq_uni_letter(cp) || lq_uni_mark(cp) || lq_uni_number(cp) || lq_uni_punct(cp) || lq_uni_symbol(cp);
}

static void repr_str(lq_str s, lq_buf *out) {
  char quote = memchr(s.p, '\'', s.n) && !memchr(s.p, '"', s.n) ? '"' : '\'';
  lq_buf_add(out, &quote, 1);
  for (size_t i = 0; i < s.n;) {
    uint32_t cp;
    size_t n = lq_utf8_decode(s.p + i, s.n - i, &cp);
    if (cp == '\n' || cp == '\r' || cp == '\t') lq_buf_printf(out, "\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
    else if (cp == '\\' || cp == (unsigned char)quote) lq_buf_printf(out, "\\%c", (char)cp);
    else if (printable(cp)) lq_buf_add(out, s.p + i, n);
    else lq_buf_printf(out, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
    i += n;
  }
  lq_buf_add(out, &quote, 1);
}

static bool repr(lq_tpl *t, const lq_tv *v, unsigned depth, lq_buf *out);

static bool repr_items(lq_tpl *t, const lq_tlist *l, const char *open, const char *close, unsigned depth, lq_buf *out) {
  lq_buf_addz(out, open);
  for (size_t i = 0; i < l->n; i++) {
    if (i) lq_buf_addz(out, ", ");
    if (!repr(t, &l->v[i], depth + 1, out)) return false;
  }
  lq_buf_addz(out, close);
  return true;
}

static bool repr(lq_tpl *t, const lq_tv *v, unsigned depth, lq_buf *out) {
  static const char *const views[] = {"dict_keys([", "dict_values([", "dict_items(["};
  if (depth > MAX_VALUE_DEPTH) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "lists are nested more than %d deep, the limit for printing", MAX_VALUE_DEPTH);
  if (!lq_tpl_step(t, 1) || out->failed) return out->failed ? true : false;
  switch (v->type) {
    case TV_UNDEFINED: lq_buf_addz(out, "Undefined"); return true;
    case TV_NONE: lq_buf_addz(out, "None"); return true;
    case TV_BOOL: lq_buf_addz(out, v->u.b ? "True" : "False"); return true;
    case TV_INT: lq_buf_printf(out, "%lld", (long long)v->u.i); return true;
    case TV_FLOAT: lq_tv_write_float(v->u.f, out); return true;
    case TV_STR:
      if (v->safe) lq_buf_addz(out, "Markup(");
      repr_str(v->u.s, out);
      if (v->safe) lq_buf_addz(out, ")");
      return lq_tpl_step(t, v->u.s.n / 16);
    case TV_LIST: return repr_items(t, v->u.list, "[", "]", depth, out);
    case TV_TUPLE: return repr_items(t, v->u.list, "(", v->u.list->n == 1 ? ",)" : ")", depth, out);
    case TV_VIEW: return repr_items(t, v->u.list, views[v->id], "])", depth, out);
    case TV_DICT:
      lq_buf_addz(out, "{");
      for (size_t i = 0; i < v->u.dict->n; i++) {
        if (i) lq_buf_addz(out, ", ");
        if (!repr(t, &v->u.dict->e[i].key, depth + 1, out)) return false;
        lq_buf_addz(out, ": ");
        if (!repr(t, &v->u.dict->e[i].value, depth + 1, out)) return false;
      }
      lq_buf_addz(out, "}");
      return true;
    default: return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "a value of type %s cannot be printed", lq_tv_name(v));
  }
}

bool lq_tv_write(lq_tpl *t, const lq_tv *v, lq_buf *out) {
  if (v->type == TV_UNDEFINED) return true;
  if (v->type != TV_STR) return repr(t, v, 0, out);
  lq_buf_add(out, v->u.s.p, v->u.s.n);
  return lq_tpl_step(t, v->u.s.n / 16);
}

bool lq_tv_text(lq_tpl *t, const lq_tv *v, lq_str *out) {
  lq_tv text = *v;
  if (v->type != TV_STR) {
    lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
    bool ok = lq_tv_write(t, v, &b);
    if (!lq_tpl_buf(t, &b, &text) || !ok) return false;
  }
  *out = text.u.s;
  return true;
}

/* ---- JSON */

typedef struct writer { lq_tpl *t; lq_buf *out; bool ascii, sort; lq_str indent, item, colon; bool lines; } writer;

static void json_str(const writer *w, lq_str s) {
  static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
  lq_buf_addz(w->out, "\"");
  for (size_t i = 0; i < s.n;) {
    uint32_t cp;
    size_t n = lq_utf8_decode(s.p + i, s.n - i, &cp);
    const char *hit = cp && cp < 128 ? strchr(from, (int)cp) : NULL;
    if (hit) lq_buf_printf(w->out, "\\%c", to[hit - from]);
    else if (cp < 0x20 || (w->ascii && cp >= 0x7F && cp < 0x10000)) lq_buf_printf(w->out, "\\u%04x", (unsigned)cp);
    else if (w->ascii && cp >= 0x10000)
      lq_buf_printf(w->out, "\\u%04x\\u%04x", 0xD800u + ((cp - 0x10000) >> 10), 0xDC00u + ((cp - 0x10000) & 0x3FFu));
    else lq_buf_add(w->out, s.p + i, n);
    i += n;
  }
  lq_buf_addz(w->out, "\"");
}

static void newline(const writer *w, unsigned depth) {
  if (!w->lines) return;
  lq_buf_addz(w->out, "\n");
  for (unsigned i = 0; i < depth; i++) lq_buf_add(w->out, w->indent.p, w->indent.n);
}

static bool json(const writer *w, const lq_tv *v, unsigned depth);

static bool json_scalar(const writer *w, const lq_tv *v) {
  if (v->type == TV_STR) json_str(w, v->u.s);
  else if (v->type == TV_NONE) lq_buf_addz(w->out, "null");
  else if (v->type == TV_BOOL) lq_buf_addz(w->out, v->u.b ? "true" : "false");
  else if (v->type == TV_INT) lq_buf_printf(w->out, "%lld", (long long)v->u.i);
  else if (v->type == TV_FLOAT && isfinite(v->u.f)) lq_tv_write_float(v->u.f, w->out);
  else if (v->type == TV_FLOAT) lq_buf_addz(w->out, isnan(v->u.f) ? "NaN" : v->u.f < 0 ? "-Infinity" : "Infinity");
  else return lq_tpl_fail(w->t, LQ_E_ARG, "a value of type %s has no JSON", lq_tv_name(v));
  return lq_tpl_step(w->t, v->type == TV_STR ? v->u.s.n / 16 : 0);
}

/* Keys in order: an insertion sort of places, by code point. Keys that are no str are refused, as Python refuses to compare mixed ones. */
static bool sorted(const writer *w, const lq_tdict *d, size_t **out) {
  size_t *at = lq_tpl_take(w->t, d->n, sizeof *at);
  if (!at) return false;
  for (size_t i = 0; i < d->n; i++) {
    size_t k = i;
    int c = 1;
    for (; k > 0; k--) {
      if (!lq_tv_cmp(w->t, &d->e[at[k - 1]].key, &d->e[i].key, "<", &c)) return false;
      if (c <= 0) break;
      at[k] = at[k - 1];
    }
    at[k] = i;
  }
  *out = at;
  return true;
}

static bool json_dict(const writer *w, const lq_tdict *d, unsigned depth) {
  size_t *at = NULL;
  if (w->sort && !sorted(w, d, &at)) return false;
  lq_buf_addz(w->out, "{");
  for (size_t i = 0; i < d->n; i++) {
    const lq_tentry *e = &d->e[at ? at[i] : i];
    if (i) lq_buf_add(w->out, w->item.p, w->item.n);
    newline(w, depth + 1);
    if (e->key.type == TV_STR) {
      json_str(w, e->key.u.s);
    } else {
      lq_buf_addz(w->out, "\"");
      if (!json_scalar(w, &e->key)) return false;
      lq_buf_addz(w->out, "\"");
    }
    lq_buf_add(w->out, w->colon.p, w->colon.n);
    if (!json(w, &e->value, depth + 1)) return false;
  }
  if (d->n) newline(w, depth);
  lq_buf_addz(w->out, "}");
  return true;
}

static bool json(const writer *w, const lq_tv *v, unsigned depth) {
  if (depth > MAX_VALUE_DEPTH) return lq_tpl_fail(w->t, LQ_E_UNSUPPORTED, "lists are nested more than %d deep, the limit for JSON", MAX_VALUE_DEPTH);
  if (!lq_tpl_step(w->t, 1)) return false;
  if (w->out->failed) return true;
  if (v->type == TV_DICT) return json_dict(w, v->u.dict, depth);
  if (v->type != TV_LIST && v->type != TV_TUPLE) return json_scalar(w, v);
  lq_buf_addz(w->out, "[");
  for (size_t i = 0; i < v->u.list->n; i++) {
    if (i) lq_buf_add(w->out, w->item.p, w->item.n);
    newline(w, depth + 1);
    if (!json(w, &v->u.list->v[i], depth + 1)) return false;
  }
  if (v->u.list->n) newline(w, depth);
  lq_buf_addz(w->out, "]");
  return true;
}

/* indent: a number of blanks or the text itself. */
static bool json_indent(writer *w, const lq_tv *v) {
  static const char blanks[] = "                                ";
  w->lines = v->type != TV_NONE;
  if (v->type == TV_STR) w->indent = v->u.s;
  else if (v->type == TV_INT && v->u.i < (int64_t)sizeof blanks) w->indent = (lq_str){blanks, v->u.i > 0 ? (size_t)v->u.i : 0};
  else if (v->type != TV_NONE) return lq_tpl_fail(w->t, LQ_E_UNSUPPORTED, "tojson: indent must be a str or an int up to 32");
  if (w->lines) w->item = LQ_STR(",");
  return true;
}

bool lq_tv_tojson(lq_tpl *t, const lq_tv *v, lq_targs *args, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  writer w = {.t = t, .out = &b, .item = LQ_STR(", "), .colon = LQ_STR(": ")};
  lq_tv a;
  if (!lq_targs_check(t, "tojson", args, 0, 4, "ensure_ascii indent separators sort_keys")) return false;
  w.ascii = lq_targ_bool(args, 0, "ensure_ascii", false);
  w.sort = lq_targ_bool(args, 3, "sort_keys", false);
  if (lq_targ(args, 1, "indent", &a) && !json_indent(&w, &a)) return false;
  if (lq_targ(args, 2, "separators", &a) && a.type != TV_NONE) {
    if ((a.type != TV_TUPLE && a.type != TV_LIST) || a.u.list->n != 2 || a.u.list->v[0].type != TV_STR || a.u.list->v[1].type != TV_STR)
      return lq_tpl_fail(t, LQ_E_ARG, "tojson: separators must be two texts");
    w.item = a.u.list->v[0].u.s;
    w.colon = a.u.list->v[1].u.s;
  }
  bool ok = json(&w, v, 0);
  return lq_tpl_buf(t, &b, out) && ok;
}
