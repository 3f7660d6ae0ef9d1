/* JSON reader: see json.h. May call: status, arena, bytes, utf8. RFC 8259.
 * Children are gathered on one stack (an lq_buf) and copied to the arena when their container closes, so that each
 * container is one array. Strings go to one block as long as the text: unescaped text is never longer than its source. */
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

typedef struct reader {
  lq_str text;
  size_t pos;
  char *chars; /* where the next string goes */
  lq_arena *arena;
  lq_buf stack; /* lq_json values whose container is still open */
  lq_error *err;
} reader;

static lq_status bad(reader *r, const char *what) {
  return lq_fail(r->err, LQ_E_ARG, "JSON: %s at byte %zu", what, r->pos);
}

static void skip_space(reader *r) {
  while (r->pos < r->text.n && memchr(" \t\n\r", r->text.p[r->pos], 4)) r->pos++;
}

static int peek(const reader *r) { return r->pos < r->text.n ? (unsigned char)r->text.p[r->pos] : -1; }

static bool hex4(reader *r, uint32_t *out) {
  uint32_t v = 0;
  if (r->text.n - r->pos < 4) return false;
  for (int i = 0; i < 4; i++) {
    int c = (unsigned char)r->text.p[r->pos + (size_t)i], low = c | 32;
    if (c >= '0' && c <= '9') v = v * 16 + (uint32_t)(c - '0');
    else if (low >= 'a' && low <= 'f') v = v * 16 + (uint32_t)(low - 'a' + 10);
    else return false;
  }
  r->pos += 4;
  *out = v;
  return true;
}

static lq_status read_escape(reader *r) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  int c = peek(r);
  if (c < 0) return bad(r, "text ends inside a string");
  r->pos++;
  const char *at = memchr(from, c, sizeof from - 1);
  if (at) {
    *r->chars++ = to[at - from];
    return LQ_OK;
  }
  uint32_t cp, low;
  if (c != 'u' || !hex4(r, &cp)) return bad(r, "wrong escape");
  if (cp >= 0xD800 && cp < 0xDC00 && r->text.n - r->pos >= 6 && r->text.p[r->pos] == '\\' && r->text.p[r->pos + 1] == 'u') {
    size_t mark = r->pos;
    r->pos += 2;
    if (!hex4(r, &low)) return bad(r, "wrong escape");
    if (low >= 0xDC00 && low < 0xE000) cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
    else r->pos = mark; /* not its second half: read it as a character of its own */
  }
  char utf8[4];
  size_t n = lq_utf8_encode(cp, utf8);
  memcpy(r->chars, utf8, n);
  r->chars += n;
  return LQ_OK;
}

static lq_status read_string(reader *r, lq_str *out) {
  out->p = r->chars;
  r->pos++; /* the quote, seen by the caller */
  for (;;) {
    size_t from = r->pos;
    int c;
    while ((c = peek(r)) >= 0x20 && c != '"' && c != '\\') r->pos++;
    memcpy(r->chars, r->text.p + from, r->pos - from);
    r->chars += r->pos - from;
    if (c < 0) return bad(r, "text ends inside a string");
    if (c < 0x20) return bad(r, "control byte inside a string");
    r->pos++;
    if (c == '"') break;
    LQ_TRY(read_escape(r));
  }
  out->n = (size_t)(r->chars - out->p);
  *r->chars++ = 0; /* there is room: the source had two quotes more */
  return LQ_OK;
}

static size_t digits(reader *r) {
  size_t from = r->pos;
  while (peek(r) >= '0' && peek(r) <= '9') r->pos++;
  return r->pos - from;
}

static lq_status read_number(reader *r, lq_json *out) {
  size_t from = r->pos;
  bool whole = true;
  if (peek(r) == '-') r->pos++;
  if (peek(r) == '0') r->pos++;
  else if (!digits(r)) return bad(r, "no value");
  if (peek(r) == '.') {
    whole = false;
    r->pos++;
    if (!digits(r)) return bad(r, "number without digits after its point");
  }
  if (peek(r) == 'e' || peek(r) == 'E') {
    whole = false;
    r->pos++;
    if (peek(r) == '+' || peek(r) == '-') r->pos++;
    if (!digits(r)) return bad(r, "number without digits in its exponent");
  }
  out->type = LQ_JSON_NUMBER;
  out->str = (lq_str){r->chars, r->pos - from};
  memcpy(r->chars, r->text.p + from, out->str.n);
  r->chars += out->str.n;
  /* strtod needs an end. In a container the delimiter left room for a NUL; a lone number has the block's last byte. */
  *r->chars++ = 0;
  out->num = lq_strtod(out->str.p, NULL);
  if (whole) {
    errno = 0;
    long long v = strtoll(out->str.p, NULL, 10);
    out->is_int = errno == 0;
    out->i64 = out->is_int ? v : 0;
  }
  return LQ_OK;
}

