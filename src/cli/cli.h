/* What the commands share: parsed arguments, input, output, exit codes. The engine is reached through lq.h only.
 * May call: lq.h, libc, POSIX. */
#ifndef LQ_CLI_H
#define LQ_CLI_H

#include "lq.h"

#include <stdbool.h>
#include <stdio.h>

/* Exit codes, documented in -h and README. */
enum { LQ_CLI_OK = 0, LQ_CLI_FAILED = 1, LQ_CLI_USAGE = 2, LQ_CLI_INTERRUPTED = 130 };

/* One bit a command: which options it takes. */
enum {
  LQ_CMD_TRANSLATE = 1 << 0, LQ_CMD_GENERATE = 1 << 1, LQ_CMD_CHAT = 1 << 2, LQ_CMD_TOKENIZE = 1 << 3,
  LQ_CMD_DETOKENIZE = 1 << 4, LQ_CMD_LOGITS = 1 << 5, LQ_CMD_INFO = 1 << 6, LQ_CMD_QUANTIZE = 1 << 7,
  LQ_CMD_BENCH = 1 << 8, LQ_CMD_PERPLEXITY = 1 << 9, LQ_CMD_EMBED = 1 << 10, LQ_CMD_RANK = 1 << 11,
  LQ_CMD_FILL_MASK = 1 << 12, LQ_CMD_CLASSIFY = 1 << 13, LQ_CMD_NER = 1 << 14, LQ_CMD_QA = 1 << 15
};
/* Commands that take the engine's generation options too. */
#define LQ_CMD_STREAMS (LQ_CMD_TRANSLATE | LQ_CMD_GENERATE | LQ_CMD_CHAT)

/* Everything a command line can say. Strings are argv's own. */
typedef struct lq_cli_args {
  const char *model, *from, *to, *prompt, *file, *system, *ids, *decoder_ids, *probe, *kernels, *thread_list, *types, *pooling, *pair, *question;
  uint32_t threads, context, source, parallel, batch, top, n_prompt, n_generate, repetitions;
  bool json, verbose, no_special, no_parse_special, skip_special, normalize, no_normalize, help;
  char **text; /* positional arguments, n_text of them, moved to the front of argv */
  int n_text;
  lq_buf engine; /* lq_cli_setting[]: generation options in the order given */
  lq_buf stops;  /* JSON array under construction from --stop and -r; empty = none */
} lq_cli_args;

typedef struct lq_cli_setting { char name[64]; const char *value; } lq_cli_setting;

typedef struct lq_cli_command {
  unsigned bit;
  const char *name, *usage, *help; /* usage: arguments after the name */
  int (*run)(lq_cli_args *a);
} lq_cli_command;

/* ---- args.c, help.c ---- */
/* Fills *a from argv (after the command's name). False: a sentence was printed, exit LQ_CLI_USAGE. */
bool lq_cli_parse(const lq_cli_command *c, int argc, char **argv, lq_cli_args *a);
void lq_cli_args_free(lq_cli_args *a);
bool lq_cli_given(const lq_cli_args *a, const char *engine_option); /* was this generation option on the command line? */
void lq_cli_print_options(unsigned command);                       /* to stdout, for -h */
void lq_cli_help(const lq_cli_command *commands, size_t n);
void lq_cli_command_help(const lq_cli_command *c);

/* ---- model.c: what most commands start with ---- */
/* Opens -m, LOQUAT_MODEL or (fallback) the default translation model. 0, or an exit code after a sentence. */
int lq_cli_open(const lq_cli_args *a, bool fallback, lq_model **out);
int lq_cli_model_error(const char *path, const lq_error *e); /* lq_cli_error, with the file's name before what is wrong in it */
int lq_cli_open_threads(const lq_cli_args *a, const char *path, int threads, lq_model **out);
/* The path that lq_cli_open would take, in out; NULL text when there is none (a sentence was printed). */
bool lq_cli_model_path(const lq_cli_args *a, bool fallback, lq_buf *out);
int lq_cli_options(const lq_cli_args *a, const lq_model *m, lq_options **out);
uint32_t lq_cli_beams(const lq_options *o); /* num_beams; 1 for NULL */
int lq_cli_default_threads(void);

/* ---- io.c ---- */
/* Prints "loquat: message" to stderr and gives the exit code that the status stands for. */
int lq_cli_error(const lq_error *e);
int lq_cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* same, LQ_CLI_USAGE */
int lq_cli_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* same, LQ_CLI_FAILED */
/* Flushes stdout; LQ_CLI_FAILED with a sentence when it could not be written, else `code`. */
int lq_cli_finish(int code);
void lq_cli_invite(const char *what); /* a person at a terminal is told what standard input is waited for */
double lq_cli_seconds(void); /* monotonic */
void *lq_cli_room(lq_buf *b, size_t bytes); /* zeroed bytes at the end of b, or NULL after a sentence */
int lq_cli_read_all(const char *path, lq_buf *out); /* "-" = stdin; 0 or an exit code */
void lq_cli_join(char **words, int n, lq_buf *out); /* with single spaces */
/* Ids from "1,2 3" or "[1,2,3]" appended to out as int32_t. False after a sentence. */
bool lq_cli_ids(const char *text, const char *what, lq_buf *out);
void lq_cli_print_ids(const int32_t *ids, size_t n);

void lq_cli_catch_interrupt(void); /* from here on Ctrl-C only sets a flag; a second one ends the program */
bool lq_cli_interrupted(void);
void lq_cli_clear_interrupt(void);

/* Lines from a file descriptor. Zero-initialise but fd; free with lq_buf_free(&r->buf). */
typedef struct lq_cli_reader { int fd; lq_buf buf; size_t pos; bool eof; } lq_cli_reader;
enum { LQ_CLI_LINE_ERROR = -1, LQ_CLI_LINE_END = 0, LQ_CLI_LINE = 1, LQ_CLI_LINE_INTERRUPTED = 2 };
/* Next line without its line feed, valid until the next call. wait = false: LQ_CLI_LINE_END also when none is there yet. */
int lq_cli_line(lq_cli_reader *r, bool wait, lq_str *out);

/* ---- json.c: reads the engine's own JSON (well-formed by construction) ---- */
/* Steps through an object or array: *at = its first byte at the start; key is NULL in arrays. False at the end. */
bool lq_cli_json_next(const char **at, const char **key, const char **value);
const char *lq_cli_json_get(const char *object, const char *key); /* value, or NULL */
void lq_cli_json_text(const char *value, lq_buf *out);            /* a string's text, else the value as written */
void lq_cli_clean(lq_buf *b); /* what a file says, made fit for a terminal: control characters become '?' */
bool lq_cli_json_is(const char *value, const char *text);         /* is it this string? */

/* ---- the commands ---- */
int lq_cli_translate(lq_cli_args *a);
int lq_cli_generate(lq_cli_args *a);
int lq_cli_chat(lq_cli_args *a);
int lq_cli_tokenize(lq_cli_args *a);
int lq_cli_detokenize(lq_cli_args *a);
int lq_cli_logits(lq_cli_args *a);
int lq_cli_info(lq_cli_args *a);
int lq_cli_quantize(lq_cli_args *a);
int lq_cli_bench(lq_cli_args *a);
int lq_cli_perplexity(lq_cli_args *a);
int lq_cli_embed(lq_cli_args *a);
int lq_cli_rank(lq_cli_args *a);
int lq_cli_fill_mask(lq_cli_args *a);
int lq_cli_classify(lq_cli_args *a);
int lq_cli_ner(lq_cli_args *a);
int lq_cli_qa(lq_cli_args *a);

#endif
