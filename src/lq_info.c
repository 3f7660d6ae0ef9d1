/* What a model is, as JSON. May call: model, text, gguf, base. */
#include <string.h>

#include "lq_internal.h"

static void add_str(lq_buf *b, const char *name, lq_str v) {
  if (!v.p) return;
  lq_buf_printf(b, ",\"%s\":", name);
  lq_buf_json_str(b, v.p, v.n);
}

static void add_num(lq_buf *b, const char *name, uint64_t v) { lq_buf_printf(b, ",\"%s\":%llu", name, (unsigned long long)v); }

static void add_meta_str(const lq_model *m, lq_buf *b, const char *name, const char *key) {
  lq_str v;
  if (lq_gguf_str(&m->gguf, key, (lq_str){NULL, 0}, &v, NULL) == LQ_OK) add_str(b, name, v);
}

static void add_tasks(const lq_model *m, lq_buf *b) {
  static const char *const names[] = {"generate", "chat", "translate", "encode", "embed", "fill-mask", "classify", "ner", "qa"};
  unsigned tasks = lq_model_tasks(m), n = 0;
  lq_buf_addz(b, ",\"tasks\":[");
  for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (tasks >> i & 1) lq_buf_printf(b, "%s\"%s\"", n++ ? "," : "", names[i]);
  lq_buf_addz(b, "],\"languages\":[");
  for (uint32_t i = 0; i < m->n_languages; i++) {
    if (i) lq_buf_addz(b, ",");
    lq_buf_json_str(b, m->languages[i].code, strlen(m->languages[i].code));
  }
  lq_buf_addz(b, "]");
}

/* The type that holds most of the bytes. */
static const char *main_type(const lq_gguf *g) {
  uint64_t bytes[LQ_TYPE_COUNT] = {0};
  uint32_t best = 0;
  for (uint64_t i = 0; i < g->n_tensors; i++) bytes[g->tensors[i].type] += g->tensors[i].n_bytes;
  for (uint32_t t = 1; t < LQ_TYPE_COUNT; t++)
    if (bytes[t] > bytes[best]) best = t;
  return lq_type_get(best)->name;
}

static void add_special(const lq_model *m, lq_buf *b) {
  if (!m->tok) return;
  lq_buf_printf(b, ",\"special_tokens\":{\"bos\":%d,\"eos\":%d,\"pad\":%d,\"unk\":%d}", (int)lq_tok_bos(m->tok), (int)lq_tok_eos(m->tok),
                (int)lq_tok_pad(m->tok), (int)lq_tok_unk(m->tok));
  add_meta_str(m, b, "tokenizer", "tokenizer.ggml.model");
}

/* How vectors are made, and the labels that the model tells apart. */
static void add_heads(const lq_model *m, lq_buf *b) {
  static const char *const pooling[] = {"mean", "cls", "last"};
  const lq_heads *h = &m->heads;
  if (m->weights.arch->family != LQ_ENCODER_ONLY) return;
  lq_buf_printf(b, ",\"pooling\":\"%s\",\"normalize\":%s", pooling[h->pooling - 1], h->normalize ? "true" : "false");
  if (!h->n_labels) return;
  lq_buf_addz(b, ",\"labels\":[");
  for (uint32_t i = 0; i < h->n_labels; i++) {
    if (i) lq_buf_addz(b, ",");
    lq_buf_json_str(b, h->labels[i].p, h->labels[i].n);
  }
  lq_buf_addz(b, "]");
}

static void add_value(const lq_gguf_kv *kv, lq_buf *b) {
  uint64_t pos = 0, shown = kv->count < 8 ? kv->count : 8;
  lq_str s;
  bool list = kv->type == LQ_GT_ARRAY;
  if (list) lq_buf_addz(b, "[");
  for (uint64_t i = 0; i < shown; i++) {
    if (i) lq_buf_addz(b, ",");
    if (kv->elem == LQ_GT_STRING) {
      if (lq_gguf_next_str(kv, &pos, &s)) lq_buf_json_str(b, s.p, s.n);
    } else if (kv->elem == LQ_GT_BOOL) lq_buf_addz(b, lq_gguf_num_at(kv, i) != 0 ? "true" : "false");
    else lq_buf_json_num(b, lq_gguf_num_at(kv, i));
  }
  if (list && shown < kv->count) lq_buf_printf(b, ",\"... %llu in all\"", (unsigned long long)kv->count);
  if (list) lq_buf_addz(b, "]");
}

