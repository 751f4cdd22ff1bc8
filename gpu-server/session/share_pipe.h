// SPDX-License-Identifier: Apache-2.0
// What goes from the worker that shares something to the one that imports it, over a socket that
// the daemon has made for the two: for memory one descriptor per chunk, for an event its handle.
// Both serve the same session and believe each other no more than that their numbers are in bounds.
#pragma once

#include <cstdint>
#include <vector>

#include "gpu-server/memory/chunk_credit.h"
#include "protocol/base/fd.h"

namespace farlane::server {

// How long either waits for the other.
inline constexpr uint32_t kSharePatienceMs = 10'000;

// What is shared. Thread: caller's.
struct SharedThing {
  size_t device = 0;                // of memory
  std::vector<ChunkHandle> chunks;  // of memory; none for an event
  CUipcEventHandle event{};
};

// Sends it. Waits: never on a dispatch thread.
CUresult SendShared(const DriverTable& driver, const SharedThing& thing, const Fd& pipe);

// Receives so many chunks of a device, or for 0 an event. All of them, or (with an error) none.
// Waits: never on a dispatch thread.
CUresult ReceiveShared(const DriverTable& driver,
                       size_t chunks_count,
                       const Fd& pipe,
                       SharedThing* thing);

}  // namespace farlane::server
