/* JSON reader (RFC 8259): text -> tree in an arena. For messages, options and template variables, all of them untrusted.
 * May call: status, arena, bytes, utf8. Limits: LQ_JSON_MAX_DEPTH, LQ_JSON_MAX_VALUES.
 *
 *   lq_json *j;
 *   LQ_TRY(lq_json_parse(text, &arena, &j, err));
 *   const lq_json *role = lq_json_get(j, "role");
 *   if (role && role->type == LQ_JSON_STRING) use(role->str);
 */
#ifndef LQ_JSON_H
#define LQ_JSON_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"

#define LQ_JSON_MAX_DEPTH 128
#define LQ_JSON_MAX_VALUES (1u << 20)

typedef enum lq_json_type { LQ_JSON_NULL, LQ_JSON_FALSE, LQ_JSON_TRUE, LQ_JSON_NUMBER, LQ_JSON_STRING, LQ_JSON_ARRAY, LQ_JSON_OBJECT } lq_json_type;

/* Everything is in the arena, nothing points into the parsed text. Strings are valid UTF-8 and NUL-terminated (a NUL
 * may also stand inside: use n). */
typedef struct lq_json {
  lq_json_type type;
  bool is_int;           /* number written without fraction and exponent, and i64 holds it exactly */
  lq_str key;            /* in an object: this member's name */
  lq_str str;            /* STRING: its text. NUMBER: as written */
  double num;            /* NUMBER: nearest double */
  int64_t i64;           /* NUMBER: exact when is_int, else 0 */
  struct lq_json *items; /* ARRAY, OBJECT: n children in the order written (a member written twice stands twice) */
  size_t n;
} lq_json;

/* text must be one JSON value, nothing but white space around it. LQ_E_ARG with the byte offset when it is not, or is not
 * UTF-8, or breaks a limit; LQ_E_NOMEM. A lone surrogate escape becomes U+FFFD. Time and memory linear in text.n. */
lq_status lq_json_parse(lq_str text, lq_arena *a, lq_json **out, lq_error *err);

/* Member of an object by name, the last if written twice; NULL when missing or when obj is NULL or no object. */
const lq_json *lq_json_get(const lq_json *obj, const char *key);

#endif
