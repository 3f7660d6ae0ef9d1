/* Bounded little-endian reader over bytes somebody else wrote, and checked 64-bit arithmetic.
 * May call: nothing. Every count or length from a file goes through here before it is used. */
#ifndef LQ_BYTES_H
#define LQ_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed text: not NUL-terminated, may hold any byte. */
typedef struct lq_str {
  const char *p;
  size_t n;
} lq_str;

#define LQ_STR(LITERAL) ((lq_str){(LITERAL), sizeof(LITERAL) - 1})
bool lq_str_eq(lq_str a, lq_str b);
bool lq_str_eqz(lq_str a, const char *z);
/* Fewest letters to put in, take out or change to make z of a (Levenshtein 1966); SIZE_MAX when either has 64 bytes or more. */
size_t lq_str_distance(lq_str a, const char *z);
/* printf helper: printf("%.*s", LQ_STR_ARG(s)); at most 80 bytes are shown */
#define LQ_STR_ARG(S) (int)((S).n > 80 ? 80 : (S).n), (S).p

bool lq_add_u64(uint64_t a, uint64_t b, uint64_t *out); /* false on overflow, *out untouched */
bool lq_mul_u64(uint64_t a, uint64_t b, uint64_t *out);
bool lq_to_size(uint64_t a, size_t *out); /* false when size_t is too small (wasm32) */
/* Rounds up to a power of two `align`; false on overflow or when align is 0 or no power of two. */
bool lq_align_u64(uint64_t a, uint64_t align, uint64_t *out);

typedef struct lq_bytes {
  const uint8_t *p;
  uint64_t len, pos; /* pos <= len always */
} lq_bytes;

/* Each returns false when too few bytes are left; pos is then unchanged. */
bool lq_read_u8(lq_bytes *b, uint8_t *out);
bool lq_read_u16(lq_bytes *b, uint16_t *out);
bool lq_read_u32(lq_bytes *b, uint32_t *out);
bool lq_read_u64(lq_bytes *b, uint64_t *out);
bool lq_read_skip(lq_bytes *b, uint64_t n, const uint8_t **at); /* at may be NULL */
static inline uint64_t lq_bytes_left(const lq_bytes *b) { return b->len - b->pos; }

/* Little-endian loads from any alignment. The caller guarantees the bytes are there. */
uint16_t lq_load_u16(const void *p);
uint32_t lq_load_u32(const void *p);
uint64_t lq_load_u64(const void *p);
float lq_load_f32(const void *p);
double lq_load_f64(const void *p);

/* strtod and snprintf with a point in every number, whatever locale the program around us has chosen. */
double lq_strtod(const char *z, char **end);
int lq_format(char *out, size_t cap, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* Growable output text or bytes (templates, JSON, detokeniser). Zero-initialise; free with lq_buf_free.
 * After a failed append `failed` is true and every later append does nothing: check once at the end. */
typedef struct lq_buf {
  char *p; /* owned, NUL-terminated after any append */
  size_t n, cap;
  size_t limit; /* most bytes allowed; 0 = 64 MiB */
  bool failed;
  bool over;    /* failed because of the limit, not for want of memory */
} lq_buf;
void lq_buf_add(lq_buf *b, const void *bytes, size_t n);
void lq_buf_addz(lq_buf *b, const char *z);
void lq_buf_printf(lq_buf *b, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
/* JSON string literal with quotes; invalid UTF-8 becomes U+FFFD. */
void lq_buf_json_str(lq_buf *b, const char *p, size_t n);
/* JSON number: %.9g for finite values, null otherwise. */
void lq_buf_json_num(lq_buf *b, double v);
void lq_buf_free(lq_buf *b);

#endif
