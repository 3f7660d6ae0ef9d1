/* Chat templates: a bounded subset of Jinja2 3.1, run on untrusted template text. No code beyond the subset can run.
 * May call: base. Sources: template_lex (text -> tokens), template_parse and template_expr (-> tree), template_eval and template_eval_expr (run it),
 * template_{value,ops,attr,method,str,write,args,filter,filter_seq,test,time}; template_impl.h is theirs alone.
 *
 * What there is: if for set macro with filter raw generation break continue; every operator, slices, inline if, calls with names; the filters,
 * tests and methods listed in the tables of template_filter*.c, template_test.c and template_method.c;
 * range dict namespace raise_exception strftime_now.
 * What there is not is refused by name with its line, LQ_E_UNSUPPORTED: include import extends block call do print, recursive loops, *args, caller,
 * varargs, kwargs, other filters and tests, methods that change a value; integers beyond 64 bits; printing what has no text of its own (generators,
 * functions, ranges); upper and lower case of letters that base/utf8 has no single simple letter for; more than str + on text marked safe.
 * A template that is wrong in itself: LQ_E_FORMAT. One that Python would stop on (undefined + 1): LQ_E_ARG.
 * Limits (template_impl.h), each breach refused: 1 MiB of template, 16 MiB of prompt, 192 MiB of values, 10 million steps, 100 open brackets or
 * statements, 240 nodes under way, ranges of 100000, 32 arguments.
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
