/* Chat templates against what transformers renders (tests/data/templates.json, by tests/parity/make_templates.py),
 * limits, refusals, failing memory. */
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "test.h"
#include "text/template.h"
#include "text/template_impl.h"

static lq_error err;
static lq_buf out;

static lq_status render(lq_str tmpl, lq_str context, int64_t now) {
  lq_buf_free(&out);
  out = (lq_buf){0};
  err.msg[0] = 0;
  return lq_template_render(tmpl, context, now, &out, &err);
}

static bool read_file(const char *name, lq_arena *a, lq_str *text) {
  char path[1024];
  snprintf(path, sizeof path, "%s/data/%s", lq_test_dir(), name);
  FILE *f = fopen(path, "rb");
  if (!f) return false;
  char *p = NULL;
  long n = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
  rewind(f);
  if (n >= 0) p = lq_arena_take(a, (uint64_t)n + 1, 1);
  bool ok = p && fread(p, 1, (size_t)n, f) == (size_t)n;
  fclose(f);
  *text = (lq_str){p, (size_t)n};
  return ok;
}

static bool read_data(lq_arena *a, lq_json **j) {
  lq_str text;
  lq_arena_growing(a, 1 << 20);
  return read_file("templates.json", a, &text) && lq_json_parse(text, a, j, &err) == LQ_OK;
}

/* Does the status and text of the last render agree with what was recorded: a text, null (some error) or {"raise": words}? */
static bool agrees(lq_status s, const lq_json *want) {
  if (want->type == LQ_JSON_STRING) return s == LQ_OK && out.n == want->str.n && memcmp(out.p, want->str.p, out.n) == 0;
  if (want->type == LQ_JSON_NULL) return s != LQ_OK && err.msg[0];
  const lq_json *words = lq_json_get(want, "raise");
  return words && s == LQ_E_ARG && lq_str_eqz((lq_str){words->str.p, words->str.n < 255 ? words->str.n : 255}, err.msg);
}

static void disagree(const char *what, const char *which, const lq_json *want) {
  const char *words = want->type == LQ_JSON_OBJECT ? lq_json_get(want, "raise")->str.p : want->type == LQ_JSON_NULL ? "(an error)" : want->str.p;
  lq_test_fail(__FILE__, __LINE__, "%s, %s:\n  got  %s%s\n  want %s", what, which, err.msg[0] ? "error: " : "",
               err.msg[0] ? err.msg : out.p ? out.p : "", words);
}

TEST(template_numbers_have_a_point_in_every_locale) {
  lq_test_locale(true);
  lq_status s = render(LQ_STR("{{ 0.5 }} {{ x }} {{ '1.5'|float }} {{ 2.25|round(1) }} {{ x|tojson }}"), LQ_STR("{\"x\": 1.75}"), 0);
  lq_test_locale(false);
  CHECK_MSG(s == LQ_OK, "%s", err.msg);
  CHECK_STR(out.p, "0.5 1.75 1.5 2.2 1.75");
}

TEST(template_renders_real_templates_as_transformers) {
  lq_arena a;
  lq_json *j;
  CHECK_MSG(read_data(&a, &j), "templates.json: %s", err.msg);
  const lq_json *outputs = lq_json_get(j, "outputs"), *contexts = lq_json_get(j, "contexts");
  int64_t now = lq_json_get(j, "now")->i64;
  size_t n = 0;
  for (size_t i = 0; i < outputs->n; i++) {
    char name[200];
    lq_str tmpl;
    snprintf(name, sizeof name, "templates/%s.jinja", outputs->items[i].key.p);
    CHECK_MSG(read_file(name, &a, &tmpl), "%s cannot be read", name);
    for (size_t k = 0; k < outputs->items[i].n; k++) {
      const lq_json *want = &outputs->items[i].items[k], *context = lq_json_get(contexts, want->key.p);
      lq_buf text = {0};
      lq_json_write(context, &text);
      lq_status s = render(tmpl, (lq_str){text.p, text.n}, now);
      lq_buf_free(&text);
      if (!agrees(s, want)) disagree(name, want->key.p, want);
      n++;
    }
  }
  CHECK(n >= 100);
  lq_arena_free(&a);
}

