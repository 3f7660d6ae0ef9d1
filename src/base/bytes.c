/* Bounded reading, checked arithmetic, numbers as text, growable output.
 * May call: utf8, realloc/free (lq_buf). */
#include "base/bytes.h"

#include "base/utf8.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool lq_str_eq(lq_str a, lq_str b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool lq_str_eqz(lq_str a, const char *z) {
  return lq_str_eq(a, (lq_str){z, strlen(z)});
}

size_t lq_str_distance(lq_str a, const char *z) {
  size_t row[64], n = strlen(z);
  if (a.n >= 64 || n >= 64) return SIZE_MAX;
  for (size_t k = 0; k <= n; k++) row[k] = k;
  for (size_t i = 0; i < a.n; i++) {
    size_t corner = row[0];
    row[0] = i + 1;
    for (size_t k = 0; k < n; k++) {
      size_t change = corner + (a.p[i] != z[k]), add = (row[k] < row[k + 1] ? row[k] : row[k + 1]) + 1;
      corner = row[k + 1];
      row[k + 1] = change < add ? change : add;
    }
  }
  return row[n];
}

bool lq_add_u64(uint64_t a, uint64_t b, uint64_t *out) {
  if (a > UINT64_MAX - b) return false;
  *out = a + b;
  return true;
}

bool lq_mul_u64(uint64_t a, uint64_t b, uint64_t *out) {
  if (b && a > UINT64_MAX / b) return false;
  *out = a * b;
  return true;
}

bool lq_to_size(uint64_t a, size_t *out) {
  if (a > SIZE_MAX) return false;
  *out = (size_t)a;
  return true;
}

bool lq_align_u64(uint64_t a, uint64_t align, uint64_t *out) {
  uint64_t up;
  if (align == 0 || (align & (align - 1)) || !lq_add_u64(a, align - 1, &up)) return false;
  *out = up & ~(align - 1);
  return true;
}

