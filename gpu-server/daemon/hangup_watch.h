// SPDX-License-Identifier: Apache-2.0
// HangupWatch ends the process soon after its client's connection has ended, or when the client has
// been silent for too long, whatever the other threads are stuck in: a driver call that waits for a
// kernel that never ends, for one. It also tells the client that the worker is there, when nothing
// else does.
#pragma once

#include <cstdint>

#include "gpu-server/session/ears.h"
#include "gpu-server/session/outbox.h"

namespace farlane::server {

// Time for the dispatch thread to see the end by itself and log it.
inline constexpr uint64_t kHangupGraceMs = 500;

// Starts the watch of a connected socket. All of them must stay for as long as the process lives.
// `grace`: the seconds of silence; 0: any number.
void WatchHangup(int socket, Outbox& outbox, const Ears& ears, uint32_t grace);

}  // namespace farlane::server
