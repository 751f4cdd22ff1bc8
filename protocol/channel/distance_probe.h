// SPDX-License-Identifier: Apache-2.0
// A distance probe measures the way to a GPU server before anything is asked of it: how long a
// word and its answer take, and how much the way carries. It goes by the server's own first words
// (Purpose::kPing) and not by the system's handshake, which a proxy in between would answer.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/transport/address.h"

namespace farlane::channel {

struct ProbePlan {
  uint32_t pings = 5;
  uint64_t burst_bytes = 0;  // to see how much the way carries; 0: nobody wants to know
  // Pings end then; at least one is tried. The burst has as long again.
  uint64_t within_ns = 300'000'000;
};

struct Distance {
  double rtt_s = 0;        // the median
  double rtt_p90_s = 0;    // one in ten is longer
  double bytes_per_s = 0;  // 0: not measured
  // All of the burst came as fast as no burst: the way carries that much, or any amount more.
  bool carries_more = false;
  uint32_t pings = 0;  // that were answered
};

// By TCP only: what is on this machine is near.
Result<Distance> ProbeDistance(const transport::Address& server, const ProbePlan& plan);

// Several at a time, each in a thread of its own; in the order of the addresses.
std::vector<Result<Distance>> ProbeDistances(const std::vector<transport::Address>& servers,
                                             const ProbePlan& plan);

}  // namespace farlane::channel
