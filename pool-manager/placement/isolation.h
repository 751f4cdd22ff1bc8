// SPDX-License-Identifier: Apache-2.0
// Isolation is how far a session is kept from others on its device.
#pragma once

#include <cstdint>

namespace farlane::pool {

enum class Isolation : uint8_t {
  kShared,     // turns, quotas, a process of its own
  kScrubbed,   // turns that leave nothing behind, and coarse clocks
  kTenant,     // with sessions of the same tenant only
  kExclusive,  // alone on the device
  kMig,        // on a part that the hardware keeps apart
};

const char* IsolationName(Isolation isolation);

using IsolationSet = uint8_t;

constexpr IsolationSet SetOf(Isolation isolation) {
  return static_cast<IsolationSet>(1U << static_cast<unsigned>(isolation));
}

// What any device can do.
inline constexpr IsolationSet kUsualIsolations =
    SetOf(Isolation::kShared) | SetOf(Isolation::kTenant) | SetOf(Isolation::kExclusive);

}  // namespace farlane::pool
