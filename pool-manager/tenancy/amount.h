// SPDX-License-Identifier: Apache-2.0
// An Amount is how much of a pool something is: GPU time, GPU memory, how many sessions, and what
// they may move over the network. Quotas are told in it, and what sessions take.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace farlane::pool {

enum class Resource : uint8_t {
  kShare,     // millionths of one GPU's time
  kMemory,    // bytes
  kSessions,  // how many
  kNetwork,   // bytes a second, each way
};

inline constexpr size_t kResourcesCount = 4;
inline constexpr uint64_t kNoLimit = UINT64_MAX;

struct Amount {
  std::array<uint64_t, kResourcesCount> of{};

  static constexpr Amount Of(uint64_t share,
                             uint64_t memory,
                             uint64_t sessions,
                             uint64_t network = 0) {
    return {.of = {share, memory, sessions, network}};
  }

  static constexpr Amount Unlimited() { return Of(kNoLimit, kNoLimit, kNoLimit, kNoLimit); }

  uint64_t& operator[](size_t resource) { return of[resource]; }

  uint64_t operator[](size_t resource) const { return of[resource]; }

  bool operator==(const Amount&) const = default;

  // What would be too large for the number stays at its end: then it is more than any limit but
  // "none".
  Amount operator+(const Amount& more) const {
    Amount sum;
    for (size_t i = 0; i < kResourcesCount; ++i) {
      const bool fits = of[i] <= kNoLimit - more.of[i];
      sum.of[i] = fits ? of[i] + more.of[i] : kNoLimit;
    }
    return sum;
  }

  // Never less than nothing.
  Amount operator-(const Amount& less) const {
    Amount rest;
    for (size_t i = 0; i < kResourcesCount; ++i) {
      rest.of[i] = of[i] - std::min(of[i], less.of[i]);
    }
    return rest;
  }

  bool IsZero() const { return *this == Amount{}; }
};

}  // namespace farlane::pool
