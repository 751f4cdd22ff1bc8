// SPDX-License-Identifier: Apache-2.0
// StreamClock is how far a stream of a modelled device has come, by the device's clock, while its
// thread carries out one piece of work: of a graph, one node after the other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/clock.h"
#include "soft-gpu/device/engines.h"

namespace farlane::soft {

// Thread: the one that makes it, which finds it by Current.
class StreamClock {
 public:
  // The work may begin at `ready_ns`.
  StreamClock(Engines* engines, uint64_t ready_ns)
      : engines_(engines), ns_(ready_ns), former_(current_) {
    current_ = this;
  }

  ~StreamClock() { current_ = former_; }

  StreamClock(const StreamClock&) = delete;
  StreamClock& operator=(const StreamClock&) = delete;

  // Null: time is not modelled, or this is no stream's thread.
  static StreamClock* Current() { return current_; }

  // Runs something which is a load for an engine.
  CUresult Spend(const EngineLoad& load, const std::function<CUresult()>& run) {
    const uint64_t end_ns = engines_->Begin(load, ns_);
    const CUresult result = run();
    engines_->End(load, end_ns);
    ns_ = end_ns;
    return result;
  }

  // The stream has waited for something that was so far.
  void Join(uint64_t ns) { ns_ = std::max(ns_, ns); }

  uint64_t ns() const { return ns_; }

 private:
  static thread_local constinit inline StreamClock* current_ = nullptr;

  Engines* engines_;
  uint64_t ns_;
  StreamClock* former_;
};

// The stream that the calling thread serves has been held up by something that is not the device's.
inline void JoinTheWall() {
  if (StreamClock* const clock = StreamClock::Current()) {
    clock->Join(NowNs());
  }
}

}  // namespace farlane::soft
