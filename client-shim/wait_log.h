// SPDX-License-Identifier: Apache-2.0
// WaitLog says, with FARLANE_TRACE=waits, what the program waited for and how long: one line per
// message when it ends, the dearest first. Round trips are what a remote GPU costs; this names
// them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "protocol/base/clock.h"
#include "protocol/wire/messages.h"

namespace farlane::shim {

// Thread: any; every place counts by itself.
class WaitLog {
 public:
  explicit WaitLog(bool wanted) : wanted_(wanted) {}

  // The time from its making to its end belongs to the message. Thread: the caller's, on its stack.
  class Timing {
   public:
    Timing(WaitLog& log, wire::Op op) : log_(log), op_(op), from_ns_(log.wanted_ ? NowNs() : 0) {}

    ~Timing() {
      if (log_.wanted_) [[unlikely]] {
        log_.Add(op_, NowNs() - from_ns_);
      }
    }

    Timing(const Timing&) = delete;
    Timing& operator=(const Timing&) = delete;

   private:
    WaitLog& log_;
    const wire::Op op_;
    const uint64_t from_ns_;
  };

  void Print() const;

 private:
  // Numbers of messages are given out one after the other; those beyond share the last place.
  static constexpr size_t kPlaces = 512;

  struct Place {
    std::atomic<uint64_t> count{0};
    std::atomic<uint64_t> ns{0};
  };

  void Add(wire::Op op, uint64_t ns);

  const bool wanted_;
  std::array<Place, kPlaces> places_;
};

}  // namespace farlane::shim
