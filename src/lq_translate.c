/* Translation of text of any length: sentences in groups, white space kept, pieces in order. May call: decode, model, text, base. */
#include <string.h>

#include "lq_internal.h"
#include "base/utf8.h"
#include "text/sentence.h"

/* "fr-CA" fits "fr"; case does not matter. */
static bool same_language(const char *have, const char *want) {
  size_t i = 0;
  for (; have[i]; i++)
    if (!want[i] || (have[i] | 32) != (want[i] | 32)) return false;
  return want[i] == '\0' || want[i] == '-' || want[i] == '_';
}

static lq_status find_language(const lq_model *m, const char *code, const char *which, const lq_language **out, lq_error *err) {
  char list[96] = "";
  for (uint32_t i = 0; i < m->n_languages; i++) {
    if (same_language(m->languages[i].code, code)) {
      *out = &m->languages[i];
      return LQ_OK;
    }
    if (strlen(list) + strlen(m->languages[i].code) + 3 > sizeof(list)) continue;
    if (i) strcat(list, ", ");
    strcat(list, m->languages[i].code);
  }
  return lq_fail(err, LQ_E_LANGUAGE, "%s language \"%.20s\" is not one this model knows; it knows %s", which, code, list);
}

/* Cuts one sentence from the text; false at the end. */
static bool cut(const lq_translation *t, size_t pos, lq_span *span) {
  return lq_sentence_next((lq_str){t->text.p, t->text.n}, t->lang, &pos, span);
}

lq_status lq_translate(lq_session *s, const char *text, size_t n, const char *from, const char *to, const lq_options *o, lq_error *err) {
  const lq_model *m = s->model;
  const lq_language *source = NULL, *target;
  lq_translation *t = &s->tr;
  LQ_TRY(lq_begin(s, o, err));
  if (m->n_languages == 0)
    return lq_fail(err, LQ_E_TASK, "this model cannot translate; it is made for %s", lq_model_tasks(m) & LQ_TASK_CHAT ? "chat" : "other tasks");
  if (n == 0) return lq_fail(err, LQ_E_ARG, "the text is empty: there is nothing to translate");
  LQ_TRY(lq_need_room(s, err));
  if (!to || !*to) return lq_fail(err, LQ_E_LANGUAGE, "no target language is given");
  LQ_TRY(find_language(m, to, "the target", &target, err));
  if (from && *from) LQ_TRY(find_language(m, from, "the source", &source, err));
  t->text.n = 0;
  t->text.failed = false;
  t->text.limit = SIZE_MAX / 2;
  /* one clean copy: broken UTF-8 replaced once, for sentences and tokens alike */
  for (size_t i = 0; i < n && !t->text.failed;) {
    char block[3 * 1024];
    size_t take = n - i < 1024 ? n - i : 1024;
    if (take < n - i) take = lq_utf8_whole(text + i, take);
    if (take == 0) take = 1;
    lq_buf_add(&t->text, block, lq_utf8_clean(text + i, take, block));
    i += take;
  }
  if (t->text.failed) return lq_fail(err, LQ_E_NOMEM, "no memory for a text of %zu bytes", n);
  t->tag = source == target ? -1 : target->token;
  memcpy(t->lang, source ? source->code : "", source ? sizeof(source->code) : 1);
  t->pos = t->sentence = t->n_sentences = t->n_group = t->cursor = 0;
  t->gap_due = false;
  lq_span span;
  for (size_t pos = 0; cut(t, pos, &span); pos = span.next) t->n_sentences += span.end > span.begin;
  s->mode = LQ_MODE_TRANSLATE;
  return LQ_OK;
}

