// SPDX-License-Identifier: Apache-2.0
// DeviceMemory gives out device memory of one device. Inside the credit that the server has granted
// this needs no reply and cannot fail; beyond it the server is asked, so that out of memory is
// exact and shows at its own call.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "client-shim/arena.h"
#include "client-shim/device.h"
#include "protocol/wire/handle.h"

namespace farlane::shim {

class Session;

// Thread: any, guarded. The lock is held while memory is asked for, so that two askers do not both
// wait for what one of them gets.
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
  CUresult Info(uint64_t* free_bytes, uint64_t* total_bytes);

  // The allocation or module global around an address.
  std::optional<AddressRange> Find(uint64_t address);

  bool Contains(uint64_t address) const { return address - arena_address_ < arena_bytes_; }

  void AddGlobal(AddressRange range);
  void RemoveGlobal(AddressRange range);

  // All work that could use freed memory is done.
  void RecycleFreed();
  // Frees whatever the program still holds of a context, which is gone with all its work; the
  // addresses freed.
  std::vector<uint64_t> FreeAllOf(wire::Handle context);

 private:
  // Beyond this much freed but unused memory, waiting for the device is cheaper than asking for
  // more.
  static constexpr uint64_t kFreedBytesMax = 256ull << 20;

  CUresult Back(uint64_t bytes);
  bool WaitForFreed();
  void RecycleLocked();

  Session& session_;
  const int32_t device_;
  const int32_t server_ordinal_;
  const uint64_t arena_address_;
  const uint64_t arena_bytes_;
  std::mutex
      mutex_;  // not Guarded: held by functions that call each other while memory is asked for
  Arena arena_;
  uint64_t credit_bytes_;
  std::vector<AddressRange> freed_;  // released, but work posted before may still use them
  uint64_t freed_bytes_ = 0;
  std::vector<AddressRange> globals_;
};

}  // namespace farlane::shim
