// SPDX-License-Identifier: Apache-2.0
// Random input that one number reproduces on every machine.
// The sequence is part of the programs' checksums: changing it changes them all.
#pragma once

#include <cstdint>
#include <vector>

namespace apps {

// Thread: one thread at a time; give every thread its own.
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
  }

  // Both ends belong to the range.
  uint64_t Between(uint64_t low, uint64_t high) { return low + Next() % (high - low + 1); }

  // In [-1, 1), with 24 significant bits, so that it is exact as a float.
  float Real() { return static_cast<float>(Next() >> 40) / static_cast<float>(1 << 23) - 1.0f; }

  std::vector<float> Reals(size_t count) {
    std::vector<float> values(count);
    for (float& value : values) {
      value = Real();
    }
    return values;
  }

  // `Integer` is an unsigned type; the top bits of the sequence fill it.
  template <typename Integer>
  std::vector<Integer> Integers(size_t count) {
    std::vector<Integer> values(count);
    for (Integer& value : values) {
      value = static_cast<Integer>(Next() >> (64 - 8 * sizeof(Integer)));
    }
    return values;
  }

 private:
  uint64_t state_;
};

}  // namespace apps
