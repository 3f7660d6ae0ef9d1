/* Command-line options: one table for all commands, and whatever else starts with -- goes to the engine.
 * May call: lq.h, libc. */
#include "cli/cli.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* KIND: what stands behind the option. ENGINE and STOP are other names of generation options. */
enum kind { FLAG, TEXT, NUMBER, ENGINE, STOP };

typedef struct option {
  const char *name; /* without the two dashes */
  char letter;
  enum kind kind;
  unsigned commands;
  size_t at;          /* FLAG, TEXT, NUMBER: offset in lq_cli_args */
  const char *engine; /* ENGINE: the option's own name */
  const char *value, *help;
} option;

#define AT(FIELD) offsetof(lq_cli_args, FIELD), NULL
#define NO_FIELD(NAME) 0, (NAME)
enum {
  WITH_MODEL = 0xffff & ~LQ_CMD_QUANTIZE,
  EXTRACTORS = LQ_CMD_NER | LQ_CMD_QA, /* print JSON whatever is asked */
  ENCODERS = LQ_CMD_EMBED | LQ_CMD_RANK | LQ_CMD_FILL_MASK | LQ_CMD_CLASSIFY | EXTRACTORS,
  WITH_SESSION = WITH_MODEL & ~(LQ_CMD_TOKENIZE | LQ_CMD_DETOKENIZE | LQ_CMD_INFO)
};

