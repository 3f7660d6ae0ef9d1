/* The table of an instruction set from the functions of simd_quant.h and simd_float.h; LQ_TABLE_NAME is its name. */
#ifndef LQ_SIMD_TABLE_H
#define LQ_SIMD_TABLE_H

#include "kernel/simd_quant.h"
#include "kernel/simd_float.h"

#define LQ_TABLE_MATMUL(T, ...) [LQ_##T] = matmul_##T,
#define LQ_TABLE_PACKED(T, ...) [LQ_##T] = packed_##T,
#define LQ_TABLE_PACK(T, ...) [LQ_##T] = pack_##T,
#define LQ_TABLE_UNPACK(T, ...) [LQ_##T] = unpack_##T,
#define LQ_TABLE_ROWS(T, ...) [LQ_##T] = LQ_R,

static const lq_kernels table = {
    .name = LQ_TABLE_NAME,
    .quantize = quantize_rows,
    .matmul = {LQ_SIMD_TYPES(LQ_TABLE_MATMUL)[LQ_F32] = matmul_F32, [LQ_F16] = matmul_F16, [LQ_BF16] = matmul_BF16},
    .repack_rows = {LQ_SIMD_TYPES(LQ_TABLE_ROWS)},
    .pack = {LQ_SIMD_TYPES(LQ_TABLE_PACK)},
    .unpack_row = {LQ_SIMD_TYPES(LQ_TABLE_UNPACK)},
    .matmul_packed = {LQ_SIMD_TYPES(LQ_TABLE_PACKED)},
    .scores = scores,
    .weighted_sum = weighted_sum,
    .sum_exp = sum_exp,
    .softmax = softmax,
    .rmsnorm = rmsnorm,
    .layernorm = layernorm,
    .activate = activate,
};

#endif
