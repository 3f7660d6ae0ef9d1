/* Pre-tokenisers of byte-level BPE as state machines: one pre-token at a time. May call: utf8.
 * Rules: the regular expressions of GPT-2, SmolLM (digits apart), Llama 3 and Qwen 2. */
#include "text/vocab.h"

static bool other(uint32_t c) { return !lq_uni_space(c) && !lq_uni_letter(c) && !lq_uni_number(c); }

static size_t run(const uint32_t *cp, size_t n, size_t i, bool (*is)(uint32_t)) {
  while (i < n && is(cp[i])) i++;
  return i;
}

static uint32_t fold(uint32_t c, bool any_case) {
  if (any_case && c >= 'A' && c <= 'Z') return c + 32;
  return any_case && c == 0x17F ? 's' : c; /* long s folds to s */
}

/* 's 't 're 've 'm 'll 'd at i; i when there is none. */
static size_t contraction(const uint32_t *cp, size_t n, size_t i, bool any_case) {
  static const char two[3][3] = {"re", "ve", "ll"};
  if (cp[i] != '\'' || i + 1 >= n) return i;
  uint32_t a = fold(cp[i + 1], any_case), b = i + 2 < n ? fold(cp[i + 2], any_case) : 0;
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return i + 2;
  for (int k = 0; k < 3; k++)
    if (a == (uint32_t)two[k][0] && b == (uint32_t)two[k][1]) return i + 3;
  return i;
}

/* White space: all of it at the end of the text, else all but the last, which goes to what follows. */
static size_t blanks(const uint32_t *cp, size_t n, size_t i, bool lines) {
  size_t end = run(cp, n, i, lq_uni_space);
  for (size_t k = end; lines && k > i; k--)
    if (cp[k - 1] == '\n' || cp[k - 1] == '\r') return k;
  return end < n && end - i > 1 ? end - 1 : end;
}

static size_t gpt2_end(const uint32_t *cp, size_t n, size_t i) {
  size_t end = contraction(cp, n, i, false), j = i + (cp[i] == ' ' && i + 1 < n);
  if (end > i) return end;
  if (lq_uni_letter(cp[j])) return run(cp, n, j, lq_uni_letter);
  if (lq_uni_number(cp[j])) return run(cp, n, j, lq_uni_number);
  if (other(cp[j])) return run(cp, n, j, other);
  return blanks(cp, n, i, false);
}

static size_t llama3_end(const uint32_t *cp, size_t n, size_t i, size_t max_digits) {
  size_t end = contraction(cp, n, i, true);
  uint32_t c = cp[i];
  if (end > i) return end;
  if (lq_uni_letter(c)) return run(cp, n, i, lq_uni_letter);
  if (c != '\r' && c != '\n' && !lq_uni_number(c) && i + 1 < n && lq_uni_letter(cp[i + 1])) return run(cp, n, i + 1, lq_uni_letter);
  if (lq_uni_number(c)) {
    return run(cp, n - i > max_digits ? i + max_digits : n, i, lq_uni_number);
  }
  size_t j = i + (c == ' ');
  if (j < n && other(cp[j])) {
    end = run(cp, n, j, other);
    while (end < n && (cp[end] == '\r' || cp[end] == '\n')) end++;
    return end;
  }
  return blanks(cp, n, i, true);
}

size_t lq_pretoken_end(lq_pre pre, const uint32_t *cp, size_t n, size_t i, size_t *stop) {
  switch (pre) {
    case LQ_PRE_LLAMA3: return llama3_end(cp, n, i, 3);
    case LQ_PRE_QWEN2: return llama3_end(cp, n, i, 1);
    case LQ_PRE_GPT2: return gpt2_end(cp, n, i);
    case LQ_PRE_SMOLLM: break;
  }
  if (lq_uni_number(cp[i])) return i + 1;
  if (*stop <= i) /* the text between digits is split as if it stood alone */
    for (*stop = i; *stop < n && !lq_uni_number(cp[*stop]);) ++*stop;
  return gpt2_end(cp, *stop, i);
}