static const option options[] = {
    {"model", 'm', TEXT, WITH_MODEL, AT(model), "FILE", "the GGUF model (or set LOQUAT_MODEL)"},
    {"from", 0, TEXT, LQ_CMD_TRANSLATE, AT(from), "LANG", "language of the text, such as fr"},
    {"to", 0, TEXT, LQ_CMD_TRANSLATE, AT(to), "LANG", "language wanted, such as en"},
    {"parallel", 0, NUMBER, LQ_CMD_TRANSLATE, AT(parallel), "N", "sentences at once (8)"},
    {"source-length", 0, NUMBER, LQ_CMD_TRANSLATE | LQ_CMD_GENERATE, AT(source), "N", "longest source in tokens, encoder-decoders (512)"},
    {"prompt", 'p', TEXT, LQ_CMD_TRANSLATE | LQ_CMD_GENERATE, AT(prompt), "TEXT", "the text to work on"},
    {"file", 'f', TEXT, LQ_CMD_TRANSLATE | LQ_CMD_GENERATE | LQ_CMD_TOKENIZE | (ENCODERS & ~LQ_CMD_FILL_MASK), AT(file), "FILE",
     "read the text from a file, - = standard input"},
    {"ids", 0, TEXT, LQ_CMD_GENERATE | LQ_CMD_LOGITS, AT(ids), "1,2,3", "token ids to start from; generate then prints ids"},
    {"ids", 0, TEXT, LQ_CMD_EMBED | LQ_CMD_CLASSIFY, AT(ids), "1,2,3", "token ids, special ones in place, instead of a text"},
    {"types", 0, TEXT, LQ_CMD_LOGITS | LQ_CMD_EMBED | LQ_CMD_CLASSIFY, AT(types), "0,0,1", "a token type for each of the --ids (0)"},
    {"pooling", 0, TEXT, LQ_CMD_EMBED | LQ_CMD_RANK, AT(pooling), "HOW", "mean of all tokens' states, cls = the first's, last (the model's own)"},
    {"normalize", 0, FLAG, LQ_CMD_EMBED, AT(normalize), NULL, "vectors of length 1"},
    {"no-normalize", 0, FLAG, LQ_CMD_EMBED, AT(no_normalize), NULL, "vectors as they are"},
    {"question", 'q', TEXT, LQ_CMD_QA, AT(question), "TEXT", "what to find out"},
    {"pair", 0, TEXT, LQ_CMD_CLASSIFY, AT(pair), "TEXT", "the second text of a pair"},
    {"decoder-ids", 0, TEXT, LQ_CMD_LOGITS, AT(decoder_ids), "0,5", "target ids so far, encoder-decoders"},
    {"top", 0, NUMBER, LQ_CMD_LOGITS | (ENCODERS & ~(LQ_CMD_EMBED | LQ_CMD_NER)), AT(top), "N",
     "only the N best (logits: with their text; fill-mask: 5)"},
    {"probe", 0, TEXT, LQ_CMD_LOGITS, AT(probe), "DIR", "write every inner tensor as DIR/NAME.f32, and DIR/index.json"},
    {"system", 0, TEXT, LQ_CMD_CHAT, AT(system), "TEXT", "the system message"},
    {"no-special", 0, FLAG, LQ_CMD_TOKENIZE, AT(no_special), NULL, "add no BOS or EOS"},
    {"no-parse-special", 0, FLAG, LQ_CMD_TOKENIZE, AT(no_parse_special), NULL, "treat <|special|> tokens in the text as plain text"},
    {"skip-special", 0, FLAG, LQ_CMD_DETOKENIZE, AT(skip_special), NULL, "leave out special tokens"},
    {"n-prompt", 'p', NUMBER, LQ_CMD_BENCH, AT(n_prompt), "N", "tokens of the prompt or source (512)"},
    {"n-gen", 'n', NUMBER, LQ_CMD_BENCH, AT(n_generate), "N", "tokens to generate (128)"},
    {"repetitions", 'r', NUMBER, LQ_CMD_BENCH, AT(repetitions), "N", "runs of each, at most 64; the median counts (3)"},
    {"threads", 't', TEXT, LQ_CMD_BENCH, AT(thread_list), "1,2", "thread counts to try, one after another"},
    {"threads", 't', NUMBER, WITH_SESSION & ~LQ_CMD_BENCH, AT(threads), "N", "threads (as many as the machine has, at most 8)"},
    {"ctx-size", 'c', NUMBER, (WITH_SESSION & ~(LQ_CMD_BENCH | LQ_CMD_LOGITS | ENCODERS)) | LQ_CMD_INFO, AT(context), "N",
     "positions kept in memory (the model's, at most 2048; encoder-decoders and perplexity 512)"},
    {"batch-size", 'b', NUMBER, WITH_SESSION & ~(LQ_CMD_LOGITS | ENCODERS), AT(batch), "N", "prompt tokens in one step (128)"},
    {"kernels", 0, TEXT, WITH_SESSION | LQ_CMD_INFO, AT(kernels), "NAME", "use this kernel table, such as ref or avx2"},
    {"json", 0, FLAG,
     LQ_CMD_GENERATE | LQ_CMD_DETOKENIZE | LQ_CMD_INFO | LQ_CMD_BENCH | LQ_CMD_PERPLEXITY | (ENCODERS & ~LQ_CMD_EMBED), AT(json), NULL,
     "print one JSON value"},
    {"verbose", 'v', FLAG, LQ_CMD_STREAMS | LQ_CMD_QUANTIZE | LQ_CMD_PERPLEXITY, AT(verbose), NULL,
     "say more on standard error (quantize: each tensor's error)"},
    {"help", 'h', FLAG, 0xffff, AT(help), NULL, "this help"},
    {"stop", 'r', STOP, LQ_CMD_STREAMS, NO_FIELD(NULL), "TEXT", "stop at this text; may be given again"},
    {"stop-strings", 0, STOP, LQ_CMD_STREAMS, NO_FIELD(NULL), "TEXT", "same as --stop"},
    {"n-predict", 'n', ENGINE, LQ_CMD_STREAMS, NO_FIELD("max_new_tokens"), "N", "same as --max-new-tokens"},
    {"predict", 0, ENGINE, LQ_CMD_STREAMS, NO_FIELD("max_new_tokens"), "N", "same as --max-new-tokens"},
    {"temp", 0, ENGINE, LQ_CMD_STREAMS, NO_FIELD("temperature"), "T", "same as --temperature"},
    {"repeat-penalty", 0, ENGINE, LQ_CMD_STREAMS, NO_FIELD("repetition_penalty"), "X", "same as --repetition-penalty"},
    {"reverse-prompt", 0, STOP, LQ_CMD_STREAMS, NO_FIELD(NULL), "TEXT", "same as --stop"},
    {"rng-seed", 's', ENGINE, LQ_CMD_STREAMS, NO_FIELD("seed"), "N", "same as --seed"},
};

/* By name (n bytes, as '-' or '_' spell it) or by letter. */
static const option *find(unsigned command, const char *name, size_t n, char letter) {
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    const option *o = &options[i];
    if (!(o->commands & command)) continue;
    if (letter) {
      if (o->letter == letter) return o;
      continue;
    }
    size_t k = 0;
    while (k < n && o->name[k] && (o->name[k] == name[k] || (o->name[k] == '-' && name[k] == '_'))) k++;
    if (k == n && !o->name[k]) return o;
  }
  return NULL;
}

