// SPDX-License-Identifier: Apache-2.0
// "strict": a higher class goes first, however much it has had.
//
// With the built-in policy a guaranteed session goes before others as long as it has not had more
// than its share; a longer burst of work waits like everybody else's. Here it does not: whoever is
// of the highest class that has work has the GPU, and takes the turn from a lower one at once. So
// that no class stands still for good, standard sessions have a turn every 50 ms and best-effort
// ones every 500 ms, though higher classes want all. Within a class shares hold as they do with the
// built-in policy: whoever has had least of its share is next.
//
// For servers where answers must come at once (guaranteed) and whatever else there is may wait.
#include <farlane_policy.h>

#define MS 1000000

// A class has a turn at least so often.
#define STANDARD_EVERY_NS (50 * MS)
#define BEST_EFFORT_EVERY_NS (500 * MS)
// A change of turns costs about 0.1 ms; a longer turn makes others wait.
#define TURN_NS (2 * MS)
#define TURN_ALONE_IN_CLASS_NS (10 * MS)

#define CLASSES 4

// Those of one class that may run.
struct group {
  uint32_t count;
  uint32_t next;             // who has had least of its share
  uint64_t longest_wait_ns;  // of the one that waits longest
};

static int may_run(const struct farlane_policy_session* one) {
  return (one->flags & FARLANE_POLICY_MAY_RUN) != 0;
}

// A class that the header does not know yet is a standard one.
static uint32_t class_of(const struct farlane_policy_session* one) {
  return one->priority >= FARLANE_POLICY_BEST_EFFORT && one->priority <= FARLANE_POLICY_GUARANTEED
             ? one->priority
             : (uint32_t)FARLANE_POLICY_STANDARD;
}

static void sort(const struct farlane_policy_view* view, struct group* groups) {
  for (uint32_t i = 0; i < view->sessions_count; ++i) {
    const struct farlane_policy_session* one = farlane_policy_session_at(view, i);
    if (!may_run(one)) {
      continue;
    }
    struct group* group = &groups[class_of(one)];
    if (group->count == 0 ||
        one->virtual_ns < farlane_policy_session_at(view, group->next)->virtual_ns) {
      group->next = i;
    }
    if (one->waits_ns > group->longest_wait_ns) {
      group->longest_wait_ns = one->waits_ns;
    }
    ++group->count;
  }
}

// Sessions of a class have its turns one after the other, so each waits as often as there are more.
static int is_overdue(const struct group* group, uint64_t every_ns) {
  return group->count != 0 && group->longest_wait_ns / group->count >= every_ns;
}

static uint32_t choose_class(const struct group* groups) {
  if (is_overdue(&groups[FARLANE_POLICY_BEST_EFFORT], BEST_EFFORT_EVERY_NS)) {
    return FARLANE_POLICY_BEST_EFFORT;
  }
  if (is_overdue(&groups[FARLANE_POLICY_STANDARD], STANDARD_EVERY_NS)) {
    return FARLANE_POLICY_STANDARD;
  }
  for (uint32_t highest = FARLANE_POLICY_GUARANTEED; highest > FARLANE_POLICY_BEST_EFFORT;
       --highest) {
    if (groups[highest].count != 0) {
      return highest;
    }
  }
  return FARLANE_POLICY_BEST_EFFORT;
}

// The turn goes on, but for somebody of a higher class.
static int keeps(const struct farlane_policy_view* view, const struct group* groups) {
  if (view->holder == FARLANE_POLICY_NONE || view->turn_is_over) {
    return 0;
  }
  const struct farlane_policy_session* holder = farlane_policy_session_at(view, view->holder);
  if (!may_run(holder)) {
    return 0;
  }
  for (uint32_t higher = class_of(holder) + 1; higher < CLASSES; ++higher) {
    const struct group* group = &groups[higher];
    // Who was there when the turn began has let it begin.
    if (group->count != 0 &&
        (farlane_policy_session_at(view, group->next)->flags & FARLANE_POLICY_WOKEN) != 0) {
      return 0;
    }
  }
  return 1;
}

static void decide(const struct farlane_policy_view* view,
                   struct farlane_policy_decision* decision) {
  struct group groups[CLASSES] = {{0, 0, 0}};
  sort(view, groups);
  uint32_t chosen = choose_class(groups);
  decision->verdict = FARLANE_POLICY_GIVE;
  decision->session = groups[chosen].next;
  if (keeps(view, groups)) {
    decision->verdict = FARLANE_POLICY_KEEP;
    chosen = class_of(farlane_policy_session_at(view, view->holder));
  }
  uint32_t all = 0;
  uint32_t higher = 0;
  for (uint32_t class = 0; class < CLASSES; ++class) {
    all += groups[class].count;
    higher += class > chosen ? groups[class].count : 0;
  }
  const int alone_in_class = groups[chosen].count == 1 && higher == 0;
  decision->credit_ns = all == 1         ? FARLANE_POLICY_UNBOUNDED
                        : alone_in_class ? TURN_ALONE_IN_CLASS_NS
                                         : TURN_NS;
}

FARLANE_POLICY_EXPORT const struct farlane_policy farlane_policy_v1 = {
    .policy_bytes = sizeof(struct farlane_policy),
    .needs_minor = 0,
    .name = "strict",
    .description = "A higher class goes first, however much it has had; shares hold within it.",
    .decide = decide,
};
