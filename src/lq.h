/* Loquat: run a Transformer from a GGUF file. This header is the manual.
 *
 *   lq_error e; lq_model *m; lq_session *s; lq_options *o;
 *   lq_model_open_file("fr-en.gguf", NULL, &m, &e);
 *   lq_options_new(m, &o, &e);  lq_options_set(o, "max_new_tokens", "100", &e);
 *   lq_session_open(m, NULL, &s, &e);
 *   lq_translate(s, "Je suis étudiant", 17, "fr", "en", o, &e);
 *   lq_piece p;
 *   while (lq_next(s, &p, &e) == LQ_OK) fwrite(p.text, 1, p.n_text, stdout);
 *   lq_session_close(s); lq_options_free(o); lq_model_close(m);
 *
 * A model is immutable after opening and may serve several sessions, one call into a session at a time. Two sessions of one
 * model may not run at the same moment (they share its thread pool).
 * Untrusted input is safe everywhere: files, text, ids, templates, options. Nothing aborts, exits or prints.
 * Strings are UTF-8 with explicit length; out-buffers (`lq_buf`, bytes.h) are the caller's to free.
 */
#ifndef LQ_H
#define LQ_H

#include "base/bytes.h"
#include "base/status.h"

typedef struct lq_model lq_model;
typedef struct lq_session lq_session;
typedef struct lq_options lq_options;

const char *lq_version(void); /* "0.1.0" */

/* ---- model ---------------------------------------------------------------------------------- */

typedef struct lq_model_params {
  int threads;         /* 0 = 1. Results do not depend on it */
  const char *kernels; /* NULL = best for this CPU; else a table's name, as in lq_model_info */
  int no_repack;       /* 1: leave weights as they are in memory (then bytes may be read-only) */
} lq_model_params;

/* Opens a model in memory. `bytes` is borrowed until lq_model_close and may be rewritten in place (repacked weights), also when opening fails:
 * read the file again to open it again, or set no_repack.
 * params may be NULL. Runs the kernels' self-test first: the next best table stands in for one that
 * fails, unless it was named; LQ_E_SELFTEST when none is left. */
lq_status lq_model_open(void *bytes, uint64_t n_bytes, const lq_model_params *params, lq_model **out, lq_error *err);
/* The same from a file, mapped. */
lq_status lq_model_open_file(const char *path, const lq_model_params *params, lq_model **out, lq_error *err);
void lq_model_close(lq_model *m); /* NULL is fine. Sessions must be closed first */

enum { LQ_TASK_GENERATE = 1, LQ_TASK_CHAT = 2, LQ_TASK_TRANSLATE = 4, LQ_TASK_ENCODE = 8,
       LQ_TASK_EMBED = 16, LQ_TASK_FILL_MASK = 32, LQ_TASK_CLASSIFY = 64, LQ_TASK_NER = 128, LQ_TASK_QA = 256 };
unsigned lq_model_tasks(const lq_model *m);
uint32_t lq_model_vocab(const lq_model *m);
uint32_t lq_model_max_context(const lq_model *m); /* positions the model was made for; 0 = no limit of its own (T5) */

/* JSON: {name, architecture, description, license, parameters, file_bytes, file_type, quantisation, layers..., context_length, vocab_size, tokenizer,
 * tasks:[...], languages:[...], pooling, normalize, labels:[...] (encoders), has_chat_template, kernels,
 * threads, special_tokens:{bos,eos,pad,unk}, memory:{weights, session:{context, bytes}}}.
 * with_metadata: also metadata:{key:value,...} (long arrays shortened) and tensors:[{name,type,shape,bytes}]. n_ctx as in lq_session_params. */
lq_status lq_model_info(const lq_model *m, int with_metadata, uint32_t n_ctx, lq_buf *out, lq_error *err);

/* ---- text and ids --------------------------------------------------------------------------- */

/* special: add BOS/EOS (and for translation models nothing else); tokens written in the text become their ids. Writes at most cap ids;
 * *n_ids = how many there are. LQ_E_UNSUPPORTED when the model has no tokenizer. */
lq_status lq_tokenize(const lq_model *m, const char *text, size_t n, int add_special, int parse_special, int32_t *ids, size_t cap, size_t *n_ids,
                      lq_error *err);
