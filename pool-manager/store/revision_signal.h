// SPDX-License-Identifier: Apache-2.0
// RevisionSignal tells those who watch a store of this process that there is something new. It
// carries the revision only; what happened is read from the store.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace farlane::pool {

// A mutex of its own, not Guarded: threads wait for the condition.
// Thread: any.
class RevisionSignal {
 public:
  void Publish(int64_t revision) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      revision_ = revision;
    }
    changed_.notify_all();
  }

  int64_t revision() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return revision_;
  }

  // Waits until a revision was published, or its time is over, or `cancelled`; what is published
  // then.
  int64_t Await(int64_t wanted, uint64_t timeout_ms, const std::atomic<bool>& cancelled) {
    // Longer than a process lives, and short enough for the clock.
    constexpr uint64_t kLongestMs = 1'000'000'000;
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(std::min(timeout_ms, kLongestMs));
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_until(lock, end, [&] { return revision_ >= wanted || cancelled.load(); });
    return revision_;
  }

  void Cancel(std::atomic<bool>& cancelled) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      cancelled = true;
    }
    changed_.notify_all();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int64_t revision_ = 0;
};

}  // namespace farlane::pool
