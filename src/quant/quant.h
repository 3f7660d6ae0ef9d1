/* Tensor types: sizes, block structs, scalar encode and decode. The reference for every kernel.
 * May call: nothing. Bit-exact with the Python package `gguf` (quants.py); layouts as in ggml.
 * Type numbers are GGUF's.
 */
#ifndef LQ_QUANT_H
#define LQ_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lq_type {
  LQ_F32 = 0, LQ_F16 = 1, LQ_Q4_0 = 2, LQ_Q4_1 = 3, LQ_Q5_0 = 6, LQ_Q5_1 = 7, LQ_Q8_0 = 8,
  LQ_Q2_K = 10, LQ_Q3_K = 11, LQ_Q4_K = 12, LQ_Q5_K = 13, LQ_Q6_K = 14, LQ_BF16 = 30,
  LQ_TYPE_COUNT = 64 /* table size; numbers between are refused by name */
} lq_type;

#define LQ_QK 32   /* values in a block of Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 */
#define LQ_QK_K 256 /* values in a super-block of the K types */

typedef struct { uint16_t d; uint8_t qs[16]; } lq_block_q4_0;                       /* x = d*(q-8) */
typedef struct { uint16_t d, m; uint8_t qs[16]; } lq_block_q4_1;                    /* x = d*q+m */
typedef struct { uint16_t d; uint8_t qh[4]; uint8_t qs[16]; } lq_block_q5_0;
typedef struct { uint16_t d, m; uint8_t qh[4]; uint8_t qs[16]; } lq_block_q5_1;
typedef struct { uint16_t d; int8_t qs[32]; } lq_block_q8_0;
typedef struct { uint8_t scales[16]; uint8_t qs[64]; uint16_t d, dmin; } lq_block_q2_k;
typedef struct { uint8_t hmask[32]; uint8_t qs[64]; uint8_t scales[12]; uint16_t d; } lq_block_q3_k;
typedef struct { uint16_t d, dmin; uint8_t scales[12]; uint8_t qs[128]; } lq_block_q4_k;
typedef struct { uint16_t d, dmin; uint8_t scales[12]; uint8_t qh[32]; uint8_t qs[128]; } lq_block_q5_k;
typedef struct { uint8_t ql[128]; uint8_t qh[64]; int8_t scales[16]; uint16_t d; } lq_block_q6_k;
_Static_assert(sizeof(lq_block_q4_0) == 18 && sizeof(lq_block_q4_1) == 20, "ggml layout");
_Static_assert(sizeof(lq_block_q5_0) == 22 && sizeof(lq_block_q5_1) == 24, "ggml layout");
_Static_assert(sizeof(lq_block_q8_0) == 34 && sizeof(lq_block_q2_k) == 84, "ggml layout");
_Static_assert(sizeof(lq_block_q3_k) == 110 && sizeof(lq_block_q4_k) == 144, "ggml layout");
_Static_assert(sizeof(lq_block_q5_k) == 176 && sizeof(lq_block_q6_k) == 210, "ggml layout");

/* Activations, quantised: 32 values x = d*qs, |qs| <= 127, d = max|x|/127 (0 for an all-zero block),
 * qs = x * (127 / max|x|) rounded to nearest even. max|x| < 2^-119 counts as zero; a NaN or infinity in the block gives
 * d = NaN and qs = 0. s[0], s[1] = sum of qs[0..15], qs[16..31]: for the minima of Q4_1, Q5_1 and K types. */
typedef struct { float d; int16_t s[2]; int8_t qs[32]; } lq_q8a;
_Static_assert(sizeof(lq_q8a) == 40, "packed");

typedef struct lq_type_info {
  const char *name;      /* "Q4_K"; NULL for a number nobody uses */
  uint32_t block_values; /* 1, 32 or 256 */
  uint32_t block_bytes;  /* 0: known by name, not supported by us */
  bool can_encode;
} lq_type_info;

/* Never NULL; for a number outside the table an entry with name NULL. Names every ggml type, also those we refuse. */
const lq_type_info *lq_type_get(uint32_t type);
/* By name, case-insensitive ("q8_0"); false if unknown. */
bool lq_type_by_name(const char *name, lq_type *out);
/* Bytes of one row of n values; false if unsupported, n not a multiple of the block, or overflow. */
bool lq_row_bytes(lq_type t, uint64_t n, uint64_t *out);

/* y[n] f32 = decoded row. n a multiple of the block. Never fails. Any alignment of `row`. */
void lq_dequantize_row(lq_type t, const void *row, float *y, size_t n);
/* row = encoded x[n]; t with can_encode. Non-finite x is the caller's to refuse. */
void lq_quantize_row(lq_type t, const float *x, void *row, size_t n);
/* Activation rows, n a multiple of 32. The scalar reference of lq_kernels.quantize. */
void lq_quantize_q8a(const float *x, lq_q8a *y, size_t n);

float lq_f16_to_f32(uint16_t h);
uint16_t lq_f32_to_f16(float f); /* nearest even, infinities and NaN kept */
float lq_bf16_to_f32(uint16_t h);
uint16_t lq_f32_to_bf16(float f);

#endif
