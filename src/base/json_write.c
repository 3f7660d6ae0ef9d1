/* JSON tree -> text. May call: bytes, json. */
#include "base/json.h"

void lq_json_write(const lq_json *j, lq_buf *out) {
  static const char *const words[] = {"null", "false", "true"};
  if (j->type <= LQ_JSON_TRUE) {
    lq_buf_addz(out, words[j->type]);
  } else if (j->type == LQ_JSON_NUMBER) {
    lq_buf_add(out, j->str.p, j->str.n);
  } else if (j->type == LQ_JSON_STRING) {
    lq_buf_json_str(out, j->str.p, j->str.n);
  } else {
    bool object = j->type == LQ_JSON_OBJECT;
    lq_buf_addz(out, object ? "{" : "[");
    for (size_t i = 0; i < j->n; i++) {
      if (i) lq_buf_addz(out, ",");
      if (object) {
        lq_buf_json_str(out, j->items[i].key.p, j->items[i].key.n);
        lq_buf_addz(out, ":");
      }
      lq_json_write(&j->items[i], out);
    }
    lq_buf_addz(out, object ? "}" : "]");
  }
}
