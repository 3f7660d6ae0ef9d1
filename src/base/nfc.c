/* Normalisation form C: text is cut before every character that nothing can change or join to what stands before it; each piece that holds
 * a character of the other kind is decomposed, put in order and composed, the rest is copied; form D does without composing. May call: utf8,
 * bytes. UAX #15, The Unicode Standard 3.11 (canonical order, composition) and 3.12 (Hangul). */
#include "base/nfc.h"

#include <string.h>

#include "base/nfc_data.inc"
#include "base/utf8.h"

#define COUNT(A) (sizeof(A) / sizeof((A)[0]))
enum { L0 = 0x1100, V0 = 0x1161, T0 = 0x11A7, S0 = 0xAC00, N_L = 19, N_V = 21, N_T = 28, N_S = N_L * N_V * N_T };

/* Place of cp in nfc_from; -1 if it has no decomposition. */
static int find_from(uint32_t cp) {
  size_t lo = 0, hi = COUNT(nfc_from);
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    if (nfc_from[mid] < cp) lo = mid + 1;
    else hi = mid;
  }
  return lo < COUNT(nfc_from) && nfc_from[lo] == cp ? (int)lo : -1;
}

static unsigned combining(uint32_t cp) {
  size_t lo = 0, hi = COUNT(nfc_class);
  if (cp < nfc_class[0].first) return 0;
  while (hi - lo > 1) {
    size_t mid = (lo + hi) / 2;
    if (nfc_class[mid].first <= cp) lo = mid;
    else hi = mid;
  }
  return cp - nfc_class[lo].first < nfc_class[lo].n ? nfc_class[lo].ccc : 0;
}

