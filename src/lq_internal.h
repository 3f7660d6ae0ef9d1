/* What lq.c, lq_session.c, lq_generate.c, lq_beam.c, lq_translate.c, lq_chat.c, lq_info.c and lq_quantize.c share. Not for embedders.
 * May be included by src/lq*.c and tests only. */
#ifndef LQ_INTERNAL_H
#define LQ_INTERNAL_H

#include "decode/beam.h"
#include "decode/options.h"
#include "decode/sample.h"
#include "gguf/gguf.h"
#include "lq.h"
#include "model/heads.h"
#include "model/stack.h"
#include "model/weights.h"
#include "text/tokenizer.h"

#define LQ_MAX_LANGUAGES 64

typedef struct lq_language {
  char code[16];
  int32_t token; /* put first in the source */
} lq_language;

struct lq_model {
  lq_arena arena; /* owns everything below but the pool and the file */
  lq_file file;
  lq_gguf gguf;
  lq_weights weights;
  lq_heads heads;
  lq_nn nn;
  lq_tokenizer *tok; /* NULL: ids only */
  lq_str name, chat_template;
  lq_gen defaults;
  lq_language languages[LQ_MAX_LANGUAGES];
  uint32_t n_languages;
  int32_t eos[LQ_MAX_EOS]; /* generation.eos_token_ids */
  uint32_t n_eos;
};

struct lq_options {
  lq_arena arena;
  lq_gen gen;
};

/* A token that is decoded but perhaps not handed out yet. */
typedef struct lq_token {
  int32_t id;
  float logprob;
  uint32_t text_end; /* bytes of the slot's text that may be shown once this token is handed out */
} lq_token;

/* One sequence being decoded. */
typedef struct lq_slot {
  int32_t *ids;      /* [n_ctx] decoder ids: prompt, then what was generated */
  uint32_t n_ids, n_prompt, n_past; /* n_past of them are in the cache */
  uint32_t n_src;    /* source length in the cross cache */
  int32_t *src_ids;  /* [n_src of the session] the source, encoder-decoders */
  uint32_t max_new, n_new;
  bool active;       /* still decoding */
  enum lq_finish finish;
  lq_rng rng;
  lq_stream stream;
  lq_buf text;       /* the last of the text; held back from `shown` on while it may begin a stop string */
  uint32_t shown;
  lq_token *tokens;  /* [n_ctx] */
  uint32_t n_tokens, n_out; /* n_out of them handed out */
  lq_beams beams;    /* without memory when the session was opened for one beam */
  uint32_t n_hyp, hyp; /* hypotheses to hand out once the search has ended; the one in tokens and text + 1 */
  float score;       /* of that one */
} lq_slot;

enum lq_mode { LQ_MODE_IDLE, LQ_MODE_GENERATE, LQ_MODE_TRANSLATE };

/* Progress through a text being translated. */
typedef struct lq_translation {
  lq_buf text;       /* the session's copy */
  char lang[16];     /* of the source, for sentence rules */
  int32_t tag;       /* target-language token; -1 = copy the text as it is */
  size_t pos;        /* next byte to cut a sentence from */
  uint32_t sentence, n_sentences;
  uint32_t n_group, cursor; /* sentences being decoded; the one being handed out */
  struct lq_gap { size_t begin, end; } *gaps; /* [n_seq + 1]: text handed out as it is after each sentence of the group */
  bool gap_due;
} lq_translation;

struct lq_session {
  const lq_model *model;
  lq_arena arena;
  lq_session_params params; /* defaults filled in */
  lq_stack stack;
  lq_slot *slots;           /* [n_seq] */
  /* each slot has n_beams sequences of the self-attention cache, the first of them its own while there is one beam */
  lq_run *runs;             /* [n_seq * n_beams] */
  lq_run *sources;          /* [n_seq] rows of one slot, for cross attention */
  uint32_t *rows;           /* [n_seq * n_beams] rows whose scores are wanted */
  uint32_t *row_slot;       /* [n_seq * n_beams] */
  const uint16_t **home;    /* [n_seq * n_beams] open hypotheses' own tables */
  float *logits;            /* [n_seq * n_beams][n_vocab] */
  double *log_sums;         /* [n_seq * n_beams] of the logits; beams only */
  int32_t *row_ids;         /* [max_rows] */
  uint8_t *row_types;       /* [max_rows] */
  lq_sample_scratch scratch;
  lq_gen gen;
  enum lq_mode mode;
  uint32_t kv_valid;        /* decoder-only: slot 0's ids that the cache holds, for prefix reuse */
  lq_translation tr;
  lq_buf ids_buf;           /* growing scratch for token ids */
  lq_counters counters;
};

/* lq_session.c */
lq_status lq_check_ids(const lq_model *m, const int32_t *ids, size_t n, lq_error *err);
/* Encodes the sources of slots [first, first + n) (ids given per slot), fills their cross caches. */
lq_status lq_run_encoder(lq_session *s, const lq_run *runs, uint32_t n_runs, uint32_t n_rows);
/* Tokenises into s->ids_buf; *ids points into it until the next call. */
lq_status lq_session_tokenize(lq_session *s, const char *text, size_t n, unsigned flags, const int32_t **ids, size_t *n_ids, lq_error *err);

/* lq_generate.c */
/* Starts a slot with a decoder prompt already in slot->ids; n_prompt < n_ctx. stream: which of the seed's random streams it draws from. */
void lq_slot_start(lq_session *s, lq_slot *slot, uint32_t n_prompt, uint32_t reuse, uint32_t max_new, uint64_t stream);
/* LQ_E_CONTEXT when the context has no room for the decoder's start and one token. */
lq_status lq_need_room(const lq_session *s, lq_error *err);
/* One step of every active slot. */
lq_status lq_step(lq_session *s, lq_error *err);
/* Adds a token to what the slot hands out, and to its text; ends the sequence where it ends. */
lq_status lq_slot_push(lq_session *s, lq_slot *slot, int32_t id, float logprob, lq_error *err);
/* Hands out the next token of the slot if there is one: *took. After the last token of a hypothesis come those of the next. */
lq_status lq_slot_take(lq_session *s, lq_slot *slot, lq_piece *p, bool *took, lq_error *err);
/* Ends what the session was doing and settles the options. LQ_E_OPTION when they do not fit together, the model or the session. */
lq_status lq_begin(lq_session *s, const lq_options *o, lq_error *err);

/* lq_beam.c: slots of a session while num_beams is above 1 */
/* Rows of the open hypotheses of slot i, all of them, from row n_rows on: runs, sources and wanted rows added. */
uint32_t lq_beams_gather(lq_session *s, uint32_t i, uint32_t n_rows, uint32_t *n_runs, uint32_t *n_wanted);
/* The next hypotheses of a slot, from the scores of its open ones. */
lq_status lq_beams_advance(lq_session *s, lq_slot *slot, const float *logits, const double *log_sums, lq_error *err);
/* Puts the next complete hypothesis, if one is to be handed out, into the slot's tokens and text. */
lq_status lq_beams_hand_out(lq_session *s, lq_slot *slot, lq_error *err);

/* lq_translate.c */
lq_status lq_translate_next(lq_session *s, lq_piece *p, lq_error *err);

#endif
