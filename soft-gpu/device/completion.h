// SPDX-License-Identifier: Apache-2.0
// Completion says whether one piece of work is over, and when that was. It only ever goes from open
// to done. Work waits only for completions that existed before it, so nothing waits in a circle.
// Work that only marks a place in the order is over with the last of what it comes after: nobody
// has to wait until its stream's thread has noticed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/wait_word.h"

namespace farlane::soft {

// Shared by the stream that finishes it and by events, streams and threads that wait for it.
// Thread: any.
class Completion {
 public:
  using Shared = std::shared_ptr<Completion>;

  Completion() = default;

  // Of a mark: over once all of these are, which are no marks themselves.
  explicit Completion(std::vector<Shared> after) : after_(std::move(after)), time_ns_(NowNs()) {}

  bool done() const { return done_.load() != 0 || (!after_.empty() && AllDone()); }

  void Wait() const {
    while (!done()) {
      done_.Wait(0);
    }
  }

  // When it was done; meaningless before.
  uint64_t time_ns() const {
    uint64_t last = time_ns_;
    for (const Shared& before : after_) {
      last = std::max(last, before->time_ns());
    }
    return last;
  }

  void Finish() { Finish(NowNs()); }

  // By the clock of a device that is modelled.
  void Finish(uint64_t time_ns) {
    if (after_.empty()) {
      time_ns_ = time_ns;  // nobody reads it before; a mark's is that of what it comes after
    }
    done_.word().store(1);
    done_.TellAll();
  }

  // What a mark comes after; empty for other work.
  const std::vector<Shared>& after() const { return after_; }

 private:
  bool AllDone() const {
    return std::all_of(after_.begin(), after_.end(),
                       [](const Shared& before) { return before->done(); });
  }

  const std::vector<Shared> after_;
  WaitWord done_;
  uint64_t time_ns_ = 0;
};

using SharedCompletion = Completion::Shared;
using Completions = std::vector<SharedCompletion>;

}  // namespace farlane::soft
