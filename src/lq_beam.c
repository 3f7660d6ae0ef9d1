/* Beam search over a session's slots: rows, caches, hypotheses handed out. May call: decode, model, text, base. */
#include <string.h>

#include "lq_internal.h"

uint32_t lq_beams_gather(lq_session *s, uint32_t i, uint32_t n_rows, uint32_t *n_runs, uint32_t *n_wanted) {
  lq_slot *slot = &s->slots[i];
  lq_beams *b = &slot->beams;
  for (uint32_t k = 0; k < b->n_open; k++) {
    lq_beam *open = &b->open[k];
    uint32_t row = n_rows + k, pos = open->n - 1, seq = b->first_seq + k;
    s->row_ids[row] = open->ids[pos];
    open->home[pos] = (uint16_t)seq;
    s->home[seq] = open->home;
    s->runs[(*n_runs)++] = (lq_run){.row0 = row, .n_rows = 1, .seq = seq, .pos0 = pos};
    s->rows[*n_wanted] = row;
    s->row_slot[(*n_wanted)++] = i;
  }
  return b->n_open;
}

lq_status lq_beams_advance(lq_session *s, lq_slot *slot, const float *logits, const double *log_sums, lq_error *err) {
  lq_beams *b = &slot->beams;
  bool pair = s->model->weights.arch->family == LQ_ENCODER_DECODER;
  LQ_TRY(lq_beams_step(b, &s->gen, logits, log_sums, s->model->weights.hp.n_vocab, pair ? slot->src_ids : slot->ids,
                       pair ? slot->n_src : slot->n_prompt, s->scratch, err));
  if (b->n_open) return LQ_OK;
  slot->n_hyp = b->n_done < s->gen.num_return_sequences ? b->n_done : s->gen.num_return_sequences;
  return lq_beams_hand_out(s, slot, err);
}

lq_status lq_beams_hand_out(lq_session *s, lq_slot *slot, lq_error *err) {
  if (slot->hyp == slot->n_hyp) return LQ_OK;
  const lq_beam *done = &slot->beams.done[slot->hyp++];
  slot->score = done->score;
  slot->n_ids = slot->n_prompt;
  slot->n_new = slot->n_tokens = slot->n_out = slot->shown = 0;
  slot->finish = LQ_FINISH_NONE;
  slot->text.n = 0;
  if (s->model->tok) lq_stream_init(&slot->stream, s->model->tok, false);
  for (uint32_t i = slot->n_prompt; i < done->n; i++) LQ_TRY(lq_slot_push(s, slot, done->ids[i], done->logprobs[i], err));
  return LQ_OK;
}