lq_status lq_detokenize(const lq_model *m, const int32_t *ids, size_t n, int keep_special, lq_buf *out, lq_error *err);

/* messages_json: OpenAI-shaped array [{"role","content"},...]; content a string or [{"type":"text","text"}]. Renders the model's own template
 * (ChatML if it has none; the file's tool_use template when extra_json has tools) with extra_json's members (may be NULL: tools, date_string,
 * enable_thinking...) as more variables. template_override: NULL or another template. Templates write BOS themselves: tokenize the prompt without
 * add_special, as lq_chat does. */
lq_status lq_chat_render(const lq_model *m, const char *messages_json, size_t n, int add_generation_prompt, const char *extra_json,
                         const char *template_override, lq_buf *out, lq_error *err);

/* ---- generation options --------------------------------------------------------------------- */

/* Options carry Hugging Face's generate() names and defaults, with the model's generation config on top where the file has one (but for
 * do_sample and num_beams, which are the caller's to ask for).
 * Values are text: numbers, true/false, ids as JSON arrays, stop_strings as a JSON array or one string. */
lq_status lq_options_new(const lq_model *m, lq_options **out, lq_error *err); /* m may be NULL: plain defaults */
/* LQ_E_OPTION: unknown name, a name of generate() that this build does not run, or a value that makes no sense; the message names it. */
lq_status lq_options_set(lq_options *o, const char *name, const char *value, lq_error *err);
/* Sets every member of a JSON object. */
lq_status lq_options_set_json(lq_options *o, const char *json, size_t n, lq_error *err);
void lq_options_free(lq_options *o);
/* The value of an option that is a number or true/false; LQ_E_OPTION for another name. num_beams is the n_beams that a session needs. */
lq_status lq_options_number(const lq_options *o, const char *name, double *value, lq_error *err);
/* JSON array of the supported options: [{name, type, default, min, max, help}]. */
lq_status lq_options_list(lq_buf *out, lq_error *err);

/* ---- sessions ------------------------------------------------------------------------------- */

typedef struct lq_session_params {
  uint32_t n_ctx;   /* positions kept per sequence (decoder); 0 = the smaller of the model's and 2048 */
  uint32_t n_src;   /* longest encoder input in ids; 0 = 512 (encoder-decoders only) */
  uint32_t n_seq;   /* sequences at once; 0 = 1 */
  uint32_t n_batch; /* prompt positions per step, the grain of cancelling; 0 = 128 */
  uint32_t n_beams; /* num_beams at most; 0 = 1. Each holds a cache of n_ctx positions, for each of the n_seq sequences */
} lq_session_params;

/* Bytes that lq_session_open will take, exactly, before taking them. params NULL = defaults. */
lq_status lq_session_bytes(const lq_model *m, const lq_session_params *params, uint64_t *bytes, lq_error *err);
lq_status lq_session_open(const lq_model *m, const lq_session_params *params, lq_session **out, lq_error *err);
void lq_session_close(lq_session *s);

/* Counters since opening, for tests and speed displays. */
typedef struct lq_counters {
  uint64_t encoder_runs, encoder_tokens, cross_fills; /* cross_fills: layers whose cross K/V were computed */
  uint64_t prompt_tokens, generated_tokens, decoder_rows;
} lq_counters;
void lq_session_counters(const lq_session *s, lq_counters *out);

/* What a model will take, from the first n_head of its file's n_bytes, before the rest is there. */
typedef struct lq_plan {
  uint64_t session_bytes; /* as lq_session_bytes with one thread: more threads take a little more */
  int translates;         /* 1: it has languages */
  int embeds;             /* 1: it is an encoder alone */
} lq_plan;
/* LQ_E_FORMAT also while the head is too short: ask again with more of the file (a few MB at most hold the head of a usual model). */
lq_status lq_model_plan(void *head, uint64_t n_head, uint64_t n_bytes, const lq_session_params *params, lq_plan *out, lq_error *err);

/* ---- generation: begin, then lq_next until LQ_DONE ------------------------------------------- */