static void add_directory(const lq_model *m, lq_buf *b) {
  const lq_gguf *g = &m->gguf;
  lq_buf_addz(b, ",\"metadata\":{");
  for (uint64_t i = 0; i < g->n_kv; i++) {
    if (i) lq_buf_addz(b, ",");
    lq_buf_json_str(b, g->kv[i].key.p, g->kv[i].key.n);
    lq_buf_addz(b, ":");
    add_value(&g->kv[i], b);
  }
  lq_buf_addz(b, "},\"tensors\":[");
  for (uint64_t i = 0; i < g->n_tensors; i++) {
    const lq_gguf_tensor *t = &g->tensors[i];
    lq_buf_addz(b, i ? ",{\"name\":" : "{\"name\":");
    lq_buf_json_str(b, t->name.p, t->name.n);
    lq_buf_printf(b, ",\"type\":\"%s\",\"shape\":[", lq_type_get((uint32_t)t->type)->name);
    for (uint32_t d = 0; d < t->n_dims; d++) lq_buf_printf(b, "%s%llu", d ? "," : "", (unsigned long long)t->ne[d]);
    lq_buf_printf(b, "],\"bytes\":%llu}", (unsigned long long)t->n_bytes);
  }
  lq_buf_addz(b, "]");
}

static uint64_t count_parameters(const lq_gguf *g) {
  uint64_t n = 0;
  for (uint64_t i = 0; i < g->n_tensors; i++) n += g->tensors[i].ne[0] * g->tensors[i].ne[1] * g->tensors[i].ne[2] * g->tensors[i].ne[3];
  return n;
}

lq_status lq_model_info(const lq_model *m, int with_metadata, uint32_t n_ctx, lq_buf *b, lq_error *err) {
  const lq_hparams *hp = &m->weights.hp;
  lq_session_params p = {.n_ctx = n_ctx};
  uint64_t bytes;
  LQ_TRY(lq_session_bytes(m, &p, &bytes, err));
  lq_buf_printf(b, "{\"architecture\":\"%s\"", m->weights.arch->name);
  add_str(b, "name", m->name);
  add_meta_str(m, b, "description", "general.description");
  add_meta_str(m, b, "license", "general.license");
  add_num(b, "parameters", count_parameters(&m->gguf));
  add_num(b, "file_bytes", m->gguf.n_bytes);
  lq_buf_printf(b, ",\"quantisation\":\"%s\"", main_type(&m->gguf));
  if (hp->n_enc) add_num(b, "encoder_layers", hp->n_enc);
  if (hp->n_dec) add_num(b, "layers", hp->n_dec);
  add_num(b, "width", hp->d_model);
  add_num(b, "feed_forward", hp->d_ff);
  add_num(b, "heads", hp->n_head);
  add_num(b, "heads_kv", hp->n_head_kv);
  add_num(b, "context_length", hp->max_context);
  if (hp->window) add_num(b, "sliding_window", hp->window);
  add_num(b, "vocab_size", hp->n_vocab);
  add_tasks(m, b);
  add_heads(m, b);
  lq_buf_printf(b, ",\"has_chat_template\":%s", m->chat_template.p ? "true" : "false");
  lq_buf_printf(b, ",\"kernels\":\"%s\",\"threads\":%d", m->nn.k->name, lq_pool_threads(m->nn.pool));
  add_special(m, b);
  uint32_t context = n_ctx ? n_ctx : hp->max_context && hp->max_context < 2048 ? hp->max_context : hp->n_enc ? 512 : 2048;
  lq_buf_printf(b, ",\"memory\":{\"weights\":%llu,\"session\":{\"context\":%u,\"bytes\":%llu}}", (unsigned long long)m->gguf.n_bytes,
                (unsigned)context, (unsigned long long)bytes);
  if (with_metadata) add_directory(m, b);
  lq_buf_addz(b, "}");
  return b->failed ? lq_fail(err, LQ_E_NOMEM, "no memory for the model's description") : LQ_OK;
}
