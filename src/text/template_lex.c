/* Chat templates: text -> tokens. Whitespace control as Jinja2 with trim_blocks and lstrip_blocks. May call: base, template_impl.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/template_impl.h"

typedef struct lexer {
  lq_tpl *t;
  const char *p;
  size_t n, pos;
  uint32_t line;
  bool line_starting; /* the last token ended with a line break (or there was none) */
  lq_ttok *tok;
  size_t n_tok, cap;
} lexer;

static bool lex_fail(lexer *x, lq_status s, const char *what) {
  x->t->line = x->line;
  return lq_tpl_fail(x->t, s, "%s", what);
}

static lq_ttok *add(lexer *x, lq_ttok_kind kind, const char *p, size_t n) {
  if (x->n_tok == x->cap) {
    size_t cap = x->cap ? x->cap * 2 : 64;
    lq_ttok *grown = lq_tpl_take(x->t, cap, sizeof *grown);
    if (!grown) return NULL;
    if (x->n_tok) memcpy(grown, x->tok, x->n_tok * sizeof *grown);
    x->tok = grown;
    x->cap = cap;
  }
  lq_ttok *k = &x->tok[x->n_tok++];
  *k = (lq_ttok){.kind = kind, .line = x->line, .s = {p, n}};
  return k;
}

static bool at(const lexer *x, size_t pos, const char *z) {
  size_t n = strlen(z);
  return x->n - pos >= n && memcmp(x->p + pos, z, n) == 0;
}

static void count_lines(lexer *x, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) x->line += x->p[i] == '\n';
}

/* Bytes of a white-space character at pos (regex \s), 0 if it is none. */
static size_t space_at(const lexer *x, size_t pos) {
  uint32_t cp;
  if (pos >= x->n) return 0;
  size_t n = lq_utf8_decode(x->p + pos, x->n - pos, &cp);
  return lq_tpl_is_space(cp) ? n : 0;
}

static void skip_space(lexer *x) {
  size_t from = x->pos, n;
  while ((n = space_at(x, x->pos)) > 0) x->pos += n;
  count_lines(x, from, x->pos);
}

/* The literal text before a tag, cut as the tag's sign says. */
static bool add_text(lexer *x, size_t from, size_t to, char sign, bool variable) {
  lq_str s = {x->p + from, to - from};
  if (sign == '-') {
    s = lq_tpl_strip(s, NULL, false, true);
  } else if (sign != '+' && !variable) {
    size_t cut = s.n;
    while (cut && s.p[cut - 1] != '\n') cut--;
    if ((cut > 0 || x->line_starting) && lq_tpl_strip((lq_str){s.p + cut, s.n - cut}, NULL, true, false).n == 0) s.n = cut;
  }
  bool ok = s.n == 0 || add(x, TT_TEXT, s.p, s.n);
  count_lines(x, from, to);
  return ok;
}

/* After a block's or comment's end: the mark ("%}" or "#}") with its sign, and the white space that goes with it. */
static bool skip_end(lexer *x, const char *mark, bool trim) {
  size_t pos = x->pos;
  char sign = pos < x->n && (x->p[pos] == '-' || x->p[pos] == '+') ? x->p[pos] : 0;
  if (sign) pos++;
  if (!at(x, pos, mark)) return false;
  x->pos = pos + 2;
  size_t from = x->pos;
  if (sign == '-') skip_space(x);
  else if (trim && sign != '+' && x->pos < x->n && x->p[x->pos] == '\n') {
    x->pos++;
    x->line++;
  }
  x->line_starting = x->pos > from && x->p[x->pos - 1] == '\n';
  return true;
}

/* Jinja2 forgives an opening mark that is the very last thing of a template; so for raw below. */
static bool comment(lexer *x) {
  if (x->pos >= x->n) return true;
  for (;; x->pos++) {
    if (x->pos >= x->n) return lex_fail(x, LQ_E_FORMAT, "a comment {# has no #}");
    if (skip_end(x, "#}", true)) return true;
    x->line += x->p[x->pos] == '\n';
  }
}

/* At "{%": its sign, and where its first word begins. */
static size_t block_word(const lexer *x, size_t pos, char *sign) {
  *sign = 0;
  pos += 2;
  if (pos < x->n && (x->p[pos] == '-' || x->p[pos] == '+')) *sign = x->p[pos++];
  for (size_t n; (n = space_at(x, pos)) > 0;) pos += n;
  return pos;
}

/* {% raw %}...{% endraw %}; pos is after "raw". */
static bool raw(lexer *x) {
  size_t from = x->pos;
  if (from >= x->n) return true;
  for (size_t i = from; i < x->n; i++) {
    char sign;
    if (!at(x, i, "{%")) continue;
    size_t word = block_word(x, i, &sign);
    if (!at(x, word, "endraw")) continue;
    size_t end = word + 6;
    for (size_t n; (n = space_at(x, end)) > 0;) end += n;
    if (!at(x, end, "%}") && !at(x, end, "-%}") && !at(x, end, "+%}")) continue;
    if (!add_text(x, from, i, sign, false)) return false;
    x->pos = end;
    return skip_end(x, "%}", true);
  }
  return lex_fail(x, LQ_E_FORMAT, "{% raw %} has no {% endraw %}");
}

