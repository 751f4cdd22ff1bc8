// SPDX-License-Identifier: Apache-2.0
// A net rate is how much data may go over the network in a second, in each direction. People write
// it as a size: 400M is 400 MiB a second, and so is 400M/s.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/result.h"

namespace farlane {

// Told in KiB a second. 0 says nothing about it.
using NetRate = uint32_t;
// No limit, said as such.
inline constexpr NetRate kNetRateNone = UINT32_MAX;
// Less than this is a mistake: one message would take seconds.
inline constexpr NetRate kNetRateLeast = 64;

// "400M", "400M/s", or "none".
Result<NetRate> ParseNetRate(const std::string& text);
// As people write it: "400M/s"; "-" where nothing limits it.
std::string NetRateText(NetRate rate);
// The limit that lets no more than this through in a second, or the nearest there is; 0 bytes: 0.
NetRate NetRateOf(uint64_t bytes);
// In bytes a second; UINT64_MAX where nothing limits it.
uint64_t NetRateBytes(NetRate rate);

}  // namespace farlane
