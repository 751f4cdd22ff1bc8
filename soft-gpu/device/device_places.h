// SPDX-License-Identifier: Apache-2.0
// DevicePlaces gives programs device memory for what they declare: variables, and the heap from
// which malloc of kernels is served.
#pragma once

#include "soft-gpu/device/device_memory.h"
#include "soft-gpu/exec/device_heap.h"
#include "soft-gpu/exec/globals.h"

namespace farlane::soft {

// Thread: any; the allocator guards itself.
class DevicePlaces final : public GlobalPlaces {
 public:
  DevicePlaces(DeviceMemory& memory, int device, uint64_t context)
      : memory_(memory), device_(device), context_(context) {}

  // Zeroed.
  Result<uint64_t> Allocate(uint64_t size_bytes, uint64_t align_bytes) override;
  void Free(uint64_t address) override;

  uint64_t context() const { return context_; }

 private:
  DeviceMemory& memory_;
  int device_;
  uint64_t context_;
};

// The heap of one context's kernels.
// Thread: any.
class ContextHeap {
 public:
  ContextHeap(DeviceMemory& memory,
              int device,
              uint64_t context,
              std::function<uint64_t()> size_bytes)
      : places_(memory, device, context), heap_(places_, std::move(size_bytes)) {}

  DeviceHeap& heap() { return heap_; }

 private:
  DevicePlaces places_;
  DeviceHeap heap_;
};

}  // namespace farlane::soft
