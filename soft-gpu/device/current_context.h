// SPDX-License-Identifier: Apache-2.0
// CurrentContext is the calling thread's stack of contexts. Reading it takes no lock. It stays
// usable in exit handlers, which run when a thread_local object would be gone already.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "soft-gpu/device/context.h"

namespace farlane::soft {

// One thread's. `own_streams` are those that CU_STREAM_PER_THREAD means, by context id.
// Thread: caller's.
struct ThreadState {
  std::vector<std::shared_ptr<Context>> contexts;  // the last one is current
  std::map<uint64_t, std::shared_ptr<Stream>> own_streams;
  CUstreamCaptureMode capture_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  bool in_callback = false;  // a host function runs here: it may not call the driver

  ThreadState() = default;
  ~ThreadState();
  ThreadState(const ThreadState&) = delete;
  ThreadState& operator=(const ThreadState&) = delete;

  Context* current() const { return contexts.empty() ? nullptr : contexts.back().get(); }
};

// The calling thread's; made when first asked for, freed when the thread ends.
ThreadState& ThisThread();

// The calling thread's own stream of a context.
std::shared_ptr<Stream> OwnStream(Context* context);

}  // namespace farlane::soft
