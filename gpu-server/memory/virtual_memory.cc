// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/virtual_memory.h"

#include <algorithm>

namespace farlane::server {

using wire::WireError;

VirtualMemory::~VirtualMemory() {
  for (const auto& [address, mapping] : mappings_) {
    static_cast<void>(driver_.cuMemUnmap(address, mapping.bytes));  // nothing to do if it fails
    mapping.lender->ReturnAddresses({.address = address, .bytes = mapping.bytes});
  }
}

WireError VirtualMemory::Create(wire::Handle handle, DeviceMemory* memory, uint64_t bytes) {
  if (wire::KindOf(handle) != wire::HandleKind::kPhysical || physicals_.contains(handle)) {
    return WireError::kBadReference;
  }
  std::vector<ChunkHandle> chunks;
  if (!memory->TakeChunks(bytes, &chunks)) {
    return WireError::kBadValue;
  }
  const auto physical = std::make_shared<Physical>();
  physical->memory = memory;
  physical->chunks = std::move(chunks);
  physicals_[handle] = physical;
  return WireError::kNone;
}

bool VirtualMemory::Adopt(wire::Handle handle,
                          DeviceMemory* memory,
                          std::vector<ChunkHandle> chunks,
                          End end) {
  if (wire::KindOf(handle) != wire::HandleKind::kPhysical || physicals_.contains(handle)) {
    return false;
  }
  const auto physical = std::make_shared<Physical>();
  physical->memory = memory;
  physical->chunks = std::move(chunks);
  physical->end = std::move(end);
  physicals_[handle] = physical;
  return true;
}

WireError VirtualMemory::ListChunks(wire::Handle handle,
                                    DeviceMemory** memory,
                                    std::vector<ChunkHandle>* chunks) const {
  const auto found = physicals_.find(handle);
  // What was imported is its owner's to share; what is shared has its name.
  if (found == physicals_.end() || found->second->end != nullptr) {
    return WireError::kBadReference;
  }
  *memory = found->second->memory;
  *chunks = found->second->chunks;
  return WireError::kNone;
}

bool VirtualMemory::ReplaceEnd(wire::Handle handle, End end) {
  const auto found = physicals_.find(handle);
  if (found == physicals_.end() || found->second->end != nullptr) {
    return false;
  }
  found->second->end = std::move(end);
  return true;
}

WireError VirtualMemory::Release(wire::Handle handle) {
  return physicals_.erase(handle) != 0 ? WireError::kNone : WireError::kBadReference;
}

CUresult VirtualMemory::ZeroAll() const {
  CUresult result = CUDA_SUCCESS;
  const auto zero = [&result](const Physical& physical) {
    const Scrubber* const scrubber = physical.memory->scrubber();
    // One with another end is, or was, shared: others may go on with it.
    if (scrubber != nullptr && physical.end == nullptr) {
      const CUresult one = scrubber->Zero(physical.chunks);
      result = result == CUDA_SUCCESS ? one : result;
    }
  };
  for (const auto& [handle, physical] : physicals_) {
    zero(*physical);
  }
  for (const auto& [address, mapping] : mappings_) {
    zero(*mapping.physical);
  }
  return result;
}

WireError VirtualMemory::Map(AddressRange range, wire::Handle handle, CUresult* result) {
  const auto found = physicals_.find(handle);
  if (found == physicals_.end()) {
    return WireError::kBadReference;
  }
  const auto lender = std::find_if(memories_.begin(), memories_.end(), [&](const auto& memory) {
    return memory != nullptr && memory->LendAddresses(range);
  });
  if (lender == memories_.end()) {
    *result = CUDA_ERROR_INVALID_VALUE;
    return WireError::kNone;
  }
  const std::shared_ptr<Physical>& physical = found->second;
  *result = range.bytes / kChunkBytes <= physical->chunks.size() ? MapChunks(range, *physical)
                                                                 : CUDA_ERROR_INVALID_VALUE;
  if (*result != CUDA_SUCCESS) {
    (*lender)->ReturnAddresses(range);
    return WireError::kNone;
  }
  mappings_[range.address] = {.bytes = range.bytes, .lender = lender->get(), .physical = physical};
  return WireError::kNone;
}

CUresult VirtualMemory::MapChunks(AddressRange range, const Physical& physical) {
  for (uint64_t at = 0; at < range.bytes; at += kChunkBytes) {
    const CUresult result =
        driver_.cuMemMap(range.address + at, kChunkBytes, 0, physical.chunks[at / kChunkBytes], 0);
    if (result != CUDA_SUCCESS) {
      if (at != 0) {
        static_cast<void>(driver_.cuMemUnmap(range.address, at));
      }
      return result;
    }
  }
  return CUDA_SUCCESS;
}

bool VirtualMemory::IsCovered(AddressRange range) const {
  uint64_t left = range.bytes;
  for (auto at = mappings_.find(range.address); left != 0; ++at) {
    const uint64_t address = range.address + (range.bytes - left);
    if (at == mappings_.end() || at->first != address || at->second.bytes > left) {
      return false;
    }
    left -= at->second.bytes;
  }
  return range.bytes != 0;
}

WireError VirtualMemory::Unmap(AddressRange range, CUresult* result) {
  *result = IsCovered(range) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  // One by one, because a driver takes no range that reaches into another arena.
  while (*result == CUDA_SUCCESS && range.bytes != 0) {
    const auto mapping = mappings_.find(range.address);
    const uint64_t bytes = mapping->second.bytes;
    *result = driver_.cuMemUnmap(range.address, bytes);
    if (*result == CUDA_SUCCESS) {
      mapping->second.lender->ReturnAddresses({.address = range.address, .bytes = bytes});
      mappings_.erase(mapping);
      range = {.address = range.address + bytes, .bytes = range.bytes - bytes};
    }
  }
  return WireError::kNone;
}

WireError VirtualMemory::SetAccess(AddressRange range,
                                   CUdevice device,
                                   CUmemAccess_flags flags,
                                   CUresult* result) {
  const bool known = flags == CU_MEM_ACCESS_FLAGS_PROT_NONE ||
                     flags == CU_MEM_ACCESS_FLAGS_PROT_READ ||
                     flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  if (!known) {
    return WireError::kBadValue;
  }
  const CUmemAccessDesc access = AccessOf(device, flags);
  *result = IsCovered(range) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  while (*result == CUDA_SUCCESS && range.bytes != 0) {
    const uint64_t bytes = mappings_.find(range.address)->second.bytes;
    *result = driver_.cuMemSetAccess(range.address, bytes, &access, 1);
    range = {.address = range.address + bytes, .bytes = range.bytes - bytes};
  }
  return WireError::kNone;
}

}  // namespace farlane::server
