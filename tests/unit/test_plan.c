/* What a model will take, from the head of its file. */
#include "model_open.h"

static void plan_of(const char *name, int translates) {
  opened o;
  if (!opened_with(&o, name, NULL, NULL)) return;
  uint64_t exact = 0, head_end = 0;
  lq_error e = {0};
  CHECK(lq_session_bytes(o.m, NULL, &exact, &e) == LQ_OK);
  for (uint64_t n = 0; n <= o.n; n += n < 64 ? 1 : 61) { /* in a block of its own, so that a read behind it is seen */
    lq_plan p = {0};
    void *head = malloc(n ? (size_t)n : 1);
    if (!head) break;
    memcpy(head, o.bytes, (size_t)n);
    lq_status s = lq_model_plan(head, n, o.n, NULL, &p, &e);
    free(head);
    if (s == LQ_OK) {
      if (!head_end) head_end = n;
      CHECK_MSG(p.session_bytes == exact && p.translates == translates, "%s: %llu of %llu bytes", name, (unsigned long long)p.session_bytes,
                (unsigned long long)exact);
    } else CHECK_MSG(s == LQ_E_FORMAT && !head_end && e.msg[0], "%s: %d at %llu: %s", name, (int)s, (unsigned long long)n, e.msg);
  }
  CHECK_MSG(head_end > 0 && head_end < o.n, "the head of %s ends at %llu of %llu", name, (unsigned long long)head_end, (unsigned long long)o.n);
  opened_close(&o);
}

TEST(plan_needs_the_head_only) {
  plan_of(LLAMA, 0);
  plan_of(QWEN, 0);
  plan_of(T5, 0);
  plan_of(PAIR, 1);
}

TEST(plan_refuses_what_opening_refuses) {
  opened o;
  lq_plan p;
  lq_error e = {0};
  lq_session_params long_context = {.n_ctx = 1u << 19};
  if (!opened_with(&o, LLAMA, NULL, NULL)) return;
  CHECK(lq_model_plan(o.bytes, o.n, o.n - 1, NULL, &p, &e) == LQ_E_FORMAT); /* shorter than its directory says */
  CHECK(lq_model_plan(o.bytes, o.n, o.n, &long_context, &p, &e) == LQ_E_CONTEXT);
  opened_close(&o);
}
