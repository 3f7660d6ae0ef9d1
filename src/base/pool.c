/* Thread pool: one atomic count hands out parts, another counts those done.
 * May call: arena, status, pthreads.
 *
 * A part is claimed by taking one from `left`. The job's fields may be read after a claim only: the caller of
 * lq_pool_run does not come back, and so does not change them, before every claimed part is in `done`. So a worker
 * that wakes too late finds left == 0 and nobody waits for it. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "base/pool.h"

#include "base/arena.h"

#define LQ_MAX_THREADS 64

#if defined(__wasm__) && !defined(__EMSCRIPTEN_PTHREADS__)

lq_status lq_pool_new(int n_threads, lq_pool **out, lq_error *err) {
  if (n_threads < 1 || n_threads > LQ_MAX_THREADS)
    return lq_fail(err, LQ_E_ARG, "%d threads were asked for; the limit is 1 to %d", n_threads, LQ_MAX_THREADS);
  *out = NULL;
  return LQ_OK;
}

void lq_pool_free(lq_pool *p) {
  (void)p;
}

int lq_pool_threads(const lq_pool *p) {
  (void)p;
  return 1;
}

void lq_pool_run(lq_pool *p, void (*fn)(void *ctx, int part, int thread), void *ctx, int n_parts) {
  (void)p;
  for (int i = 0; i < n_parts; i++) fn(ctx, i, 0);
}

#else

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define SPIN_NS 50000 /* looking, before sleeping: longer than the serial work between two jobs of a layer */
/* A worker whose core another program took may hold a part for a whole time slice. When the caller waits for one that long, it works alone
 * for LEAST_ALONE times as long, twice as long each time it is late again, less again while workers are in time. So waiting costs at most
 * 1 / LEAST_ALONE of the time, whatever the jobs' size. */
#define LATE_NS 200000
#define LEAST_ALONE 16
#define MOST_ALONE 64
#define MOST_ALONE_NS 250000000

typedef struct worker {
  lq_pool *pool;
  pthread_t id;
  int index; /* 1.. */
} worker;

struct lq_pool {
  lq_arena arena; /* owns this struct */
  int n_threads, n_started;
  worker *workers;
  pthread_mutex_t lock;
  pthread_cond_t work, finished;

  void (*fn)(void *ctx, int part, int thread); /* the job: see above */
  void *ctx;
  int n_parts;

  int64_t alone_until, last_alone; /* the caller works alone till then; how long it did, now and since then */
  int alone_factor;

  _Alignas(64) atomic_int left; /* parts nobody has claimed */
  _Alignas(64) atomic_int done; /* parts finished */
  _Alignas(64) atomic_int sleepers;
  atomic_bool caller_sleeps, stop;
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Runs parts until none is left to claim. */
static void work(lq_pool *p, int thread) {
  int left = atomic_load(&p->left);
  while (left > 0) {
    if (!atomic_compare_exchange_weak(&p->left, &left, left - 1)) continue;
    int n_parts = p->n_parts;
    p->fn(p->ctx, n_parts - left, thread);
    if (atomic_fetch_add(&p->done, 1) + 1 == n_parts && atomic_load(&p->caller_sleeps)) {
      pthread_mutex_lock(&p->lock);
      pthread_cond_signal(&p->finished);
      pthread_mutex_unlock(&p->lock);
    }
    left = atomic_load(&p->left);
  }
}

static bool has_work(lq_pool *p) {
  return atomic_load(&p->left) > 0 || atomic_load(&p->stop);
}

static bool all_done(lq_pool *p) {
  return atomic_load(&p->done) == p->n_parts;
}

/* True as soon as ready() is, false after SPIN_NS. */
static bool spin(lq_pool *p, bool (*ready)(lq_pool *)) {
  int64_t until = now_ns() + SPIN_NS;
  do {
    for (int i = 0; i < 32; i++) {
      if (ready(p)) return true;
      relax();
    }
  } while (now_ns() < until);
  return false;
}

static void *worker_main(void *arg) {
  worker *w = arg;
  lq_pool *p = w->pool;
  for (;;) {
    if (!spin(p, has_work)) {
      pthread_mutex_lock(&p->lock);
      atomic_fetch_add(&p->sleepers, 1); /* before looking again: the caller looks the other way round */
      while (!has_work(p)) pthread_cond_wait(&p->work, &p->lock);
      atomic_fetch_sub(&p->sleepers, 1);
      pthread_mutex_unlock(&p->lock);
    }
    if (atomic_load(&p->stop)) return NULL;
    work(p, w->index);
  }
}

lq_status lq_pool_new(int n_threads, lq_pool **out, lq_error *err) {
  if (n_threads < 1 || n_threads > LQ_MAX_THREADS)
    return lq_fail(err, LQ_E_ARG, "%d threads were asked for; the limit is 1 to %d", n_threads, LQ_MAX_THREADS);
  *out = NULL;
  if (n_threads == 1) return LQ_OK;
  lq_arena a;
  lq_arena_growing(&a, 4096);
  lq_pool *p = LQ_TAKE(&a, lq_pool, 1);
  worker *workers = LQ_TAKE(&a, worker, n_threads);
  if (!p || !workers) {
    lq_arena_free(&a);
    return lq_fail(err, LQ_E_NOMEM, "not enough memory for a pool of %d threads", n_threads);
  }
  p->arena = a;
  p->n_threads = n_threads;
  p->workers = workers;
  p->alone_factor = LEAST_ALONE;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->work, NULL);
  pthread_cond_init(&p->finished, NULL);
  for (int i = 1; i < n_threads; i++) {
    worker *w = &workers[i];
    w->pool = p;
    w->index = i;
    if (pthread_create(&w->id, NULL, worker_main, w) != 0) {
      lq_pool_free(p);
      return lq_fail(err, LQ_E_NOMEM, "the system gave only %d of %d threads", i, n_threads);
    }
    p->n_started++;
  }
  *out = p;
  return LQ_OK;
}

