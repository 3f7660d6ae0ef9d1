/* Sentence splitting. May call: base. After UAX #29: a terminator, closing marks, white space, and no abbreviation before it. */
#include "text/sentence.h"

#include <string.h>

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Words that a full stop follows without ending the sentence. */
static bool abbreviation(lq_str w) {
  static const char *const list[] = {"M", "MM", "Mme", "Mlle", "Dr", "Pr", "Mr", "Mrs", "Ms", "St", "Ste", "etc", "cf", "vs", "No", "Fig",
                                     "fig", "p", "pp", "vol", "art", "Art", "ex", "Jr", "Sr", "Prof", "Gen", "Col", "Inc", "Ltd", "e.g", "i.e", "a.m", "p.m"};
  for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
    if (lq_str_eqz(w, list[i])) return true;
  return w.n == 1 && w.p[0] >= 'A' && w.p[0] <= 'Z' && w.p[0] != 'I'; /* an initial; the English "I" is a word */
}

/* Length of a sentence terminator at p: . ! ? ellipsis, or CJK full stops; 0 if none. */
static size_t terminator(const char *p, size_t n) {
  static const char *const wide[] = {"\xE2\x80\xA6", "\xE3\x80\x82", "\xEF\xBC\x81", "\xEF\xBC\x9F"};
  if (*p == '.' || *p == '!' || *p == '?') return 1;
  for (size_t i = 0; i < 4; i++)
    if (n >= 3 && memcmp(p, wide[i], 3) == 0) return 3;
  return 0;
}

static size_t closing(const char *p, size_t n) {
  static const char *const marks[] = {"\"", "'", ")", "]", "\xE2\x80\x9D", "\xE2\x80\x99", "\xC2\xBB", "\xC2\xA0\xC2\xBB", "\xE2\x80\xAF\xC2\xBB", " \xC2\xBB"};
  for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
    size_t len = strlen(marks[i]);
    if (n >= len && memcmp(p, marks[i], len) == 0) return len;
  }
  return 0;
}

static bool ends_here(lq_str text, size_t begin, size_t dot, size_t after) {
  if (text.p[dot] != '.' || after - dot > 1) return true;
  size_t word = dot;
  while (word > begin && !blank(text.p[word - 1]) && !strchr("(\"'", text.p[word - 1])) word--;
  if (abbreviation((lq_str){text.p + word, dot - word})) return false;
  size_t next = after;
  while (next < text.n && blank(text.p[next])) next++;
  return next >= text.n || !(text.p[next] >= 'a' && text.p[next] <= 'z'); /* a small letter goes on */
}

bool lq_sentence_next(lq_str text, const char *lang, size_t *pos, lq_span *out) {
  (void)lang; /* one list serves English and French */
  size_t begin = *pos, end = begin;
  if (begin >= text.n) return false;
  while (end < text.n && !blank(text.p[begin])) {
    size_t t = terminator(text.p + end, text.n - end), after = end + t;
    if (text.p[end] == '\n' || text.p[end] == '\r') break;
    if (!t) {
      end++;
      continue;
    }
    for (size_t more; after < text.n && (more = terminator(text.p + after, text.n - after)) > 0;) after += more;
    for (size_t more; after < text.n && (more = closing(text.p + after, text.n - after)) > 0;) after += more;
    bool boundary = after >= text.n || blank(text.p[after]) || t == 3;
    size_t dot = end;
    end = after;
    if (boundary && ends_here(text, begin, dot, after)) break;
  }
  while (end > begin && blank(text.p[end - 1])) end--;
  size_t next = end;
  while (next < text.n && blank(text.p[next])) next++;
  *out = (lq_span){begin, end, next};
  *pos = next;
  return true;
}
