/* Sentence splitting. May call: utf8. After UAX #29: a terminator, closing marks, white space, and nothing that says "goes on": a small
 * letter after it, an abbreviation, an initial or a list number before it. Where in doubt it does not split: two sentences translated together
 * lose less than one translated in halves. */
#include "text/sentence.h"

#include <string.h>

#include "base/utf8.h"

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool digit(char c) { return c >= '0' && c <= '9'; }

static bool listed(lq_str w, const char *const *list, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (lq_str_eqz(w, list[i])) return true;
  return false;
}

/* "U.S", "J.-C", "A": capitals with full stops between. "I" alone is the English word. */
static bool initials(lq_str w) {
  if (w.n == 1 && *w.p == 'I') return false;
  for (size_t i = 0; i < w.n;) {
    uint32_t cp;
    i += lq_utf8_decode(w.p + i, w.n - i, &cp);
    if (!lq_uni_upper(cp)) return false;
    if (i == w.n) return true;
    if (w.p[i++] != '.') return false;
    i += i < w.n && w.p[i] == '-';
  }
  return false;
}

/* Words that a full stop follows without ending the sentence; before_digit: what comes next is a digit. */
static bool abbreviation(lq_str w, bool before_digit) {
  static const char *const always[] = {
      "MM", "Mme", "Mmes", "Mlle", "Mlles", "Dr", "Drs", "Pr", "Mgr", "Me", "Mr", "Mrs", "Ms", "St", "Ste", "cf", "vs", "ex",
      "Jr", "Sr", "Prof", "Gen", "Col", "Capt", "Lt", "Sgt", "Rev", "Hon", "Inc", "Ltd", "Co", "Mt", "Ft",
      "av", "apr", "bd", "boul", "env", "e.g", "i.e", "p.ex", "c.-\xC3\xA0-d", "Ph.D"};
  static const char *const counted[] = {
      "No", "no", "n", "N", "p", "pp", "P", "vol", "Vol", "art", "Art", "fig", "Fig", "figs", "ch", "chap",
      "Chap", "sec", "Sec", "eq", "Eq", "t", "al", "ca", "c", "Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug", "Sep", "Sept", "Oct", "Nov", "Dec"};
  if (listed(w, always, sizeof(always) / sizeof(always[0])) || initials(w)) return true;
  return before_digit && listed(w, counted, sizeof(counted) / sizeof(counted[0]));
}

static size_t any_of(const char *p, size_t n, const char *const *list, size_t n_list) {
  for (size_t i = 0; i < n_list; i++) {
    size_t len = strlen(list[i]);
    if (n >= len && memcmp(p, list[i], len) == 0) return len;
  }
  return 0;
}

/* Length of a sentence terminator at p: . ! ? ellipsis, the stops of Arabic and Devanagari, and those of Chinese and Japanese, which need
 * no space after them (*wide). 0 if none. */
static size_t terminator(const char *p, size_t n, bool *wide) {
  static const char *const far_east[] = {"\xE3\x80\x82", "\xEF\xBC\x81", "\xEF\xBC\x9F", "\xEF\xBC\x8E", "\xEF\xBD\xA1"};
  static const char *const others[] = {
      "\xE2\x80\xA6", "\xE0\xA5\xA4", "\xD8\x9F", "\xDB\x94", "\xE2\x80\xBC", "\xE2\x81\x87", "\xE2\x81\x88", "\xE2\x81\x89"};
  *wide = false;
  if ((unsigned char)*p < 0x80) return *p == '.' || *p == '!' || *p == '?';
  size_t len = any_of(p, n, far_east, sizeof(far_east) / sizeof(far_east[0]));
  *wide = len > 0;
  return len ? len : any_of(p, n, others, sizeof(others) / sizeof(others[0]));
}

static size_t closing(const char *p, size_t n) {
  static const char *const marks[] = {
      "\"", "'", ")", "]", "}", "*", "\xE2\x80\x9D", "\xE2\x80\x99", "\xC2\xBB", "\xC2\xA0\xC2\xBB", "\xE2\x80\xAF\xC2\xBB", " \xC2\xBB",
      "\xE3\x80\x8D", "\xE3\x80\x8F", "\xEF\xBC\x89", "\xE3\x80\x91", "\xE3\x80\x8B"};
  return any_of(p, n, marks, sizeof(marks) / sizeof(marks[0]));
}

/* Whether what stands before the full stop at `dot` or after `after` says that the sentence goes on. */
static bool goes_on(lq_str text, size_t begin, size_t dot, size_t after) {
  size_t next = after, word = dot;
  uint32_t cp = 0;
  while (next < text.n && (text.p[next] == ' ' || text.p[next] == '\t')) next++;
  if (next >= text.n || text.p[next] == '\n' || text.p[next] == '\r') return false;
  lq_utf8_decode(text.p + next, text.n - next, &cp);
  if (lq_uni_lower(cp)) return true;
  if (text.p[dot] != '.' || after - dot > 1) return false;
  while (word > begin && !blank(text.p[word - 1]) && !strchr("(\"'", text.p[word - 1])) word--;
  lq_str w = {text.p + word, dot - word};
  bool number = w.n > 0 && w.n <= 3 && word == begin; /* "1. First" */
  for (size_t i = 0; i < w.n; i++) number = number && digit(w.p[i]);
  return number || abbreviation(w, digit(text.p[next]));
}

/* End of the sentence that starts at begin, where no white space is. */
static size_t sentence_end(lq_str text, size_t begin) {
  for (size_t at = begin; at < text.n;) {
    bool wide, ignored;
    size_t len = terminator(text.p + at, text.n - at, &wide), after = at + len;
    if (text.p[at] == '\n' || text.p[at] == '\r') return at;
    if (!len) {
      at++;
      continue;
    }
    for (size_t more; after < text.n && (more = terminator(text.p + after, text.n - after, &ignored)) > 0;) after += more;
    for (size_t more; after < text.n && (more = closing(text.p + after, text.n - after)) > 0;) after += more;
    if (wide || ((after >= text.n || blank(text.p[after])) && !goes_on(text, begin, at, after))) return after;
    at = after;
  }
  return text.n;
}

bool lq_sentence_next(lq_str text, const char *lang, size_t *pos, lq_span *out) {
  (void)lang; /* one list serves English and French */
  size_t begin = *pos;
  if (begin >= text.n) return false;
  size_t end = blank(text.p[begin]) ? begin : sentence_end(text, begin);
  while (end > begin && blank(text.p[end - 1])) end--;
  size_t next = end;
  while (next < text.n && blank(text.p[next])) next++;
  *out = (lq_span){begin, end, next};
  *pos = next;
  return true;
}