static bool inside_character(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* A place near `want` to break text[begin, end): after , ; : or before a space, else between characters. begin < want < end; the result is
 * `end` when the text is one character. */
static size_t break_near(const char *p, size_t begin, size_t end, size_t want) {
  size_t low = begin + (want - begin) / 2;
  for (size_t i = want; i > low; i--)
    if (strchr(",;:", p[i - 1]) && p[i - 1] && p[i] == ' ') return i;
  for (size_t i = want; i > low; i--)
    if (p[i] == ' ') return i;
  size_t i = want;
  while (i > begin && inside_character(p[i])) i--;
  if (i > begin) return i;
  for (i = begin + 1; i < end && inside_character(p[i]);) i++;
  return i;
}

/* Ends the span near byte `want`, at a place to break, and what follows after the spaces there. */
static void shorten(const char *p, size_t want, lq_span *span) {
  if (want <= span->begin) want = span->begin + 1;
  span->end = break_near(p, span->begin, span->end, want);
  span->next = span->end;
  while (p[span->next] == ' ') span->next++;
}

/* Tokenises a sentence as the model was trained: tag, ids, end of text. Shortens the span until it fits. */
static lq_status fit_sentence(lq_session *s, lq_span *span, const int32_t **ids, size_t *n_ids, lq_error *err) {
  const char *p = s->tr.text.p;
  size_t room = s->params.n_src - 1, most = 16 * (size_t)s->params.n_src, whole = span->end;
  /* no text has tokens of 16 bytes on average: a line of megabytes is not tokenised again and again for each part of it */
  if (span->end - span->begin > most) shorten(p, span->begin + most, span);
  for (;;) {
    size_t bytes = span->end - span->begin;
    LQ_TRY(lq_session_tokenize(s, p + span->begin, bytes, LQ_TOK_SPECIAL, ids, n_ids, err));
    if (*n_ids <= room) break;
    if (bytes > 1) shorten(p, span->begin + bytes * room / *n_ids * 9 / 10, span); /* bytes and room are bounded: no overflow */
    if (span->end - span->begin == bytes)
      return lq_fail(err, LQ_E_CONTEXT, "the source limit of %u tokens is too small for a single character", (unsigned)s->params.n_src);
  }
  s->tr.n_sentences += span->end < whole;
  return LQ_OK;
}

static lq_status encode_pending(lq_session *s, uint32_t *n_runs, uint32_t *n_rows) {
  if (*n_runs) LQ_TRY(lq_run_encoder(s, s->runs, *n_runs, *n_rows));
  *n_runs = *n_rows = 0;
  return LQ_OK;
}

/* Next group of sentences: each tokenised, encoded (several to a call) and started. gaps[i] is what follows sentence i - 1. */
static lq_status fill_group(lq_session *s, lq_error *err) {
  lq_translation *t = &s->tr;
  uint32_t n_runs = 0, n_rows = 0;
  lq_span span;
  t->n_group = t->cursor = 0;
  t->gap_due = true;
  t->gaps[0] = (struct lq_gap){t->pos, t->pos};
  while (t->n_group < s->params.n_seq && cut(t, t->pos, &span)) {
    bool blank = span.end == span.begin;
    if (blank || t->tag < 0) { /* handed out as it is */
      t->gaps[t->n_group].end = t->pos = span.next;
      t->sentence += !blank;
      continue;
    }
    const int32_t *ids;
    size_t n;
    LQ_TRY(fit_sentence(s, &span, &ids, &n, err));
    if (n_rows + n + 1 > s->stack.size.max_rows) LQ_TRY(encode_pending(s, &n_runs, &n_rows));
    lq_slot *slot = &s->slots[t->n_group];
    slot->n_src = (uint32_t)n + 1;
    s->runs[n_runs++] = (lq_run){.row0 = n_rows, .n_rows = slot->n_src, .seq = t->n_group, .pos0 = 0, .n_kv = slot->n_src};
    s->row_ids[n_rows] = t->tag;
    memcpy(s->row_ids + n_rows + 1, ids, n * sizeof(int32_t));
    memcpy(slot->src_ids, s->row_ids + n_rows, slot->n_src * sizeof(int32_t));
    n_rows += slot->n_src;
    slot->ids[0] = s->model->weights.hp.decoder_start;
    /* a translation far longer than its source is a loop; each sentence draws from a stream of its own, however many run at once */
    lq_slot_start(s, slot, 1, 0, 3 * slot->n_src + 16, t->sentence + t->n_group);
    t->pos = span.next;
    t->gaps[++t->n_group] = (struct lq_gap){span.end, span.next};
  }
  return encode_pending(s, &n_runs, &n_rows);
}

lq_status lq_translate_next(lq_session *s, lq_piece *p, lq_error *err) {
  lq_translation *t = &s->tr;
  for (bool took;;) {
    p->n_sentences = t->n_sentences;
    p->sentence = t->sentence;
    if (t->gap_due) {
      struct lq_gap g = t->gaps[t->cursor];
      t->gap_due = false;
      if (g.end == g.begin) continue;
      p->text = t->text.p + g.begin;
      p->n_text = g.end - g.begin;
      return LQ_OK;
    }
    if (t->cursor == t->n_group) {
      if (t->pos >= t->text.n) return LQ_DONE;
      LQ_TRY(fill_group(s, err));
      continue;
    }
    lq_slot *slot = &s->slots[t->cursor];
    p->prompt_done = p->prompt_total = slot->n_src;
    LQ_TRY(lq_slot_take(s, slot, p, &took, err));
    if (took) return LQ_OK;
    if (slot->active) {
      LQ_TRY(lq_step(s, err));
      if (s->gen.num_beams > 1) return LQ_OK; /* nothing is decided yet, but the caller may wish to stop */
      continue;
    }
    t->cursor++;
    t->sentence++;
    t->gap_due = true;
  }
}
