// SPDX-License-Identifier: Apache-2.0
// Turn pages are memory that the daemon and one worker share: in one the daemon says what the
// worker may do on each device, in the other the worker says what it has done. So a launch costs no
// message. Each side can write its own page only, and neither can take the other's away.
//
// The daemon believes of the other page no more than that the worker may have said so.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace farlane::server {

enum class TurnMode : uint32_t {
  kOpen = 0,  // nobody else is there: nothing is held and nothing is measured
  kHold = 1,  // not now
  kRun = 2,   // this worker's turn
};

// What a worker may do on one device. `mode` is written last, and read first.
struct alignas(64) GrantSlot {
  std::atomic<TurnMode> mode;
  std::atomic<uint32_t> others;     // somebody else waits: a turn that is not used is given back
  std::atomic<uint64_t> turn;       // its number; never 0
  std::atomic<uint64_t> until_ns;   // it ends when the worker has used so much, as UseSlot counts
  std::atomic<uint64_t> window_ns;  // how much the device may be given ahead
  std::atomic<uint32_t> strict;     // not 0: work must never be beside others', not for a moment
};

// A turn, as it is written into a slot.
struct TurnLimits {
  uint64_t turn = 0;
  uint64_t until_ns = UINT64_MAX;
  uint64_t window_ns = UINT64_MAX;
  bool others = false;
};

// Begins a turn, or says other limits of it.
void WriteTurn(GrantSlot& slot, const TurnLimits& limits);

// What a worker has done on one device.
struct alignas(64) UseSlot {
  std::atomic<uint64_t> used_ns;    // of the device's time, measured
  std::atomic<uint64_t> commands;   // that were measured
  std::atomic<uint64_t> over_turn;  // this turn is not needed any more, and nothing of it is left
  std::atomic<uint64_t> held_ns;    // for so long commands have been held
  std::atomic<uint64_t> holds;      // so often
  std::atomic<uint32_t> wants;      // something waits or is under way
  std::atomic<uint32_t> in_flight;  // commands that the device has and has not finished
  std::atomic<uint64_t> asked_ns;   // of used_ns, what it takes without anybody beside it
  std::atomic<uint64_t> deep_ns;    // of that, what was done while more waited at the gate
  std::atomic<uint32_t> settled;    // the `strict` since which all that the device has is counted
};

// How fast a worker may move data over the network, in and out, in bytes a second; UINT64_MAX: as
// it likes. It has a page of its own, and so has what the worker has moved.
struct alignas(64) NetGrantSlot {
  std::atomic<uint64_t> rates[2];
};

struct alignas(64) NetUseSlot {
  std::atomic<uint64_t> bytes[2];  // moved, in and out
  std::atomic<uint64_t> stops[2];  // so often there was more to move than the rate allowed
  // What the client is like, whatever way it takes.
  std::atomic<uint64_t> trips;    // so often it has waited for an answer
  std::atomic<uint64_t> rtt_ns;   // what a trip takes at least, of late; 0: not known
  std::atomic<uint64_t> talked;   // bytes, both ways together
  std::atomic<uint64_t> busy_ns;  // work of its was under way, over all devices
};

static_assert(sizeof(GrantSlot) == 64 && sizeof(UseSlot) == 128);
static_assert(sizeof(NetGrantSlot) == 64 && sizeof(NetUseSlot) == 64);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// A page's memory, for so many devices, which stays as large as it is.
// Thread: immutable.
class TurnMemory {
 public:
  // Makes memory that whoever gets the descriptor can only read, or write as well.
  static Result<TurnMemory> Make(size_t devices_count, bool others_may_write);
  // Maps what came from the maker; refuses what is too small for the devices. `first`: of the
  // maker's devices, the one that is this process's first.
  static Result<TurnMemory> Take(const Fd& descriptor,
                                 size_t devices_count,
                                 bool writable,
                                 size_t first = 0);

  TurnMemory(TurnMemory&& other) noexcept;
  TurnMemory& operator=(TurnMemory&& other) noexcept;
  ~TurnMemory();

  GrantSlot* grants() const { return static_cast<GrantSlot*>(memory_) + first_; }

  UseSlot* uses() const { return static_cast<UseSlot*>(memory_) + first_; }

  // Of a page for the network, which is made for one device.
  NetGrantSlot& net_grant() const { return *static_cast<NetGrantSlot*>(memory_); }

  NetUseSlot& net_use() const { return *static_cast<NetUseSlot*>(memory_); }

  // Of Make only.
  const Fd& descriptor() const { return descriptor_; }

 private:
  TurnMemory(Fd descriptor, void* memory, size_t bytes)
      : descriptor_(std::move(descriptor)), memory_(memory), bytes_(bytes) {}

  Fd descriptor_;
  void* memory_ = nullptr;
  size_t bytes_ = 0;
  size_t first_ = 0;
};

}  // namespace farlane::server
