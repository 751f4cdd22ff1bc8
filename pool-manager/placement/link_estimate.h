// SPDX-License-Identifier: Apache-2.0
// A LinkEstimate is what is known of the way from a client to a server: round trip, bandwidth, how
// it is known, how old that is and how far it may be off.
#pragma once

#include <cstdint>
#include <span>

namespace farlane::pool {

// The better the later.
enum class Evidence : uint8_t {
  kNone,
  kLabels,       // from names of regions, zones and racks
  kCoordinates,  // from coordinates that others' measurements have given
  kProbe,        // the client has asked for it, a few round trips
  kPassive,      // sessions of this client have shown it
};

const char* EvidenceName(Evidence evidence);

struct LinkEstimate {
  double rtt_s = 0;        // what a call that waits costs, see EffectiveRtt
  double bytes_per_s = 0;  // of the path; 0: unknown, so nothing is lost to it
  double age_s = 0;        // since it was seen
  double error = 0;        // relative, one standard deviation, when it was seen
  Evidence evidence = Evidence::kNone;
};

struct RttSample {
  double p50_s = 0;
  double p90_s = 0;
  double loss = 0;  // of packets, 0 … 1
};

// What a waiting call costs in the long run: the median, half of what bad moments add, and the
// retransmission timeouts of what is lost.
double EffectiveRtt(const RttSample& sample);

// How far an estimate may be off by now: errors double every ten minutes for what was measured.
double ErrorNow(const LinkEstimate& estimate);

// Of several estimates of one way, the one that is least off by now; the better evidence wins where
// that is equal. One of kNone if there is none.
LinkEstimate PickEvidence(std::span<const LinkEstimate> estimates);

}  // namespace farlane::pool
