// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/near_room.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace farlane::pool {
namespace {

constexpr double kScarceFrom = 0.25;  // of the devices: fewer than that have room for a size
constexpr double kOwnPart = 0.3;      // of the price of one's own size, or a smaller one
constexpr double kOftenParts = 10;    // a size that one request in so many has counts in full
constexpr double kKept = 0.98;        // of a request's weight, at each that follows
constexpr size_t kLatelyMost = 16;
constexpr size_t kLatelyLeast = 3;  // one alone says nothing

}  // namespace

uint32_t NearRoom::StepOf(uint32_t share) {
  const uint64_t most = std::min<uint64_t>(share, kWholeShare);
  return std::max<uint32_t>(static_cast<uint32_t>((most * kSteps + kWholeShare - 1) / kWholeShare),
                            1);
}

void NearRoom::Count(uint32_t promised_share, uint32_t more) {
  for (uint32_t step = 0; step <= FreeSteps(promised_share); ++step) {
    fitting_[step] += more;
  }
  SetPrices();
}

void NearRoom::Change(uint32_t from_share, uint32_t to_share) {
  const uint32_t before = FreeSteps(from_share), after = FreeSteps(to_share);
  for (uint32_t step = before + 1; step <= after; ++step) {
    ++fitting_[step];
  }
  for (uint32_t step = after + 1; step <= before; ++step) {
    --fitting_[step];
  }
  if (before != after) {
    SetPrices();
  }
}

void NearRoom::NoteAsked(double loss, uint32_t share) {
  if (!std::isfinite(loss) || share == 0) {
    return;
  }
  for (Asked& one : asked_) {
    one.weight *= kKept;
  }
  weight_ = kKept * weight_ + 1;
  Asked& asked = asked_[StepOf(share)];
  asked.weight += 1;
  if (asked.lately.size() < kLatelyMost) {
    asked.lately.push_back(std::max(0.0, loss));
  } else {
    asked.lately[asked.next] = std::max(0.0, loss);
    asked.next = (asked.next + 1) % kLatelyMost;
  }
  if (asked.lately.size() >= kLatelyLeast) {
    const double sum = std::accumulate(asked.lately.begin(), asked.lately.end(), 0.0);
    const double largest = *std::max_element(asked.lately.begin(), asked.lately.end());
    asked.loss = (sum - largest) / static_cast<double>(asked.lately.size() - 1);
  }
  SetPrices();
}

void NearRoom::SetPrices() {
  const double wanted = kScarceFrom * fitting_[0];
  for (uint32_t step = 1; step <= kSteps; ++step) {
    const Asked& asked = asked_[step];
    const double part = weight_ > 0 ? std::min(1.0, kOftenParts * asked.weight / weight_) : 0;
    const double scarce = wanted > 0 ? std::max(0.0, 1 - fitting_[step] / wanted) : 0;
    prices_[step] = part * scarce * asked.loss;
  }
}

double NearRoom::PriceOf(uint32_t promised_share, uint32_t share) const {
  const uint32_t after = FreeSteps(promised_share + share), own = StepOf(share);
  double most = 0;
  for (uint32_t step = FreeSteps(promised_share); step > after; --step) {
    most = std::max(most, step <= own ? kOwnPart * prices_[step] : prices_[step]);
  }
  return most;
}

}  // namespace farlane::pool