/* With num_beams above 1 nothing is decided before a sequence is complete: until then each step gives a piece without text and token
 * (token_id -1), so that it may be cancelled or shown as progress; then come the tokens of the best hypothesis one by one, and those of the
 * num_return_sequences - 1 next best after it. Beams read one cache: what hypotheses have in common is held once, the source is encoded once
 * and its keys and values are computed once, and going from beam to beam copies positions' homes, never keys or values. Scores and order
 * are those of generate(). do_sample and stop_strings are refused together with beams. */

/* Each begin ends what the session was doing. Options are copied; NULL = defaults. LQ_E_OPTION when they contradict each other, name an id
 * that is not in the vocabulary, or want more beams than the session was opened for.
 * Raw ids. Decoder-only: ids are the prompt. Encoder-decoder: ids are the source, generation starts from decoder_start_token_id. */
lq_status lq_generate_ids(lq_session *s, const int32_t *ids, size_t n, const lq_options *o, lq_error *err);
/* Text as it is; special tokens written in it are parsed and BOS/EOS added as the file says. */
lq_status lq_generate(lq_session *s, const char *text, size_t n, const lq_options *o, lq_error *err);
/* Messages through the chat template. LQ_E_TASK for encoder-decoders. Keeps the part of the KV cache that the new prompt shares with the last one. */
lq_status lq_chat(lq_session *s, const char *messages_json, size_t n, const lq_options *o, lq_error *err);
/* Text of any length: split into sentences, white space and line breaks between them kept; up to n_seq sentences at once; pieces come in order.
 * from may be NULL or "" (models that need no source language). LQ_E_LANGUAGE names the languages there are; from == to copies the text.
 * A sentence longer than n_src is split again at clause or word boundaries. */
lq_status lq_translate(lq_session *s, const char *text, size_t n, const char *from, const char *to, const lq_options *o, lq_error *err);

enum lq_finish { LQ_FINISH_NONE, LQ_FINISH_EOS, LQ_FINISH_STOP, LQ_FINISH_LENGTH, LQ_FINISH_CONTEXT };

typedef struct lq_piece {
  const char *text;   /* whole UTF-8 characters, may be empty; the session's, until the next call */
  size_t n_text;
  int32_t token_id;   /* -1: no token in this step (prompt being read, or white space between sentences) */
  float logprob;      /* ln p(token) under the model's unmodified distribution; 0 when token_id is -1 */
  uint32_t prompt_done, prompt_total; /* ids of the prompt (source) read so far */
  uint32_t sentence, n_sentences;     /* translation; 0, 1 otherwise */
  enum lq_finish finish; /* set on the last piece of a sequence */
  uint32_t hypothesis;   /* num_return_sequences above 1: 0 = the best, then the others in order, each ended by its `finish` */
  float score;           /* num_beams above 1: the hypothesis' score, sum of log-probabilities / length^length_penalty; else 0 */
} lq_piece;

/* One step: a slice of the prompt, or one token. LQ_OK with *p filled, or LQ_DONE. Allocates nothing that grows with the step.
 * After an error the session is idle and may begin again. */
lq_status lq_next(lq_session *s, lq_piece *p, lq_error *err);
/* Stops; the session may begin again. Never fails. */
void lq_end(lq_session *s);

/* ---- scores --------------------------------------------------------------------------------- */

/* Runs ids (and decoder_ids for encoder-decoders; NULL = just decoder_start_token_id) and gives every score after the last one.
 * logits: lq_model_vocab floats, the caller's. all: not NULL = also the scores after each position, rows in order ([n][vocab], caller's). */
lq_status lq_logits(lq_session *s, const int32_t *ids, size_t n, const int32_t *decoder_ids, size_t n_decoder,
                    float *logits, float *all, lq_error *err);
/* Encoder output of ids: out[n * d_model]. LQ_E_TASK without an encoder. */
lq_status lq_encode(lq_session *s, const int32_t *ids, size_t n, float *out, lq_error *err);
uint32_t lq_model_width(const lq_model *m); /* d_model */
/* Sum of -ln p(ids[i] | ids[0..i)) for i in [first, n) in *nll. Decoder-only. */
lq_status lq_score(lq_session *s, const int32_t *ids, size_t n, size_t first, double *nll, lq_error *err);

