// SPDX-License-Identifier: Apache-2.0
// The policy says whose turn it is on a GPU. It is a function of what it is shown and of nothing
// else: no clock, no state, no threads; the same view gives the same decision.
//
// Time in it is time of the GPU as it was measured. A session's virtual time is what it has used,
// divided by its weight: whoever has the least has had the least of what is its due.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "protocol/base/slice.h"

namespace farlane::server {

// One session on one GPU.
struct SessionView {
  Priority priority = Priority::kStandard;
  uint64_t weight = kWholeShare;
  int64_t virtual_ns = 0;
  bool wants = false;           // it has work that waits or is under way
  bool woken = false;           // ... and had none when the turn began
  int64_t left_ns = INT64_MAX;  // of what its cap allows now; nothing: it may not run
  uint64_t session = 0;         // its number
  uint64_t used_ns = 0;         // in all
  uint64_t waits_ns = 0;        // of the clock: since it began to want, or its last turn began
};

struct GpuView {
  std::span<const SessionView> sessions;
  std::optional<size_t> holder;  // whose turn it is
  bool turn_is_over = false;     // it has used what it was given, or does nothing with it
  int64_t owed_ns = 0;           // what the best-effort sessions lack of their floor
  size_t device = 0;
};

struct TurnDecision {
  enum class Kind : uint8_t {
    kKeep,    // all stays as it is
    kGive,    // `session` has the next turn, even if it has this one
    kNobody,  // nobody may have one
  };

  Kind kind = Kind::kKeep;
  size_t session = 0;
  uint64_t credit_ns = 0;  // how much it may use if somebody else waits; UINT64_MAX: as it likes
  bool others = false;     // somebody else waits
};

// A turn is so long if others wait: less is lost to the changes, more is lost to waiting.
inline constexpr uint64_t kTurnNsMin = 2'000'000;
inline constexpr uint64_t kTurnNsMax = 10'000'000;
// ... and one that is there for the floor only.
inline constexpr int64_t kFloorTurnNs = 1'000'000;
// So much must a cap allow before a turn is worth it.
inline constexpr int64_t kCapTurnNs = 1'000'000;

// Whether this one may have the next turn, or go on with its own: it wants, and its cap allows it.
bool MayHaveTurn(const GpuView& view, size_t session);

// The built-in policy. Others can be loaded (policy_seat.h).
TurnDecision Decide(const GpuView& view);

}  // namespace farlane::server
