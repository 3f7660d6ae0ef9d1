/* What the template_*.c files share: values, the syntax tree, the state of one run. Nobody else includes this (but its tests).
 * May call: base. Grammar and meaning: Jinja2 3.1 under transformers' apply_chat_template, values as Python 3 has them.
 * Everything lives in one arena until the run ends; nothing is freed in between, so memory is a limit of its own.
 * Error convention: functions return NULL / false after lq_tpl_fail has filled t->err and t->status. */
#ifndef LQ_TEMPLATE_IMPL_H
#define LQ_TEMPLATE_IMPL_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/status.h"

#define LQ_TPL_MAX_SOURCE (1u << 20)         /* bytes of a template */
#define LQ_TPL_MAX_OUTPUT (16u << 20)        /* bytes of a prompt */
#define LQ_TPL_MAX_MEMORY (192u << 20)       /* bytes of values */
#define LQ_TPL_MAX_STEPS 10000000            /* tree nodes visited, items walked, 16-byte units of text moved */
#define LQ_TPL_MAX_NESTING 100               /* statements and brackets open at once in the source */
#define LQ_TPL_MAX_DEPTH 240                 /* tree nodes being evaluated at once: macros that call macros */
#define LQ_TPL_MAX_RANGE 100000              /* as jinja2.sandbox */
#define LQ_TPL_MAX_ARGS 32                   /* arguments of one call, targets of one assignment */

typedef enum lq_tv_type {
  TV_UNDEFINED, TV_NONE, TV_BOOL, TV_INT, TV_FLOAT, TV_STR, TV_LIST, TV_TUPLE, TV_DICT,
  TV_RANGE,     /* list of ints */
  TV_VIEW,      /* dict.keys(), values(), items(): no index, no JSON */
  TV_GEN,       /* what map, select, items... give: walked once, true even if empty */
  TV_NAMESPACE, TV_LOOP, TV_MACRO, TV_FUNC, TV_METHOD
} lq_tv_type;

typedef struct lq_tv lq_tv;
typedef struct lq_tlist lq_tlist;
typedef struct lq_tdict lq_tdict;
typedef struct lq_tnode lq_tnode;
typedef struct lq_tscope lq_tscope;

/* A value: 24 bytes, copied freely; what it points to never changes but for namespaces and a TV_GEN's place. */
struct lq_tv {
  uint8_t type; /* lq_tv_type */
  bool safe;    /* TV_STR: came from |safe or |escape (markupsafe.Markup) */
  uint16_t id;  /* TV_FUNC: which; TV_VIEW: 0 keys, 1 values, 2 items */
  union {
    bool b;
    int64_t i;
    double f;
    lq_str s;            /* TV_STR: valid UTF-8. TV_UNDEFINED: what was missing, for messages */
    lq_tlist *list;      /* LIST TUPLE RANGE VIEW GEN */
    lq_tdict *dict;      /* DICT NAMESPACE */
    struct lq_tloop *loop;
    struct lq_tmacro *macro;
    struct lq_tmethod { lq_str name; const lq_tv *self; } *method;
  } u;
};

struct lq_tlist { size_t n, cap, at; lq_tv *v; }; /* at: TV_GEN: items already taken */
typedef struct lq_tentry { lq_tv key, value; } lq_tentry;
struct lq_tdict { size_t n, cap; lq_tentry *e; }; /* in the order written */

/* A loop under way. With a condition, items are found as they are asked for, as in Jinja2: the body may change what the condition sees. */
typedef struct lq_tloop {
  lq_tlist *items;  /* that pass, so far */
  size_t i;         /* the one being run */
  const lq_tlist *source;
  size_t at;        /* of source, looked at so far */
  const lq_tnode *node;
  lq_tscope *up;
  lq_tv changed;
  bool has_changed;
} lq_tloop;
typedef struct lq_tmacro { const lq_tnode *node; lq_tscope *scope; } lq_tmacro;

typedef enum lq_tnode_kind {
  /* expressions */
  TN_CONST, TN_NAME, TN_LIST, TN_TUPLE, TN_DICT, TN_ATTR, TN_ITEM, TN_SLICE, TN_CALL, TN_FILTER, TN_TEST, TN_NOT, TN_NEG, TN_POS,
  TN_CHAIN,   /* a (op b)...: + - * / // % ** ~, left to right */
  TN_COMPARE, /* a (op b)...: == < in ..., all must hold */
  TN_AND, TN_OR, TN_COND,
  /* statements */
  TN_TEXT, TN_PRINT, TN_IF, TN_FOR, TN_SET, TN_SETBLOCK, TN_MACRO, TN_WITH, TN_FILTERBLOCK, TN_SCOPE, TN_BREAK, TN_CONTINUE
} lq_tnode_kind;

