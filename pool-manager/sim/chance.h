// SPDX-License-Identifier: Apache-2.0
// Chance gives numbers that look random and are the same for the same seed, on every machine and
// with every library.
#pragma once

#include <cmath>
#include <cstdint>

#include "pool-manager/placement/name_hash.h"

namespace farlane::pool::sim {

// Thread: caller's.
class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(MixBits(seed + 0x632be59bd9b4e019ULL)) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return MixBits(state_);
  }

  // From 0, up to but without 1.
  double Uniform() { return static_cast<double>(Next() >> 11U) * 0x1.0p-53; }

  uint32_t Below(uint32_t count) {
    return static_cast<uint32_t>((static_cast<unsigned __int128>(Next()) * count) >> 64U);
  }

  double Exponential(double mean) { return -mean * std::log(1 - Uniform()); }

  // One of mean 0 and deviation 1 (the sum of twelve, which is close enough and the same
  // everywhere).
  double Normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) {
      sum += Uniform();
    }
    return sum;
  }

  // Around 1, off by about `spread`.
  double Noise(double spread) { return std::exp(spread * Normal() - spread * spread / 2); }

 private:
  uint64_t state_;
};

}  // namespace farlane::pool::sim
