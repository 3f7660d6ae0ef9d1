/* Micro-benchmark of every kernel table that runs here, beside ceilings measured in the same run.
 *   kernels [TABLE...]      JSON on stdout: {ceilings, kernels}; one thread
 * matvec: one activation row against a matrix far bigger than the caches (as in generating): GB/s of weights beside the bandwidth of
 * reading. matmul: 64 rows against a slice that stays in the cache (as in reading a prompt): G multiply-accumulates a second.
 * A figure is the best of many bursts of a few milliseconds, so that other programs disturb it little. May call: kernel, quant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/kernel.h"
#include "peaks.h"

enum { N_IN = 2048, MATRIX = 256 << 20, N_X = 64, SLICE = 64, BURSTS = 15, PEAK_BURSTS = 40 };
static const double BURST_S = 0.006;

/* Seconds of this process where that is known, so that other programs do not count; in wasm only the wall clock is. */
static double now(void) {
  struct timespec t;
#ifdef __wasm__
  clock_gettime(CLOCK_MONOTONIC, &t);
#else
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
#endif
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
  uint8_t *w;   /* [MATRIX] */
  float *x;     /* [N_X][N_IN] */
  lq_q8a *q;    /* [N_X][N_IN / 32] */
  float *y;     /* [N_X][SLICE or more] */
  double bandwidth, dot; /* bytes and multiply-accumulates a second */
} bench;

/* One kernel on one type: the packed form where the table has one. */
typedef struct job {
  lq_matmul_fn fn;
  size_t row, n_rows; /* bytes of a row; rows that fit into the matrix */
  const void *x;
  size_t x_stride;
} job;

static bool make_job(const bench *b, const lq_kernels *k, lq_type t, job *j) {
  uint64_t row;
  if (!lq_row_bytes(t, N_IN, &row)) return false;
  bool floats = t == LQ_F32 || t == LQ_F16 || t == LQ_BF16;
  size_t group = k->repack_rows[t] ? k->repack_rows[t] : 1, n = MATRIX / (size_t)row;
  *j = (job){.fn = k->repack_rows[t] ? k->matmul_packed[t] : k->matmul[t], .row = (size_t)row, .n_rows = n - n % (group > SLICE ? group : SLICE),
             .x = floats ? (const void *)b->x : (const void *)b->q, .x_stride = floats ? N_IN * sizeof(float) : N_IN / LQ_QK * sizeof(lq_q8a)};
  return j->fn != NULL;
}

/* Multiply-accumulates a second with n_x rows; wrap: how many rows of the matrix are visited before it begins again. */
static double rate(const bench *b, const job *j, size_t n_x, size_t wrap) {
  double best = 0;
  size_t at = 0;
  for (int burst = 0; burst < BURSTS; burst++) {
    double t0 = now(), t;
    uint64_t macs = 0;
    do {
      j->fn(b->y, SLICE, b->w + at * j->row, j->row, SLICE, j->x, j->x_stride, n_x, N_IN);
      macs += (uint64_t)SLICE * n_x * N_IN;
      at = at + SLICE < wrap ? at + SLICE : 0;
      t = now() - t0;
    } while (t < BURST_S);
    if ((double)macs / t > best) best = (double)macs / t;
  }
  return best;
}

static void measure_ceilings(bench *b) {
  peak peaks[8];
  size_t n = peaks_list(peaks, 8);
  uint64_t keep = 0;
  for (int i = 0; i < PEAK_BURSTS; i++) {
    double t0 = now();
    keep += peaks_read((const uint64_t *)(const void *)b->w, MATRIX);
    double s = MATRIX / (now() - t0);
    if (s > b->bandwidth) b->bandwidth = s;
  }
  printf("{\"ceilings\":[{\"name\":\"reading memory\",\"gbytes\":%.2f,\"check\":%u}", 1e-9 * b->bandwidth, (unsigned)(keep & 1));
  for (size_t i = 0; i < n; i++) {
    double best = 0;
    for (int burst = 0; burst < PEAK_BURSTS; burst++) {
      uint64_t macs = 0;
      double t0 = now(), t;
      do {
        macs += peaks[i].run(b->w, b->w + PEAK_BYTES, 256);
        t = now() - t0;
      } while (t < BURST_S);
      if ((double)macs / t > best) best = (double)macs / t;
    }
    if (best > b->dot) b->dot = best;
    printf(",\n {\"name\":\"%s\",\"gmacs\":%.2f}", peaks[i].name, 1e-9 * best);
  }
  printf("],\n\"kernels\":[");
}

static bool named(const char *name, int n, char **names) {
  for (int i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0) return true;
  return n == 0;
}

static void measure_table(const bench *b, const lq_kernels *k, bool *first) {
  for (int t = 0; t < LQ_TYPE_COUNT; t++) {
    const lq_type_info *info = lq_type_get((uint32_t)t);
    job j;
    if (!info->name || !info->block_bytes || !k->matmul[t] || !make_job(b, k, (lq_type)t, &j)) continue;
    double vec = rate(b, &j, 1, j.n_rows), mul = rate(b, &j, N_X, SLICE), bytes = vec / N_IN * (double)j.row;
    printf("%s\n {\"table\":\"%s\",\"type\":\"%s\",\"packed\":%s,\"matvec_gbytes\":%.2f,\"matvec_gmacs\":%.2f"
           ",\"matvec_of_bandwidth\":%.3f,\"matmul_gmacs\":%.2f,\"matmul_of_dot\":%.3f}", *first ? "" : ",", k->name, info->name,
           k->repack_rows[t] ? "true" : "false", 1e-9 * bytes, 1e-9 * vec, bytes / b->bandwidth, 1e-9 * mul, b->dot > 0 ? mul / b->dot : 0);
    *first = false;
    fflush(stdout);
  }
}

/* Bytes that are ordinary numbers read as halves, floats, scales or codes: nothing subnormal slows a kernel down. */
static void fill(bench *b) {
  uint32_t seed = 1;
  for (size_t i = 0; i < MATRIX; i++) {
    seed = seed * 1664525u + 1013904223u;
    b->w[i] = (uint8_t)(0x28 + (seed >> 30));
  }
  for (size_t i = 0; i < (size_t)N_X * N_IN; i++) {
    seed = seed * 1664525u + 1013904223u;
    b->x[i] = (float)(int32_t)seed * 0x1.0p-31f;
  }
  for (size_t r = 0; r < N_X; r++) lq_quantize_q8a(b->x + r * N_IN, b->q + r * (N_IN / LQ_QK), N_IN);
}

int main(int argc, char **argv) {
  bench b = {.w = malloc(MATRIX), .x = malloc(sizeof(float) * N_X * N_IN), .q = malloc(sizeof(lq_q8a) * N_X * N_IN / LQ_QK),
             .y = malloc(sizeof(float) * N_X * SLICE)};
  const lq_kernels *tables[8];
  size_t n = lq_kernels_list(tables, 8);
  bool first = true;
  if (!b.w || !b.x || !b.q || !b.y) {
    fputs("kernels: not enough memory\n", stderr);
    return 1;
  }
  fill(&b);
  measure_ceilings(&b);
  for (size_t i = 0; i < n; i++)
    if (named(tables[i]->name, argc - 1, argv + 1)) measure_table(&b, tables[i], &first);
  puts("]}");
  free(b.w), free(b.x), free(b.q), free(b.y);
  return 0;
}
