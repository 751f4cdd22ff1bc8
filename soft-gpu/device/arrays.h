// SPDX-License-Identifier: Apache-2.0
// Arrays are CUDA's arrays and mipmapped arrays: device memory without an address that a program
// could use, in which texels lie row by row. What a texture needs to know of one is its images.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/abi/array_shape.h"
#include "soft-gpu/device/device_memory.h"
#include "soft-gpu/device/handle_table.h"
#include "soft-gpu/exec/texture.h"

namespace farlane::soft {

// An array, a mipmapped array, or one level of that.
// Thread: immutable.
struct Array {
  abi::ArrayShape shape;
  bool is_mipmapped = false;
  uint64_t parent = 0;  // the mipmapped array whose level it is; 0: none
  uint64_t context = 0;
  int device = 0;
  std::vector<TexelImage> images;  // by level
  std::vector<uint64_t> levels;    // the arrays that they are; empty if it is not mipmapped

  uint64_t base() const { return images[0].base; }
};

// The memory of what is destroyed must not be in use any more. Thread: any, guarded.
class Arrays {
 public:
  explicit Arrays(DeviceMemory* memory) : memory_(memory) {}

  // `shape` has passed its Check.
  CUresult Create(const abi::ArrayShape& shape,
                  bool is_mipmapped,
                  uint64_t context,
                  int device,
                  uint64_t* handle);

  // Null if the handle means nothing.
  std::shared_ptr<const Array> Find(uint64_t handle) const { return table_.Find(handle); }

  CUresult Destroy(uint64_t handle);
  // Forgets all that belong to a context, whose memory is freed by others.
  void ForgetContext(uint64_t context);

 private:
  DeviceMemory* memory_;
  HandleTable<const Array> table_{HandleKind::kArray};
};

}  // namespace farlane::soft