/* ---- encoders: vectors and labels ------------------------------------------------------------ */

/* One input of an encoder: ids with their special tokens; types: NULL = all 0. */
typedef struct lq_input {
  const int32_t *ids;
  const uint8_t *types;
  size_t n;
} lq_input;

/* A text, or a pair of texts (pair not NULL: question and passage), as an encoder takes it, special tokens in place; tokens written in the
 * text become their ids. ids, types: room for cap each. *n_ids = how many there are (> cap: call again with room). */
lq_status lq_input_text(const lq_model *m, const char *text, size_t n, const char *pair, size_t n_pair, int32_t *ids, uint8_t *types, size_t cap,
                        size_t *n_ids, lq_error *err);

/* All of these run n inputs, up to n_seq and n_batch (or n_src) tokens at once, each as if it were alone. LQ_E_TASK when the model has no
 * such head, LQ_E_CONTEXT names an input longer than n_src. Scores are raw; the caller owns out.
 * States of every token, input after input: out[sum of n][d_model]. */
lq_status lq_encode_inputs(lq_session *s, const lq_input *in, size_t n, float *out, lq_error *err);
/* out[n][d_model]. pooling: "mean", "cls", "last", NULL = the model's own. normalize: 1, 0, -1 = the model's own. */
lq_status lq_embed(lq_session *s, const lq_input *in, size_t n, const char *pooling, int normalize, float *out, lq_error *err);
/* Scores of the words that may stand at n_at places of one input: out[n_at][lq_model_vocab]. */
lq_status lq_fill_mask(lq_session *s, const lq_input *in, const uint32_t *at, uint32_t n_at, float *out, lq_error *err);
int32_t lq_model_mask_token(const lq_model *m); /* -1: none */
/* out[n][lq_model_labels] */
lq_status lq_classify(lq_session *s, const lq_input *in, size_t n, float *out, lq_error *err);
/* out[sum of n][lq_model_labels], of every token */
lq_status lq_classify_tokens(lq_session *s, const lq_input *in, size_t n, float *out, lq_error *err);
/* out[sum of n][2]: how well every token begins and ends an answer */
lq_status lq_spans(lq_session *s, const lq_input *in, size_t n, float *out, lq_error *err);
/* What the text of any of these two says, as JSON; start and end are characters of the text. Both need WordPiece and a text that fits n_src.
 * Entities: [{entity, score, word, start, end}], words of one entity joined (labels B-x and I-x, O = none; a word's label is that of its first
 * token, the score the mean of its words'). */
lq_status lq_entities(lq_session *s, const char *text, size_t n, lq_buf *json, lq_error *err);
/* The likeliest stretches of `context` that answer, whole words, best first: [{answer, score, start, end}], at most `top` (0 = 1). */
lq_status lq_answer(lq_session *s, const char *question, size_t n_question, const char *context, size_t n_context, uint32_t top, lq_buf *json,
                    lq_error *err);
uint32_t lq_model_labels(const lq_model *m);
lq_str lq_model_label(const lq_model *m, uint32_t i); /* the model's, until it closes; n 0: it has no name */
/* Scores of one input's (or token's) labels -> probabilities in place, as the model was trained: softmax, sigmoid, or left as they are. */
void lq_label_probabilities(const lq_model *m, float *scores);

/* Probe for tests and tools: called with each named tensor of a run ("enc.0.out", "dec.1.attn", "logits", ...), row-major [rows][cols]. */
typedef void (*lq_probe)(void *ctx, const char *name, const float *x, size_t rows, size_t cols);
void lq_session_probe(lq_session *s, lq_probe fn, void *ctx);

/* ---- quantisation --------------------------------------------------------------------------- */

/* Writes `bytes` (a GGUF) to sink again with matrices in `type` ("q8_0"); norms, biases and position tables stay as they are, and a row length
 * that the type cannot hold takes the nearest type that can: Q8_0, else F16. report: NULL, or JSON lines {tensor, from, to, rmse}. sink returns 0
 * when all was written. */
lq_status lq_quantize(void *bytes, uint64_t n_bytes, const char *type, int (*sink)(void *ctx, const void *p, size_t n), void *sink_ctx,
                      lq_buf *report, lq_error *err);

#endif
