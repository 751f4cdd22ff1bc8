// SPDX-License-Identifier: Apache-2.0
// ShareTuner moves the shares of sessions that have asked for a range ("0.2..0.8") between its
// ends: up where a session uses what it has and waits for more, down where it leaves some unused,
// and at once out of the way of what others are promised. What it gives is never promised to
// anybody else, so nobody's promise is broken.
//
// All times are given: the same calls give the same answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "protocol/base/slice.h"

namespace farlane::server {

// Thread: one at a time (the daemon's main thread).
class ShareTuner {
 public:
  using Session = uint64_t;

  // Use is judged so often.
  static constexpr uint64_t kPeriodNs = 1'000'000'000;
  // So many periods in a row must say the same before a share moves: up sooner than down.
  static constexpr uint32_t kBusyPeriods = 2;
  static constexpr uint32_t kIdlePeriods = 4;
  // In percent of its share: who uses more and waits is short of it, who uses less has too much.
  static constexpr uint64_t kShortPercent = 85;
  static constexpr uint64_t kSparePercent = 60;
  // Who waits for less than this part of the time does not wait.
  static constexpr uint64_t kWaitsPercent = 10;

  // What a session has had of one device since it came, in GPU time, and of the clock.
  struct Use {
    size_t device = 0;
    uint64_t used_ns = 0;
    uint64_t clock_ns = 0;
    uint64_t held_ns = 0;
  };

  // Shares are in millionths; `most` is 0 for a session whose share is what it is.
  struct View {
    Session session = 0;
    uint32_t least = 0;
    uint32_t most = 0;
    uint32_t now = 0;
    std::vector<Use> uses;  // of each of its devices
  };

  // All sessions that are promised a share. The shares of those that change.
  std::map<Session, uint32_t> Look(uint64_t now_ns, std::vector<View> views);

 private:
  struct Record {
    std::map<size_t, Use> before;
    uint32_t busy = 0;  // periods in a row
    uint32_t idle = 0;
  };

  // What a session did in a period, in millionths of the clock.
  struct Part {
    uint64_t used = 0;
    uint64_t held = 0;
    bool known = false;  // the device was shared at all
  };

  static Part PartOf(const View& view, Record* record);
  static uint32_t Judge(const View& view, const Part& part, uint32_t spare, Record* record);

  std::map<Session, Record> records_;
  uint64_t judged_ns_ = 0;
};

}  // namespace farlane::server
