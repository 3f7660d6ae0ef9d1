/* The packed form of quantised rows: `group` rows share one stream in which every field of their blocks is interleaved, so that
 * one vector load brings the same values of all rows. Same bytes, other order; the same for every table but for the group size.
 * May call: quant.
 *
 * Packed block = the fields of a block in their order, each `group` times as long: element e (2 or 4 bytes of a half or of codes,
 * 1 byte of a scale) of row r lies at group * field_offset + (e * group + r) * element_bytes. */
#ifndef LQ_PACK_H
#define LQ_PACK_H

#include "quant/quant.h"

#define LQ_MAX_GROUP 16
#define LQ_MAX_BLOCK_BYTES 210

/* dst = one packed block from the blocks at rows[0..group-1]; dst aliases none of them. */
void lq_pack_block(lq_type t, size_t group, uint8_t *dst, const uint8_t *const *rows);
/* Packs a group of whole rows in place; tmp: the same size. */
void lq_pack_rows(lq_type t, size_t group, void *w, void *tmp, size_t n_in);
/* y[n_in] = row `row` of a packed group, decoded. */
void lq_packed_row(lq_type t, size_t group, const void *w, size_t row, float *y, size_t n_in);

#endif
