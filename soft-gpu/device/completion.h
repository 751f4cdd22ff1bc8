// SPDX-License-Identifier: Apache-2.0
// Completion says whether one piece of work is over, and when that was. It only ever goes from open
// to done. Work waits only for completions that existed before it, so nothing waits in a circle.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/base/clock.h"

namespace farlane::soft {

// Shared by the stream that finishes it and by events, streams and threads that wait for it.
// Thread: any.
class Completion {
 public:
  bool done() const { return done_.load(std::memory_order_acquire) != 0; }

  void Wait() const {
    while (!done()) {
      done_.wait(0, std::memory_order_acquire);
    }
  }

  // When it was done; meaningless before.
  uint64_t time_ns() const { return time_ns_; }

  void Finish() {
    time_ns_ = NowNs();
    done_.store(1, std::memory_order_release);
    done_.notify_all();
  }

 private:
  std::atomic<int> done_{0};
  uint64_t time_ns_ = 0;
};

using SharedCompletion = std::shared_ptr<Completion>;
using Completions = std::vector<SharedCompletion>;

}  // namespace farlane::soft
