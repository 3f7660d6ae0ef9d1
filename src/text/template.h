/* Chat templates: a bounded subset of Jinja2, run on untrusted template text. No code beyond the subset can run.
 * May call: base. Limits: nesting depth, steps, output bytes; each breach is a clear error.
 * Unknown constructs (filters, tests, functions, statements) are refused by name: LQ_E_UNSUPPORTED.
 */
#ifndef LQ_TEMPLATE_H
#define LQ_TEMPLATE_H

#include "base/bytes.h"
#include "base/status.h"

/* tmpl: template text. context_json: one JSON object whose members are the template's variables
 * (messages, add_generation_prompt, bos_token, eos_token, tools, ...), as transformers' apply_chat_template passes them.
 * trim_blocks and lstrip_blocks are on, as there. `raise_exception(msg)` gives LQ_E_ARG with msg. strftime_now(fmt) uses `now`
 * (seconds since 1970, UTC). Output appended to *out. */
lq_status lq_template_render(lq_str tmpl, lq_str context_json, int64_t now, lq_buf *out, lq_error *err);

/* The plain ChatML template, for models that have none. */
extern const char lq_template_chatml[];

#endif