TEST(template_agrees_with_jinja2_on_every_construct) {
  lq_arena a;
  lq_json *j;
  CHECK_MSG(read_data(&a, &j), "templates.json: %s", err.msg);
  const lq_json *lines = lq_json_get(j, "lines");
  lq_buf context = {0};
  lq_json_write(lq_json_get(j, "variables"), &context);
  for (size_t i = 0; i < lines->n; i++) {
    const lq_json *line = &lines->items[i].items[0], *want = &lines->items[i].items[1];
    lq_status s = render(line->str, (lq_str){context.p, context.n}, lq_json_get(j, "now")->i64);
    if (!agrees(s, want)) disagree("line", line->str.p, want);
  }
  CHECK(lines->n >= 1000);
  lq_buf_free(&context);
  lq_arena_free(&a);
}

/* One construct, one context member x, the words of its refusal. */
static const char *refusal(const char *tmpl, lq_status want) {
  lq_status s = render((lq_str){tmpl, strlen(tmpl)}, LQ_STR("{\"w\":\"hello\",\"l\":[1,2],\"d\":{\"a\":1}}"), 0);
  return s == want ? err.msg : s == LQ_OK ? "(it renders)" : "(another status)";
}

TEST(template_refuses_what_it_lacks_by_name) {
  static const struct { const char *tmpl, *words; } cases[] = {
      {"{{ w | groupby('a') }}", "line 1: the filter \"groupby\""}, {"\n\n{{ w | wordwrap }}", "line 3: the filter \"wordwrap\""},
      {"{{ w is prime }}", "the test \"prime\""}, {"{% include 'x' %}", "the statement \"include\""},
      {"{% import 'x' as y %}", "the statement \"import\""},
      {"{% extends 'x' %}", "the statement \"extends\""}, {"{% block x %}{% endblock %}", "the statement \"block\""},
      {"{% call f() %}{% endcall %}", "the statement \"call\""}, {"{% do 1 %}", "the statement \"do\""}, {"{% print 1 %}", "the statement \"print\""},
      {"{% for x in l recursive %}{% endfor %}", "\"recursive\" loops"}, {"{{ lipsum() }}", "the function lipsum"},
      {"{{ cycler(1) }}", "the function cycler"},
      {"{{ joiner() }}", "the function joiner"}, {"{{ l.append(1) }}", "the method append of list"},
      {"{{ d.update(a=2) }}", "the method update of dict"},
      {"{{ w.zfill(9) }}", "the method zfill of str"}, {"{{ '{:>3}'.format(1) }}", "format: the field {:>3}"},
      {"{{ '%s' % 1 }}", "formatting a str with %"},
      {"{{ range(2) }}", "type range cannot be printed"}, {"{{ l | map('string') }}", "type generator cannot be printed"},
      {"{{ w is sameas w }}", "the test \"sameas\" on values of type str"}, {"{{ self }}", "the variable self"},
      {"{{ super() }}", "the variable super"},
      {"{% macro f() %}{{ caller() }}{% endmacro %}", "the variable caller"}, {"{% macro f() %}{{ varargs }}{% endmacro %}", "the variable varargs"},
      {"{{ f(*l) }}", "* before an argument"}, {"{{ ('<b>' | safe) | upper }}", "the filter upper on a text marked safe"},
      {"{{ 'ß' | upper }}", "the upper case of U+00DF"}, {"{{ 'ΣΣ' | lower }}", "the lower case of U+03A3"}, {"{{ '\\N{DASH}' }}", "\\N{...}"},
      {"{{ '\\ud800' }}", "surrogate"}, {"{{ 99999999999999999999 }}", "beyond 64 bits"}, {"{{ 9223372036854775807 + 1 }}", "beyond 64 bits"},
      {"{{ -9223372036854775807 - 2 }}", "beyond 64 bits"}, {"{{ 2 ** 64 }}", "beyond 64 bits"}, {"{{ strftime_now('%U') }}", "%U in strftime_now"},
      {"{% for (a, b) in l %}{% endfor %}", "brackets around the names"}, {"{{ l | int(0, 16) }}", "a base other than 10"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *got = refusal(cases[i].tmpl, LQ_E_UNSUPPORTED);
    CHECK_MSG(strstr(got, cases[i].words), "%s: %s %s", cases[i].tmpl, got, err.msg);
  }
}

TEST(template_says_where_it_is_wrong) {
  CHECK_HAS(refusal("a\n{% if w %}\nb", LQ_E_FORMAT), "line 3: {% endif %} is missing for the block of line 2");
  CHECK_HAS(refusal("{{ w }}\n{% endif %}", LQ_E_FORMAT), "line 2: {% endif %} closes nothing");
  CHECK_HAS(refusal("{{ w + }}", LQ_E_FORMAT), "}} where a value should stand");
  CHECK_HAS(refusal("\n{{ 'x }}", LQ_E_FORMAT), "line 2: a string has no closing quote");
  CHECK_HAS(refusal("\n\n{{ w + l }}", LQ_E_ARG), "line 3: '+' does not work between str and list");
  CHECK_HAS(refusal("{{ nope.x }}", LQ_E_ARG), "'nope' is undefined");
  CHECK_STR(refusal("{{ raise_exception('Only\nthis') }}", LQ_E_ARG), "Only?this");
  CHECK(render(LQ_STR("x"), LQ_STR("[]"), 0) == LQ_E_ARG && strstr(err.msg, "one JSON object"));
  CHECK(render(LQ_STR("\xff"), LQ_STR("{}"), 0) == LQ_E_FORMAT && strstr(err.msg, "UTF-8"));
  CHECK(render(LQ_STR("{{ x }}"), LQ_STR("{\"x\":9223372036854775808}"), 0) == LQ_E_UNSUPPORTED && strstr(err.msg, "beyond 64 bits"));
}

/* head, then n times part, then tail (n times when it is a bracket): refused in bounded time, with these words (NULL: it renders). */
static void heavy(const char *head, const char *part, size_t n, const char *tail, const char *words) {
  lq_buf text = {0};
  clock_t begin = clock();
  lq_buf_addz(&text, head);
  for (size_t i = 0; i < n; i++) lq_buf_addz(&text, part);
  for (size_t i = 0; i < (tail[0] == ')' || tail[0] == ']' ? n : 1); i++) lq_buf_addz(&text, tail);
  if (strncmp(head, "{{", 2) == 0) lq_buf_addz(&text, " }}");
  lq_status s = render((lq_str){text.p, text.n}, LQ_STR("{}"), 0);
  lq_buf_free(&text);
  if (words ? s == LQ_OK || !strstr(err.msg, words) : s != LQ_OK) lq_test_fail(__FILE__, __LINE__, "%s%s...: \"%s\"", head, part, err.msg);
  if (clock() - begin > 20 * CLOCKS_PER_SEC) lq_test_fail(__FILE__, __LINE__, "%s%s...: too slow", head, part);
}

TEST(template_limits_hold) {
  heavy("{{ ", "(", 100000, ")", "nested more than 100 deep");
  heavy("{{ ", "[", 100000, "]", "nested more than 100 deep");
  heavy("{{ ", "not ", 100000, "1", "nested more than 100 deep");
  heavy("{{ ", "-", 100000, "1", "nested more than 100 deep");
  heavy("{{ ", "1 if 1 else ", 50000, "1", "nested more than 100 deep");
  heavy("{{ 'a'", "|trim", 100000, "", "nested more than 200 deep");
  heavy("{{ a", ".a", 100000, "", "nested more than 200 deep");
  heavy("", "{% if 1 %}", 100000, "", "nested more than 100 deep");
  heavy("{{ 1", " + 1", 50000, "", NULL); /* a long chain is not a deep one */
  heavy("{% if 0 %}", "{% elif 0 %}", 50000, "{% endif %}", NULL);
  heavy("x", "y", 1 << 20, "", "the limit is 1048576");
  heavy("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "", 0, "", "limit for a template");
  heavy("{% set l = range(100000) | list %}{% for i in l %}{% if l == l %}{% endif %}{% endfor %}", "", 0, "", "10000000 steps");
  heavy("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "", 0, "", "240 deep");
  heavy("{{ 'a' * 1000000000", "", 0, "", "MiB of memory");
  heavy("{{ 'a' * 9223372036854775807", "", 0, "", "MiB of memory");
  heavy("{{ [1] * 1000000000", "", 0, "", "limit for a template");
  heavy("{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "", 0, "", "limit for a template");
  heavy("{% set s = 'a' * 1000000 %}{% for i in range(100) %}{{ s }}{% endfor %}", "", 0, "", "writes more than 16 MiB");
  heavy("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}", "", 0, "", "150 deep");
  heavy("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}", "", 0, "", "150 deep");
  heavy("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x == [ns.x] }}", "", 0, "", "150 deep");
  heavy("{{ ('a' * 4000000).find('a' * 2000000 + 'b') }}{{ ('a' * 4000000).rfind('a' * 2000000 + 'b')", "", 0, "", "steps");
  heavy("{% set a = 'a' * 20000000 + 'b' %}{% set b = 'a' * 20000000 + 'c' %}{% for i in range(9) %}{% if a == b %}{% endif %}{% endfor %}", "", 0,
        "", "steps");
  heavy("{% set a = 'a' * 20000000 + 'b' %}{% set b = 'a' * 20000000 + 'c' %}{% for i in range(9) %}{% if a < b %}{% endif %}{% endfor %}", "", 0,
        "", "steps");
  heavy("{% set a = 'a' * 20000000 + 'b' %}{% set b = 'a' * 20000000 + 'c' %}{% for i in range(9) %}{% if a in {b: 1} %}{% endif %}{% endfor %}", "",
        0, "", "steps");
  heavy("{% set a = 'a' * 20000000 + 'b' %}{% set b = 'a' * 20000000 + 'c' %}{% for i in range(9) %}{% if a.endswith(b) %}{% endif %}{% endfor %}",
        "", 0, "", "steps");
  heavy("{{ ('a' * 1000000) | replace('', 'b' * 1000000)", "", 0, "", "limit for a template");
  heavy("{{ 'a' | indent(1000000000)", "", 0, "", "width is too large");
  heavy("{{ range(1000000000)", "", 0, "", "range is longer than 100000");
}

/* Every take of the arena fails once: a refusal each time, nothing leaked (the sanitizers look). */
TEST(template_looks_through_many_names_at_a_price) {
  lq_buf text = {0};
  for (unsigned i = 0; i < 8000; i++) lq_buf_printf(&text, "{%% set a%u = 1 %%}", i);
  lq_buf_addz(&text, "{% for i in range(100000) %}{{ zz }}{% endfor %}");
  lq_status s = render((lq_str){text.p, text.n}, LQ_STR("{}"), 0);
  lq_buf_free(&text);
  CHECK(s == LQ_E_UNSUPPORTED);
  CHECK_HAS(err.msg, "steps");
}

TEST(template_survives_a_failing_arena) {
  static const char tmpl[] =
      "{% macro f(a, b=1) %}{{ a ~ b }}{% endmacro %}{% set ns = namespace(k=[]) %}{% for m in messages if m.role %}{% set ns.k = ns.k + [m.role] %}"
      "{{ f(m.content | upper | replace('A', 'b'), loop.index) }}{{ m | tojson(indent=2) }}{{ m }}{% endfor %}"
      "{{ ns.k | map('title') | sort | join(',') }}"
      "{% set x %}{{ 'a b c'.split() | last }}{% endset %}{{ x * 3000 }}{{ ('x' * 9000) | trim | length }}{{ range(300) | list | length }}";
  static const char context[] =
      "{\"messages\":[{\"role\":\"user\",\"content\":\"aaa\"},{\"role\":\"\"},{\"role\":\"tool\",\"content\":\"b\\u00e9\"}]}";
  int64_t k = 0;
  for (lq_status s = LQ_E_NOMEM; s != LQ_OK; k++) {
    lq_arena a;
    lq_buf text = {0};
    lq_arena_growing(&a, 4096);
    a.fail_at = k;
    s = lq_tpl_run(&a, (lq_str){tmpl, sizeof tmpl - 1}, (lq_str){context, sizeof context - 1}, 0, &text, &err);
    lq_arena_free(&a);
    CHECK_MSG(s == LQ_OK ? text.n > 3000 : s == LQ_E_NOMEM && text.n == 0, "take %d: %s", (int)k, err.msg);
    lq_buf_free(&text);
  }
  CHECK_MSG(k > 20, "only %d takes", (int)k);
  lq_buf_free(&out);
}
