/* base: normalisation form C on the cases that the standard singles out. Equality on every code point: tests/tokenizer (qwen2). */
#include "base/nfc.h"
#include "test.h"

#include <stdlib.h>

static const char *form(void (*fn)(const char *, size_t, lq_buf *), const char *z) {
  static char out[256];
  lq_buf b = {0};
  fn(z, strlen(z), &b);
  snprintf(out, sizeof out, "%s", b.p ? b.p : "");
  lq_buf_free(&b);
  return out;
}
static const char *nfc(const char *z) { return form(lq_nfc, z); }
static const char *nfd(const char *z) { return form(lq_nfd, z); }

TEST(nfd_decomposes_and_orders) {
  CHECK_STR(nfd(""), "");
  CHECK_STR(nfd("plain ASCII, \xE6\x97\xA5"), "plain ASCII, \xE6\x97\xA5");
  CHECK_STR(nfd("\xC3\xA9t\xC3\xA9"), "e\xCC\x81te\xCC\x81");
  CHECK_STR(nfd("\xE1\xBA\xAD"), "a\xCC\xA3\xCC\x82");
  CHECK_STR(nfd("e\xCC\x81\xCC\x96"), "e\xCC\x96\xCC\x81");           /* marks after an ASCII letter are put in order too */
  CHECK_STR(nfd("\xEA\xB0\x81"), "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8"); /* Hangul */
  CHECK_STR(nfd("\xC3\x85\xE2\x84\xAB"), "A\xCC\x8A" "A\xCC\x8A");
}

TEST(nfc_composes_and_orders) {
  CHECK_STR(nfc(""), "");
  CHECK_STR(nfc("plain ASCII, \xE6\x97\xA5\xE6\x9C\xAC"), "plain ASCII, \xE6\x97\xA5\xE6\x9C\xAC");
  CHECK_STR(nfc("e\xCC\x81t\xC3\xA9"), "\xC3\xA9t\xC3\xA9");
  CHECK_STR(nfc("a\xCC\x82\xCC\xA3"), "\xE1\xBA\xAD");                       /* order first: a, dot below, circumflex */
  CHECK_STR(nfc("\xE1\xBA\x9B\xCC\xA3"), "\xE1\xBA\x9B\xCC\xA3");            /* blocked: long s with dots */
  CHECK_STR(nfc("a\xCC\x85\xCC\x81"), "a\xCC\x85\xCC\x81");              /* blocked by a mark of the same class */
  CHECK_STR(nfc("\xE2\x84\xAB \xE2\x84\xA6"), "\xC3\x85 \xCE\xA9");          /* singletons: angstrom, ohm */
  CHECK_STR(nfc("\xCD\x84"), "\xCC\x88\xCC\x81");                            /* a mark that decomposes and stays so */
  CHECK_STR(nfc("\xE0\xA4\x95\xE0\xA4\xBC"), "\xE0\xA4\x95\xE0\xA4\xBC");    /* excluded: Devanagari qa */
  CHECK_STR(nfc("\xE0\xA5\x98"), "\xE0\xA4\x95\xE0\xA4\xBC");
  CHECK_STR(nfc("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8"), "\xEA\xB0\x81");    /* Hangul: L V T */
  CHECK_STR(nfc("\xEA\xB0\x80\xE1\x86\xA8"), "\xEA\xB0\x81");                /* LV T */
  CHECK_STR(nfc("\xF0\xAF\xA8\x9D"), "\xF0\xAA\x98\x80");                    /* the last compatibility ideograph */
}

TEST(nfc_quick_says_yes_to_usual_text_only) {
  static const char good[] = "L'\xC3\xA9t\xC3\xA9 \xEA\xB0\x81 \xE6\x97\xA5", bad[] = "e\xCC\x81";
  CHECK(lq_nfc_quick(good, sizeof good - 1) && !lq_nfc_quick(bad, sizeof bad - 1) && lq_nfc_quick("", 0));
}

/* A hostile run of marks: sorted by counting, so in no time. */
TEST(nfc_long_run_of_marks) {
  enum { PAIRS = 300000 };
  lq_buf in = {0}, out = {0};
  lq_buf_addz(&in, "q");
  for (int i = 0; i < PAIRS; i++) lq_buf_addz(&in, "\xCC\x81\xCC\x96"); /* above (230), below (220) */
  lq_nfc(in.p, in.n, &out);
  CHECK(!in.failed && !out.failed && out.n == in.n);
  CHECK(memcmp(out.p + 1, "\xCC\x96\xCC\x96", 4) == 0 && memcmp(out.p + out.n - 4, "\xCC\x81\xCC\x81", 4) == 0);
  lq_buf_free(&in);
  lq_buf_free(&out);
}
