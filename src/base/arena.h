/* Arena: one growing list of chunks (load time) or one fixed block (sessions), freed at once.
 * May call: status, malloc/free. The only room that calls malloc.
 *
 * Three uses:
 *   measure: lq_arena_measure(&a); layout(&a); need = a.used;      takes return non-NULL nothing: see below
 *   fixed:   lq_arena_fixed(&a, need); layout(&a);                 one block, never grows
 *   growing: lq_arena_growing(&a, 1 << 16);                        chunks as needed
 */
#ifndef LQ_ARENA_H
#define LQ_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lq_arena_chunk lq_arena_chunk;

typedef struct lq_arena {
  lq_arena_chunk *head; /* newest chunk; owned */
  size_t chunk_bytes;   /* least size of the next chunk; 0 = fixed, never grows */
  uint64_t used;        /* bytes taken so far, alignment included; in measure mode the only result */
  int64_t fail_at;      /* tests: takes left before one fails; negative = never */
  bool measuring;
} lq_arena;

/* Measure mode: every take returns NULL and only counts. Code laid out twice must test a.measuring,
 * not the pointer, before it writes. */
void lq_arena_measure(lq_arena *a);
/* One zeroed block of `bytes`. False when the system has none: *a is then empty and may be freed. */
bool lq_arena_fixed(lq_arena *a, uint64_t bytes);
/* Empty; grows by chunks of at least chunk_bytes (> 0). */
void lq_arena_growing(lq_arena *a, size_t chunk_bytes);
/* Zeroed memory for n items of `size` bytes, aligned to 64. NULL when n*size overflows, the block is full,
 * the system has no memory, or in measure mode. n == 0 gives a valid non-NULL pointer (not in measure mode). */
void *lq_arena_take(lq_arena *a, uint64_t n, size_t size);
/* Copies n bytes and adds a NUL. NULL as above. */
char *lq_arena_str(lq_arena *a, const void *bytes, size_t n);
/* Fixed arenas only: scratch by mark and release. Memory taken after the mark is NOT zeroed again. */
uint64_t lq_arena_mark(const lq_arena *a);
void lq_arena_release(lq_arena *a, uint64_t mark);
/* Frees everything; *a may be used again after a new init. Safe on a zeroed struct. */
void lq_arena_free(lq_arena *a);

#define LQ_TAKE(ARENA, TYPE, N) ((TYPE *)lq_arena_take((ARENA), (uint64_t)(N), sizeof(TYPE)))

#endif
