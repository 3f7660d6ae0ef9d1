/* Fuzz target: the JSON reader. What it takes, it writes; what it writes, it takes again, unchanged. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  lq_arena a;
  lq_json *j, *again;
  lq_error e = {0};
  lq_buf first = {0}, second = {0};
  lq_arena_growing(&a, 4096);
  if (lq_json_parse((lq_str){(const char *)data, n}, &a, &j, &e) == LQ_OK) {
    lq_json_write(j, &first);
    if (lq_json_parse((lq_str){first.p, first.n}, &a, &again, &e) != LQ_OK) abort();
    lq_json_write(again, &second);
    if (first.n != second.n || memcmp(first.p, second.p, first.n) != 0) abort();
  } else if (e.status == LQ_OK || !e.msg[0]) {
    abort();
  }
  lq_buf_free(&first);
  lq_buf_free(&second);
  lq_arena_free(&a);
  return 0;
}