/* Is this generation option a true/false one? Asked of the engine's own list. */
static bool engine_bool(const char *name) {
  lq_buf list = {0};
  bool found = false;
  const char *key, *item;
  if (lq_options_list(&list, NULL) == LQ_OK && !list.failed)
    for (const char *at = list.p; !found && at && lq_cli_json_next(&at, &key, &item);) {
      const char *n = lq_cli_json_get(item, "name"), *t = lq_cli_json_get(item, "type");
      found = n && t && lq_cli_json_is(n, name) && lq_cli_json_is(t, "boolean");
    }
  lq_buf_free(&list);
  return found;
}

/* Is this a name of generate(), run here or not? null is taken for each of them. */
static bool engine_knows(const char *name, size_t n) {
  lq_options *o = NULL;
  char word[64];
  if (n >= sizeof word || lq_options_new(NULL, &o, NULL) != LQ_OK) return false;
  for (size_t i = 0; i < n; i++) word[i] = name[i] == '-' ? '_' : name[i];
  word[n] = '\0';
  bool known = lq_options_set(o, word, "null", NULL) == LQ_OK;
  lq_options_free(o);
  return known;
}

/* Is this the long name of an option, its own or generate()'s? */
static bool is_long(unsigned command, const char *name) {
  size_t n = strlen(name);
  return n > 1 && (find(command, name, n, 0) || ((command & LQ_CMD_STREAMS) && engine_knows(name, n)));
}

/* Names the option that is likeliest meant by `name` in out, "" when none is near: this command's own and generate()'s. */
static void nearest(unsigned command, lq_str name, lq_buf *out) {
  lq_buf list = {0}, word = {0};
  const char *key, *item;
  size_t least = name.n / 3 + 2;
  lq_buf_addz(out, "");
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    size_t d = options[i].commands & command ? lq_str_distance(name, options[i].name) : SIZE_MAX;
    if (d >= least) continue;
    least = d;
    out->n = 0;
    lq_buf_addz(out, options[i].name);
  }
  if ((command & LQ_CMD_STREAMS) && lq_options_list(&list, NULL) == LQ_OK)
    for (const char *at = list.p; at && lq_cli_json_next(&at, &key, &item);) {
      word.n = 0;
      const char *v = lq_cli_json_get(item, "name");
      if (v) lq_cli_json_text(v, &word);
      for (size_t i = 0; i < word.n; i++)
        if (word.p[i] == '_') word.p[i] = '-';
      size_t d = word.n ? lq_str_distance(name, word.p) : SIZE_MAX;
      if (d >= least) continue;
      least = d;
      out->n = 0;
      lq_buf_addz(out, word.p);
    }
  lq_buf_free(&word);
  lq_buf_free(&list);
}

/* Says that there is no such option. */
static bool refuse(const lq_cli_command *c, const char *word, lq_str name) {
  lq_buf near = {0};
  if (!name.n && is_long(c->bit, word + 1)) lq_buf_addz(&near, word + 1);
  if (name.n) nearest(c->bit, name, &near);
  if (near.n) lq_cli_usage("%s: no option %s. Did you mean --%s? See: loquat %s -h", c->name, word, near.p, c->name);
  else lq_cli_usage("%s: no option %s. See: loquat %s -h", c->name, word, c->name);
  lq_buf_free(&near);
  return false;
}

static bool add_setting(lq_cli_args *a, const char *name, size_t n, const char *value) {
  lq_cli_setting s = {.value = value};
  if (n >= sizeof s.name) n = sizeof s.name - 1; /* no option is that long: the engine will name it as unknown */
  for (size_t i = 0; i < n; i++) s.name[i] = name[i] == '-' ? '_' : name[i];
  lq_buf_add(&a->engine, &s, sizeof s);
  return !a->engine.failed;
}

static bool add_stop(lq_cli_args *a, const char *value) {
  if (!*value) {
    lq_cli_usage("--stop: the text to stop at is empty.");
    return false;
  }
  lq_buf_addz(&a->stops, a->stops.n ? "," : "[");
  lq_buf_json_str(&a->stops, value, strlen(value));
  return !a->stops.failed;
}