typedef enum lq_top {
  TO_ADD, TO_SUB, TO_MUL, TO_DIV, TO_FLOORDIV, TO_MOD, TO_POW, TO_CONCAT, TO_EQ, TO_NE, TO_LT, TO_LE, TO_GT, TO_GE, TO_IN, TO_NOTIN
} lq_top;

/* One node. Lists of nodes hang together by `next`. By kind:
 *   NAME name | ATTR a.name | ITEM a[b] | SLICE a[kids: from, to, step; TN_CONST undefined where left out] | CALL a(kids)
 *   FILTER a | name(kids) | TEST a is name(kids) | LIST TUPLE kids | DICT kids: key, value, key, value...
 *   CHAIN COMPARE AND OR kids, each with its op | COND a if b else c (may be NULL) | NOT NEG POS a
 *   In kids of a call an argument given by keyword has its name in `name` of a TN_SET node, value a.
 *   TEXT lit | PRINT a | IF kids: TN_SCOPE nodes {a condition or NULL, body} | FOR a target, b iterable, c condition, body, orelse
 *   SET a target, b value | SETBLOCK a target, b filters (may be NULL), body | MACRO name, kids: TN_SET {name, a default or NULL}, body
 *   WITH kids: TN_SET {a target, b value}, body | FILTERBLOCK b, body | SCOPE body */
struct lq_tnode {
  uint8_t kind, op;
  uint16_t depth; /* height of the tree under it */
  uint32_t line;
  lq_str name;
  lq_tv lit;
  lq_tnode *a, *b, *c, *kids, *body, *orelse, *next;
};

typedef enum lq_ttok_kind { TT_END, TT_TEXT, TT_VAR, TT_VAR_END, TT_BLOCK, TT_BLOCK_END, TT_NAME, TT_STRING, TT_INT, TT_FLOAT, TT_OP } lq_ttok_kind;
typedef struct lq_ttok { lq_ttok_kind kind; uint32_t line; lq_str s; int64_t i; double f; } lq_ttok; /* OP: s is the operator */

struct lq_tscope { lq_tscope *up; struct lq_tvar { lq_str name; lq_tv value; struct lq_tvar *next; } *vars; };

typedef struct lq_tpl {
  lq_arena *arena;
  char *page; /* small takes are cut from pages: the arena aligns to 64 */
  size_t page_left;
  uint64_t taken, steps;
  unsigned depth;
  uint32_t line; /* being run, for messages */
  int64_t now;
  lq_status status;
  lq_error *err;
  lq_buf *out; /* where {{ }} goes now */
  lq_ttok *tok; /* parser */
  unsigned nesting, macro_depth, loop_depth;
  lq_tscope *globals;
  enum { FLOW_NONE, FLOW_BREAK, FLOW_CONTINUE } flow;
} lq_tpl;

/* Arguments of a call, a filter or a test, evaluated. */
typedef struct lq_targs { unsigned n, n_named; lq_tv *v, *named; lq_str *names; } lq_targs; /* v[n], named[n_named], names[n_named] */