static lq_status read_value(reader *r, unsigned depth, lq_json *out);

/* Members or elements up to the closing bracket; *out gets the array of them. */
static lq_status read_items(reader *r, unsigned depth, int close, lq_json *out) {
  size_t base = r->stack.n;
  if (depth >= LQ_JSON_MAX_DEPTH) return bad(r, "nested more than 128 deep");
  r->pos++;
  skip_space(r);
  if (peek(r) == close) {
    r->pos++;
    return LQ_OK;
  }
  for (;;) {
    lq_json item = {0};
    lq_str key = {0};
    if (close == '}') {
      if (peek(r) != '"') return bad(r, "a member's name must be a string");
      LQ_TRY(read_string(r, &key));
      skip_space(r);
      if (peek(r) != ':') return bad(r, "missing ':'");
      r->pos++;
    }
    LQ_TRY(read_value(r, depth + 1, &item));
    item.key = key;
    lq_buf_add(&r->stack, &item, sizeof item);
    if (r->stack.failed && r->stack.n + sizeof item > r->stack.limit) return bad(r, "more than 1048576 values");
    if (r->stack.failed) return lq_fail(r->err, LQ_E_NOMEM, "JSON: no memory for %zu open values", r->stack.n / sizeof item);
    skip_space(r);
    int c = peek(r);
    if (c != ',' && c != close) return bad(r, c < 0 ? "text ends inside an array or object" : "missing ',' or closing bracket");
    r->pos++;
    if (c == close) break;
    skip_space(r);
  }
  size_t bytes = r->stack.n - base;
  out->n = bytes / sizeof(lq_json);
  out->items = LQ_TAKE(r->arena, lq_json, out->n);
  if (!out->items) return lq_fail(r->err, LQ_E_NOMEM, "JSON: no memory for %zu values", out->n);
  memcpy(out->items, r->stack.p + base, bytes);
  r->stack.n = base;
  return LQ_OK;
}

static lq_status read_word(reader *r, const char *word, lq_json_type type, lq_json *out) {
  size_t n = strlen(word);
  if (r->text.n - r->pos < n || memcmp(r->text.p + r->pos, word, n) != 0) return bad(r, "no value");
  r->pos += n;
  out->type = type;
  return LQ_OK;
}

static lq_status read_value(reader *r, unsigned depth, lq_json *out) {
  skip_space(r);
  switch (peek(r)) {
    case -1: return bad(r, "text ends where a value should stand");
    case '{': out->type = LQ_JSON_OBJECT; return read_items(r, depth, '}', out);
    case '[': out->type = LQ_JSON_ARRAY; return read_items(r, depth, ']', out);
    case '"': out->type = LQ_JSON_STRING; return read_string(r, &out->str);
    case 't': return read_word(r, "true", LQ_JSON_TRUE, out);
    case 'f': return read_word(r, "false", LQ_JSON_FALSE, out);
    case 'n': return read_word(r, "null", LQ_JSON_NULL, out);
    default: return read_number(r, out);
  }
}

lq_status lq_json_parse(lq_str text, lq_arena *a, lq_json **out, lq_error *err) {
  reader r = {.text = text, .arena = a, .err = err};
  r.stack.limit = LQ_JSON_MAX_VALUES * sizeof(lq_json);
  for (size_t i = 0; i < text.n;) {
    uint32_t cp;
    size_t n = lq_utf8_decode(text.p + i, text.n - i, &cp);
    if (cp == LQ_REPLACEMENT && !lq_utf8_valid(text.p + i, n)) return lq_fail(err, LQ_E_ARG, "JSON: not valid UTF-8 at byte %zu", i);
    i += n;
  }
  lq_json *root = LQ_TAKE(a, lq_json, 1);
  r.chars = lq_arena_take(a, (uint64_t)text.n + 1, 1);
  if (!root || !r.chars) return lq_fail(err, LQ_E_NOMEM, "JSON: no memory for a text of %zu bytes", text.n);
  lq_status s = read_value(&r, 0, root);
  skip_space(&r);
  if (s == LQ_OK && r.pos < text.n) s = bad(&r, "more text after the value");
  lq_buf_free(&r.stack);
  if (s == LQ_OK) *out = root;
  return s;
}

const lq_json *lq_json_get(const lq_json *obj, const char *key) {
  if (!obj || obj->type != LQ_JSON_OBJECT) return NULL;
  for (size_t i = obj->n; i-- > 0;)
    if (lq_str_eqz(obj->items[i].key, key)) return &obj->items[i];
  return NULL;
}
