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