uint16_t lq_load_u16(const void *p) {
  const uint8_t *b = p;
  return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t lq_load_u32(const void *p) {
  const uint8_t *b = p;
  return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t lq_load_u64(const void *p) {
  return lq_load_u32(p) | (uint64_t)lq_load_u32((const uint8_t *)p + 4) << 32;
}

float lq_load_f32(const void *p) {
  uint32_t u = lq_load_u32(p);
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

double lq_load_f64(const void *p) {
  uint64_t u = lq_load_u64(p);
  double d;
  memcpy(&d, &u, sizeof d);
  return d;
}

bool lq_read_skip(lq_bytes *b, uint64_t n, const uint8_t **at) {
  if (n > b->len - b->pos) return false;
  if (at) *at = b->p + b->pos;
  b->pos += n;
  return true;
}

bool lq_read_u8(lq_bytes *b, uint8_t *out) {
  const uint8_t *p;
  if (!lq_read_skip(b, 1, &p)) return false;
  *out = *p;
  return true;
}

bool lq_read_u16(lq_bytes *b, uint16_t *out) {
  const uint8_t *p;
  if (!lq_read_skip(b, 2, &p)) return false;
  *out = lq_load_u16(p);
  return true;
}

bool lq_read_u32(lq_bytes *b, uint32_t *out) {
  const uint8_t *p;
  if (!lq_read_skip(b, 4, &p)) return false;
  *out = lq_load_u32(p);
  return true;
}

bool lq_read_u64(lq_bytes *b, uint64_t *out) {
  const uint8_t *p;
  if (!lq_read_skip(b, 8, &p)) return false;
  *out = lq_load_u64(p);
  return true;
}

/* ---- numbers as text ---- */

#ifdef __wasm__ /* one locale, the plain one */
#define PLAIN_NUMBERS(STATEMENT) STATEMENT
#else
#define PLAIN_NUMBERS(STATEMENT)                                         \
  do {                                                                   \
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before;   \
    before = plain ? uselocale(plain) : (locale_t)0; /* this thread's */ \
    STATEMENT;                                                           \
    if (plain) {                                                         \
      uselocale(before);                                                 \
      freelocale(plain);                                                 \
    }                                                                    \
  } while (0)
#endif

double lq_strtod(const char *z, char **end) {
  double v;
  PLAIN_NUMBERS(v = strtod(z, end));
  return v;
}

int lq_format(char *out, size_t cap, const char *fmt, ...) {
  va_list ap;
  int n;
  va_start(ap, fmt);
  PLAIN_NUMBERS(n = vsnprintf(out, cap, fmt, ap));
  va_end(ap);
  return n;
}

/* Room for n more bytes and a NUL. */
static bool buf_reserve(lq_buf *b, size_t n) {
  if (b->failed) return false;
  size_t limit = b->limit ? b->limit : (size_t)64 << 20;
  if (b->n > limit || n > limit - b->n || b->n + n == SIZE_MAX) {
    b->failed = b->over = true;
    return false;
  }
  size_t need = b->n + n + 1;
  if (need <= b->cap) return true;
  size_t cap = b->cap > SIZE_MAX / 2 ? need : b->cap * 2;
  if (cap < need) cap = need;
  if (cap < 64) cap = 64;
  char *p = realloc(b->p, cap);
  if (!p) {
    b->failed = true;
    return false;
  }
  b->p = p;
  b->cap = cap;
  return true;
}

void lq_buf_add(lq_buf *b, const void *bytes, size_t n) {
  if (!buf_reserve(b, n)) return;
  if (n) memcpy(b->p + b->n, bytes, n);
  b->n += n;
  b->p[b->n] = 0;
}

void lq_buf_addz(lq_buf *b, const char *z) {
  lq_buf_add(b, z, strlen(z));
}

void lq_buf_printf(lq_buf *b, const char *fmt, ...) {
  va_list ap, again;
  va_start(ap, fmt);
  va_copy(again, ap);
  int n;
  PLAIN_NUMBERS(n = vsnprintf(NULL, 0, fmt, ap));
  if (n < 0) b->failed = true;
  if (n >= 0 && buf_reserve(b, (size_t)n)) {
    PLAIN_NUMBERS(vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again));
    b->n += (size_t)n;
  }
  va_end(again);
  va_end(ap);
}

void lq_buf_json_str(lq_buf *b, const char *p, size_t n) {
  lq_buf_add(b, "\"", 1);
  for (size_t i = 0; i < n && !b->failed;) {
    unsigned char c = (unsigned char)p[i];
    if (c >= 0x80) {
      uint32_t cp;
      char utf8[4];
      i += lq_utf8_decode(p + i, n - i, &cp);
      /* U+2028 and U+2029 are legal JSON but end a line in older JavaScript. */
      if (cp == 0x2028 || cp == 0x2029) lq_buf_printf(b, "\\u%04x", (unsigned)cp);
      else lq_buf_add(b, utf8, lq_utf8_encode(cp, utf8));
      continue;
    }
    i++;
    if (c == '"' || c == '\\') {
      char two[2] = {'\\', (char)c};
      lq_buf_add(b, two, 2);
    } else if (c == '\n') lq_buf_add(b, "\\n", 2);
    else if (c == '\r') lq_buf_add(b, "\\r", 2);
    else if (c == '\t') lq_buf_add(b, "\\t", 2);
    else if (c < 0x20 || c == 0x7F) lq_buf_printf(b, "\\u%04x", (unsigned)c);
    else lq_buf_add(b, &p[i - 1], 1);
  }
  lq_buf_add(b, "\"", 1);
}

void lq_buf_json_num(lq_buf *b, double v) {
  if (isfinite(v)) lq_buf_printf(b, "%.9g", v);
  else lq_buf_addz(b, "null");
}

void lq_buf_free(lq_buf *b) {
  free(b->p);
  *b = (lq_buf){0};
}
