/* Chat templates: text work shared by methods and filters. Upper case beyond ASCII goes as far as the simple mappings of base/utf8 reach; a letter
 * whose upper case is not one simple letter there (ß, ǆ, ﬁ...) and the two whose lower case depends on more (İ, Σ) are refused by code point.
 * May call: base, template_impl.h. */
#include <string.h>

#include "base/utf8.h"
#include "text/template_impl.h"

bool lq_tpl_is_space(uint32_t cp) { return lq_uni_space(cp) || (cp >= 0x1C && cp <= 0x1F); }

/* Does Python know an upper case for it? Letters do as their category says; a few symbols, numbers and one mark have one too. */
static bool cased_below(uint32_t cp) {
  return lq_uni_lower(cp) || cp == 0x345 || (cp >= 0x2170 && cp <= 0x217F) || (cp >= 0x24D0 && cp <= 0x24E9);
}

/* Title-case letters and their kin: upper case is another letter, or two. */
static bool digraph(uint32_t cp) {
  return (cp >= 0x1C4 && cp <= 0x1CC) || (cp >= 0x1F1 && cp <= 0x1F3) || (cp >= 0x1F88 && cp <= 0x1FAF && (cp & 8)) || cp == 0x1FBC || cp == 0x1FCC ||
         cp == 0x1FFC;
}

static bool to_upper(lq_tpl *t, uint32_t cp, uint32_t *out) {
  static const uint16_t back[] = {32, 1, 80, 48, 26, 16, 40};
  *out = cp;
  if (cp < 128) {
    if (cp - 'a' < 26) *out = cp - 32;
    return true;
  }
  if (!cased_below(cp) && !digraph(cp)) return true;
  for (size_t i = 0; !digraph(cp) && cp < 0x1E00 && i < sizeof back / sizeof *back; i++)
    if (cp - back[i] >= 0xC0 && lq_uni_upper(cp - back[i]) && lq_uni_tolower(cp - back[i]) == cp) {
      *out = cp - back[i];
      return true;
    }
  return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the upper case of U+%04X is not supported", (unsigned)cp);
}

static bool to_lower(lq_tpl *t, uint32_t cp, uint32_t *out) {
  if (cp == 0x130 || cp == 0x3A3) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the lower case of U+%04X is not supported", (unsigned)cp);
  *out = lq_uni_tolower(cp);
  return true;
}

static void put(lq_buf *out, uint32_t cp) {
  char utf8[4];
  lq_buf_add(out, utf8, lq_utf8_encode(cp, utf8));
}

bool lq_tpl_upper(lq_tpl *t, lq_str s, lq_buf *out) {
  for (size_t i = 0; i < s.n;) {
    uint32_t cp, up = 0;
    i += lq_utf8_decode(s.p + i, s.n - i, &cp);
    if (!to_upper(t, cp, &up)) return false;
    put(out, up);
  }
  return lq_tpl_step(t, s.n / 8);
}

bool lq_tpl_lower(lq_tpl *t, lq_str s, lq_buf *out) {
  for (size_t i = 0; i < s.n;) {
    uint32_t cp, low = 0;
    i += lq_utf8_decode(s.p + i, s.n - i, &cp);
    if (!to_lower(t, cp, &low)) return false;
    put(out, low);
  }
  return lq_tpl_step(t, s.n / 8);
}

/* Begins a word for the title filter what follows one of - white space ( { [ <; for str.title what follows an uncased character. */
bool lq_tpl_title(lq_tpl *t, lq_str s, bool first_only, bool filter, lq_buf *out) {
  bool begins = true;
  for (size_t i = 0; i < s.n;) {
    uint32_t cp, c;
    i += lq_utf8_decode(s.p + i, s.n - i, &cp);
    if (!(begins ? to_upper(t, cp, &c) : to_lower(t, cp, &c))) return false;
    put(out, c);
    if (first_only) begins = false;
    else if (filter) begins = lq_tpl_is_space(cp) || (cp < 128 && cp && strchr("-({[<", (int)cp));
    else begins = !(lq_uni_upper(cp) || cased_below(cp) || digraph(cp));
  }
  return lq_tpl_step(t, s.n / 8);
}

static bool strips(uint32_t cp, const lq_str *chars) {
  if (!chars) return lq_tpl_is_space(cp);
  for (size_t i = 0; i < chars->n;) {
    uint32_t c;
    i += lq_utf8_decode(chars->p + i, chars->n - i, &c);
    if (c == cp) return true;
  }
  return false;
}

lq_str lq_tpl_strip(lq_str s, const lq_str *chars, bool left, bool right) {
  uint32_t cp;
  while (left && s.n) {
    size_t n = lq_utf8_decode(s.p, s.n, &cp);
    if (!strips(cp, chars)) break;
    s.p += n;
    s.n -= n;
  }
  while (right && s.n) {
    size_t at = s.n - 1;
    while (at && ((unsigned char)s.p[at] & 0xC0) == 0x80) at--;
    lq_utf8_decode(s.p + at, s.n - at, &cp);
    if (!strips(cp, chars)) break;
    s.n = at;
  }
  return s;
}

size_t lq_tpl_find(lq_str s, lq_str what, size_t from) {
  if (from > s.n) return SIZE_MAX;
  const char *hit = memmem(s.p + from, s.n - from, what.p, what.n); /* linear in both, in glibc and musl */
  return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

bool lq_tpl_buf(lq_tpl *t, lq_buf *b, lq_tv *out) {
  bool ok = !b->failed || lq_tpl_full(t, b);
  ok = ok && lq_tv_copy(t, b->p ? b->p : "", b->n, out);
  lq_buf_free(b);
  return ok;
}

bool lq_tpl_replace(lq_tpl *t, lq_str s, lq_str from, lq_str to, int64_t count, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_MEMORY};
  size_t pos = 0;
  bool ok = lq_tpl_step(t, s.n / 16 + 1);
  for (; ok && count != 0 && !b.failed; count--) { /* an empty `from` stands before each character and at the end */
    size_t hit = lq_tpl_find(s, from, pos);
    if (hit == SIZE_MAX) break;
    lq_buf_add(&b, s.p + pos, hit - pos);
    lq_buf_add(&b, to.p, to.n);
    pos = hit + from.n;
    ok = lq_tpl_step(t, 1 + to.n / 16);
    if (from.n) continue;
    if (pos == s.n) break;
    uint32_t cp;
    size_t n = lq_utf8_decode(s.p + pos, s.n - pos, &cp);
    lq_buf_add(&b, s.p + pos, n);
    pos += n;
  }
  if (pos < s.n) lq_buf_add(&b, s.p + pos, s.n - pos);
  return lq_tpl_buf(t, &b, out) && ok;
}

void lq_tpl_escape(lq_str s, lq_buf *out) {
  static const char from[] = "&<>'\"";
  static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
  for (size_t i = 0; i < s.n; i++) {
    const char *hit = memchr(from, s.p[i], sizeof from - 1);
    if (hit) lq_buf_addz(out, to[hit - from]);
    else lq_buf_add(out, s.p + i, 1);
  }
}
