/* Status codes and the caller's error record: how every room reports failure.
 * May call: nothing.
 *
 *   lq_error err;
 *   if (lq_model_open(bytes, n, &opts, &model, &err) != LQ_OK) puts(err.msg);
 *
 * Every fallible function takes `lq_error *err` last. err may be NULL. On failure the function
 * returns the status and writes one sentence that says what, where (tensor, key, offset, option)
 * and what limit was broken. On success *err is left alone.
 */
#ifndef LQ_STATUS_H
#define LQ_STATUS_H

#include <stddef.h>
#include <stdint.h>

typedef enum lq_status {
  LQ_OK = 0,
  LQ_DONE = 1,           /* not an error: the sequence or stream has ended */
  LQ_E_ARG = 2,          /* the caller's argument is wrong (empty text, bad number, bad UTF-8 where refused) */
  LQ_E_IO = 3,           /* the operating system refused a file */
  LQ_E_NOMEM = 4,        /* not enough memory; msg says how much is needed */
  LQ_E_FORMAT = 5,       /* a file breaks its own format: truncated, hostile, not GGUF */
  LQ_E_UNSUPPORTED = 6,  /* well-formed, but not something we run: tensor type, template construct */
  LQ_E_ARCH = 7,         /* unknown architecture; msg names it */
  LQ_E_RANGE = 8,        /* token id outside the vocabulary */
  LQ_E_CONTEXT = 9,      /* longer than the context; msg says the limit */
  LQ_E_TASK = 10,        /* the model cannot do this task */
  LQ_E_OPTION = 11,      /* unknown or unsupported option, or bad value; msg names it */
  LQ_E_LANGUAGE = 12,    /* language the model does not know; msg lists those it does */
  LQ_E_STATE = 13,       /* call out of order */
  LQ_E_SELFTEST = 14,    /* kernels of this build compute wrong results on this machine */
  LQ_STATUS_COUNT
} lq_status;

typedef struct lq_error {
  lq_status status;
  char msg[256]; /* UTF-8, NUL-terminated, one sentence */
} lq_error;

/* Stable upper-case name ("LQ_E_FORMAT") for a status. Never NULL. */
const char *lq_status_name(lq_status s);

/* Fills *err (if not NULL) from a printf format and returns s. Bytes of untrusted text are cleaned:
 * control bytes and broken UTF-8 become '?'; a message too long is cut at a character boundary. */
lq_status lq_fail(lq_error *err, lq_status s, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* Returns from the calling function when EXPR is neither LQ_OK; LQ_DONE is passed on too. */
#define LQ_TRY(EXPR)                     \
  do {                                   \
    lq_status lq_try_s_ = (EXPR);        \
    if (lq_try_s_ != LQ_OK) return lq_try_s_; \
  } while (0)

#endif
