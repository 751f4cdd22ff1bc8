// SPDX-License-Identifier: Apache-2.0
// Ears is what a watcher may know of the dispatch thread: whether it listens, and whether it hears
// anything. While it is busy, in a driver's call that takes long for one, nobody listens, and the
// client's silence means nothing.
#pragma once

#include <atomic>
#include <cstdint>

namespace farlane::server {

// Thread: written by the dispatch thread, read by any.
struct Ears {
  // Another value whenever the client has said or taken something.
  std::atomic<uint64_t> heard{0};
  std::atomic<bool> listening{false};
  // The client has said that it is there when it had nothing to say, as it goes on to do.
  std::atomic<bool> expecting{false};

  void NoteSign() {
    heard.store(heard.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
};

}  // namespace farlane::server
