/* JSON reader: values, strings, numbers, and every refusal with its place. */
#include "base/json.h"
#include "test.h"

static lq_arena arena;
static lq_error err;

static lq_json *parse_n(const char *p, size_t n) {
  lq_json *j = NULL;
  lq_arena_free(&arena);
  lq_arena_growing(&arena, 1 << 12);
  err.msg[0] = 0;
  return lq_json_parse((lq_str){p, n}, &arena, &j, &err) == LQ_OK ? j : NULL;
}

static lq_json *parse(const char *z) { return parse_n(z, strlen(z)); }

TEST(json_reads_containers_in_order) {
  lq_json *j = parse(" {\"b\": [1, [], {}, null], \"a\":true,\"b2\":false , \"a\" : \"x\" } ");
  CHECK(j && j->type == LQ_JSON_OBJECT && j->n == 4);
  CHECK_STR(j->items[0].key.p, "b");
  CHECK(j->items[0].n == 4 && j->items[0].items[0].i64 == 1 && j->items[0].items[3].type == LQ_JSON_NULL);
  CHECK(j->items[1].type == LQ_JSON_TRUE && j->items[2].type == LQ_JSON_FALSE);
  CHECK_STR(lq_json_get(j, "a")->str.p, "x"); /* the last one written */
  CHECK(!lq_json_get(j, "zz") && !lq_json_get(NULL, "a") && !lq_json_get(&j->items[0], "a"));
}

TEST(json_reads_strings) {
  lq_json *j = parse("\"a\\n\\t\\\"\\\\\\/\\u00e9\\u20AC\\ud83d\\ude00é\"");
  CHECK(j && j->type == LQ_JSON_STRING);
  CHECK_STR(j->str.p, "a\n\t\"\\/é€😀é");
  j = parse("[\"\\ud83d\", \"\\ude00x\", \"\\ud83d\\u0041\", \"a\\u0000b\", \"\"]");
  CHECK(j && j->n == 5);
  CHECK_STR(j->items[0].str.p, "\xEF\xBF\xBD");
  CHECK_STR(j->items[1].str.p, "\xEF\xBF\xBDx");
  CHECK_STR(j->items[2].str.p, "\xEF\xBF\xBD" "A");
  CHECK(j->items[3].str.n == 3 && memcmp(j->items[3].str.p, "a\0b", 3) == 0);
  CHECK(j->items[4].str.n == 0);
}

TEST(json_reads_numbers) {
  lq_json *j = parse("[0, -0, 9223372036854775807, -9223372036854775808, 9223372036854775808, 1.5e3, -2E-2, 1e999]");
  CHECK(j && j->n == 8);
  CHECK(j->items[0].is_int && j->items[1].is_int && j->items[1].i64 == 0);
  CHECK(j->items[2].is_int && j->items[2].i64 == INT64_MAX);
  CHECK(j->items[3].is_int && j->items[3].i64 == INT64_MIN);
  CHECK(!j->items[4].is_int && j->items[4].num == 9223372036854775808.0);
  CHECK_STR(j->items[4].str.p, "9223372036854775808");
  CHECK(!j->items[5].is_int && j->items[5].num == 1500.0 && j->items[6].num == -0.02);
  CHECK(j->items[7].num > 1e308);
  j = parse("17");
  CHECK(j && j->is_int && j->i64 == 17);
}

TEST(json_refuses_bad_text_with_its_place) {
  static const struct { const char *text, *part; } cases[] = {
      {"", "text ends where a value should stand at byte 0"}, {"  ", "byte 2"}, {"{\"a\":1", "ends inside an array or object at byte 6"},
      {"[1,]", "no value at byte 3"}, {"[1 2]", "missing ',' or closing bracket at byte 3"}, {"{\"a\" 1}", "missing ':' at byte 5"},
      {"{a:1}", "name must be a string at byte 1"}, {"{\"a\":1,}", "name must be a string at byte 7"}, {"\"abc", "ends inside a string"},
      {"\"a\nb\"", "control byte"}, {"\"\\x\"", "wrong escape"}, {"\"\\u12g4\"", "wrong escape"}, {"\"\\u12", "wrong escape"},
      {"\"\\", "ends inside a string"}, {"01", "more text after the value at byte 1"}, {"+1", "no value"}, {".5", "no value"},
      {"1.", "after its point"}, {"1e", "exponent"}, {"-", "no value"},
      {"NaN", "no value"}, {"nul", "no value"}, {"[1] x", "more text after the value at byte 4"},
      {"[}", "no value at byte 1"}, {"\"\xff\"", "not valid UTF-8 at byte 1"},
      {"\"\xed\xa0\x80\"", "not valid UTF-8 at byte 1"},
      {"\xef\xbb\xbf[]", "no value at byte 0"},
      {"\"\xef\xbf\xbd", "ends inside a string"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CHECK_MSG(!parse(cases[i].text), "accepted: %s", cases[i].text);
    CHECK_MSG(strstr(err.msg, cases[i].part) && err.status == LQ_E_ARG, "%s: %s", cases[i].text, err.msg);
  }
  CHECK(!parse_n("[1,\0", 4));
}

TEST(json_limits_depth) {
  char text[600];
  memset(text, '[', 300);
  memset(text + 300, ']', 300);
  CHECK(parse_n(text + 300 - LQ_JSON_MAX_DEPTH, 2 * LQ_JSON_MAX_DEPTH));
  CHECK(!parse_n(text + 299 - LQ_JSON_MAX_DEPTH, 2 * LQ_JSON_MAX_DEPTH + 2));
  CHECK_HAS(err.msg, "128 deep");
}

TEST(json_survives_a_failing_arena) {
  const char *text = "{\"a\":[1,2,{\"b\":\"c\"}],\"d\":[[],[0]]}";
  for (int64_t k = 0; k < 8; k++) {
    lq_json *j = NULL;
    lq_arena a;
    lq_arena_growing(&a, 1 << 12);
    a.fail_at = k;
    lq_status s = lq_json_parse((lq_str){text, strlen(text)}, &a, &j, &err);
    CHECK(s == (k < 7 ? LQ_E_NOMEM : LQ_OK));
    lq_arena_free(&a);
  }
}
