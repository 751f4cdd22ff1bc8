// SPDX-License-Identifier: Apache-2.0
// DeviceMemory gives out device memory of one device. Inside the credit that the server has granted
// this needs no reply and cannot fail; beyond it the server is asked, so that out of memory is
// exact and shows at its own call.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "client-shim/arena.h"
#include "client-shim/device.h"
#include "protocol/base/light_lock.h"
#include "protocol/wire/handle.h"

namespace farlane::shim {

class Session;

// Thread: any, guarded. Who needs more than there is holds `growing_` while the server is asked or
// the device waited for, so that two askers do not both wait for what one of them gets; nobody else
// waits for them.
class DeviceMemory {
 public:
  DeviceMemory(Session& session, int32_t device, const Device& description);

  // `align` is a power of two.
  CUresult Allocate(uint64_t bytes,
                    wire::Handle context,
                    uint64_t* address,
                    uint64_t align = Arena::kAlignBytes);
  // The address is free for the program at once, and used again when no work can reach it any more.
  CUresult Free(uint64_t address);
  // Physical memory of whole chunks without an address, under a handle of the caller's.
  CUresult Create(uint64_t bytes, wire::Handle handle);
  // `forfeit`: others have it, too, so that it is not credit again.
  void Release(uint64_t bytes, wire::Handle handle, bool forfeit);
  // Whole chunks that are not unmapped from now on, since others use them.
  void Pin(AddressRange chunks);
  // Addresses that nothing is given out of, for the program's own mappings; see Arena::Reserve.
  std::optional<uint64_t> Reserve(uint64_t bytes, uint64_t align, uint64_t hint);
  void Unreserve(AddressRange range);

  CUresult Info(uint64_t* free_bytes, uint64_t* total_bytes);

  // The allocation or module global around an address.
  std::optional<AddressRange> Find(uint64_t address);

  bool Contains(uint64_t address) const { return arena_.Contains(address); }

  void AddGlobal(AddressRange range);
  void RemoveGlobal(AddressRange range);

  // What the program holds of a context that is gone belongs to another from now on.
  void HandOver(wire::Handle from, wire::Handle to);
  // Frees whatever the program still holds of a context, which is gone with all its work; the
  // addresses freed.
  std::vector<uint64_t> FreeAllOf(wire::Handle context);

  // A pool keeps something for later, which it would do without.
  void NoteKept() { frees_.fetch_add(1, std::memory_order_release); }

  // All work up to here is done, on every device.
  void OnFence(uint64_t work);

  // Does without up to so many bytes that the program does not use, nor its pools, and tells the
  // server that this answers its recall. False, and nothing is told yet, if freed memory would help
  // that the device may still use: to be called again after OnFence. `fences` counts such waits.
  bool GiveBack(uint64_t bytes, uint64_t recall, uint32_t* fences);

 private:
  // Beyond this much freed but unused memory, waiting for the device is cheaper than asking for
  // more.
  static constexpr uint64_t kFreedBytesMax = 256ull << 20;

  // Freed memory that the device may still use is looked after in portions of this size.
  static constexpr uint64_t kFenceBytes = 16ull << 20;
  static constexpr size_t kFenceCount = 256;
  // For what is asked back, so often is waited for what is freed meanwhile.
  static constexpr uint32_t kRecallFencesMax = 3;
  // Addresses that are asked for at once where there is no arena.
  static constexpr uint64_t kSpaceBytes = 64ull << 20;
  // Asked for in passing, when more is asked for anyway; a quarter of what there is.
  static constexpr uint64_t kSpareBytesMax = 64ull << 20;

  struct Freed {
    AddressRange range;
    uint64_t work = 0;  // what had been started when it was freed: may still use it
  };

  using Lock = std::unique_lock<LightLock>;

  CUresult TryAllocate(uint64_t bytes, wire::Handle context, uint64_t* address, uint64_t align);
  CUresult TryCreate(uint64_t bytes, wire::Handle handle);
  std::optional<uint64_t> TakeLocked(uint64_t bytes, wire::Handle context, uint64_t align);
  CUresult Grow(Lock& lock, uint64_t bytes);
  CUresult AskForSpace(Lock& lock, uint64_t bytes);
  CUresult MakeRoom(Lock& lock, uint64_t bytes);

  // The part of the credit that is in use.
  uint64_t used_bytes() const { return arena_.backed_bytes() + created_bytes_; }

  void MoveFreeChunks(uint64_t wanted);
  void Unback(uint64_t bytes_max);
  bool MakeIdle(uint64_t bytes);
  CUresult AskForCredit(Lock& lock, uint64_t bytes);
  bool HasMore(Lock& lock, uint64_t before);
  bool WaitForFreed(Lock& lock);
  void NoteIdleLocked();
  bool RecycleLocked(uint64_t quiet_work);
  void FenceLocked();
  CUresult RequestCredit(uint64_t bytes, bool spare);

  Session& session_;
  const int32_t device_;
  const int32_t server_ordinal_;
  const uint64_t total_bytes_;
  LightLock growing_;  // not Guarded: it keeps askers apart. Before mutex_
  LightLock mutex_;    // not Guarded: let go in the middle. Guards what follows
  Arena arena_;
  uint64_t credit_bytes_;
  uint64_t created_bytes_ = 0;  // physical memory without an address of ours
  std::vector<Freed> freed_;    // released, but work posted before may still use them
  uint64_t freed_bytes_ = 0;
  uint64_t came_back_ = 0;                // so often, without what pools keep
  std::atomic<uint64_t> fenced_work_{0};  // all up to here is done
  std::atomic<bool> fence_open_{false};   // the server will say more by itself
  std::atomic<uint32_t> frees_{0};        // so often anything became idle, or may have
  std::vector<AddressRange> globals_;
};

}  // namespace farlane::shim
