/* text: sentence splitting. Each case shows its sentences with | between them; whatever is cut must add up to the text. */
#include "text/sentence.h"
#include "test.h"

#include <stdlib.h>

/* The sentences with | between them; "BROKEN" when the spans do not add up to the text. */
static const char *cut_n(const char *p, size_t n) {
  static char out[4096];
  size_t pos = 0, at = 0, seen = 0;
  lq_span s;
  out[0] = 0;
  while (lq_sentence_next((lq_str){p, n}, "fr", &pos, &s)) {
    if (s.begin != seen || s.end < s.begin || s.next < s.end || s.next != pos || s.next == seen) return "BROKEN";
    seen = s.next;
    for (size_t i = s.end; i < s.next; i++)
      if (!strchr(" \t\r\n", p[i])) return "BROKEN";
    size_t len = s.end - s.begin;
    if (len && at + len + 2 < sizeof out) at += (size_t)snprintf(out + at, sizeof out - at, at ? "|%.*s" : "%.*s", (int)len, p + s.begin);
  }
  return seen == n ? out : "BROKEN";
}
static const char *cut(const char *z) { return cut_n(z, strlen(z)); }

/* JOINED has | where a sentence must end; the text itself has a space there. */
static void split_at(const char *joined) {
  char text[1024];
  snprintf(text, sizeof text, "%s", joined);
  for (char *c = text; *c; c++)
    if (*c == '|') *c = ' ';
  const char *got = cut(text);
  if (strcmp(got, joined) != 0) lq_test_fail(__FILE__, __LINE__, "got \"%s\", want \"%s\"", got, joined);
}

TEST(sentence_plain) {
  split_at("It rains.|We stay.|Do you?|Yes!|Fine");
  split_at("Il pleut.|Où es-tu ?|Viens !|D'accord");
  CHECK_STR(cut(""), "");
  CHECK_STR(cut("  \n "), "");
  CHECK_STR(cut("\n a b.\n\n  C d. \t"), "a b.|C d.");
}

TEST(sentence_abbreviations) {
  split_at("M. Dupont et Mme. Noël ont vu le Dr. Roux.|Il dort.");
  split_at("Mr. Smith met J. K. Rowling in the U.S. Army.|So did I.|We left.");
  split_at("See Fig. 3 and No. 5 on p. 12.|No.|I refuse.");
  split_at("Des fruits, p.ex. Pommes, i.e. Golden, etc. et des noix.|Fin.");
  split_at("En 50 av. J.-C. Rome tomba.|Plus tard...");
  split_at("It ended on Jan. 5.|We met at 10 p.m.|He came.");
}

TEST(sentence_quotes) {
  split_at("\"It rains.\"|\"We stay!\" she said.|(Really?)|Yes.");
  split_at("« Il pleut. »|« Viens ! » dit-elle.|Il vint.");
  split_at("\xE2\x80\x9CYes.\xE2\x80\x9D|\xE2\x80\x9CNo?\xE2\x80\x9D|Well.");
}

TEST(sentence_ellipses) {
  split_at("Attends... je viens.|Bien\xE2\x80\xA6|Alors ?!|Oui.");
  split_at("Hum\xE2\x80\xA6 peut-être.|Non...");
  split_at("Mot\xE2\x80\xA6mot");
}

TEST(sentence_numbers_and_addresses) {
  split_at("Pi is 3.14159, not 3,2.|It cost $1,234.56.|In 2024.|Then 1.000.000 came.");
  split_at("See https://example.org/a.b?c=d!e or www.example.com.|Mail a.b@c.org today.");
  split_at("v1.2.3 of file.txt works.|Use ./run.sh now.");
}

TEST(sentence_lists) {
  CHECK_STR(cut("1. First point\n2. Second point. More\n- third\n* fourth!"), "1. First point|2. Second point.|More|- third|* fourth!");
  CHECK_STR(cut("a) Un\r\nb) Deux."), "a) Un|b) Deux.");
}

TEST(sentence_other_scripts) {
  CHECK_STR(cut("\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82\xE5\x86\x8D\xE8\xA7\x81\xEF\xBC\x81\xE5\x97\x8E\xEF\xBC\x9F"),
            "\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82|\xE5\x86\x8D\xE8\xA7\x81\xEF\xBC\x81|\xE5\x97\x8E\xEF\xBC\x9F");
  CHECK_STR(cut("\xE3\x80\x8C\xE3\x81\xAF\xE3\x81\x84\xE3\x80\x82\xE3\x80\x8D\xE3\x81\xA8"),
            "\xE3\x80\x8C\xE3\x81\xAF\xE3\x81\x84\xE3\x80\x82\xE3\x80\x8D|\xE3\x81\xA8");
  split_at("\xE0\xA4\xB9\xE0\xA4\xBE\xE0\xA5\xA4|\xE0\xA4\xA8\xE0\xA5\xA4");
  split_at("\xD9\x86\xD8\xB9\xD9\x85\xD8\x9F|\xD9\x84\xD8\xA7.");
}

/* Any bytes add up again, and long text without an end takes no square of time. */
TEST(sentence_any_bytes_add_up) {
  static const char parts[][8] = {".", " ", "\n", "!", "a", "B",
                                  "\xE2\x80\xA6", "\xE3\x80\x82", "\"", "1", "M", "\xC2\xBB", "\xE2", "\r", "\xC3\xA9", "\t"};
  uint32_t seed = 1;
  for (int round = 0; round < 5000; round++) {
    char text[256];
    size_t n = 0, count = (seed >> 8) % 40;
    for (size_t i = 0; i < count; i++) {
      seed = seed * 1664525u + 1013904223u;
      const char *part = parts[seed >> 28];
      memcpy(text + n, part, strlen(part));
      n += strlen(part);
    }
    seed += 977;
    CHECK_MSG(strcmp(cut_n(text, n), "BROKEN") != 0, "\"%.*s\"", (int)n, text);
  }
  size_t n = 1u << 20;
  char *text = malloc(n);
  CHECK(text != NULL);
  for (int k = 0; k < 4; k++) {
    for (size_t i = 0; i < n; i++) text[i] = k == 0 ? 'a' : k == 1 ? '.' : k == 2 ? "a. "[i % 3] : "M. "[i % 3];
    CHECK(strcmp(cut_n(text, n), "BROKEN") != 0);
  }
  free(text);
}
