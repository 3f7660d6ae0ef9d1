/* Thread pool: splits one job into parts and waits for all. NULL pool = serial, same results.
 * May call: pthreads (not in wasm builds without threads, where lq_pool_new gives NULL). */
#ifndef LQ_POOL_H
#define LQ_POOL_H

#include "base/status.h"

typedef struct lq_pool lq_pool;

/* A pool of n_threads workers in all, the caller of lq_pool_run being one of them (1..64).
 * n_threads == 1, or a build without threads: *out = NULL and LQ_OK. */
lq_status lq_pool_new(int n_threads, lq_pool **out, lq_error *err);
void lq_pool_free(lq_pool *p);
int lq_pool_threads(const lq_pool *p); /* 1 for NULL */
/* Calls fn(ctx, part, thread) once for each part in 0..n_parts-1; parts are handed out in order to
 * whichever thread is free; returns when all are done. thread is in 0..threads-1 (for scratch).
 * Not re-entrant. fn must give results that do not depend on `thread`. */
void lq_pool_run(lq_pool *p, void (*fn)(void *ctx, int part, int thread), void *ctx, int n_parts);

#endif
