// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/link_estimate.h"

#include <algorithm>
#include <cmath>

namespace farlane::pool {
namespace {

constexpr double kRetransmitS = 0.2;    // the least that Linux waits before it sends again
constexpr double kErrorDoublesS = 600;  // as long as a measurement's half-life
constexpr double kErrorLeast = 0.02;    // nothing is known exactly

bool Ages(Evidence evidence) {
  return evidence == Evidence::kProbe || evidence == Evidence::kPassive;
}

}  // namespace

const char* EvidenceName(Evidence evidence) {
  switch (evidence) {
    case Evidence::kNone:
      return "none";
    case Evidence::kLabels:
      return "labels";
    case Evidence::kCoordinates:
      return "coordinates";
    case Evidence::kProbe:
      return "probe";
    case Evidence::kPassive:
      return "passive";
  }
  return "none";
}

double EffectiveRtt(const RttSample& sample) {
  const double tail_s = std::max(0.0, sample.p90_s - sample.p50_s);
  return sample.p50_s + tail_s / 2 + std::clamp(sample.loss, 0.0, 1.0) * kRetransmitS;
}

double ErrorNow(const LinkEstimate& estimate) {
  const double error = std::max(estimate.error, kErrorLeast);
  return Ages(estimate.evidence) ? error * std::exp2(std::max(0.0, estimate.age_s) / kErrorDoublesS)
                                 : error;
}

LinkEstimate PickEvidence(std::span<const LinkEstimate> estimates) {
  LinkEstimate best;
  for (const LinkEstimate& one : estimates) {
    if (one.evidence == Evidence::kNone) {
      continue;
    }
    const double error = ErrorNow(one), least = ErrorNow(best);
    if (best.evidence == Evidence::kNone || error < least ||
        (error == least && one.evidence > best.evidence)) {
      best = one;
    }
  }
  return best;
}

}  // namespace farlane::pool
