// SPDX-License-Identifier: Apache-2.0
// LightLock is a lock for what takes some dozen instructions and is taken for every command: one
// atomic instruction takes it and one gives it back, where a mutex of the C library, which can do
// more, takes sixty. Who finds it taken sleeps in the kernel.
#pragma once

#include <atomic>
#include <cstdint>

#include "protocol/base/futex.h"

namespace farlane {

// For std::lock_guard and std::unique_lock. Thread: any.
class LightLock {
 public:
  LightLock() = default;
  LightLock(const LightLock&) = delete;
  LightLock& operator=(const LightLock&) = delete;

  void lock() {
    if (!try_lock()) [[unlikely]] {
      Wait();
    }
  }

  bool try_lock() {
    uint32_t free = kFree;
    return word_.compare_exchange_strong(free, kTaken, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  void unlock() {
    if (word_.exchange(kFree, std::memory_order_release) == kAwaited) [[unlikely]] {
      WakeOne(word_);
    }
  }

 private:
  static constexpr uint32_t kFree = 0;
  static constexpr uint32_t kTaken = 1;
  static constexpr uint32_t kAwaited = 2;  // taken, and somebody may sleep

  // Whoever has slept takes it as awaited, since others may sleep still.
  [[gnu::cold, gnu::noinline]] void Wait() {
    while (word_.exchange(kAwaited, std::memory_order_acquire) != kFree) {
      SleepWhile(word_, kAwaited);
    }
  }

  std::atomic<uint32_t> word_{kFree};
};

}  // namespace farlane
