/* -h: what each command does and every option it takes. May call: lq.h, libc. */
#include "cli/cli.h"

#include <string.h>

static const char exit_codes[] =
    "Exit codes: 0 done; 1 the model, a file or the run failed; 2 the command line is wrong (an unknown option,\n"
    "a bad value, empty text, an unknown language); 130 interrupted by Ctrl-C.\n"
    "Results go to standard output, everything else to standard error.\n";

/* The engine's own list of generation options, so that this help cannot fall behind it. */
static void print_engine_options(void) {
  lq_buf list = {0}, line = {0};
  const char *key, *item;
  if (lq_options_list(&list, NULL) != LQ_OK || list.failed) return;
  puts("\nGeneration options (names and defaults of Hugging Face's generate; greedy unless --do-sample):");
  for (const char *at = list.p; lq_cli_json_next(&at, &key, &item);) {
    const char *name = lq_cli_json_get(item, "name"), *type = lq_cli_json_get(item, "type");
    const char *dflt = lq_cli_json_get(item, "default"), *help = lq_cli_json_get(item, "help");
    if (!name) continue;
    line.n = 0;
    lq_buf_addz(&line, "    --");
    lq_cli_json_text(name, &line);
    for (char *p = line.p; *p; p++)
      if (*p == '_') *p = '-';
    if (type && !lq_cli_json_is(type, "boolean")) {
      lq_buf_addz(&line, " ");
      lq_cli_json_text(type, &line);
    }
    while (line.n < 28) lq_buf_addz(&line, " ");
    lq_buf_addz(&line, " ");
    if (help) lq_cli_json_text(help, &line);
    if (dflt && strncmp(dflt, "null", 4) != 0) {
      lq_buf_addz(&line, " (");
      lq_cli_json_text(dflt, &line);
      lq_buf_addz(&line, ")");
    }
    if (!line.failed) printf("  %s\n", line.p);
  }
  lq_buf_free(&line);
  lq_buf_free(&list);
}

void lq_cli_command_help(const lq_cli_command *c) {
  printf("Usage: loquat %s %s\n\n%s\n\nOptions:\n", c->name, c->usage, c->help);
  lq_cli_print_options(c->bit);
  if (c->bit & LQ_CMD_STREAMS) print_engine_options();
  printf("\n%s", exit_codes);
}

void lq_cli_help(const lq_cli_command *commands, size_t n) {
  printf("loquat %s: translation and chat from a GGUF file, on this computer alone.\n\nUsage: loquat COMMAND ...\n\n", lq_version());
  for (size_t i = 0; i < n; i++) {
    int first = (int)strcspn(commands[i].help, "\n");
    printf("  %-11s %.*s\n", commands[i].name, first, commands[i].help);
  }
  printf("\n  loquat COMMAND -h lists a command's options. loquat --version prints the version.\n\n%s", exit_codes);
}
