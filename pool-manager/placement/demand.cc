// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/demand.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "protocol/base/slice.h"

namespace farlane::pool {
namespace {

constexpr size_t kShapesMost = 8;    // each is looked at for each device
constexpr double kShapeKept = 0.99;  // of its weight, at each request
constexpr uint32_t kShareStep = kWholeShare / 20;
constexpr size_t kLatelyMost = 64;  // requests of a domain
constexpr double kLossKept = 0.98;
constexpr double kClampAt = 0.95;  // one wild profile must not set the price

uint32_t RoundedShare(uint32_t share) {
  return std::max<uint32_t>((share + kShareStep - 1) / kShareStep * kShareStep, kShareStep);
}

uint64_t RoundedMemory(uint64_t bytes) {
  constexpr uint64_t kMost = uint64_t{1} << 62;
  return bytes == 0 ? 0 : std::bit_ceil(std::min(bytes, kMost));
}

}  // namespace

void Demand::Note(const Asked& asked) {
  NoteShape(asked);
  if (asked.domain >= domains_.size()) {
    domains_.resize(asked.domain + size_t{1});
  }
  if (std::isfinite(asked.loss) && asked.share > 0) {
    NoteLoss(domains_[asked.domain], asked);
  }
}

void Demand::NoteShape(const Asked& asked) {
  const uint32_t share = RoundedShare(asked.share);
  const uint64_t memory = RoundedMemory(asked.memory_bytes);
  shapes_weight_ = 1;
  RequestShape* same = nullptr;
  for (RequestShape& shape : shapes_) {
    shape.weight *= kShapeKept;
    shapes_weight_ += shape.weight;
    if (shape.share == share && shape.memory_bytes == memory) {
      same = &shape;
    }
  }
  if (same != nullptr) {
    same->weight += 1;
  } else if (shapes_.size() < kShapesMost) {
    shapes_.push_back({.share = share, .memory_bytes = memory, .weight = 1});
  } else {
    const auto rarest = std::min_element(shapes_.begin(), shapes_.end(),
                                         [](auto& a, auto& b) { return a.weight < b.weight; });
    shapes_weight_ -= rarest->weight;
    *rarest = {.share = share, .memory_bytes = memory, .weight = 1};
  }
}

void Demand::NoteLoss(OfDomain& domain, const Asked& asked) {
  const double share = static_cast<double>(asked.share) / kWholeShare;
  const double per_share = std::max(0.0, asked.loss) / share;
  if (domain.lately.size() < kLatelyMost) {
    domain.lately.push_back(per_share);
  } else {
    domain.lately[domain.next] = per_share;
    domain.next = (domain.next + 1) % kLatelyMost;
  }
  std::vector<double> sorted = domain.lately;
  const auto at = static_cast<std::ptrdiff_t>(kClampAt * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), sorted.begin() + at, sorted.end());
  const double most = sorted[static_cast<size_t>(at)];
  domain.loss_sum = kLossKept * domain.loss_sum + std::min(per_share, most) * share;
  domain.share_sum = kLossKept * domain.share_sum + share;
  domain.value = std::min(most, domain.loss_sum / domain.share_sum);
}

double Demand::NearValue(uint32_t domain) const {
  return domain < domains_.size() ? domains_[domain].value : 0;
}

}  // namespace farlane::pool
