/* Status names and the one function that writes error messages.
 * May call: utf8. */
#include "base/status.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *lq_status_name(lq_status s) {
  static const char *const names[LQ_STATUS_COUNT] = {
      "LQ_OK",        "LQ_DONE",    "LQ_E_ARG",    "LQ_E_IO",       "LQ_E_NOMEM",
      "LQ_E_FORMAT",  "LQ_E_UNSUPPORTED", "LQ_E_ARCH", "LQ_E_RANGE", "LQ_E_CONTEXT",
      "LQ_E_TASK",    "LQ_E_OPTION", "LQ_E_LANGUAGE", "LQ_E_STATE",  "LQ_E_SELFTEST"};
  return (unsigned)s < LQ_STATUS_COUNT ? names[s] : "LQ_E_UNKNOWN";
}

/* A message may quote a file: nothing in it may move a terminal's cursor, turn its text round or break its UTF-8. */
static bool printable(uint32_t cp) {
  return cp >= 0x20 && !(cp >= 0x7F && cp < 0xA0) && cp != LQ_REPLACEMENT && !(cp >= 0x200E && cp <= 0x200F) &&
         !(cp >= 0x2028 && cp <= 0x202E) && !(cp >= 0x2066 && cp <= 0x2069);
}

lq_status lq_fail(lq_error *err, lq_status s, const char *fmt, ...) {
  if (!err) return s;
  char raw[sizeof err->msg * 2];
  va_list ap;
  va_start(ap, fmt);
  int wrote = vsnprintf(raw, sizeof raw, fmt, ap);
  va_end(ap);
  if (wrote < 0) raw[0] = 0; /* only a broken multibyte %ls, which nobody here passes */
  size_t n = strlen(raw), k = 0;
  for (size_t i = 0; i < n;) {
    uint32_t cp;
    size_t used = lq_utf8_decode(raw + i, n - i, &cp);
    bool good = printable(cp);
    size_t add = good ? used : 1;
    if (k + add >= sizeof err->msg) break;
    if (good) memcpy(err->msg + k, raw + i, used);
    else err->msg[k] = '?';
    k += add;
    i += used;
  }
  err->msg[k] = 0;
  err->status = s;
  return s;
}