/* First place in nfc_pair whose (second, first) is not below. */
static size_t pair_place(uint32_t second, uint32_t first) {
  size_t lo = 0, hi = COUNT(nfc_pair);
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    const uint32_t *to = &nfc_to[2 * (size_t)nfc_pair[mid]];
    if (to[1] < second || (to[1] == second && to[0] < first)) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

static uint32_t compose(uint32_t a, uint32_t b) {
  if (a - L0 < N_L && b - V0 < N_V) return S0 + ((a - L0) * N_V + (b - V0)) * N_T;
  if (a - S0 < N_S && (a - S0) % N_T == 0 && b - T0 - 1 < N_T - 1) return a + (b - T0);
  size_t at = pair_place(b, a);
  if (at == COUNT(nfc_pair)) return 0;
  const uint32_t *to = &nfc_to[2 * (size_t)nfc_pair[at]];
  return to[0] == a && to[1] == b ? nfc_from[nfc_pair[at]] : 0;
}

static bool is_second(uint32_t cp) {
  size_t at = pair_place(cp, 0);
  return (at < COUNT(nfc_pair) && nfc_to[2 * (size_t)nfc_pair[at] + 1] == cp) || cp - V0 < N_V || cp - T0 - 1 < N_T - 1;
}

/* Nothing before cp joins it or changes place with it, and it stays as it is: text may be cut before it. */
static bool stable(uint32_t cp) {
  if (cp < 0x300 || (cp >= NFC_SKIP_FIRST && cp <= NFC_SKIP_LAST) || cp - S0 < N_S) return true;
  if (combining(cp) || is_second(cp)) return false;
  int at = find_from(cp);
  if (at < 0) return true;
  if (compose(nfc_to[2 * at], nfc_to[2 * at + 1]) != cp) return false;
  while (at >= 0) {
    cp = nfc_to[2 * at];
    at = find_from(cp);
  }
  return !is_second(cp) && !combining(cp);
}

/* A growing list of code points. */
static void add(lq_buf *b, uint32_t cp) { lq_buf_add(b, &cp, sizeof(cp)); }
static uint32_t *list(const lq_buf *b) { return (uint32_t *)(void *)b->p; }

static void decompose(uint32_t cp, lq_buf *to) {
  uint32_t tail[8]; /* the chain of first parts is at most 3 deep */
  size_t n_tail = 0;
  if (cp - S0 < N_S) {
    uint32_t s = cp - S0;
    add(to, L0 + s / (N_V * N_T));
    add(to, V0 + s % (N_V * N_T) / N_T);
    if (s % N_T) add(to, T0 + s % N_T);
    return;
  }
  for (int at; n_tail < COUNT(tail) && (at = find_from(cp)) >= 0; cp = nfc_to[2 * at])
    if (nfc_to[2 * at + 1]) tail[n_tail++] = nfc_to[2 * at + 1];
  add(to, cp);
  while (n_tail) decompose(tail[--n_tail], to);
}

/* Stable order by class of a run of marks: insertion for the usual two or three, counting for a hostile run. */
static void order_run(uint32_t *cp, size_t n, lq_buf *spare) {
  if (n <= 16) {
    for (size_t i = 1; i < n; i++) {
      uint32_t c = cp[i];
      unsigned ccc = combining(c);
      size_t at = i;
      for (; at > 0 && combining(cp[at - 1]) > ccc; at--) cp[at] = cp[at - 1];
      cp[at] = c;
    }
    return;
  }
  size_t start[257] = {0};
  spare->n = 0;
  lq_buf_add(spare, cp, n * sizeof(*cp));
  if (spare->failed) return;
  for (size_t i = 0; i < n; i++) start[combining(cp[i]) + 1]++;
  for (size_t c = 1; c < COUNT(start); c++) start[c] += start[c - 1];
  for (size_t i = 0; i < n; i++) cp[start[combining(list(spare)[i])]++] = list(spare)[i];
}

static void order(uint32_t *cp, size_t n, lq_buf *spare) {
  for (size_t i = 0; i < n;) {
    size_t end = i;
    while (end < n && combining(cp[end])) end++;
    if (end - i > 1) order_run(cp + i, end - i, spare);
    i = end + (end == i);
  }
}

/* Composes in place; returns the new length. */
static size_t compose_all(uint32_t *cp, size_t n) {
  size_t out = 0, starter = SIZE_MAX;
  unsigned last = 0; /* class of the last character kept after the starter; 0: none */
  for (size_t i = 0; i < n; i++) {
    unsigned ccc = combining(cp[i]);
    bool blocked = starter == SIZE_MAX || (out - starter > 1 && last >= ccc);
    uint32_t joined = blocked ? 0 : compose(cp[starter], cp[i]);
    if (joined) {
      cp[starter] = joined;
      continue;
    }
    if (ccc == 0) starter = out;
    last = ccc;
    cp[out++] = cp[i];
  }
  return out;
}

/* One piece in form C, or D when it is not composed again. */
static void write_piece(const char *p, size_t n, bool composed, lq_buf *cps, lq_buf *spare, lq_buf *out) {
  cps->n = 0;
  for (size_t i = 0; i < n;) {
    uint32_t cp;
    i += lq_utf8_decode(p + i, n - i, &cp);
    decompose(cp, cps);
  }
  if (cps->failed) return;
  size_t count = cps->n / sizeof(uint32_t);
  order(list(cps), count, spare);
  if (composed) count = compose_all(list(cps), count);
  for (size_t i = 0; i < count; i++) {
    char one[4];
    lq_buf_add(out, one, lq_utf8_encode(list(cps)[i], one));
  }
}

void lq_nfc(const char *p, size_t n, lq_buf *out) {
  lq_buf cps = {.limit = SIZE_MAX / 2}, spare = {.limit = SIZE_MAX / 2};
  size_t copied = 0, cut = 0; /* cut: the last place where text may be cut */
  for (size_t i = 0; i < n;) {
    uint32_t cp;
    size_t used = lq_utf8_decode(p + i, n - i, &cp);
    if (stable(cp)) {
      cut = i;
      i += used;
      continue;
    }
    lq_buf_add(out, p + copied, cut - copied);
    for (i += used; i < n; i += used) {
      used = lq_utf8_decode(p + i, n - i, &cp);
      if (stable(cp)) break;
    }
    write_piece(p + cut, i - cut, true, &cps, &spare, out);
    copied = cut = i;
  }
  lq_buf_add(out, p + copied, n - copied);
  if (cps.failed || spare.failed) out->failed = true;
  lq_buf_free(&cps);
  lq_buf_free(&spare);
}

void lq_nfd(const char *p, size_t n, lq_buf *out) {
  lq_buf cps = {.limit = SIZE_MAX / 2}, spare = {.limit = SIZE_MAX / 2};
  for (size_t i = 0, from = 0; i < n; from = i) {
    while (i < n && (unsigned char)p[i] < 0x80) i++;
    lq_buf_add(out, p + from, i - from);
    for (from = i; i < n && (unsigned char)p[i] >= 0x80;) i++;
    if (i > from) write_piece(p + from, i - from, false, &cps, &spare, out); /* ASCII never moves or joins: text may be cut beside it */
  }
  if (cps.failed || spare.failed) out->failed = true;
  lq_buf_free(&cps);
  lq_buf_free(&spare);
}

bool lq_nfc_quick(const char *p, size_t n) {
  for (size_t i = 0; i < n;) {
    uint32_t cp;
    i += lq_utf8_decode(p + i, n - i, &cp);
    if (!stable(cp)) return false;
  }
  return true;
}
