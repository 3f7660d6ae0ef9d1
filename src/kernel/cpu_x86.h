/* What the CPU and the system beneath it run, by CPUID and XGETBV. Plain instructions only: include before setting a target.
 * May call: nothing. Intel SDM vol. 2, CPUID. */
#ifndef LQ_CPU_X86_H
#define LQ_CPU_X86_H

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

/* The state that the system saves: bits 1, 2 vector halves; 5 to 7 those of AVX-512. */
static inline uint32_t lq_cpu_saved(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return 0;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return a;
}

static inline bool lq_cpu_has(uint32_t leaf, uint32_t sub, char reg, unsigned bit) {
  uint32_t r[4];
  if (!__get_cpuid_count(leaf, sub, &r[0], &r[1], &r[2], &r[3])) return false;
  return r[reg - 'a'] >> bit & 1;
}

static inline bool lq_cpu_avx2(void) {
  bool saved = (lq_cpu_saved() & 6) == 6;
  return saved && lq_cpu_has(7, 0, 'b', 5) && lq_cpu_has(1, 0, 'c', 12) && lq_cpu_has(1, 0, 'c', 29); /* AVX2, FMA, F16C */
}
static inline bool lq_cpu_avxvnni(void) { return lq_cpu_avx2() && lq_cpu_has(7, 1, 'a', 4); }
static inline bool lq_cpu_avx512vnni(void) {
  bool base = lq_cpu_avx2() && (lq_cpu_saved() & 0xE6) == 0xE6;
  bool f = lq_cpu_has(7, 0, 'b', 16), dq = lq_cpu_has(7, 0, 'b', 17), bw = lq_cpu_has(7, 0, 'b', 30), vl = lq_cpu_has(7, 0, 'b', 31);
  return base && f && dq && bw && vl && lq_cpu_has(7, 0, 'c', 11);
}

#endif
