// SPDX-License-Identifier: Apache-2.0
// The interface of a scheduling policy: a shared library that says whose turn it is on a GPU.
// farlane-gpud --policy NAME|PATH loads one. It is plain C, and needs nothing but this header;
// docs/policy-plugins.md leads through writing, building and testing one.
//
// A policy is a function of what it is shown and of nothing else. decide() gets a view of one GPU
// and fills in a decision; it keeps no state between calls, reads no clock, does no input or
// output, starts no thread, and does not touch the view. The same view gives the same decision.
// What it needs to know of time is in the view, as durations. The daemon calls it from its one
// thread, whenever something changes on a GPU: some hundred to some thousand times a second.
//
// What a wrong answer is stands at farlane_policy_decision. The daemon believes no answer before
// it has checked it. The first wrong one, and the third one that takes longer than
// FARLANE_POLICY_DECIDE_NS_MAX, ends the plug-in's service: the daemon says so once in its log,
// drops that answer, and the built-in policy decides until the daemon is started anew. A plug-in is
// code of the daemon's, with all its rights: one that crashes takes the daemon with it.
//
// Units: times are nanoseconds of the GPU as measured, unless said otherwise. Shares and weights
// are millionths of one GPU.
#ifndef FARLANE_POLICY_H
#define FARLANE_POLICY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The major version is in the name of the symbol that a plug-in exports: a later major version
// looks for another one. Within a major version structures only grow at their ends.
#define FARLANE_POLICY_VERSION 1
#define FARLANE_POLICY_MINOR 0

// How long a decision may take: two that take longer are forgiven in all.
#define FARLANE_POLICY_DECIDE_NS_MAX 1000000u

// What a session's flags say.
#define FARLANE_POLICY_WANTS 1u    // it has work that waits or is under way
#define FARLANE_POLICY_WOKEN 2u    // ... and had none when the turn began
#define FARLANE_POLICY_MAY_RUN 4u  // it wants, and its cap lets it: only such a one can have a turn

enum farlane_policy_class {
  FARLANE_POLICY_BEST_EFFORT = 1,
  FARLANE_POLICY_STANDARD = 2,
  FARLANE_POLICY_GUARANTEED = 3,
};

// One session on one GPU.
struct farlane_policy_session {
  uint64_t session;    // its number, the same as long as it is there
  uint32_t priority;   // enum farlane_policy_class
  uint32_t flags;      // FARLANE_POLICY_WANTS, _WOKEN, _MAY_RUN
  uint64_t weight;     // its share; what is left, divided equally, where it asked for none. Never 0
  int64_t virtual_ns;  // what it has used, divided by its weight; who was idle goes on with others
  int64_t left_ns;     // of what its cap allows now; INT64_MAX: it has no cap
  uint64_t used_ns;    // in all
  uint64_t waits_ns;   // of the clock: since it began to want, or since its last turn began
};

// No session.
#define FARLANE_POLICY_NONE UINT32_MAX

// One GPU, with the sessions that are on it. A session that is light (docs/sharing.md) works
// without turns: it does not want any here. A view in which nobody may run is shown to no policy.
struct farlane_policy_view {
  uint32_t view_bytes;     // of this structure, as the daemon knows it
  uint32_t session_bytes;  // of each session: use farlane_policy_session_at()
  uint32_t device;         // which GPU
  uint32_t sessions_count;
  const struct farlane_policy_session* sessions;
  uint32_t holder;        // whose turn it is, or FARLANE_POLICY_NONE
  uint32_t turn_is_over;  // not 0: it has used what it was given, or does nothing with it
  int64_t owed_ns;        // what the best-effort sessions lack of a twentieth of what others use
};

enum farlane_policy_verdict {
  FARLANE_POLICY_KEEP = 1,  // the turn goes on
  FARLANE_POLICY_GIVE = 2,  // `session` has the next turn, even if it has this one
};

// The least and the most that a turn may be given while others may run.
#define FARLANE_POLICY_CREDIT_NS_MIN 100000u
#define FARLANE_POLICY_CREDIT_NS_MAX 1000000000u
// The session may go on as long as nobody else may run.
#define FARLANE_POLICY_UNBOUNDED UINT64_MAX

// What decide() fills in; it is all zero before. A decision is wrong if
// - verdict is none of these;
// - it gives a turn to a session that is not there, or that may not run;
// - it keeps a turn that nobody has, that is over, or whose holder may not run;
// - the credit is less than FARLANE_POLICY_CREDIT_NS_MIN, and less than what the session's cap
//   allows;
// - the credit is more than FARLANE_POLICY_CREDIT_NS_MAX while somebody else may run.
// A credit beyond what the session's cap allows is shortened by the daemon.
struct farlane_policy_decision {
  uint32_t verdict;    // enum farlane_policy_verdict
  uint32_t session;    // of GIVE: its place in the view
  uint64_t credit_ns;  // how much of the GPU it may use before its turn is over
};

// What a plug-in exports, under the name farlane_policy_v1:
//
//   FARLANE_POLICY_EXPORT const struct farlane_policy farlane_policy_v1 = {...};
struct farlane_policy {
  uint32_t policy_bytes;  // sizeof(struct farlane_policy)
  // The least FARLANE_POLICY_MINOR of the daemon that the plug-in can work with: that in which the
  // last of the fields that it uses came. An older daemon refuses it.
  uint32_t needs_minor;
  const char* name;         // a short one, for the log
  const char* description;  // a sentence
  void (*decide)(const struct farlane_policy_view* view, struct farlane_policy_decision* decision);
};

#define FARLANE_POLICY_SYMBOL "farlane_policy_v1"

#ifdef __cplusplus
#define FARLANE_POLICY_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define FARLANE_POLICY_EXPORT __attribute__((visibility("default")))
#endif

// The session at a place of the view, however large the daemon's are.
static inline const struct farlane_policy_session* farlane_policy_session_at(
    const struct farlane_policy_view* view, uint32_t place) {
  return (const struct farlane_policy_session*)(const void*)((const char*)view->sessions +
                                                             (uint64_t)place * view->session_bytes);
}

#ifdef __cplusplus
}
#endif

#endif
