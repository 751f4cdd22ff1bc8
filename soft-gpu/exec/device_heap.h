// SPDX-License-Identifier: Apache-2.0
// DeviceHeap is the memory that malloc of kernels hands out: one piece of device memory that lives
// as long as its context, so that what one kernel takes another may use and free. It knows its
// blocks by heart: nothing a kernel writes can confuse it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "protocol/base/guarded.h"
#include "protocol/base/result.h"
#include "soft-gpu/exec/globals.h"

namespace farlane::soft {

constexpr uint64_t kHeapAlignBytes = 16;

// Thread: any, guarded.
class DeviceHeap {
 public:
  // `size_bytes` is asked once, when the first kernel that needs the heap is launched. `places`
  // must outlive the heap.
  DeviceHeap(GlobalPlaces& places, std::function<uint64_t()> size_bytes)
      : places_(places), size_bytes_(std::move(size_bytes)) {}

  DeviceHeap(const DeviceHeap&) = delete;
  DeviceHeap& operator=(const DeviceHeap&) = delete;
  ~DeviceHeap();

  // Takes the memory if it has not been taken yet. Not to be called from kernels.
  Status Open();

  // 0 if there is no room for that many.
  uint64_t Allocate(uint64_t size_bytes);
  // False if nothing that Allocate gave begins there.
  bool Free(uint64_t address);

 private:
  struct Blocks {
    uint64_t base = 0;                  // 0: not open
    std::map<uint64_t, uint64_t> free;  // offset -> bytes; neighbours are joined
    std::map<uint64_t, uint64_t> used;
  };

  GlobalPlaces& places_;
  std::function<uint64_t()> size_bytes_;
  Guarded<Blocks> blocks_;
};

}  // namespace farlane::soft
