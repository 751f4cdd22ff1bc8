// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/host_memory.h"

#include "protocol/base/log.h"
#include "soft-gpu/exec/frame_rights.h"

namespace farlane::soft {

CUresult HostMemory::Allocate(uint64_t context,
                              uint64_t size_bytes,
                              uint32_t flags,
                              uint64_t* address) {
  AddressWindow& window = space_->window();
  if (size_bytes > window.size_bytes()) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const uint64_t pages_bytes = RoundUp(size_bytes, kPageBytes);
  const auto base = window.Reserve(pages_bytes, kPageBytes, 0);
  if (!base) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const Status mapped = window.MapPrivate(*base, pages_bytes);
  if (!mapped.ok()) {
    LogWarn("soft-gpu: %s", mapped.message().c_str());
    window.Release(*base, pages_bytes);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  FrameRights::Set(*base, pages_bytes, kEveryRight);
  MemoryRange range;
  range.base = *base;
  range.size_bytes = size_bytes;
  range.kind = MemoryKind::kHost;
  range.context = context;
  range.flags = flags;
  FARLANE_CHECK(space_->table().Insert(std::move(range)));
  *address = *base;
  return CUDA_SUCCESS;
}

CUresult HostMemory::Free(uint64_t address) {
  const auto range = space_->table().Take(address, {MemoryKind::kHost});
  if (!range) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint64_t pages_bytes = RoundUp(range->size_bytes, kPageBytes);
  space_->Unmap(range->base, pages_bytes);
  space_->window().Release(range->base, pages_bytes);
  return CUDA_SUCCESS;
}

CUresult HostMemory::Register(uint64_t context,
                              uint64_t address,
                              uint64_t size_bytes,
                              uint32_t flags) {
  if (address + size_bytes < address) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  MemoryRange range;
  range.base = address;
  range.size_bytes = size_bytes;
  range.kind = MemoryKind::kRegistered;
  range.context = context;
  range.flags = flags;
  return space_->table().Insert(std::move(range)) ? CUDA_SUCCESS
                                                  : CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
}

CUresult HostMemory::Unregister(uint64_t address) {
  if (!space_->table().Take(address, {MemoryKind::kRegistered})) {
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  }
  aliases_.Drop(address);
  return CUDA_SUCCESS;
}

void HostMemory::FreeContext(uint64_t context) {
  for (const MemoryRange& range : space_->table().OfContext(context)) {
    if (range.kind == MemoryKind::kHost) {
      static_cast<void>(Free(range.base));  // fails only if another thread was faster
    } else if (range.kind == MemoryKind::kRegistered) {
      static_cast<void>(Unregister(range.base));
    }
  }
}

}  // namespace farlane::soft
