// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/device_memory.h"

#include <algorithm>

#include "protocol/base/log.h"
#include "soft-gpu/exec/frame_rights.h"

namespace farlane::soft {

DeviceMemory::DeviceMemory(AddressSpace* space, uint32_t device_count)
    : space_(space), pools_(Pools(device_count)) {}

Chunk DeviceMemory::MakeChunk(int device, uint64_t size_bytes, uint64_t align_bytes) {
  Chunk chunk;
  chunk.physical = PhysicalMemory::Create(space_->frames(device), device, size_bytes);
  if (chunk.physical == nullptr) {
    return chunk;
  }
  const auto base = space_->window().Reserve(size_bytes, std::max(align_bytes, kFrameBytes), 0);
  if (!base) {
    return chunk;
  }
  const Status mapped =
      space_->Map(*base, *chunk.physical, 0, size_bytes, true, RightOfOwner(device));
  if (!mapped.ok()) {
    LogError("soft-gpu: %s", mapped.message().c_str());
    space_->window().Release(*base, size_bytes);
    return chunk;
  }
  chunk.base = *base;
  return chunk;
}

CUresult DeviceMemory::AllocateLarge(const AllocationRequest& request, MemoryRange* range) {
  const uint64_t size_bytes = RoundUp(request.size_bytes, kFrameBytes);
  const Chunk chunk = MakeChunk(request.device, size_bytes, request.align_bytes);
  if (chunk.base == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  range->base = chunk.base;
  range->physical = chunk.physical;
  return CUDA_SUCCESS;
}

CUresult DeviceMemory::AllocateSmall(const AllocationRequest& request, MemoryRange* range) {
  const uint64_t size_bytes = RoundUp(request.size_bytes, kBlockAlignBytes);
  const uint64_t align_bytes = std::max(request.align_bytes, kBlockAlignBytes);
  return pools_.With([&](Pools& pools) {
    SmallBlocks& pool = pools[static_cast<size_t>(request.device)];
    auto address = pool.Allocate(size_bytes, align_bytes);
    if (!address) {
      Chunk chunk = MakeChunk(request.device, kFrameBytes, kFrameBytes);
      if (chunk.base == 0) {
        return CUDA_ERROR_OUT_OF_MEMORY;
      }
      pool.AddChunk(std::move(chunk));
      address = pool.Allocate(size_bytes, align_bytes);
    }
    range->base = *address;
    range->physical = pool.PhysicalOf(*address);
    return CUDA_SUCCESS;
  });
}

CUresult DeviceMemory::Allocate(const AllocationRequest& request, uint64_t* address) {
  if (request.size_bytes > space_->frames(request.device)->capacity_bytes()) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  MemoryRange range;
  range.size_bytes = request.size_bytes;
  range.kind = request.kind;
  range.device = request.device;
  range.context = request.context;
  range.flags = request.flags;
  const bool small =
      request.size_bytes <= kSmallBlockBytesMax && request.align_bytes <= kFrameBytes;
  const CUresult result = small ? AllocateSmall(request, &range) : AllocateLarge(request, &range);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  if (request.kind == MemoryKind::kManaged) {
    // Managed memory is every device's. What else lies in its frame is then so too.
    const uint64_t first = RoundDown(range.base, kFrameBytes);
    FrameRights::Set(first, range.base + range.size_bytes - first, kEveryRight);
  }
  *address = range.base;
  space_->strict().Soil(range.base, range.size_bytes);
  FARLANE_CHECK(space_->table().Insert(std::move(range)));
  return CUDA_SUCCESS;
}

CUresult DeviceMemory::Free(uint64_t address, std::initializer_list<MemoryKind> kinds) {
  const auto range = space_->table().Take(address, kinds);
  if (!range) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool large =
      range->physical->size_bytes() > kFrameBytes || range->size_bytes > kSmallBlockBytesMax;
  Chunk gone{range->base, range->physical};
  if (!large) {
    const uint64_t size_bytes = RoundUp(range->size_bytes, kBlockAlignBytes);
    const auto emptied = pools_.With([&](Pools& pools) {
      return pools[static_cast<size_t>(range->device)].Free(address, size_bytes);
    });
    if (!emptied) {
      return CUDA_SUCCESS;
    }
    gone = *emptied;
  }
  space_->Unmap(gone.base, gone.physical->size_bytes());
  space_->window().Release(gone.base, gone.physical->size_bytes());
  return CUDA_SUCCESS;
}

void DeviceMemory::OpenTo(uint64_t address, uint32_t devices) {
  const auto range = space_->table().Find(address);
  const uint32_t* const rights = FrameRights::TableOrNull();
  if (!range || rights == nullptr) {
    return;
  }
  uint32_t more = 0;
  for (int device = 0; device < static_cast<int>(kDevicesMax); ++device) {
    more |= (devices >> device & 1) != 0 ? RightOfMapping(device) : 0;
  }
  for (uint64_t at = RoundDown(range->base, kFrameBytes); at < range->end(); at += kFrameBytes) {
    const uint64_t frame = (at - space_->window().base()) / kFrameBytes;
    FrameRights::Set(at, kFrameBytes, rights[frame] | more);
  }
}

void DeviceMemory::FreeContext(uint64_t context) {
  for (const MemoryRange& range : space_->table().OfContext(context)) {
    // Another thread may have freed it meanwhile; then there is nothing left to do.
    static_cast<void>(
        Free(range.base, {MemoryKind::kDevice, MemoryKind::kManaged, MemoryKind::kArray}));
  }
}

}  // namespace farlane::soft
