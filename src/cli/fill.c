/* loquat fill-mask: the likeliest words for the mask tokens of a text. May call: lq.h, libc. */
#include "cli/encode.h"

#include <math.h>
#include <string.h>

static double log_sum(const float *x, size_t n) {
  double max = (double)x[0], sum = 0;
  for (size_t i = 1; i < n; i++)
    if ((double)x[i] > max) max = (double)x[i];
  for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - max);
  return max + log(sum);
}

/* A token as a word: without the space that its place in a text gives it. */
static void word_of(const lq_model *m, int32_t id, lq_buf *out) {
  lq_buf raw = {0};
  size_t from = 0;
  if (lq_detokenize(m, &id, 1, 1, &raw, NULL) != LQ_OK) raw.n = 0;
  while (from < raw.n && raw.p[from] == ' ') from++;
  lq_buf_add(out, raw.p ? raw.p + from : "", raw.n - from);
  lq_buf_free(&raw);
}

/* The best of one mask, in order; equal scores by id. */
static void print_best(const lq_cli_args *a, const lq_model *m, const float *x, size_t n, bool first) {
  double all = log_sum(x, n);
  size_t last = n;
  if (a->json) fputs(first ? "[[" : ",\n [", stdout);
  else if (!first) putchar('\n');
  for (uint32_t k = 0; k < (a->top ? a->top : 5) && k < n; k++) {
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
      bool after = last == n || x[i] < x[last] || (x[i] == x[last] && i > last);
      if (after && (best == n || x[i] > x[best])) best = i;
    }
    if (best == n) break; /* the rest is not a number */
    last = best;
    lq_buf word = {0}, quoted = {0};
    double p = exp((double)x[best] - all);
    word_of(m, (int32_t)best, &word);
    lq_buf_json_str(&quoted, word.p ? word.p : "", word.n);
    if (a->json) printf("%s{\"id\":%zu,\"score\":%.9g,\"word\":%s}", k ? "," : "", best, p, quoted.p ? quoted.p : "null");
    else printf("%.4f\t%s\n", p, word.n ? word.p : "");
    lq_buf_free(&word);
    lq_buf_free(&quoted);
  }
  if (a->json) putchar(']');
}

/* Where the mask token stands among the ids. */
static int find_masks(const lq_model *m, const lq_input *in, lq_buf *at) {
  int32_t mask = lq_model_mask_token(m);
  if (mask < 0) return lq_cli_failed("This model has no mask token.");
  for (uint32_t i = 0; i < in->n; i++)
    if (in->ids[i] == mask) lq_buf_add(at, &i, sizeof i);
  if (at->n) return LQ_CLI_OK;
  lq_buf name = {0};
  if (lq_detokenize(m, &mask, 1, 1, &name, NULL) != LQ_OK) name.n = 0;
  int code = lq_cli_usage("The text has no %s: write it where a word is to be found.", name.n ? name.p : "mask");
  lq_buf_free(&name);
  return code;
}

static int fill(const lq_cli_args *a, const lq_model *m, lq_cli_inputs *in, lq_session *s) {
  lq_buf at = {0}, room = {0};
  lq_error err;
  size_t n_vocab = lq_model_vocab(m);
  const lq_input *input = (const void *)in->inputs.p;
  int code = find_masks(m, input, &at);
  uint32_t n_at = (uint32_t)(at.n / sizeof(uint32_t));
  float *x = code == LQ_CLI_OK ? lq_cli_room(&room, n_at * n_vocab * sizeof *x) : NULL;
  if (code == LQ_CLI_OK && !x) code = LQ_CLI_FAILED;
  if (code == LQ_CLI_OK && lq_fill_mask(s, input, (const void *)at.p, n_at, x, &err) != LQ_OK) code = lq_cli_error(&err);
  for (uint32_t i = 0; code == LQ_CLI_OK && i < n_at; i++) print_best(a, m, x + i * n_vocab, n_vocab, i == 0);
  if (code == LQ_CLI_OK && a->json) puts("]");
  lq_buf_free(&at);
  lq_buf_free(&room);
  return code;
}

int lq_cli_fill_mask(lq_cli_args *a) {
  lq_model *m = NULL;
  lq_session *s = NULL;
  lq_cli_inputs in = {0};
  lq_buf text = {0};
  lq_cli_join(a->text, a->n_text, &text);
  int code = text.n ? lq_cli_open(a, false, &m) : lq_cli_usage("Say the text, with a mask in it.");
  if (code == LQ_CLI_OK) code = lq_cli_input_text(&in, m, (lq_str){text.p, text.n}, (lq_str){NULL, 0});
  if (code == LQ_CLI_OK) code = lq_cli_inputs_session(&in, m, &s);
  if (code == LQ_CLI_OK) code = fill(a, m, &in, s);
  lq_session_close(s);
  lq_model_close(m);
  lq_cli_inputs_free(&in);
  lq_buf_free(&text);
  return code;
}
