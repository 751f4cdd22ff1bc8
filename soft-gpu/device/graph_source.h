// SPDX-License-Identifier: Apache-2.0
// GraphSource gives graphs their memory: allocations like any other.
#pragma once

#include "protocol/graph/graph_memory.h"
#include "soft-gpu/device/device_memory.h"

namespace farlane::soft {

// Thread: any.
class GraphSource final : public graph::MemorySource {
 public:
  GraphSource(DeviceMemory* memory, int devices_count)
      : memory_(memory), devices_count_(devices_count) {}

  bool HasDevice(int device) const override { return device >= 0 && device < devices_count_; }

  CUresult Allocate(int device, wire::Handle context, uint64_t bytes, uint64_t* address) override {
    AllocationRequest request;
    request.device = device;
    request.context = context;
    request.size_bytes = bytes;
    return memory_->Allocate(request, address);
  }

  // Launches keep what they use, so nothing uses it any more. It fails only for memory that went
  // with its context.
  void Free(int /*device*/, uint64_t address) override {
    static_cast<void>(memory_->Free(address, {MemoryKind::kDevice}));
  }

 private:
  DeviceMemory* const memory_;
  const int devices_count_;
};

}  // namespace farlane::soft
