/* Opens the small models of the tree for tests, from memory so that it works wherever fopen does. */
#ifndef LQ_MODEL_OPEN_H
#define LQ_MODEL_OPEN_H

#include "test.h"

#include <dirent.h>
#include <stdlib.h>

#include "lq_internal.h"

typedef struct opened {
  lq_model *m;
  lq_session *s;
  void *bytes;
  uint64_t n;
} opened;

/* name under tests/, such as "../models/tiny/qwen2.gguf". NULL bytes when it is not there. */
static inline void opened_read(opened *o, const char *name) {
  char path[512];
  memset(o, 0, sizeof *o);
  snprintf(path, sizeof path, "%s/%s", lq_test_dir(), name);
  FILE *f = fopen(path, "rb");
  if (!f) {
    lq_test_fail(__FILE__, __LINE__, "%s is not there", path);
    return;
  }
  fseek(f, 0, SEEK_END);
  long n = ftell(f);
  rewind(f);
  o->bytes = malloc(n > 0 ? (size_t)n : 1);
  if (o->bytes) o->n = fread(o->bytes, 1, n > 0 ? (size_t)n : 0, f);
  fclose(f);
}

static inline bool opened_with(opened *o, const char *name, const lq_model_params *mp, const lq_session_params *sp) {
  lq_error e = {0};
  opened_read(o, name);
  if (!o->bytes) return false;
  if (lq_model_open(o->bytes, o->n, mp, &o->m, &e) == LQ_OK && lq_session_open(o->m, sp, &o->s, &e) == LQ_OK) return true;
  lq_test_fail(__FILE__, __LINE__, "%s: %s", name, e.msg);
  return false;
}

static inline void opened_close(opened *o) {
  lq_session_close(o->s);
  lq_model_close(o->m);
  free(o->bytes);
  memset(o, 0, sizeof *o);
}

/* Calls fn with the name of every file of models/tiny, as opened_read takes it; returns how many there are. */
static inline size_t each_tiny_model(void (*fn)(const char *file)) {
  char path[512];
  size_t n = 0;
  snprintf(path, sizeof path, "%s/../models/tiny", lq_test_dir());
  DIR *d = opendir(path);
  for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
    size_t len = strlen(e->d_name);
    if (len < 6 || len > 64 || strcmp(e->d_name + len - 5, ".gguf") != 0) continue;
    snprintf(path, sizeof path, "../models/tiny/%.64s", e->d_name);
    fn(path);
    n++;
  }
  if (d) closedir(d);
  return n;
}

#define LLAMA "../models/tiny/llama-gqa.gguf"
#define QWEN "../models/tiny/qwen2.gguf"
#define T5 "../models/tiny/t5-v1_1.gguf"
#define CHAT "data/tiny-chat.gguf"         /* answers "Hi é€!abcdefgh", a token a byte */
#define PAIR "fuzz/corpus/model/good_pair" /* a translator of noise, en and fr */

#endif
