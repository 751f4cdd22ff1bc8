// SPDX-License-Identifier: Apache-2.0
// TexelMemory is the way from a texture to its bytes. Whatever a texture claims, only the device
// window is touched: what lies elsewhere is remembered as a fault and reads as zeros. A hole in the
// window is found by the processor, as with every access of a kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "soft-gpu/exec/texture.h"
#include "soft-gpu/exec/window.h"

namespace farlane::soft {

// What was wrong with the first access that could not be made.
struct TexelFault {
  bool happened = false;
  bool misaligned = false;
  uint64_t address = 0;
  uint32_t bytes = 1;
};

// Where a texel lies; the place must be inside the image.
constexpr uint64_t AddressOfTexel(const TexelImage& image,
                                  uint64_t x_bytes,
                                  uint64_t row,
                                  uint64_t slice) {
  return image.base + slice * image.slice_bytes + row * image.row_bytes + x_bytes;
}

// Thread: the worker that runs the block.
class TexelMemory {
 public:
  explicit TexelMemory(const DeviceWindow& window) : window_(window) {}

  // Null, and a fault, if the bytes do not all lie in the window.
  std::byte* At(uint64_t address, uint32_t bytes) {
    const uint64_t offset = address - window_.base;
    if (offset >= window_.size_bytes || window_.size_bytes - offset < bytes) {
      Fail({true, false, address, bytes});
      return nullptr;
    }
    return reinterpret_cast<std::byte*>(address);
  }

  void Fail(const TexelFault& fault) {
    if (!fault_.happened) {
      fault_ = fault;
    }
  }

  const TexelFault& fault() const { return fault_; }

 private:
  const DeviceWindow& window_;
  TexelFault fault_;
};

}  // namespace farlane::soft
