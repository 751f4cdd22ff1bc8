// SPDX-License-Identifier: Apache-2.0
// A session over several servers shows a key of its own to each of them: made of the session's,
// which none of them learns, so that a server that is not to be trusted can do nothing at another.
#pragma once

#include <array>
#include <cstdint>

#include "protocol/base/sha256.h"

namespace farlane {

// Servers that a session is over, at most.
inline constexpr uint32_t kPartsMost = 16;

using SessionKey = std::array<uint8_t, 32>;

// Of part number `part`, below kPartsMost.
SessionKey PartKey(const SessionKey& key, uint32_t part);

}  // namespace farlane
