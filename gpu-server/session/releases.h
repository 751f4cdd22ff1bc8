// SPDX-License-Identifier: Apache-2.0
// Releases are what the client has let go of, and the driver not yet: modules that waiters unload.
// Their memory is the client's to have again, so whoever is refused some meanwhile asks once more.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: any, guarded.
class Releases {
 public:
  void Begin() {
    state_.With([](State& state) { ++state.under_way; });
  }

  // The ledger knows that the memory is back.
  void End() {
    std::vector<std::function<void()>> waiting;
    state_.With([&waiting](State& state) {
      if (--state.under_way == 0) {
        waiting.swap(state.waiting);
      }
    });
    for (const auto& act : waiting) {
      act();
    }
  }

  bool any() const {
    return state_.With([](const State& state) { return state.under_way != 0; });
  }

  // Acts when none is under way, which may be now.
  void Await(std::function<void()> act) {
    const bool waits = state_.With([&act](State& state) {
      if (state.under_way != 0) {
        state.waiting.push_back(std::move(act));
        return true;
      }
      return false;
    });
    if (!waits) {
      act();
    }
  }

 private:
  struct State {
    size_t under_way = 0;
    std::vector<std::function<void()>> waiting;
  };

  Guarded<State> state_;
};

}  // namespace farlane::server
