// SPDX-License-Identifier: Apache-2.0
// ManagedMemory keeps memory that both sides touch the same on both sides. The program's pages lie
// at the device's addresses; what the program changed is sent before work that could read it, and
// what the device may have changed is fetched when the program has waited for it. Programs are told
// (attribute 89 is 0) that they must not touch such memory while the device works, so these are the
// only two moments that matter.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "protocol/wire/handle.h"

namespace farlane::shim {

class Session;

// Thread: any, guarded. The lock is held while data moves, so that two threads do not send the same
// pages twice.
class ManagedMemory {
 public:
  explicit ManagedMemory(Session& session) : session_(session) {}

  // Makes the range usable by the program. Inside an arena its addresses are reserved already;
  // elsewhere they are taken now, which fails if something else lies there. `fetch`: the device has
  // a content already.
  CUresult Add(wire::Handle context, uint64_t address, uint64_t bytes, bool in_arena, bool fetch);
  void Remove(uint64_t address);
  bool Contains(uint64_t address) const;

  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }

  // Before work of the device: sends every page that the program has changed since the last time.
  CUresult Send(wire::Handle context);
  // After all work has been waited for: fetches what the device may have changed.
  CUresult Fetch(wire::Handle context);

 private:
  // What the device was last known to hold, so that a change by the program shows by comparing.
  // Slower than tracking writes, but it needs no signal handler in a program that may have its own.
  struct Region {
    uint64_t bytes = 0;
    uint64_t mapped_address = 0;  // pages of ours around a range outside the arenas; 0 inside
    uint64_t mapped_bytes = 0;
    std::unique_ptr<std::byte[]> known;
  };

  using Regions = std::map<uint64_t, Region>;

  CUresult SendRegion(wire::Handle context, uint64_t address, Region* region);

  Session& session_;
  std::atomic<uint32_t> count_{0};
  std::atomic<bool> device_ahead_{false};  // work was sent since the last fetch
  Guarded<Regions> regions_;
};

}  // namespace farlane::shim
