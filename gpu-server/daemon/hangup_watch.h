// SPDX-License-Identifier: Apache-2.0
// HangupWatch ends the process soon after its client's connection has ended, whatever the other
// threads are stuck in: a driver call that waits for a kernel that never ends, for one.
#pragma once

#include <cstdint>

namespace farlane::server {

// Time for the dispatch thread to see the end by itself and log it.
inline constexpr uint64_t kHangupGraceMs = 500;

// Starts the watch of a connected socket, which must stay open for as long as the process lives.
void WatchHangup(int socket);

}  // namespace farlane::server
