// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/link_book.h"

#include <algorithm>
#include <cmath>

namespace farlane::pool {
namespace {

constexpr double kHalfLifeS = 600;
constexpr double kToldForS = 3600;
constexpr double kWeightMost = 50;       // a way that has changed is believed after some samples
constexpr double kFirstVariance = 0.09;  // one sample may be 30 % off
constexpr double kPriorSamples = 2;      // … and two that agree by chance prove little

double Faded(double weight, double age_s) {
  return weight * std::exp2(-std::max(0.0, age_s) / kHalfLifeS);
}

}  // namespace

void LinkBook::Note(const std::string& way, const Seen& seen, double now_s) {
  if (!std::isfinite(seen.rtt_s) || seen.rtt_s <= 0) {
    return;
  }
  Way& known = ways_[way];
  const double before = Faded(known.weight, now_s - known.seen_s);
  const double weight = std::min(before + 1, kWeightMost);
  if (known.evidence == Evidence::kNone) {
    known.rtt_s = seen.rtt_s;
  }
  const double off = (seen.rtt_s - known.rtt_s) / known.rtt_s;
  known.rtt_s = std::max(known.rtt_s * (1 + off / weight), 1e-9);
  known.variance += (off * off - known.variance) / weight;
  if (std::isfinite(seen.bytes_per_s) && seen.bytes_per_s > 0) {
    known.bytes_per_s = known.bytes_per_s > 0
                            ? known.bytes_per_s + (seen.bytes_per_s - known.bytes_per_s) / weight
                            : seen.bytes_per_s;
  }
  known.weight = weight;
  known.seen_s = now_s;
  known.evidence = seen.evidence;
}

LinkEstimate LinkBook::Find(const std::string& way, double now_s) const {
  const auto found = ways_.find(way);
  if (found == ways_.end() || now_s - found->second.seen_s > kToldForS) {
    return {};
  }
  const Way& known = found->second;
  const double variance = (known.variance * known.weight + kFirstVariance * kPriorSamples) /
                          (known.weight + kPriorSamples);
  return {.rtt_s = known.rtt_s,
          .bytes_per_s = known.bytes_per_s,
          .age_s = std::max(0.0, now_s - known.seen_s),
          .error = std::sqrt(variance / std::max(known.weight, 1.0)),
          .evidence = known.evidence};
}

void LinkBook::Forget(double now_s) {
  std::erase_if(ways_, [&](const auto& one) { return now_s - one.second.seen_s > kToldForS; });
}

}  // namespace farlane::pool
