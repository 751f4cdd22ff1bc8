// SPDX-License-Identifier: Apache-2.0
// How much copied data may be under way on a connection that commands share. What is under way is
// what a command behind it waits for, so it is as little as keeps the connection busy.
#pragma once

#include <cstdint>

#include "protocol/base/bytes.h"

namespace farlane::transport {

// Four pieces: while one is executed and one acknowledged, two are on their way.
inline constexpr uint64_t kBulkWindowMin = 1_MiB;
// Nothing that is measured makes it larger than this.
inline constexpr uint64_t kBulkWindowMax = 64_MiB;

// A little more than the path itself holds, as the system has measured it: the rate at which data
// has been delivered times the shortest round trip. Asked again and again it grows with what it
// allows, until the path is full. The smallest for a socket that is not TCP.
uint64_t BulkWindow(int socket);

}  // namespace farlane::transport