/* Is this {% raw %}? Then pos is put after it. */
static bool begins_raw(lexer *x, size_t word) {
  if (!at(x, word, "raw")) return false;
  size_t end = word + 3, n;
  while ((n = space_at(x, end)) > 0) end += n;
  if (!at(x, end, "%}") && !at(x, end, "-%}")) return false;
  count_lines(x, x->pos, end);
  x->pos = end;
  return skip_end(x, "%}", false);
}

static bool name_byte(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80 || (!first && c >= '0' && c <= '9');
}

static int digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* Numeric escape of up to `most` digits at x->p[*i]. */
static uint32_t escape_digits(const lexer *x, size_t *i, size_t end, int base, int most, int *got) {
  uint32_t v = 0;
  for (*got = 0; *got < most && *i < end && digit(x->p[*i]) < base; ++*got) v = v * (uint32_t)base + (uint32_t)digit(x->p[(*i)++]);
  return v;
}

/* One escape after its backslash at *i; writes to *w. Python's rules: unknown ones stay as they are. */
static bool unescape(lexer *x, size_t *i, size_t end, char **w) {
  static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
  char c = x->p[(*i)++];
  const char *hit = strchr(from, c);
  int got, most = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (c == '\n') return true;
  if (c && hit) {
    *(*w)++ = to[hit - from];
  } else if (most || (c >= '0' && c <= '7')) {
    if (!most) --*i;
    uint32_t cp = most ? escape_digits(x, i, end, 16, most, &got) : escape_digits(x, i, end, 8, 3, &got);
    if ((most && got < most) || cp > 0x10FFFF) return lex_fail(x, LQ_E_FORMAT, "a string holds a broken \\ escape");
    if (cp >= 0xD800 && cp < 0xE000) return lex_fail(x, LQ_E_UNSUPPORTED, "a string holds a lone surrogate, which UTF-8 cannot");
    *w += lq_utf8_encode(cp, *w);
  } else if (c == 'N') {
    return lex_fail(x, LQ_E_UNSUPPORTED, "the \\N{...} escape is not supported");
  } else {
    *(*w)++ = '\\';
    *(*w)++ = c;
  }
  return true;
}

static bool string(lexer *x) {
  char quote = x->p[x->pos];
  size_t end = x->pos + 1;
  while (end < x->n && x->p[end] != quote) end += x->p[end] == '\\' ? 2 : 1;
  if (end >= x->n) return lex_fail(x, LQ_E_FORMAT, "a string has no closing quote");
  char *text = lq_tpl_take(x->t, end - x->pos + 4, 1), *w = text;
  if (!text) return false;
  for (size_t i = x->pos + 1; i < end;) {
    if (x->p[i] != '\\') *w++ = x->p[i++];
    else if (i++, !unescape(x, &i, end, &w)) return false;
  }
  if (!add(x, TT_STRING, text, (size_t)(w - text))) return false;
  count_lines(x, x->pos, end);
  x->pos = end + 1;
  return true;
}

/* Digits of a base with single underscores between them; returns the end. */
static size_t run_of_digits(const lexer *x, size_t pos, int base) {
  while (pos < x->n && (digit(x->p[pos]) < base || (x->p[pos] == '_' && pos + 1 < x->n && digit(x->p[pos + 1]) < base))) pos++;
  return pos;
}

static bool number(lexer *x) {
  size_t from = x->pos, end;
  char second = from + 1 < x->n ? (char)(x->p[from + 1] | 32) : 0, text[64];
  int base = x->p[from] != '0' ? 10 : second == 'x' ? 16 : second == 'o' ? 8 : second == 'b' ? 2 : 10;
  bool real = false, index = from > 0 && x->p[from - 1] == '.'; /* a.0.1: two indices */
  end = run_of_digits(x, base == 10 ? from : from + 2, base);
  if (base == 10 && !index && end + 1 < x->n && x->p[end] == '.' && digit(x->p[end + 1]) < 10) {
    real = true;
    end = run_of_digits(x, end + 1, 10);
  }
  if (base == 10 && !index && end < x->n && (x->p[end] | 32) == 'e') {
    size_t e = end + 1;
    if (e < x->n && (x->p[e] == '+' || x->p[e] == '-')) e++;
    if (e < x->n && digit(x->p[e]) < 10) {
      real = true;
      end = run_of_digits(x, e, 10);
    }
  }
  size_t k = 0;
  for (size_t i = base == 10 ? from : from + 2; i < end; i++) {
    if (x->p[i] == '_') continue;
    if (k + 1 >= sizeof text) return lex_fail(x, LQ_E_UNSUPPORTED, "a number has more than 62 digits");
    text[k++] = x->p[i];
  }
  text[k] = 0;
  lq_ttok *tok = add(x, real ? TT_FLOAT : TT_INT, x->p + from, end - from);
  if (!tok) return false;
  errno = 0;
  if (real) tok->f = lq_strtod(text, NULL);
  else tok->i = strtoll(text, NULL, base);
  if (!real && errno) return lex_fail(x, LQ_E_UNSUPPORTED, "an integer is beyond 64 bits");
  if (!real && base == 10 && k > 1 && text[0] == '0' && tok->i) return lex_fail(x, LQ_E_FORMAT, "an integer begins with 0");
  x->pos = end;
  return true;
}

