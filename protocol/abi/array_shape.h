// SPDX-License-Identifier: Apache-2.0
// ArrayShape is what can be known of a CUDA array from its descriptor alone: how large it is, how
// its levels shrink, and whether a device with given limits takes it. The rules are the manual's,
// so that client, server and software GPU judge alike; nothing here knows where texels lie.
#pragma once

#include <cstdint>
#include <functional>

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {

// Texels per row, rows per slice, slices; as a descriptor says it, so that 0 is "no such
// dimension".
struct ArrayExtent {
  uint64_t width = 0;
  uint64_t height = 0;
  uint64_t depth = 0;
};

// A box inside an array: x and width in bytes, the rest in rows and slices.
struct ArrayBox {
  uint64_t x = 0;
  uint64_t y = 0;
  uint64_t z = 0;
  uint64_t width = 0;
  uint64_t rows = 0;
  uint64_t slices = 0;
};

// Bytes of one channel; for formats that name their channels, of a whole texel. 0: not supported.
uint32_t BytesOfFormat(CUarray_format format);
// The channels that a format names by itself; 0 for those that leave it to the descriptor.
uint32_t ChannelsOfFormat(CUarray_format format);
// Bytes of one texel; 0 where there is no such one.
uint32_t BytesOfTexel(CUarray_format format, uint32_t channels);

// Thread: immutable.
class ArrayShape {
 public:
  ArrayShape() = default;
  // `levels` is 1 for an array that is not mipmapped.
  ArrayShape(const CUDA_ARRAY3D_DESCRIPTOR& descriptor, uint32_t levels);

  // Whether a device would make it. CUDA_ERROR_NOT_SUPPORTED: a kind of array that is not there.
  CUresult Check(const std::function<int(CUdevice_attribute)>& limit_of) const;

  const CUDA_ARRAY3D_DESCRIPTOR& descriptor() const { return descriptor_; }

  uint32_t levels() const { return levels_; }

  bool layered() const { return (descriptor_.Flags & CUDA_ARRAY3D_LAYERED) != 0; }

  bool cubemap() const { return (descriptor_.Flags & CUDA_ARRAY3D_CUBEMAP) != 0; }

  uint32_t texel_bytes() const { return BytesOfTexel(descriptor_.Format, descriptor_.NumChannels); }

  // The shape of one level alone.
  ArrayShape Level(uint32_t level) const;

  uint64_t row_bytes() const { return descriptor_.Width * texel_bytes(); }

  uint64_t rows() const { return descriptor_.Height == 0 ? 1 : descriptor_.Height; }

  uint64_t slices() const { return descriptor_.Depth == 0 ? 1 : descriptor_.Depth; }

  // Of an array without levels: whether a box lies in it.
  bool Holds(const ArrayBox& box) const;

  // What a GPU takes for it, which keeps texels in blocks and not in rows: at least what it needs,
  // whatever the driver. Only of a shape that Check has passed.
  uint64_t DeviceBytes() const;

 private:
  CUresult CheckExtent(const std::function<int(CUdevice_attribute)>& limit_of) const;
  uint64_t BlockBytes() const;

  CUDA_ARRAY3D_DESCRIPTOR descriptor_{};
  uint32_t levels_ = 1;
};

}  // namespace farlane::abi
