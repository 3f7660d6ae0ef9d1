/* The arena: all memory of the core comes from here (lq_buf's text aside).
 * May call: bytes, calloc/free. */
#include "base/arena.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN 64u /* a cache line; the widest vector load */

struct lq_arena_chunk {
  lq_arena_chunk *next; /* older */
  void *block;          /* what calloc gave */
  uint8_t *data;        /* aligned start */
  uint64_t size, used;
};

void lq_arena_measure(lq_arena *a) {
  *a = (lq_arena){.fail_at = -1, .measuring = true};
}

/* Header and data are one zeroed block; calloc of much memory costs nothing until it is touched. */
static lq_arena_chunk *chunk_new(uint64_t bytes) {
  uint64_t whole;
  size_t n;
  if (!lq_add_u64(bytes, sizeof(lq_arena_chunk) + ALIGN - 1, &whole) || !lq_to_size(whole, &n)) return NULL;
  void *block = calloc(1, n);
  if (!block) return NULL;
  lq_arena_chunk *c = block;
  c->block = block;
  uintptr_t start = (uintptr_t)block + sizeof *c;
  c->data = (uint8_t *)block + sizeof *c + (ALIGN - start % ALIGN) % ALIGN;
  c->size = bytes;
  return c;
}

bool lq_arena_fixed(lq_arena *a, uint64_t bytes) {
  *a = (lq_arena){.fail_at = -1};
  a->head = chunk_new(bytes);
  return a->head != NULL;
}

void lq_arena_growing(lq_arena *a, size_t chunk_bytes) {
  *a = (lq_arena){.fail_at = -1, .chunk_bytes = chunk_bytes};
}

/* The chunk that holds `need` more bytes, or NULL. */
static lq_arena_chunk *chunk_for(lq_arena *a, uint64_t need) {
  lq_arena_chunk *head = a->head;
  if (head && need <= head->size - head->used) return head;
  if (!a->chunk_bytes) return NULL;
  lq_arena_chunk *c = chunk_new(need > a->chunk_bytes ? need : a->chunk_bytes);
  if (!c) return NULL;
  if (head && need > a->chunk_bytes) { /* full at once: the head keeps serving small takes */
    c->next = head->next;
    head->next = c;
  } else {
    c->next = head;
    a->head = c;
  }
  return c;
}

void *lq_arena_take(lq_arena *a, uint64_t n, size_t size) {
  uint64_t need, used;
  if (a->fail_at == 0) return NULL;
  if (a->fail_at > 0) a->fail_at--;
  if (!lq_mul_u64(n, size, &need) || !lq_align_u64(need, ALIGN, &need) || !lq_add_u64(a->used, need, &used)) {
    if (a->measuring) a->used = UINT64_MAX; /* so that the fixed arena of this size is refused */
    return NULL;
  }
  if (a->measuring) {
    a->used = used;
    return NULL;
  }
  lq_arena_chunk *c = chunk_for(a, need);
  if (!c) return NULL;
  void *p = c->data + c->used;
  c->used += need;
  a->used = used;
  return p;
}

char *lq_arena_str(lq_arena *a, const void *bytes, size_t n) {
  uint64_t whole;
  if (!lq_add_u64(n, 1, &whole)) return NULL;
  char *s = lq_arena_take(a, whole, 1);
  if (s && n) memcpy(s, bytes, n);
  return s;
}

uint64_t lq_arena_mark(const lq_arena *a) {
  return a->used;
}

void lq_arena_release(lq_arena *a, uint64_t mark) {
  if (mark > a->used) return;
  a->used = mark;
  if (a->head && !a->chunk_bytes) a->head->used = mark;
}

void lq_arena_free(lq_arena *a) {
  for (lq_arena_chunk *c = a->head, *next; c; c = next) {
    next = c->next;
    free(c->block);
  }
  *a = (lq_arena){.fail_at = -1};
}
