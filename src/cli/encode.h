/* What the commands for encoder models share. May call: lq.h, cli.h. */
#ifndef LQ_CLI_ENCODE_H
#define LQ_CLI_ENCODE_H

#include "cli/cli.h"

/* Inputs being gathered. Zero-initialise; free with lq_cli_inputs_free. */
typedef struct lq_cli_inputs {
  lq_buf ids, types, sizes; /* int32_t, uint8_t of all inputs one after another; size_t of each */
  lq_buf inputs;            /* lq_input[], by lq_cli_inputs_ready */
  size_t n, longest;
} lq_cli_inputs;

/* 0, or an exit code after a sentence. pair.p NULL: a text alone. */
int lq_cli_input_text(lq_cli_inputs *in, const lq_model *m, lq_str text, lq_str pair);
/* --ids and --types */
int lq_cli_input_ids(lq_cli_inputs *in, const char *ids, const char *types);
/* The texts: each positional one, else each line of -f or standard input; kept in *lines, NUL after each. */
int lq_cli_texts(const lq_cli_args *a, int first, lq_buf *lines);
/* A session as long as the inputs need. */
int lq_cli_inputs_session(lq_cli_inputs *in, const lq_model *m, lq_session **out);
void lq_cli_inputs_free(lq_cli_inputs *in);

#endif
