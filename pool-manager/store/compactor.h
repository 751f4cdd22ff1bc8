// SPDX-License-Identifier: Apache-2.0
// Compactor has a store forget what nobody needs any more: a store that keeps every change for ever
// becomes full. Watches that come back find what has changed since the turn before the last.
#pragma once

#include <cstdint>
#include <string>

#include "pool-manager/store/state_store.h"

namespace farlane::pool {

// Borrows the store.
// Thread: one at a time.
class Compactor {
 public:
  // What was changed in so long is always there.
  static constexpr uint64_t kTurnNs = 300'000'000'000;

  explicit Compactor(StateStore& store, uint64_t turn_ns = kTurnNs)
      : store_(store), turn_ns_(turn_ns) {}

  // Now and then, by whoever leads.
  void Look(uint64_t now_ns);

  // Another leads: what it has noted is not worth anything.
  void Forget() { noted_ = 0; }

  // What was forgotten last; 0: nothing yet.
  int64_t compacted() const { return compacted_; }

 private:
  StateStore& store_;
  const uint64_t turn_ns_;
  uint64_t looked_ns_ = 0;
  int64_t noted_ = 0;  // the revision at the last turn; 0: none
  int64_t compacted_ = 0;
};

}  // namespace farlane::pool
