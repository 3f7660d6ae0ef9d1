/* The command line: picks a command and runs it. May call: lq.h, libc, POSIX. */
#include "cli/cli.h"

#include <string.h>

static const lq_cli_command commands[] = {
    {LQ_CMD_TRANSLATE, "translate", "[-m MODEL] [--from LANG --to LANG] [TEXT...]",
     "Translate text, or standard input line by line.\n\n"
     "Words of TEXT are joined by spaces into one text: for several texts apart, write each on a line of standard input.\n"
     "Without TEXT each line read gives one line, in order, printed as soon as it is ready. Without --from and --to a model that\n"
     "knows just French and English translates French into English; with one of the two, the other is what remains.\n"
     "The default model is models/fr-en.gguf beside the program.",
     lq_cli_translate},
    {LQ_CMD_GENERATE, "generate", "-m MODEL -p PROMPT [OPTIONS]",
     "Continue a prompt, printed as it is produced.\n\n"
     "The prompt is -p, -f or standard input. --json prints {text, ids, finish_reason, usage, timings} at the end instead.",
     lq_cli_generate},
    {LQ_CMD_CHAT, "chat", "-m MODEL [--system TEXT] [OPTIONS]",
     "Talk to a model, one line a turn.\n\n"
     "/exit or Ctrl-D ends, /clear starts a new conversation, Ctrl-C stops the reply being written.",
     lq_cli_chat},
    {LQ_CMD_TOKENIZE, "tokenize", "-m MODEL [--no-special] [TEXT...]",
     "Print a text's token ids as a JSON array.\n\n"
     "Without TEXT each line of standard input gives one array.",
     lq_cli_tokenize},
    {LQ_CMD_DETOKENIZE, "detokenize", "-m MODEL IDS...",
     "Print the text of token ids.\n\n"
     "IDS as in 1,2,3 or \"[1, 2]\". Without IDS each line of standard input gives one text.",
     lq_cli_detokenize},
    {LQ_CMD_LOGITS, "logits", "-m MODEL --ids 1,2,3 [--decoder-ids 0,5] [--top N]",
     "Print the scores of what may come next, as JSON.\n\n"
     "{\"logits\": [...]} holds every score after the last id; --top N gives {\"top\": [{\"id\", \"logit\", \"text\"}]} instead.",
     lq_cli_logits},
    {LQ_CMD_INFO, "info", "MODEL [-c N] [--json]",
     "Show what a model file holds and the memory it needs.\n\n"
     "-c N: the memory of a session with N positions. The whole need is memory.weights and memory.session.bytes together.",
     lq_cli_info},
    {LQ_CMD_QUANTIZE, "quantize", "IN OUT TYPE",
     "Write a model again with smaller weights.\n\n"
     "TYPE: f32, f16, bf16, q8_0, q6_k, q5_1, q5_0, q4_k, q4_1 or q4_0. OUT appears only when it is complete.\n"
     "-v prints each tensor's rounding error.",
     lq_cli_quantize},
    {LQ_CMD_BENCH, "bench", "-m MODEL [-p N] [-n N] [-t 1,2] [--json]",
     "Measure loading, reading a prompt and generating.\n\n"
     "Medians of -r runs after one that is not counted. The prompt and the generated tokens are measured apart, each from an\n"
     "empty cache; encoder-decoders: the source is the prompt.",
     lq_cli_bench},
    {LQ_CMD_PERPLEXITY, "perplexity", "-m MODEL FILE",
     "Measure how well a model predicts a text.\n\n"
     "The text is cut into chunks of -c tokens (512) that do not overlap; in each, the second half is scored with all before it\n"
     "as context, and the first token is BOS where the model adds one. What is left at the end is not scored. A text shorter\n"
     "than a chunk is one chunk with every token but the first scored.",
     lq_cli_perplexity},
    {LQ_CMD_EMBED, "embed", "-m MODEL [--pooling mean|cls|last] [TEXT...]",
     "Print a text's meaning as a vector, a JSON array a line.\n\n"
     "Each TEXT is one text; without TEXT each line of standard input. Pooling and length 1 are as the model says unless given.",
     lq_cli_embed},
    {LQ_CMD_RANK, "rank", "-m MODEL QUERY [PASSAGE...]",
     "Order passages by how near their meaning is to a query.\n\n"
     "Without PASSAGE each line of standard input is one. Prints the cosine of the angle between the vectors and the passage, best\n"
     "first; --json gives [{index, score, text}].",
     lq_cli_rank},
    {LQ_CMD_FILL_MASK, "fill-mask", "-m MODEL TEXT",
     "Find the words that fit where a text has a mask, such as [MASK] or <mask>.\n\n"
     "Prints probability and word, best first; --json gives one array for each mask: [{id, score, word}].",
     lq_cli_fill_mask},
    {LQ_CMD_CLASSIFY, "classify", "-m MODEL [--pair TEXT] [TEXT...]",
     "Tell which labels fit a text.\n\n"
     "Each TEXT is one text; without TEXT each line of standard input. A line for each text: labels and probabilities, best first;\n"
     "--json gives [{label, score}]. --pair: the second text of a model that compares two.",
     lq_cli_classify},
    {LQ_CMD_NER, "ner", "-m MODEL [TEXT...]",
     "Find the names in a text.\n\n"
     "Without TEXT the whole of standard input. Prints JSON: [{entity, score, word, start, end}], places in characters.",
     lq_cli_ner},
    {LQ_CMD_QA, "qa", "-m MODEL --question TEXT [TEXT...]",
     "Find the answer to a question in a text.\n\n"
     "Without TEXT the whole of standard input. Prints JSON, best first: [{score, answer, start, end}], places in characters; --top N\n"
     "gives N answers.",
     lq_cli_qa},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static int run(const lq_cli_command *c, int argc, char **argv) {
  lq_cli_args a = {0};
  int code = LQ_CLI_USAGE;
  if (lq_cli_parse(c, argc, argv, &a)) {
    code = LQ_CLI_OK;
    if (a.help) lq_cli_command_help(c);
    else code = c->run(&a);
  }
  lq_cli_args_free(&a);
  return lq_cli_finish(code);
}

int main(int argc, char **argv) {
  const char *word = argc > 1 ? argv[1] : "";
  bool help = strcmp(word, "help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
  if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
    printf("loquat %s\n", lq_version());
    return lq_cli_finish(LQ_CLI_OK);
  }
  if (help && argc < 3) {
    lq_cli_help(commands, N_COMMANDS);
    return lq_cli_finish(LQ_CLI_OK);
  }
  const char *wanted = help ? argv[2] : word;
  for (size_t i = 0; i < N_COMMANDS; i++) {
    if (strcmp(wanted, commands[i].name) != 0) continue;
    if (!help) return run(&commands[i], argc - 2, argv + 2);
    lq_cli_command_help(&commands[i]);
    return lq_cli_finish(LQ_CLI_OK);
  }
  if (!*wanted) return lq_cli_usage("Say what to do: translate, generate, chat, ... See: loquat help");
  const char *near = NULL;
  size_t least = 3;
  for (size_t i = 0; i < N_COMMANDS; i++) {
    size_t d = lq_str_distance((lq_str){wanted, strlen(wanted)}, commands[i].name);
    if (d < least) least = d, near = commands[i].name;
  }
  if (near) return lq_cli_usage("There is no command \"%.40s\". Did you mean %s? See: loquat help", wanted, near);
  return lq_cli_usage("There is no command \"%.40s\". See: loquat help", wanted);
}
