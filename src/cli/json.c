/* Reader for the JSON that the engine itself writes (model info, option list, reports): no validation, no allocation.
 * May call: lq.h. RFC 8259. */
#include "cli/cli.h"

#include <string.h>

static const char *blank(const char *p) {
  while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r') p++;
  return p;
}

/* p at an opening quote; past the closing one. */
static const char *string_end(const char *p) {
  for (p++; *p && *p != '"'; p++)
    if (*p == '\\' && p[1]) p++;
  return *p ? p + 1 : p;
}

static const char *value_end(const char *p) {
  int depth = 0;
  do {
    if (*p == '"') {
      p = string_end(p);
    } else {
      if (*p == '{' || *p == '[') depth++;
      if (*p == '}' || *p == ']') depth--;
      p++;
    }
  } while (*p && (depth > 0 || !strchr(",}] \n", *p)));
  return p;
}

bool lq_cli_json_next(const char **at, const char **key, const char **value) {
  const char *p = blank(*at);
  bool first = *p == '{' || *p == '[';
  if (!first && *p != ',') return false;
  p = blank(p + 1);
  if (*p == '}' || *p == ']' || !*p) return false;
  const char *start = p;
  *key = NULL;
  if (*p == '"') {
    p = blank(string_end(p));
    if (*p == ':') {
      *key = start;
      start = blank(p + 1);
    }
  }
  *value = start;
  *at = blank(value_end(start));
  return true;
}

const char *lq_cli_json_get(const char *object, const char *key) {
  const char *k, *v;
  while (object && lq_cli_json_next(&object, &k, &v))
    if (k && lq_cli_json_is(k, key)) return v;
  return NULL;
}

static unsigned hex4(const char *p) {
  unsigned v = 0;
  for (int i = 0; i < 4 && p[i]; i++) {
    const char *digits = "0123456789abcdef", *d = strchr(digits, p[i] | 0x20);
    v = v * 16 + (d ? (unsigned)(d - digits) : 0);
  }
  return v;
}

/* One escape, p at the letter after the backslash. The engine escapes only quotes, backslashes and control bytes. */
static const char *unescape(const char *p, lq_buf *out) {
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  const char *hit = *p ? strchr(from, *p) : NULL;
  if (*p == 'u') {
    unsigned code = hex4(p + 1);
    char c = code < 0x80 ? (char)code : '?';
    lq_buf_add(out, &c, 1);
    return p + 5;
  }
  lq_buf_add(out, hit ? to + (hit - from) : p, 1);
  return p + 1;
}

void lq_cli_json_text(const char *value, lq_buf *out) {
  const char *end = value_end(value);
  if (*value != '"') {
    lq_buf_add(out, value, (size_t)(end - value));
    return;
  }
  for (const char *p = value + 1; p < end - 1;) {
    if (*p == '\\') {
      p = unescape(p + 1, out);
    } else {
      lq_buf_add(out, p++, 1);
    }
  }
}

bool lq_cli_json_is(const char *value, const char *text) {
  size_t n = strlen(text);
  return *value == '"' && strncmp(value + 1, text, n) == 0 && value[1 + n] == '"';
}

void lq_cli_clean(lq_buf *b) {
  for (size_t i = 0; i < b->n; i++) {
    unsigned char c = (unsigned char)b->p[i], next = i + 1 < b->n ? (unsigned char)b->p[i + 1] : 0;
    if (c == 0xC2 && next >= 0x80 && next < 0xA0) b->p[i] = b->p[i + 1] = '?'; /* C1: some terminals take them as escapes */
    else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) b->p[i] = '?';
  }
}
