/* Positions: rotary embeddings, relative biases (T5, ALiBi) and sinusoids. Stateless: tables are the caller's.
 * May call: base, math. Su et al. 2021 (RoPE); Peng et al. 2023 (YaRN); Raffel et al. 2020 s2.1 (relative buckets); Press et al. 2022
 * (ALiBi); Vaswani et al. 2017 s3.5 (sinusoids). */
#ifndef LQ_POSITION_H
#define LQ_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lq_rope_kind { LQ_ROPE_NONE, LQ_ROPE_PAIR, LQ_ROPE_HALF } lq_rope_kind; /* (2i, 2i+1) or (i, i + n/2) turn together */

/* How fast each pair turns. */
typedef struct lq_rope_spec {
  double base;
  double scale;         /* positions are divided by it (1 = none) */
  bool yarn;            /* then only pairs that turn fewer than beta_slow times in n_orig positions are; those above beta_fast keep their
                         * speed, those between are blended */
  double n_orig, beta_fast, beta_slow;
  double magnitude;     /* cos and sin are multiplied by it */
} lq_rope_spec;

/* table[n_pos][n_rot] = cos, sin interleaved: n_rot/2 pairs. factors: n_rot/2 divisors of the frequencies or NULL. */
void lq_rope_table(float *table, size_t n_pos, size_t n_rot, const lq_rope_spec *spec, const float *factors);
/* Turns x[n_head][d_head] at position pos in place; only the first n_rot values of each head. */
void lq_rope_apply(lq_rope_kind kind, float *x, size_t n_head, size_t d_head, size_t n_rot, const float *row);

/* T5's bucket of `delta` = key position - query position. n_buckets >= 4 if bidirectional else >= 2, max_distance > n_buckets/2. */
uint32_t lq_t5_bucket(int64_t delta, bool bidirectional, uint32_t n_buckets, uint32_t max_distance);
/* table[n_head][n_delta], entry for delta = first + i, from bias[n_buckets][n_head]. */
void lq_t5_bias_table(float *table, int64_t first, size_t n_delta, const float *bias, size_t n_head, bool bidirectional,
                      uint32_t n_buckets, uint32_t max_distance);

/* The same table for ALiBi: -slope * |delta|. Slopes fall geometrically from head to head so that they would end at 2^-max_bias; head
 * counts that are no power of two take every second slope of the next power for the rest. */
void lq_alibi_table(float *table, int64_t first, size_t n_delta, size_t n_head, double max_bias);

/* Where the sines and cosines of frequency 10000^(-2i/d) stand: side by side (Vaswani), sines first and then cosines (Marian as in
 * Hugging Face), or so with frequency 10000^(-i/(d/2-1)) (fairseq, Marian itself, Whisper). */
typedef enum lq_sinusoid_kind { LQ_SIN_PAIRS, LQ_SIN_HALVES, LQ_SIN_HALVES_INCLUSIVE } lq_sinusoid_kind;
/* x[d] += the sinusoid of position pos. */
void lq_sinusoid_add(lq_sinusoid_kind kind, float *x, size_t d, uint32_t pos);

#endif
