// SPDX-License-Identifier: Apache-2.0
// StrictRules is where this device behaves better than a driver promises, and what it does instead
// in strict mode: wishes for addresses are not always granted, and fresh memory is not empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>

#include "protocol/base/guarded.h"

namespace farlane::soft {

// Thread: any, guarded.
class StrictRules {
 public:
  static constexpr int kFreshByte = 0xa5;  // no number, no pointer, no end of a text

  explicit StrictRules(std::optional<uint64_t> seed)
      : on_(seed.has_value()), random_(std::mt19937_64(seed.value_or(0))) {}

  bool on() const { return on_; }

  // Whether the next wish for an address is granted.
  bool GrantsHint() { return !on_ || (Draw() & 1) == 0; }

  // Somewhere in [0, limit); only in strict mode.
  uint64_t Below(uint64_t limit) { return Draw() % limit; }

  // What a program may find in memory that it has just been given.
  void Soil(uint64_t address, uint64_t size_bytes) const {
    if (on_) {
      std::memset(reinterpret_cast<void*>(address), kFreshByte, size_bytes);
    }
  }

 private:
  uint64_t Draw() {
    return random_.With([](std::mt19937_64& random) { return random(); });
  }

  const bool on_;
  Guarded<std::mt19937_64> random_;
};

}  // namespace farlane::soft
