// SPDX-License-Identifier: Apache-2.0
// WaitWord is a number whose changes threads of this process wait for, also while the page that it
// lies on is exchanged (futex.h). Telling of a change costs no system call while nobody sleeps.
#pragma once

#include <atomic>
#include <cstdint>

#include <sched.h>

#include "protocol/base/futex.h"

namespace farlane {

// Thread: any. Whoever waits, and whoever tells, sees to it that the word lives until then.
class WaitWord {
 public:
  explicit WaitWord(uint32_t value = 0) : word_(value) {}

  // To read and change it; a change that is told of is made in sequentially consistent order.
  std::atomic<uint32_t>& word() { return word_; }

  uint32_t load() const { return word_.load(std::memory_order_acquire); }

  // Until it is no longer `value`.
  void Wait(uint32_t value) const {
    for (int i = 0; i < kLooks; ++i) {
      if (load() != value) {
        return;
      }
      if (i >= kQuickLooks) {
        sched_yield();
      }
    }
    // Whoever changes it looks for sleepers afterwards, so one of both sees the other.
    sleepers_.fetch_add(1);
    while (word_.load() == value) {
      SleepWhile(word_, value);
    }
    sleepers_.fetch_sub(1);
  }

  // After a change.
  void TellOne() const {
    if (sleepers_.load() != 0) {
      WakeOne(word_);
    }
  }

  void TellAll() const {
    if (sleepers_.load() != 0) {
      WakeAll(word_);
    }
  }

 private:
  static constexpr int kLooks = 16;  // before it sleeps
  static constexpr int kQuickLooks = 12;

  std::atomic<uint32_t> word_;
  mutable std::atomic<uint32_t> sleepers_{0};
};

}  // namespace farlane
