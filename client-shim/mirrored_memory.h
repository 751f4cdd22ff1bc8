// SPDX-License-Identifier: Apache-2.0
// MirroredMemory keeps memory that both sides touch the same on both sides: managed memory, which
// the program uses by the device's address, and host memory that is mapped for the device. What the
// program changed is sent before work that could read it and when the program waits for such work,
// and what the device changed is fetched when the program has waited for it; programs are told
// (attributes 88 and 89 are 0) that nothing travels in between. The server keeps the same copy of
// what both have in common as is kept here, and finds by it what the device has changed: nothing
// else travels. Each side may change what lies beside a change of the other, down to a word of four
// bytes: of such a word, the program's change counts.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "client-shim/mirror_lanes.h"
#include "client-shim/touch_waits.h"
#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "protocol/base/write_tracker.h"
#include "protocol/wire/handle.h"

namespace farlane::shim {

class Session;

enum class MirrorKind : uint8_t { kManaged, kMapped };

// Where a range lies on both sides.
struct Mirror {
  MirrorKind kind = MirrorKind::kManaged;
  uint64_t device_address = 0;
  uint64_t host_address = 0;
  uint64_t bytes = 0;
};

// What of mirrored memory a piece of work can reach: all of it, since pointers may lie anywhere, or
// no more than it names, each by an address in it.
struct MirrorUse {
  bool all = true;
  uint64_t read = 0;  // 0: none
  uint64_t written = 0;
};

// Thread: any, guarded. The lock is held while data moves, so that two threads do not send the same
// words twice.
class MirroredMemory {
 public:
  explicit MirroredMemory(Session& session)
      : session_(session), lanes_(session), touch_waits_(session) {}

  // Gives the program pages at device addresses that are reserved here, all zero on both sides.
  CUresult AddPages(wire::Handle context, MirrorKind kind, uint64_t address, uint64_t bytes);
  // A variable of a module, which lies where the driver put it and has a value already. Fails if
  // something else lies there here.
  CUresult AddVariable(wire::Handle context, uint64_t address, uint64_t bytes);
  // Memory of the program, for which the device has fresh memory: an allocation that begins at
  // `allocation` and in which the program's memory begins at `device_address`. Whole pages of ours
  // may be tracked.
  CUresult AddHost(wire::Handle context,
                   uint64_t allocation,
                   uint64_t device_address,
                   void* host,
                   uint64_t bytes,
                   bool is_ours);
  // By the address that the device's side was allocated at.
  void Remove(uint64_t allocation);

  std::optional<Mirror> FindDevice(uint64_t device_address) const;
  // All of the host's range lies in what is found.
  std::optional<Mirror> FindHost(const void* host, uint64_t bytes) const;
  bool IsManaged(uint64_t address) const;

  // The program says when it uses managed memory (CU_MEM_ATTACH_…): attached to the host, or to a
  // stream, it is the program's also while other work is under way.
  CUresult Attach(uint64_t address, unsigned int flags);

  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }

  // Whether work that may have changed any of it was posted since it was fetched.
  bool is_behind() const { return any() && device_ahead_.load(std::memory_order_relaxed); }

  // Before work of the device on a stream: sends what the program has changed since the last time,
  // and has the stream wait for that. EndSend follows when the work is posted.
  CUresult BeginSend(wire::Handle context, wire::Handle stream, const MirrorUse& use);

  void EndSend() { posting_.fetch_sub(1, std::memory_order_release); }

  // Before the program waits for work: sends what the program has changed of what that work may be
  // reading, since it may be waiting for it. Managed memory only where writes are tracked: programs
  // leave it alone meanwhile, and to compare all of it at each wait would cost them much.
  CUresult SendToRunning(wire::Handle context);
  // Where the order on the device is not enough: waits until what the program has changed is there.
  CUresult SendAndWait(wire::Handle context);
  // After work has been waited for: fetches what the device may have changed.
  CUresult Fetch(wire::Handle context);

  // The session ends, or this is a forked child: nobody is held any more.
  void Close() { touch_waits_.Close(); }

  void AfterFork() { touch_waits_.guard().AfterFork(); }

 private:
  // What both sides were last known to hold in common, so that a change by either shows by
  // comparing, here and on the server; where the kernel tracks writes, only what was written need
  // be compared here.
  struct Region {
    Mirror place;
    uint64_t mapped_address = 0;  // pages of ours outside the arenas; 0 where there are none
    uint64_t mapped_bytes = 0;
    bool has_pages = false;  // of ours in an arena
    bool tracked = false;    // by writes_
    bool written = false;    // before it was tracked: all of it is compared once
    bool ahead = false;      // work that may write it was sent since it was fetched
    bool holdable = false;   // whoever touches it may be held while work is under way
    bool attached = false;   // but the program says that no such work uses it
    std::unique_ptr<std::byte[]> known{};
  };

  using Regions = std::map<uint64_t, Region>;  // by the address of the allocation

  CUresult AddZeroed(wire::Handle context, uint64_t allocation, Region region);
  void TrackWrites(Region* region);
  bool IsHeld(const Region& region) const;
  std::byte* Contents(const Region& region) const;
  void Hold(wire::Handle context, const Regions& regions);
  CUresult MapVariable(const Regions& regions, Region* region);
  static Region* Around(Regions* regions, uint64_t device_address);
  static std::vector<Region*> Reached(Regions* regions, const MirrorUse& use);
  void Share(Region* region);
  CUresult SendAll(wire::Handle context, const std::vector<Region*>& regions);
  CUresult SendRegion(wire::Handle context, Region* region);
  CUresult SendPart(wire::Handle context, Region* region, uint64_t at, uint64_t end);
  CUresult SendRun(wire::Handle context, Region* region, uint64_t at, uint64_t bytes);
  CUresult FetchAhead(wire::Handle context, Regions* regions);

  Session& session_;
  std::atomic<uint32_t> count_{0};
  std::atomic<bool> device_ahead_{false};  // any of them is
  std::atomic<uint32_t> posting_{0};       // work that is about to be posted
  MirrorLanes lanes_;                      // used by who holds regions_
  WriteTracker writes_;                    // the same
  TouchWaits touch_waits_;
  Guarded<Regions> regions_;
};

}  // namespace farlane::shim
