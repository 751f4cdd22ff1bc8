// SPDX-License-Identifier: Apache-2.0
// Scheduling policies that break the rules, one for each WRONG_… that this is built with.
#include <farlane_policy.h>
#include <pthread.h>
#include <time.h>

#define MS 1000000

// The first that may run, which is right.
static void right(const struct farlane_policy_view* view,
                  struct farlane_policy_decision* decision) {
  decision->verdict = FARLANE_POLICY_GIVE;
  decision->credit_ns = 2 * MS;
  for (uint32_t i = 0; i < view->sessions_count; ++i) {
    if ((farlane_policy_session_at(view, i)->flags & FARLANE_POLICY_MAY_RUN) != 0) {
      decision->session = i;
      return;
    }
  }
}

static void decide(const struct farlane_policy_view* view,
                   struct farlane_policy_decision* decision) {
  right(view, decision);
#if defined(WRONG_PLACE)
  decision->session = view->sessions_count;
#elif defined(WRONG_IDLE)
  for (uint32_t i = 0; i < view->sessions_count; ++i) {
    if ((farlane_policy_session_at(view, i)->flags & FARLANE_POLICY_MAY_RUN) == 0) {
      decision->session = i;
    }
  }
#elif defined(WRONG_NO_CREDIT)
  decision->credit_ns = 0;
#elif defined(WRONG_MUCH_CREDIT)
  decision->credit_ns = FARLANE_POLICY_UNBOUNDED;
#elif defined(WRONG_KEEPS)
  if (view->holder != FARLANE_POLICY_NONE) {
    decision->verdict = FARLANE_POLICY_KEEP;
  }
#elif defined(WRONG_SILENT)
  decision->verdict = 0;
#elif defined(WRONG_SLOW)
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t began_ns = (int64_t)now.tv_sec * 1000 * MS + now.tv_nsec;
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((int64_t)now.tv_sec * 1000 * MS + now.tv_nsec - began_ns < 20 * MS);
#elif defined(WRONG_SLEEPY)
  const struct timespec pause = {.tv_sec = 0, .tv_nsec = 2 * MS};
  nanosleep(&pause, 0);
#elif defined(WRONG_FICKLE)
  static uint64_t calls;
  decision->credit_ns += calls++;
#elif defined(WRONG_WRITES)
  ((struct farlane_policy_session*)view->sessions)->weight = 0;
#endif
}

#if defined(WRONG_THREAD)
static void* wait_for_ever(void* nothing) {
  const struct timespec pause = {.tv_sec = 3600, .tv_nsec = 0};
  nanosleep(&pause, 0);
  return nothing;
}

__attribute__((constructor)) static void start(void) {
  pthread_t thread;
  pthread_create(&thread, 0, wait_for_ever, 0);
}
#endif

#if defined(WRONG_SYMBOL)
#define farlane_policy_v1 farlane_policy_v0
#endif

FARLANE_POLICY_EXPORT const struct farlane_policy farlane_policy_v1 = {
#if defined(WRONG_TABLE)
    .policy_bytes = 8,
#else
    .policy_bytes = sizeof(struct farlane_policy),
#endif
#if defined(WRONG_VERSION)
    .needs_minor = FARLANE_POLICY_MINOR + 1,
#endif
#if !defined(WRONG_NAMELESS)
    .name = "wrong",
#endif
    .description = "A policy that breaks a rule.",
    .decide = decide,
};
