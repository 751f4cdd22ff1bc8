// SPDX-License-Identifier: Apache-2.0
// DeviceMemory makes and frees allocations that come with an address of their own: device memory,
// managed memory and module variables. Every byte of them comes from a device's frames.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "soft-gpu/device/address_space.h"
#include "soft-gpu/device/small_blocks.h"

namespace farlane::soft {

struct AllocationRequest {
  int device = 0;
  uint64_t context = 0;
  uint64_t size_bytes = 0;
  uint64_t align_bytes = kBlockAlignBytes;
  MemoryKind kind = MemoryKind::kDevice;
  uint32_t flags = 0;
};

// Thread: any, guarded.
class DeviceMemory {
 public:
  DeviceMemory(AddressSpace* space, uint32_t device_count);

  // CUDA_ERROR_OUT_OF_MEMORY if the device has no room.
  CUresult Allocate(const AllocationRequest& request, uint64_t* address);
  // Frees what starts at `address`; the work that uses it must be over.
  CUresult Free(uint64_t address, std::initializer_list<MemoryKind> kinds);
  // Lets the kernels of other devices reach what lies at an address, and what shares its frames.
  void OpenTo(uint64_t address, uint32_t devices);
  // Frees all that was allocated in a context, but for module variables: programs own those.
  void FreeContext(uint64_t context);

 private:
  using Pools = std::vector<SmallBlocks>;  // by device

  CUresult AllocateLarge(const AllocationRequest& request, MemoryRange* range);
  CUresult AllocateSmall(const AllocationRequest& request, MemoryRange* range);
  // A frame with pages at an address; its device has room or the base is 0.
  Chunk MakeChunk(int device, uint64_t size_bytes, uint64_t align_bytes);

  AddressSpace* space_;
  Guarded<Pools> pools_;
};

}  // namespace farlane::soft
