/* loquat info: what a model file holds. May call: lq.h, libc. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static void print_bytes(double bytes) {
  printf("%.0f bytes", bytes);
  if (bytes >= 1e6) printf(" (%.1f MB)", bytes / 1e6);
}

static bool ends(const char *name, size_t n, const char *with) {
  size_t k = strlen(with);
  return n >= k && memcmp(name + n - k, with, k) == 0;
}

/* A scalar, a list as "a, b, c", bytes with their size in MB. */
static void print_value(const char *name, size_t n_name, const char *value) {
  lq_buf text = {0};
  bool bytes = ends(name, n_name, "bytes") || ends(name, n_name, "weights");
  if (bytes) {
    print_bytes(strtod(value, NULL));
  } else if (strncmp(name, "special_tokens.", 15) == 0 && *value == '-') {
    fputs("none", stdout);
  } else if (ends(name, n_name, "context_length") && *value == '0') {
    fputs("no limit of its own", stdout);
  } else if (*value == '[') {
    const char *key, *item;
    for (const char *at = value; lq_cli_json_next(&at, &key, &item);) {
      if (text.n) lq_buf_addz(&text, ", ");
      lq_cli_json_text(item, &text);
    }
    lq_cli_clean(&text);
    fputs(text.n ? text.p : "none", stdout);
  } else {
    lq_cli_json_text(value, &text);
    lq_cli_clean(&text);
    fputs(text.n ? text.p : "", stdout);
  }
  putchar('\n');
  lq_buf_free(&text);
}

static size_t name_length(const char *quoted) { return strcspn(quoted + 1, "\""); }

/* Members of an object, those of objects in it behind its name and a dot; metadata and tensors have their own tables. */
static void print_members(const char *object, const char *prefix) {
  const char *key, *value;
  for (const char *at = object; at && lq_cli_json_next(&at, &key, &value);) {
    if (!key || lq_cli_json_is(key, "metadata") || lq_cli_json_is(key, "tensors")) continue;
    int n = (int)name_length(key);
    char name[96];
    snprintf(name, sizeof name, "%s%.*s", prefix, n, key + 1);
    if (*value == '{' && strlen(name) < 64) {
      strcat(name, ".");
      print_members(value, name);
    } else if (strncmp(value, "null", 4) != 0) {
      printf("%-24s ", name);
      print_value(name, strlen(name), value);
    }
  }
}

static void print_metadata(const char *object) {
  const char *key, *value;
  puts("\nMetadata");
  for (const char *at = object; at && lq_cli_json_next(&at, &key, &value);) {
    printf("  %-46.*s ", (int)name_length(key), key + 1);
    print_value("", 0, value);
  }
}

static void print_tensors(const char *list) {
  const char *key, *item;
  lq_buf text = {0};
  puts("\nTensors");
  for (const char *at = list; at && lq_cli_json_next(&at, &key, &item);) {
    const char *columns[] = {"name", "type", "shape", "bytes"};
    const int widths[] = {-36, -6, -18, 12};
    for (int i = 0; i < 4; i++) {
      const char *v = lq_cli_json_get(item, columns[i]);
      text.n = 0;
      lq_buf_add(&text, "", 0);
      if (v) lq_cli_json_text(v, &text);
      lq_cli_clean(&text);
      printf(i ? " %*s" : "  %*s", widths[i], text.p ? text.p : "");
    }
    putchar('\n');
  }
  lq_buf_free(&text);
}

int lq_cli_info(lq_cli_args *a) {
  lq_model *m = NULL;
  lq_buf info = {0};
  lq_error err;
  if (a->n_text > 1 || (a->n_text && a->model)) return lq_cli_usage("info takes one model.");
  if (a->n_text) a->model = a->text[0];
  a->threads = 1;
  int code = lq_cli_open(a, false, &m);
  if (code == LQ_CLI_OK && lq_model_info(m, 1, a->context, &info, &err) != LQ_OK) code = lq_cli_error(&err);
  if (code == LQ_CLI_OK && info.failed) code = lq_cli_failed("Not enough memory to describe the model.");
  if (code == LQ_CLI_OK && a->json) {
    puts(info.p);
  } else if (code == LQ_CLI_OK) {
    print_members(info.p, "");
    print_metadata(lq_cli_json_get(info.p, "metadata"));
    print_tensors(lq_cli_json_get(info.p, "tensors"));
  }
  lq_buf_free(&info);
  lq_model_close(m);
  return code;
}
