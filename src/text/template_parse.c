/* Chat templates: statements -> tree. May call: base, template_impl.h. */
#include <string.h>

#include "text/template_impl.h"

static bool body(lq_tpl *t, lq_tnode **out);

/* Is the block at the token, "{% name ...", this one? */
static bool at_block(const lq_tpl *t, const char *name) {
  return t->tok->kind == TT_BLOCK && t->tok[1].kind == TT_NAME && lq_str_eqz(t->tok[1].s, name);
}

static bool block_end(lq_tpl *t) {
  if (t->tok->kind != TT_BLOCK_END) return lq_tpl_unexpected(t, "%}");
  t->tok++;
  return true;
}

/* {% name %} */
static bool end_tag(lq_tpl *t, const char *name, uint32_t opened) {
  if (!at_block(t, name)) {
    t->line = t->tok->line;
    return lq_tpl_fail(t, LQ_E_FORMAT, "{%% %s %%} is missing for the block of line %u", name, opened);
  }
  t->tok += 2;
  return block_end(t);
}

/* "%}" body "{% name %}" */
static bool block_body(lq_tpl *t, const char *name, uint32_t opened, lq_tnode **out) {
  return block_end(t) && body(t, out) && end_tag(t, name, opened);
}

static bool as_name(lq_tpl *t, lq_str *out) {
  static const char *const reserved[] = {"true", "false", "none", "True", "False", "None"};
  if (t->tok->kind != TT_NAME) return lq_tpl_unexpected(t, "a name");
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (lq_str_eqz(t->tok->s, reserved[i])) return lq_tpl_unexpected(t, "a name that may be set");
  *out = (t->tok++)->s;
  return true;
}

static lq_tnode *target_name(lq_tpl *t, bool attributes) {
  lq_tnode *n = lq_tpl_node(t, TN_NAME, t->tok->line), *a;
  if (!n) return NULL;
  if (lq_tpl_skip_op(t, "(")) { /* for (a, b) in ... */
    lq_tpl_fail(t, LQ_E_UNSUPPORTED, "brackets around the names to set are not supported");
    return NULL;
  }
  if (!as_name(t, &n->name)) return NULL;
  if (!attributes || !lq_tpl_skip_op(t, ".")) return n;
  if (!(a = lq_tpl_node(t, TN_ATTR, n->line)) || !as_name(t, &a->name)) return NULL;
  a->a = n;
  return a;
}

/* a, or a, b, c as a TN_TUPLE. */
static lq_tnode *targets(lq_tpl *t, bool attributes) {
  lq_tnode *first = target_name(t, attributes), *n, *tail;
  unsigned count = 1;
  if (!first || !lq_tpl_is_op(t, ",")) return first;
  if (!(n = lq_tpl_node(t, TN_TUPLE, first->line))) return NULL;
  n->kids = tail = first;
  while (lq_tpl_skip_op(t, ",")) {
    if (t->tok->kind != TT_NAME || lq_tpl_is_name(t, "in")) break;
    if (++count > LQ_TPL_MAX_ARGS) {
      lq_tpl_fail(t, LQ_E_UNSUPPORTED, "more than %d names are set at once", LQ_TPL_MAX_ARGS);
      return NULL;
    }
    if (!(tail->next = target_name(t, attributes))) return NULL;
    tail = tail->next;
  }
  return n;
}

/* if, elif..., else, endif: one kid per branch. */
static bool parse_if(lq_tpl *t, lq_tnode *n) {
  lq_tnode **tail = &n->kids;
  for (bool last = false; !last;) {
    lq_tnode *k = lq_tpl_node(t, TN_SCOPE, t->tok->line);
    if (!k) return false;
    *tail = k;
    tail = &k->next;
    if (tail == &n->kids->next || lq_tpl_skip_name(t, "elif")) {
      if (!(k->a = lq_tpl_parse_tuple(t, false))) return false;
    } else {
      t->tok++; /* else */
      last = true;
    }
    if (!block_end(t) || !body(t, &k->body)) return false;
    if (last || !(at_block(t, "elif") || at_block(t, "else"))) return end_tag(t, "endif", n->line);
    t->tok++;
  }
  return true;
}

static bool parse_for(lq_tpl *t, lq_tnode *n) {
  if (!(n->a = targets(t, false))) return false;
  if (!lq_tpl_skip_name(t, "in")) return lq_tpl_unexpected(t, "\"in\"");
  if (!(n->b = lq_tpl_parse_tuple(t, false))) return false;
  if (lq_tpl_skip_name(t, "if") && !(n->c = lq_tpl_parse_expr(t, true))) return false;
  if (lq_tpl_is_name(t, "recursive")) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "\"recursive\" loops are not supported");
  t->loop_depth++;
  if (!block_end(t) || !body(t, &n->body)) return false;
  t->loop_depth--;
  if (at_block(t, "else")) {
    t->tok += 2;
    if (!block_end(t) || !body(t, &n->orelse)) return false;
  }
  return end_tag(t, "endfor", n->line);
}

static bool parse_set(lq_tpl *t, lq_tnode *n) {
  if (!(n->a = targets(t, true))) return false;
  if (lq_tpl_skip_op(t, "=")) return (n->b = lq_tpl_parse_tuple(t, true)) && block_end(t);
  n->kind = TN_SETBLOCK;
  if (n->a->kind == TN_TUPLE) return lq_tpl_unexpected(t, "\"=\"");
  if (lq_tpl_skip_op(t, "|") && !(n->b = lq_tpl_parse_filters(t, NULL))) return false;
  return block_body(t, "endset", n->line, &n->body);
}

