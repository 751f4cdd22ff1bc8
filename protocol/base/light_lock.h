// SPDX-License-Identifier: Apache-2.0
// LightLock is a lock for what takes some dozen instructions and is taken for every command: one
// atomic instruction takes it and one gives it back, where a mutex of the C library, which can do
// more, takes sixty. Who finds it taken sleeps in the kernel.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace farlane {

// Sleeps while the word has the value, or not at all; whoever changes the word wakes who sleeps.
inline void SleepWhile(const std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

inline void WakeOne(const std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

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