/* ---- template_render.c: state. Each fail function returns false and keeps the first error. */
bool lq_tpl_fail(lq_tpl *t, lq_status s, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
bool lq_tpl_full(lq_tpl *t, const lq_buf *b);          /* fails: b could not grow, for want of memory or at its limit */
void *lq_tpl_take(lq_tpl *t, uint64_t n, size_t size); /* zeroed, 16-aligned; NULL: failed */
bool lq_tpl_step(lq_tpl *t, uint64_t n);               /* counts work */
/* As lq_template_render, with the arena given: its owner frees it. */
lq_status lq_tpl_run(lq_arena *a, lq_str tmpl, lq_str context_json, int64_t now, lq_buf *out, lq_error *err);

/* ---- template_lex.c, template_parse.c, template_expr.c */
bool lq_tpl_lex(lq_tpl *t, lq_str source, lq_ttok **out);
bool lq_tpl_parse(lq_tpl *t, lq_ttok *tokens, lq_tnode **out);
lq_tnode *lq_tpl_node(lq_tpl *t, lq_tnode_kind kind, uint32_t line);
lq_tnode *lq_tpl_grow(lq_tpl *t, lq_tnode *n); /* sets n->depth from its parts; NULL: too deep */
bool lq_tpl_is_op(const lq_tpl *t, const char *op);
bool lq_tpl_is_name(const lq_tpl *t, const char *name);
bool lq_tpl_skip_op(lq_tpl *t, const char *op);
bool lq_tpl_skip_name(lq_tpl *t, const char *name);
bool lq_tpl_want_op(lq_tpl *t, const char *op);
bool lq_tpl_unexpected(lq_tpl *t, const char *wanted);
bool lq_tpl_enter(lq_tpl *t); /* one bracket or statement deeper */
lq_tnode *lq_tpl_parse_expr(lq_tpl *t, bool cond); /* cond: `x if y else z` may stand here */
lq_tnode *lq_tpl_parse_tuple(lq_tpl *t, bool cond);
lq_tnode *lq_tpl_parse_primary(lq_tpl *t);
lq_tnode *lq_tpl_parse_filters(lq_tpl *t, lq_tnode *a); /* a | f | g; a NULL: the first name stands without its bar */
bool lq_tpl_parse_args(lq_tpl *t, lq_tnode **kids);     /* after "(" */

/* ---- template_value.c */
lq_tv lq_tv_none(void);
lq_tv lq_tv_undefined(lq_str what);
lq_tv lq_tv_bool(bool b);
lq_tv lq_tv_int(int64_t i);
lq_tv lq_tv_float(double f);
lq_tv lq_tv_str(lq_str s);
lq_tv lq_tv_z(const char *z);
bool lq_tv_copy(lq_tpl *t, const char *p, size_t n, lq_tv *out); /* a string of its own */
bool lq_tv_list(lq_tpl *t, lq_tv_type type, lq_tv *out);
bool lq_tv_dict(lq_tpl *t, lq_tv_type type, lq_tv *out);
bool lq_tv_push(lq_tpl *t, lq_tlist *l, lq_tv v);
bool lq_tv_put(lq_tpl *t, lq_tdict *d, lq_tv key, lq_tv value);
bool lq_tv_find(lq_tpl *t, const lq_tdict *d, lq_tv key, const lq_tv **out); /* *out NULL: not there */
bool lq_tv_json(lq_tpl *t, const lq_json *j, lq_tv *out);
const char *lq_tv_name(const lq_tv *v); /* Python's name of the type */
bool lq_tv_true(const lq_tv *v);
bool lq_tv_is_num(const lq_tv *v); /* bool, int, float */
double lq_tv_num(const lq_tv *v);
/* Items to walk: of a list itself, of a string its characters, of a dict its keys. A generator is used up. */
bool lq_tv_items(lq_tpl *t, const lq_tv *v, lq_tlist **out);
bool lq_tv_length(lq_tpl *t, const lq_tv *v, int64_t *out);
size_t lq_tv_chars(lq_str s);
bool lq_tv_bad_undefined(lq_tpl *t, const lq_tv *v); /* fails: 'x' is undefined */

/* ---- template_ops.c */
bool lq_tv_eq(lq_tpl *t, const lq_tv *a, const lq_tv *b, unsigned depth, bool *out);
bool lq_tv_cmp(lq_tpl *t, const lq_tv *a, const lq_tv *b, const char *op, int *out);
bool lq_tv_in(lq_tpl *t, const lq_tv *a, const lq_tv *b, bool *out);
bool lq_tv_compare(lq_tpl *t, lq_top op, const lq_tv *a, const lq_tv *b, bool *out);
bool lq_tv_binary(lq_tpl *t, lq_top op, const lq_tv *a, const lq_tv *b, lq_tv *out);
bool lq_tv_negate(lq_tpl *t, const lq_tv *a, lq_tv *out);
bool lq_tv_item(lq_tpl *t, const lq_tv *a, const lq_tv *key, lq_tv *out);
bool lq_tv_slice(lq_tpl *t, const lq_tv *a, const lq_tv part[3], lq_tv *out);

/* ---- template_attr.c: a.name, methods, loop, global functions */
bool lq_tv_attr(lq_tpl *t, const lq_tv *a, lq_str name, lq_tv *out);
bool lq_tpl_call(lq_tpl *t, const lq_tv *f, lq_targs *args, lq_tv *out);
bool lq_tpl_globals(lq_tpl *t);

/* ---- template_method.c: methods of str, list and dict */
bool lq_tpl_has_method(const lq_tv *self, lq_str name, bool *python_has);
bool lq_tpl_method(lq_tpl *t, const lq_tv *self, lq_str name, lq_targs *args, lq_tv *out);

/* ---- template_str.c: text work that methods and filters share */
bool lq_tpl_upper(lq_tpl *t, lq_str s, lq_buf *out);
bool lq_tpl_lower(lq_tpl *t, lq_str s, lq_buf *out);
bool lq_tpl_title(lq_tpl *t, lq_str s, bool first_only, bool filter, lq_buf *out);
lq_str lq_tpl_strip(lq_str s, const lq_str *chars, bool left, bool right);
bool lq_tpl_replace(lq_tpl *t, lq_str s, lq_str from, lq_str to, int64_t count, lq_tv *out);
bool lq_tpl_is_space(uint32_t cp); /* str.isspace */
bool lq_tpl_buf(lq_tpl *t, lq_buf *b, lq_tv *out); /* takes the text over, frees b */
size_t lq_tpl_find(lq_str s, lq_str what, size_t from); /* SIZE_MAX: not there */
void lq_tpl_escape(lq_str s, lq_buf *out);

/* ---- template_write.c: str(), repr(), JSON */
bool lq_tv_write(lq_tpl *t, const lq_tv *v, lq_buf *out); /* as {{ v }} */
bool lq_tv_text(lq_tpl *t, const lq_tv *v, lq_str *out);  /* as str(v) */
bool lq_tv_tojson(lq_tpl *t, const lq_tv *v, lq_targs *args, lq_tv *out);
void lq_tv_write_float(double f, lq_buf *out);

/* ---- template_args.c */
/* The argument at place i or by name; false and NULL when not given. */
bool lq_targ(const lq_targs *a, unsigned i, const char *name, lq_tv *out);
/* Fails unless there are at most `most` arguments and every name is in the blank-separated list. */
bool lq_targs_check(lq_tpl *t, const char *who, const lq_targs *a, unsigned least, unsigned most, const char *names);
bool lq_targ_str(lq_tpl *t, const char *who, const lq_targs *a, unsigned i, const char *name, lq_str *out); /* must be a string when given */
bool lq_targ_int(lq_tpl *t, const char *who, const lq_targs *a, unsigned i, const char *name, int64_t *out);
bool lq_targ_bool(const lq_targs *a, unsigned i, const char *name, bool otherwise);

/* ---- template_filter.c, template_filter_seq.c, template_test.c */
bool lq_tpl_filter(lq_tpl *t, lq_str name, const lq_tv *v, lq_targs *args, lq_tv *out);
bool lq_tpl_filter_seq(lq_tpl *t, lq_str name, const lq_tv *v, lq_targs *args, lq_tv *out, bool *known);
bool lq_tpl_test(lq_tpl *t, lq_str name, const lq_tv *v, lq_targs *args, bool *out);
bool lq_tpl_has_filter(lq_str name);
bool lq_tpl_has_filter_seq(lq_str name);
bool lq_tpl_has_test(lq_str name);

/* ---- template_time.c */
bool lq_tpl_strftime(lq_tpl *t, lq_str fmt, lq_tv *out);

/* ---- template_eval.c, template_eval_expr.c */
bool lq_tpl_eval(lq_tpl *t, lq_tscope *sc, const lq_tnode *n, lq_tv *out);
bool lq_tpl_exec(lq_tpl *t, lq_tscope *sc, const lq_tnode *list);
bool lq_tpl_set(lq_tpl *t, lq_tscope *sc, lq_str name, lq_tv v);
bool lq_tpl_assign(lq_tpl *t, lq_tscope *sc, const lq_tnode *target, lq_tv v);
bool lq_tpl_macro(lq_tpl *t, const lq_tmacro *m, lq_targs *args, lq_tv *out);
lq_tscope *lq_tpl_scope(lq_tpl *t, lq_tscope *up);
bool lq_tpl_loop_need(lq_tpl *t, lq_tloop *l, size_t n); /* looks for at least n items */

#endif
