/* Encoders of the K types: private to the quant room, called by lq_quantize_row. */
#ifndef LQ_QUANT_K_H
#define LQ_QUANT_K_H

#include "quant/quant.h"

/* One super-block each: the scales that give the least weighted square error we find. Finite x. */
void lq_encode_q4_k(const float *x, lq_block_q4_k *out);
void lq_encode_q6_k(const float *x, lq_block_q6_k *out);

#endif
