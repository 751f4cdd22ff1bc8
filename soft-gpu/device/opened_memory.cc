// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/opened_memory.h"

#include <cstring>
#include <vector>

#include "protocol/base/log.h"
#include "soft-gpu/exec/frame_rights.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kMagic = 0x316d6d6574666f73;  // of this layout

}  // namespace

CUresult OpenedMemory::Name(uint64_t address, uint64_t pool, CUipcMemHandle* handle) {
  const auto range = space_->table().Find(address);
  // As a driver: what the program has mapped by itself is passed on by descriptor.
  if (!range || range->kind != MemoryKind::kDevice) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const FrameKey key = range->physical->Share();
  // Allocations begin in the first frame of their memory.
  const HandleBytes bytes{.magic = kMagic,
                          .device = key.device,
                          .first_frame = key.first_frame,
                          .serial = key.serial,
                          .reserved = 0,
                          .offset_bytes = range->base % kFrameBytes,
                          .size_bytes = range->size_bytes,
                          .pool = pool,
                          .unused = {}};
  memcpy(handle, &bytes, sizeof bytes);
  return CUDA_SUCCESS;
}

CUresult OpenedMemory::Open(const CUipcMemHandle& handle,
                            uint64_t pool,
                            uint64_t context,
                            uint64_t* address) {
  HandleBytes name;
  memcpy(&name, &handle, sizeof name);
  if (name.magic != kMagic || name.pool != pool) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  return opened_.With([&](All& all) {
    for (auto& [at, opened] : all) {
      if (opened.context == context && memcmp(&opened.name, &name, sizeof name) == 0) {
        ++opened.times;
        *address = at;
        return CUDA_SUCCESS;
      }
    }
    const CUresult result = Map(name, context, address);
    if (result == CUDA_SUCCESS) {
      all[*address] = {.name = name, .context = context, .times = 1};
    }
    return result;
  });
}

CUresult OpenedMemory::Map(const HandleBytes& name, uint64_t context, uint64_t* address) {
  int device = 0;
  Frames* const frames = space_->FramesAt(name.device, &device);
  const FrameKey key{.device = name.device, .first_frame = name.first_frame, .serial = name.serial};
  MemoryRange range;
  range.physical = frames != nullptr ? PhysicalMemory::Join(frames, device, key) : nullptr;
  if (range.physical == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (frames->IsMine(key)) {
    return CUDA_ERROR_INVALID_CONTEXT;  // only another process may
  }
  const uint64_t size_bytes = range.physical->size_bytes();
  if (name.offset_bytes > size_bytes || name.size_bytes > size_bytes - name.offset_bytes) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const auto base = space_->window().Reserve(size_bytes, kFrameBytes, 0);
  if (!base) {
    return CUDA_ERROR_MAP_FAILED;
  }
  const Status mapped =
      space_->Map(*base, *range.physical, 0, size_bytes, true, RightOfOwner(device));
  if (!mapped.ok()) {
    LogError("soft-gpu: %s", mapped.message().c_str());
    space_->window().Release(*base, size_bytes);
    return CUDA_ERROR_MAP_FAILED;
  }
  range.base = *base + name.offset_bytes;
  range.size_bytes = name.size_bytes;
  range.kind = MemoryKind::kOpened;
  range.device = device;
  range.context = context;
  range.physical_offset_bytes = name.offset_bytes;
  *address = range.base;
  FARLANE_CHECK(space_->table().Insert(std::move(range)));
  return CUDA_SUCCESS;
}

void OpenedMemory::Unmap(uint64_t address) {
  const auto range = space_->table().Take(address, {MemoryKind::kOpened});
  if (range) {
    const uint64_t base = range->base - range->physical_offset_bytes;
    space_->Unmap(base, range->physical->size_bytes());
    space_->window().Release(base, range->physical->size_bytes());
  }
}

CUresult OpenedMemory::Close(uint64_t address, bool of_pool) {
  return opened_.With([&](All& all) {
    const auto found = all.find(address);
    if (found == all.end() || (found->second.name.pool != 0) != of_pool) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (--found->second.times == 0) {
      Unmap(address);
      all.erase(found);
    }
    return CUDA_SUCCESS;
  });
}

void OpenedMemory::ForgetContext(uint64_t context) {
  opened_.With([&](All& all) {
    for (auto entry = all.begin(); entry != all.end();) {
      if (entry->second.context != context) {
        ++entry;
        continue;
      }
      Unmap(entry->first);
      entry = all.erase(entry);
    }
  });
}

}  // namespace farlane::soft
