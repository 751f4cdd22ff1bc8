// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/device_places.h"

#include <cstring>

#include "protocol/base/log.h"

namespace farlane::soft {

Result<uint64_t> DevicePlaces::Allocate(uint64_t size_bytes, uint64_t align_bytes) {
  AllocationRequest request;
  request.device = device_;
  request.context = context_;
  request.size_bytes = size_bytes;
  request.align_bytes = align_bytes;
  request.kind = MemoryKind::kGlobal;
  uint64_t address = 0;
  if (memory_.Allocate(request, &address) != CUDA_SUCCESS) {
    return Status(StatusCode::kExhausted,
                  std::to_string(size_bytes) + " bytes of device memory are not there");
  }
  // Blocks are used again and again; only fresh frames are empty.
  std::memset(reinterpret_cast<void*>(address), 0, size_bytes);
  return address;
}

void DevicePlaces::Free(uint64_t address) {
  if (memory_.Free(address, {MemoryKind::kGlobal}) != CUDA_SUCCESS) {
    LogError("soft-gpu: a module gives back memory that it does not have");
  }
}

}  // namespace farlane::soft