static bool parse_macro(lq_tpl *t, lq_tnode *n) {
  lq_tnode **tail = &n->kids;
  unsigned count = 0, loops = t->loop_depth;
  if (!as_name(t, &n->name) || !lq_tpl_want_op(t, "(")) return false;
  while (!lq_tpl_is_op(t, ")")) {
    if (count && !lq_tpl_want_op(t, ",")) return false;
    if (++count > LQ_TPL_MAX_ARGS) return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "a macro has more than %d arguments", LQ_TPL_MAX_ARGS);
    lq_tnode *k = lq_tpl_node(t, TN_SET, t->tok->line);
    if (!k || !as_name(t, &k->name)) return false;
    if (lq_tpl_skip_op(t, "=")) {
      if (!(k->a = lq_tpl_parse_expr(t, true))) return false;
    } else if (count > 1 && n->op) {
      return lq_tpl_fail(t, LQ_E_FORMAT, "an argument without a default follows one with a default");
    }
    n->op = k->a != NULL;
    *tail = k;
    tail = &k->next;
  }
  t->tok++;
  t->macro_depth++;
  t->loop_depth = 0;
  if (!block_body(t, "endmacro", n->line, &n->body)) return false;
  t->macro_depth--;
  t->loop_depth = loops;
  return true;
}

static bool parse_with(lq_tpl *t, lq_tnode *n) {
  lq_tnode **tail = &n->kids;
  while (t->tok->kind != TT_BLOCK_END) {
    lq_tnode *k = lq_tpl_node(t, TN_SET, t->tok->line);
    if ((n->kids && !lq_tpl_want_op(t, ",")) || !k || !(k->a = target_name(t, false)) || !lq_tpl_want_op(t, "=") ||
        !(k->b = lq_tpl_parse_expr(t, true)))
      return false;
    *tail = k;
    tail = &k->next;
  }
  return block_body(t, "endwith", n->line, &n->body);
}

static bool parse_jump(lq_tpl *t, lq_tnode *n) {
  if (!t->loop_depth) return lq_tpl_fail(t, LQ_E_FORMAT, "%s stands outside of a loop", n->kind == TN_BREAK ? "break" : "continue");
  return block_end(t);
}

static bool parse_filterblock(lq_tpl *t, lq_tnode *n) {
  return (n->b = lq_tpl_parse_filters(t, NULL)) && block_body(t, "endfilter", n->line, &n->body);
}

/* transformers marks the assistant's words with it; what is inside is written as it is, in a scope of its own. */
static bool parse_generation(lq_tpl *t, lq_tnode *n) {
  return block_body(t, "endgeneration", n->line, &n->body);
}

static bool statement(lq_tpl *t, lq_tnode **out) {
  static const struct { const char *name; lq_tnode_kind kind; bool (*parse)(lq_tpl *, lq_tnode *); } known[] = {
      {"if", TN_IF, parse_if}, {"for", TN_FOR, parse_for}, {"set", TN_SET, parse_set}, {"macro", TN_MACRO, parse_macro},
      {"with", TN_WITH, parse_with},
      {"filter", TN_FILTERBLOCK, parse_filterblock}, {"generation", TN_SCOPE, parse_generation}, {"break", TN_BREAK, parse_jump},
      {"continue", TN_CONTINUE, parse_jump}};
  t->tok++;
  if (t->tok->kind != TT_NAME) return lq_tpl_unexpected(t, "a statement");
  t->line = t->tok->line;
  lq_str word = t->tok->s;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!lq_str_eqz(word, known[i].name)) continue;
    lq_tnode *n = lq_tpl_node(t, known[i].kind, t->tok->line);
    if (!n || !lq_tpl_enter(t)) return false;
    t->tok++;
    *out = n;
    if (!known[i].parse(t, n)) return false;
    t->nesting--;
    return true;
  }
  return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "the statement \"%.*s\" is not supported", LQ_STR_ARG(word));
}

/* Nodes up to the end or to a tag that its opener waits for. */
static bool body(lq_tpl *t, lq_tnode **out) {
  *out = NULL;
  for (;;) {
    lq_tnode *n = NULL;
    if (t->tok->kind == TT_END || at_block(t, "elif") || at_block(t, "else")) return true;
    if (t->tok->kind == TT_BLOCK && t->tok[1].kind == TT_NAME && t->tok[1].s.n > 3 && memcmp(t->tok[1].s.p, "end", 3) == 0) return true;
    if (t->tok->kind == TT_BLOCK) {
      if (!statement(t, &n)) return false;
    } else if (t->tok->kind == TT_TEXT) {
      if (!(n = lq_tpl_node(t, TN_TEXT, t->tok->line))) return false;
      n->lit = lq_tv_str((t->tok++)->s);
    } else {
      if (!(n = lq_tpl_node(t, TN_PRINT, t->tok->line))) return false;
      t->tok++;
      if (!(n->a = lq_tpl_parse_tuple(t, true))) return false;
      if (t->tok->kind != TT_VAR_END) return lq_tpl_unexpected(t, "}}");
      t->tok++;
    }
    *out = n;
    out = &n->next;
  }
}

bool lq_tpl_parse(lq_tpl *t, lq_ttok *tokens, lq_tnode **out) {
  t->tok = tokens;
  if (!body(t, out)) return false;
  if (t->tok->kind == TT_END) return true;
  t->line = t->tok->line;
  return lq_tpl_fail(t, LQ_E_FORMAT, "{%% %.*s %%} closes nothing that is open", LQ_STR_ARG(t->tok[1].s));
}