void lq_pool_free(lq_pool *p) {
  if (!p) return;
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->stop, true);
  pthread_cond_broadcast(&p->work);
  pthread_mutex_unlock(&p->lock);
  for (int i = 1; i <= p->n_started; i++) pthread_join(p->workers[i].id, NULL);
  pthread_cond_destroy(&p->work);
  pthread_cond_destroy(&p->finished);
  pthread_mutex_destroy(&p->lock);
  lq_arena a = p->arena;
  lq_arena_free(&a);
}

int lq_pool_threads(const lq_pool *p) {
  return p ? p->n_threads : 1;
}

/* Waits for the parts that workers hold. */
static void wait_for_workers(lq_pool *p) {
  if (all_done(p) || spin(p, all_done)) return;
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->caller_sleeps, true);
  while (!all_done(p)) pthread_cond_wait(&p->finished, &p->lock);
  atomic_store(&p->caller_sleeps, false);
  pthread_mutex_unlock(&p->lock);
}

/* start, end, back: when the caller began, had no more parts to take, and had all of them done. A fair wait is at most one part, so
 * shorter than the work. */
static void judge_workers(lq_pool *p, int64_t start, int64_t end, int64_t back) {
  int64_t waited = back - end;
  if (waited > end - start + LATE_NS) {
    p->last_alone = waited * p->alone_factor < MOST_ALONE_NS ? waited * p->alone_factor : MOST_ALONE_NS;
    p->alone_until = back + p->last_alone;
    if (p->alone_factor < MOST_ALONE) p->alone_factor *= 2;
  } else if (p->alone_factor > LEAST_ALONE && back - p->alone_until > p->last_alone) {
    p->alone_factor /= 2;
    p->alone_until = back;
  }
}

void lq_pool_run(lq_pool *p, void (*fn)(void *ctx, int part, int thread), void *ctx, int n_parts) {
  int64_t start = p && n_parts > 1 ? now_ns() : 0;
  if (!p || n_parts < 2 || start < p->alone_until) {
    for (int i = 0; i < n_parts; i++) fn(ctx, i, 0);
    return;
  }
  p->fn = fn;
  p->ctx = ctx;
  p->n_parts = n_parts;
  atomic_store(&p->done, 0);
  atomic_store(&p->left, n_parts);
  if (atomic_load(&p->sleepers) > 0) {
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
  }
  work(p, 0);
  int64_t end = now_ns();
  wait_for_workers(p);
  judge_workers(p, start, end, now_ns());
}

#endif
