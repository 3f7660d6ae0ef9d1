/* Ceilings measured on the machine at hand: how fast memory is read, and how many multiply-accumulates each dot instruction gives in a
 * register-blocked loop whose operands lie in the first cache. May call: libc. */
#ifndef LQ_BENCH_PEAKS_H
#define LQ_BENCH_PEAKS_H

#include <stddef.h>
#include <stdint.h>

typedef struct peak {
  const char *name; /* the instruction */
  uint64_t (*run)(const uint8_t *a, const uint8_t *b, uint32_t repeat); /* returns multiply-accumulates done; a, b of PEAK_BYTES */
} peak;

enum { PEAK_BYTES = 4096 };

/* The instructions of this build and CPU; returns how many, at most cap. */
size_t peaks_list(peak *out, size_t cap);
/* Reads n bytes (a multiple of 64) once; the result keeps the compiler honest. */
uint64_t peaks_read(const uint64_t *p, size_t n);

#endif
