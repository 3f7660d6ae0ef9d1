/* UTF-8 and character classes.
 * May call: nothing. Unicode 3.9 table 3-7 (well-formed sequences), WHATWG Encoding (maximal subparts). */
#include "base/utf8.h"

#include "base/unicode_data.inc"

#include <string.h>

/* Length that the lead byte promises (0: no lead) and the range of the second byte. */
static size_t lead(unsigned char c, unsigned char *lo, unsigned char *hi) {
  *lo = 0x80;
  *hi = 0xBF;
  if (c >= 0xC2 && c <= 0xDF) return 2;
  if (c >= 0xE0 && c <= 0xEF) {
    if (c == 0xE0) *lo = 0xA0; /* overlong */
    if (c == 0xED) *hi = 0x9F; /* surrogates */
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (c == 0xF0) *lo = 0x90; /* overlong */
    if (c == 0xF4) *hi = 0x8F; /* beyond U+10FFFF */
    return 4;
  }
  return 0;
}

/* Bytes of the well-formed start at p (>= 1); *whole: the sequence is complete; *cut: it is good but p ends first. */
static size_t scan(const char *p, size_t n, bool *whole, bool *cut) {
  unsigned char lo, hi;
  size_t want = lead((unsigned char)p[0], &lo, &hi), k = 1;
  *whole = *cut = false;
  if (want == 0) return 1;
  for (; k < want; k++) {
    if (k == n) {
      *cut = true;
      return k;
    }
    unsigned char c = (unsigned char)p[k];
    if (c < lo || c > hi) return k;
    lo = 0x80;
    hi = 0xBF;
  }
  *whole = true;
  return want;
}

size_t lq_utf8_decode(const char *p, size_t n, uint32_t *cp) {
  unsigned char c = (unsigned char)p[0];
  if (c < 0x80) {
    *cp = c;
    return 1;
  }
  bool whole, cut;
  size_t used = scan(p, n, &whole, &cut);
  if (!whole) {
    *cp = LQ_REPLACEMENT;
    return used;
  }
  uint32_t v = c & (0x7Fu >> used);
  for (size_t i = 1; i < used; i++) v = v << 6 | ((unsigned char)p[i] & 0x3Fu);
  *cp = v;
  return used;
}

size_t lq_utf8_encode(uint32_t cp, char out[4]) {
  if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000)) cp = LQ_REPLACEMENT;
  if (cp < 0x80) {
    out[0] = (char)cp;
    return 1;
  }
  size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; i--) {
    out[i] = (char)(0x80u | (cp & 0x3Fu));
    cp >>= 6;
  }
  out[0] = (char)((0xF00u >> n & 0xFFu) | cp);
  return n;
}

bool lq_utf8_valid(const char *p, size_t n) {
  for (size_t i = 0; i < n;) {
    if ((unsigned char)p[i] < 0x80) {
      i++;
      continue;
    }
    bool whole, cut;
    i += scan(p + i, n - i, &whole, &cut);
    if (!whole) return false;
  }
  return true;
}

size_t lq_utf8_whole(const char *p, size_t n) {
  /* Only the last three bytes can begin a sequence that n cuts. */
  for (size_t back = 1; back <= 3 && back <= n; back++) {
    unsigned char c = (unsigned char)p[n - back];
    if (c >= 0x80 && c < 0xC0) continue;
    if (c < 0x80) break;
    bool whole, cut;
    scan(p + n - back, back, &whole, &cut);
    return cut ? n - back : n;
  }
  return n;
}

size_t lq_utf8_clean(const char *p, size_t n, char *out) {
  size_t k = 0;
  for (size_t i = 0; i < n;) {
    uint32_t cp;
    i += lq_utf8_decode(p + i, n - i, &cp);
    char one[4];
    size_t add = lq_utf8_encode(cp, one);
    memcpy(out + k, one, add);
    k += add;
  }
  return k;
}

static unsigned by_parity(unsigned cls, uint32_t cp) {
  if (cls < UC_EVEN_UPPER) return cls;
  return ((cp & 1) == (cls == UC_ODD_UPPER)) ? UC_UPPER : UC_LOWER;
}

static unsigned class_of(uint32_t cp) {
  if (cp >= UC_END) return UC_OTHER;
  size_t lo = 0, hi = sizeof uc_index / sizeof uc_index[0];
  while (hi - lo > 1) {
    size_t mid = (lo + hi) / 2;
    if (uc_index[mid] <= cp) lo = mid;
    else hi = mid;
  }
  uint32_t left = cp - uc_index[lo];
  size_t i = lo * UC_STRIDE;
  while (left >= uc_run[i] >> 4) left -= uc_run[i++] >> 4;
  return by_parity(uc_run[i] & 15u, cp);
}

static bool ascii_letter(uint32_t cp) {
  return (cp | 32u) - 'a' < 26;
}

bool lq_uni_letter(uint32_t cp) {
  if (cp < 128) return ascii_letter(cp);
  unsigned c = class_of(cp);
  return c >= UC_UPPER && c <= UC_LETTER;
}

bool lq_uni_mark(uint32_t cp) {
  if (cp < 0x300) return false;
  unsigned c = class_of(cp);
  return c == UC_MARK || c == UC_SPACING;
}

bool lq_uni_nonspacing(uint32_t cp) {
  return cp >= 0x300 && class_of(cp) == UC_MARK;
}

bool lq_uni_control(uint32_t cp) {
  if (cp < 0xA0) return cp < 0x20 || cp >= 0x7F;
  return class_of(cp) == UC_FORMAT || cp - 0xE000 < 0x1900 || cp - 0xF0000 < 0xFFFE || cp - 0x100000 < 0xFFFE;
}

bool lq_uni_digit(uint32_t cp) {
  return cp < 128 ? cp - '0' < 10 : class_of(cp) == UC_DIGIT;
}

bool lq_uni_number(uint32_t cp) {
  if (cp < 128) return cp - '0' < 10;
  unsigned c = class_of(cp);
  return c == UC_DIGIT || c == UC_NUMBER;
}

bool lq_uni_punct(uint32_t cp) {
  return class_of(cp) == UC_PUNCT;
}

bool lq_uni_symbol(uint32_t cp) {
  return class_of(cp) == UC_SYMBOL;
}

bool lq_uni_space(uint32_t cp) {
  if (cp < 128) return cp == ' ' || cp - 9 < 5;
  return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || cp - 0x2000 < 11 || cp == 0x2028 || cp == 0x2029 ||
         cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

bool lq_uni_upper(uint32_t cp) {
  return cp < 128 ? cp - 'A' < 26 : class_of(cp) == UC_UPPER;
}

bool lq_uni_lower(uint32_t cp) {
  return cp < 128 ? cp - 'a' < 26 : class_of(cp) == UC_LOWER;
}

uint32_t lq_uni_tolower(uint32_t cp) {
  if (cp < 128) return cp - 'A' < 26 ? cp + 32 : cp;
  size_t lo = 0, hi = sizeof uc_lower / sizeof uc_lower[0];
  while (hi - lo > 1) {
    size_t mid = (lo + hi) / 2;
    if (uc_lower[mid].first <= cp) lo = mid;
    else hi = mid;
  }
  if (cp < uc_lower[lo].first) return cp;
  uint32_t at = cp - uc_lower[lo].first;
  if (at > uc_lower[lo].span || at % uc_lower[lo].step) return cp;
  return (uint32_t)((int32_t)cp + uc_lower[lo].delta);
}
