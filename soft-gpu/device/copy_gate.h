// SPDX-License-Identifier: Apache-2.0
// CopyGate keeps pages from vanishing under a copy: a copy is inside the gate while it touches
// memory, and whoever takes pages away closes the gate, which waits for those inside. Stay inside
// for one piece of a copy at most, and never wait for anything there.
#pragma once

#include <atomic>
#include <cstdint>

#include "protocol/base/wait_word.h"

namespace farlane::soft {

// Thread: any. A closer waits for those inside, newcomers wait for the closer: neither starves.
class CopyGate {
 public:
  void Enter() {
    for (;;) {
      uint32_t state = state_.load();
      if ((state & kClosed) != 0) {
        state_.Wait(state);
      } else if (state_.word().compare_exchange_weak(state, state + 1, std::memory_order_acquire)) {
        return;
      }
    }
  }

  void Leave() {
    if (state_.word().fetch_sub(1) == (kClosed | 1)) {
      state_.TellAll();
    }
  }

  void Close() {
    for (;;) {
      uint32_t state = state_.load();
      if ((state & kClosed) != 0) {
        state_.Wait(state);
      } else if (state_.word().compare_exchange_weak(state, state | kClosed,
                                                     std::memory_order_acquire)) {
        break;
      }
    }
    for (uint32_t state = state_.load(); state != kClosed; state = state_.load()) {
      state_.Wait(state);
    }
  }

  void Open() {
    state_.word().store(0);
    state_.TellAll();
  }

 private:
  static constexpr uint32_t kClosed = 1u << 31;

  WaitWord state_;  // kClosed, and how many are inside
};

// Thread: caller's.
class InsideGate {
 public:
  explicit InsideGate(CopyGate* gate) : gate_(gate) { gate_->Enter(); }

  ~InsideGate() { gate_->Leave(); }

  InsideGate(const InsideGate&) = delete;
  InsideGate& operator=(const InsideGate&) = delete;

 private:
  CopyGate* gate_;
};

// Thread: caller's.
class ClosedGate {
 public:
  explicit ClosedGate(CopyGate* gate) : gate_(gate) { gate_->Close(); }

  ~ClosedGate() { gate_->Open(); }

  ClosedGate(const ClosedGate&) = delete;
  ClosedGate& operator=(const ClosedGate&) = delete;

 private:
  CopyGate* gate_;
};

}  // namespace farlane::soft
