// SPDX-License-Identifier: Apache-2.0
// A TransportSet is the ways of talking that a server offers or a client has.
#pragma once

#include <cstdint>

namespace farlane::pool {

using TransportSet = uint8_t;

inline constexpr TransportSet kTcp = 1;
inline constexpr TransportSet kTls = 2;
inline constexpr TransportSet kShm = 4;
inline constexpr TransportSet kRdma = 8;
inline constexpr TransportSet kAnyTransport = 0xff;

}  // namespace farlane::pool
