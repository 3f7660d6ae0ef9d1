/* Value types and name order of a GGUF directory: private to the gguf room. */
#ifndef LQ_GGUF_KV_H
#define LQ_GGUF_KV_H

#include "gguf/gguf.h"

/* Bytes of one element; 0 for strings, arrays and unknown types. */
uint32_t lq_gguf_type_size(lq_gguf_type t);
const char *lq_gguf_type_name(lq_gguf_type t);
/* memcmp order, the shorter first. */
int lq_gguf_str_cmp(lq_str a, lq_str b);

#endif
