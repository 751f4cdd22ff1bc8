// SPDX-License-Identifier: Apache-2.0
// HostMemory knows which of the program's memory is pinned: allocated by us or registered with us.
// To the server it is memory like any other; what pinning changes is when a copy may still read or
// write it after the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "client-shim/arena.h"
#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"

namespace farlane::shim {

// Of the program's memory.
inline constexpr uint64_t kPageBytes = 4096;

struct PinnedRange {
  uint64_t address = 0;
  uint64_t bytes = 0;
  uint32_t flags = 0;
  bool registered = false;      // the program's own memory, only made known to us
  uint64_t device_address = 0;  // where it is mapped for the device; 0: nobody has asked
  uint64_t allocation = 0;      // the device's memory that this address lies in
  AddressRange space{};         // of ours, at addresses that the device can have; else empty
};

// Thread: any, guarded.
class HostMemory {
 public:
  ~HostMemory();

  // At the start of `space`, or anywhere if that is empty.
  CUresult Allocate(uint64_t bytes, uint32_t flags, const AddressRange& space, void** pointer);
  // Memory of ours that lies at a device's addresses, by which both sides use it.
  void Adopt(uint64_t address, uint64_t bytes, uint32_t flags);
  // The range that begins at `address` is mapped for the device from now on.
  void NoteMapped(uint64_t address, uint64_t device_address, uint64_t allocation);
  CUresult Register(void* pointer, uint64_t bytes, uint32_t flags);
  // The device's memory that began at `allocation` went with its context.
  void ForgetMapped(uint64_t allocation);
  // The range given back, so that the caller can wait for copies that still use it before Discard.
  std::optional<PinnedRange> Remove(void* pointer, bool registered);
  static void Discard(const PinnedRange& range);
  // The pinned range around an address.
  std::optional<PinnedRange> Find(const void* pointer) const;
  bool IsPinned(const void* pointer, uint64_t bytes) const;

 private:
  Guarded<std::map<uint64_t, PinnedRange>> ranges_;
};

}  // namespace farlane::shim
