/* Positions: rotary embeddings and T5's relative bias. Stateless: tables are the caller's.
 * May call: base, math. Su et al. 2021 (RoPE); Raffel et al. 2020 s2.1 (relative buckets). */
#ifndef LQ_POSITION_H
#define LQ_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lq_rope_kind { LQ_ROPE_NONE, LQ_ROPE_PAIR, LQ_ROPE_HALF } lq_rope_kind; /* (2i, 2i+1) or (i, i + n/2) turn together */

/* table[n_pos][n_rot] = cos, sin interleaved: n_rot/2 pairs. factors: n_rot/2 divisors of the frequencies or NULL.
 * scale: positions are divided by it (linear scaling; 1 = none). */
void lq_rope_table(float *table, size_t n_pos, size_t n_rot, double base, double scale, const float *factors);
/* Turns x[n_head][d_head] at position pos in place; only the first n_rot values of each head. */
void lq_rope_apply(lq_rope_kind kind, float *x, size_t n_head, size_t d_head, size_t n_rot, const float *row);

/* T5's bucket of `delta` = key position - query position. n_buckets >= 4 if bidirectional else >= 2, max_distance > n_buckets/2. */
uint32_t lq_t5_bucket(int64_t delta, bool bidirectional, uint32_t n_buckets, uint32_t max_distance);
/* table[n_head][n_delta], entry for delta = first + i, from bias[n_buckets][n_head]. */
void lq_t5_bias_table(float *table, int64_t first, size_t n_delta, const float *bias, size_t n_head, bool bidirectional,
                      uint32_t n_buckets, uint32_t max_distance);

#endif
