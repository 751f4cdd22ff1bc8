// SPDX-License-Identifier: Apache-2.0
// A Texture is what a kernel's texture or surface instruction works on: where texels lie, what they
// are, and how coordinates become texels. It is plain data that says nothing about who made it; the
// memory it names is looked at with the same care as any address of a kernel's.
#pragma once

#include <cstdint>

namespace farlane::soft {

enum class ChannelType : uint8_t {
  kUnsigned8,
  kUnsigned16,
  kUnsigned32,
  kSigned8,
  kSigned16,
  kSigned32,
  kHalf,
  kFloat,
};

constexpr uint32_t BytesOf(ChannelType type) {
  switch (type) {
    case ChannelType::kUnsigned8:
    case ChannelType::kSigned8:
      return 1;
    case ChannelType::kUnsigned16:
    case ChannelType::kSigned16:
    case ChannelType::kHalf:
      return 2;
    default:
      return 4;
  }
}

enum class AddressMode : uint8_t { kWrap, kClamp, kMirror, kBorder };

// Texels in rows: of an array, of one of its levels, or of plain device memory.
struct TexelImage {
  uint64_t base = 0;
  uint64_t row_bytes = 0;    // from one row to the next
  uint64_t slice_bytes = 0;  // from one slice, layer or face to the next
  uint32_t width = 0;
  uint32_t height = 1;
  uint32_t depth = 1;  // slices, layers, or faces times layers
};

constexpr uint32_t kTextureLevelsMax = 17;

// Thread: immutable once a kernel may use it.
struct Texture {
  bool is_surface = false;
  bool is_linear = false;  // one row of device memory: no filter, nothing but zeros outside of it
  bool is_layered = false;
  bool is_cube = false;
  uint8_t dimensions = 1;  // of a layer
  ChannelType type = ChannelType::kFloat;
  uint8_t channels = 1;
  AddressMode modes[3] = {AddressMode::kWrap, AddressMode::kWrap, AddressMode::kWrap};
  bool filters = false;  // between texels
  bool filters_levels = false;
  bool is_normalized = false;   // coordinates from 0 to 1
  bool reads_fraction = false;  // integers of 8 and 16 bits become fractions of the largest
  bool is_srgb = false;
  float border[4] = {0, 0, 0, 0};
  float level_bias = 0;
  float level_min = 0;
  float level_max = 0;
  uint32_t rights = 0xffffffff;  // of the device whose it is; see frame_rights.h
  uint32_t levels = 1;
  TexelImage images[kTextureLevelsMax];

  uint32_t texel_bytes() const { return BytesOf(type) * channels; }

  // Whether reading gives floats rather than integers.
  bool gives_floats() const {
    return reads_fraction || type == ChannelType::kHalf || type == ChannelType::kFloat;
  }
};

}  // namespace farlane::soft
