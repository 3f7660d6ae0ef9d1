/* Reading a model's shape. May call: gguf, base. */
#ifndef LQ_HPARAMS_H
#define LQ_HPARAMS_H

#include "model/weights.h"

/* Fills *hp from the metadata of `g`; every value is in bounds afterwards. */
lq_status lq_hparams_read(lq_hparams *hp, const lq_arch *arch, const lq_gguf *g, lq_error *err);
/* Whether layer i of a decoder sees only hp->window keys. */
bool lq_hparams_local(const lq_hparams *hp, uint32_t i);

#endif
