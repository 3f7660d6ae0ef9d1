/* Sentence splitting for translation. May call: base.
 * Rule based on UAX #29 sentence boundaries with abbreviation lists for English and French, list items, quotes and newlines. */
#ifndef LQ_SENTENCE_H
#define LQ_SENTENCE_H

#include "base/bytes.h"

typedef struct lq_span { size_t begin, end, next; } lq_span; /* sentence text[begin,end); separator text[end,next) kept as it is */

/* Next sentence from *pos: false at the end. Leading white space before the first sentence is a span with begin == end.
 * Concatenating text[begin,end) + text[end,next) gives the input back exactly. lang: BCP-47 primary tag, "" = any. */
bool lq_sentence_next(lq_str text, const char *lang, size_t *pos, lq_span *out);

#endif