static bool number(const char *shown, const char *value, uint32_t *out) {
  char *end;
  errno = 0;
  unsigned long v = strtoul(value, &end, 10);
  if (end == value || *end || errno || v == 0 || v > UINT32_MAX || strchr(value, '-')) {
    lq_cli_usage("%s takes a whole number from 1 on, not \"%s\".", shown, value);
    return false;
  }
  *out = (uint32_t)v;
  return true;
}

static bool store(lq_cli_args *a, const option *o, const char *shown, const char *value) {
  char *field = (char *)a + o->at;
  switch (o->kind) {
    case FLAG: *(bool *)(void *)field = true; return true;
    case TEXT: *(const char **)(void *)field = value; return true;
    case NUMBER: return number(shown, value, (uint32_t *)(void *)field);
    case ENGINE: return add_setting(a, o->engine, strlen(o->engine), value);
    case STOP: return add_stop(a, value);
  }
  return false;
}

/* One word that starts with a dash; *i moves over a value taken from the next word. */
static bool parse_one(const lq_cli_command *c, int argc, char **argv, int *i, lq_cli_args *a) {
  const char *word = argv[*i], *name = word + 1, *value = NULL;
  size_t n = 0;
  const option *o;
  if (word[1] == '-') {
    name = word + 2;
    n = strcspn(name, "=");
    if (name[n] == '=') value = name + n + 1;
    o = find(c->bit, name, n, 0);
  } else {
    o = find(c->bit, NULL, 0, word[1]);
    if (o && word[2] && is_long(c->bit, name)) o = NULL; /* -temp is --temp with a dash too few, not -t emp */
    if (o && word[2]) value = word + 2; /* -n20 */
  }
  bool to_engine = !o && n > 0 && (c->bit & LQ_CMD_STREAMS) && engine_knows(name, n);
  if (!o && !to_engine) return refuse(c, word, (lq_str){name, n});
  bool flag = o && o->kind == FLAG;
  if (flag && value) {
    lq_cli_usage("%s takes no value.", word);
    return false;
  }
  if (to_engine && !value) {
    lq_cli_setting s = {0};
    for (size_t k = 0; k < n && k < sizeof s.name - 1; k++) s.name[k] = name[k] == '-' ? '_' : name[k];
    if (engine_bool(s.name)) value = "true";
    else if (*i + 1 >= argc) value = ""; /* the engine says whether the name or the value is wrong */
  }
  if (!flag && !value) {
    if (*i + 1 >= argc) {
      lq_cli_usage("%s needs a value. See: loquat %s -h", word, c->name);
      return false;
    }
    value = argv[++*i];
  }
  return o ? store(a, o, word, value) : add_setting(a, name, n, value);
}

/* Tries the generation options on plain defaults, so that a bad one is named before a model is loaded. */
static bool check_engine(const lq_cli_args *a) {
  lq_options *o = NULL;
  if (a->help || (!a->engine.n && !a->stops.n)) return true;
  int code = lq_cli_options(a, NULL, &o);
  lq_options_free(o);
  return code == LQ_CLI_OK;
}

bool lq_cli_parse(const lq_cli_command *c, int argc, char **argv, lq_cli_args *a) {
  bool only_text = false;
  a->text = argv;
  for (int i = 0; i < argc; i++) {
    bool dashed = argv[i][0] == '-' && argv[i][1] && !only_text;
    if (dashed && strcmp(argv[i], "--") == 0) only_text = true;
    else if (!dashed) a->text[a->n_text++] = argv[i];
    else if (!parse_one(c, argc, argv, &i, a)) return false;
  }
  if (a->stops.n) lq_buf_addz(&a->stops, "]");
  return check_engine(a);
}

void lq_cli_args_free(lq_cli_args *a) {
  lq_buf_free(&a->engine);
  lq_buf_free(&a->stops);
}

bool lq_cli_given(const lq_cli_args *a, const char *engine_option) {
  const lq_cli_setting *s = (const void *)a->engine.p;
  for (size_t i = 0; i < a->engine.n / sizeof *s; i++)
    if (strcmp(s[i].name, engine_option) == 0) return true;
  return false;
}

void lq_cli_print_options(unsigned command) {
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    const option *o = &options[i];
    if (!(o->commands & command)) continue;
    char left[64];
    if (o->letter) snprintf(left, sizeof left, "-%c, --%s %s", o->letter, o->name, o->value ? o->value : "");
    else snprintf(left, sizeof left, "    --%s %s", o->name, o->value ? o->value : "");
    printf("  %-28s %s\n", left, o->help);
  }
}