static bool operator_or_name(lexer *x) {
  static const char *const ops[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")",
                                    "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"};
  size_t from = x->pos;
  if (name_byte(x->p[from], true)) {
    while (x->pos < x->n && name_byte(x->p[x->pos], false)) x->pos++;
    return add(x, TT_NAME, x->p + from, x->pos - from);
  }
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (at(x, from, ops[i])) {
      x->pos += strlen(ops[i]);
      return add(x, TT_OP, ops[i], strlen(ops[i]));
    }
  x->t->line = x->line;
  uint32_t cp;
  size_t n = lq_utf8_decode(x->p + from, x->n - from, &cp);
  return lq_tpl_fail(x->t, LQ_E_FORMAT, "unexpected character \"%.*s\"", (int)n, x->p + from);
}

/* Everything between "{{" or "{%" and its end. Brackets that are open keep "}}" from ending it. */
static bool inside(lexer *x, bool variable) {
  unsigned open = 0;
  for (;;) {
    skip_space(x);
    if (x->pos >= x->n) return lex_fail(x, LQ_E_FORMAT, variable ? "{{ has no }}" : "{% has no %}");
    if (!open && variable && (at(x, x->pos, "}}") || at(x, x->pos, "-}}"))) return add(x, TT_VAR_END, "", 0) && skip_end(x, "}}", false);
    if (!open && !variable && (at(x, x->pos, "%}") || at(x, x->pos, "-%}") || at(x, x->pos, "+%}")))
      return add(x, TT_BLOCK_END, "", 0) && skip_end(x, "%}", true);
    char c = x->p[x->pos];
    if (c == '(' || c == '[' || c == '{') open++;
    if (c == ')' || c == ']' || c == '}') {
      if (!open) return lex_fail(x, LQ_E_FORMAT, "a closing bracket was never opened");
      open--;
    }
    bool ok = c == '"' || c == '\'' ? string(x) : c >= '0' && c <= '9' ? number(x) : operator_or_name(x);
    if (!ok) return false;
  }
}

static bool lex(lexer *x) {
  while (x->pos < x->n) {
    size_t from = x->pos, i = from;
    while (i < x->n && !(x->p[i] == '{' && i + 1 < x->n && (x->p[i + 1] == '{' || x->p[i + 1] == '%' || x->p[i + 1] == '#'))) i++;
    if (i == x->n) return add(x, TT_TEXT, x->p + from, i - from);
    char kind = x->p[i + 1], sign;
    size_t word = block_word(x, i, &sign);
    if (!add_text(x, from, i, sign, kind == '{')) return false;
    x->pos = i + 2 + (sign ? 1 : 0);
    bool ok;
    if (kind == '#') {
      ok = comment(x);
    } else if (kind == '%' && begins_raw(x, word)) {
      ok = raw(x);
    } else {
      ok = add(x, kind == '{' ? TT_VAR : TT_BLOCK, "", 0) && inside(x, kind == '{');
    }
    if (!ok) return false;
  }
  return true;
}

/* Line breaks become \n, and one at the very end goes. */
static bool normalise(lq_tpl *t, lq_str source, lq_str *out) {
  char *p = lq_tpl_take(t, source.n + 1, 1);
  size_t n = 0;
  if (!p) return false;
  for (size_t i = 0; i < source.n; i++) {
    if (source.p[i] == '\r' && i + 1 < source.n && source.p[i + 1] == '\n') continue;
    p[n++] = source.p[i] == '\r' ? '\n' : source.p[i];
  }
  if (n && p[n - 1] == '\n') n--;
  *out = (lq_str){p, n};
  return true;
}

bool lq_tpl_lex(lq_tpl *t, lq_str source, lq_ttok **out) {
  lq_str s;
  if (source.n > LQ_TPL_MAX_SOURCE)
    return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the template has %zu bytes; the limit is %u", source.n, LQ_TPL_MAX_SOURCE);
  if (!lq_utf8_valid(source.p, source.n)) return lq_tpl_fail(t, LQ_E_FORMAT, "the template is not valid UTF-8");
  if (!normalise(t, source, &s)) return false;
  lexer x = {.t = t, .p = s.p, .n = s.n, .line = 1, .line_starting = true};
  if (!lex(&x) || !add(&x, TT_END, "", 0)) return false;
  *out = x.tok;
  return true;
}
