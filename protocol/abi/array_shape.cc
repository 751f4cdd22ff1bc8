// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/array_shape.h"

#include <algorithm>
#include <bit>
#include <initializer_list>

#include "protocol/base/bytes.h"

namespace farlane::abi {
namespace {

constexpr unsigned int kFlagsKnown = CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST |
                                     CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_TEXTURE_GATHER;
// Flags that CUDA has and we do not.
constexpr unsigned int kFlagsMissing = CUDA_ARRAY3D_DEPTH_TEXTURE | CUDA_ARRAY3D_COLOR_ATTACHMENT |
                                       CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING |
                                       CUDA_ARRAY3D_VIDEO_ENCODE_DECODE;
constexpr uint64_t kCubeFaces = 6;

// How GPUs keep texels: tiles of 64 bytes by 8 rows, up to 16 of them in a block above each other,
// and up to 16 slices deep.
constexpr uint64_t kTileBytes = 64;
constexpr uint64_t kTileRows = 8;
constexpr uint64_t kBlockTiles = 16;
constexpr uint64_t kBlockSlices = 16;
// What a driver's allocator deals out: pages of the smaller kind, from the larger on whole ones.
constexpr uint64_t kSmallPageBytes = 64_KiB;
constexpr uint64_t kLargePageBytes = 2_MiB;

struct Limits {
  CUdevice_attribute width;
  CUdevice_attribute height;
  CUdevice_attribute depth;
};

constexpr CUdevice_attribute kNone = static_cast<CUdevice_attribute>(0);

constexpr Limits kTexture1D = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH, kNone, kNone};
constexpr Limits kTexture1DMipmapped = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_MIPMAPPED_WIDTH,
                                        kNone, kNone};
constexpr Limits kTexture2D = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_WIDTH,
                               CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_HEIGHT, kNone};
constexpr Limits kTexture2DMipmapped = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_MIPMAPPED_WIDTH,
                                        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_MIPMAPPED_HEIGHT,
                                        kNone};
constexpr Limits kTexture2DGather = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_GATHER_WIDTH,
                                     CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_GATHER_HEIGHT, kNone};
constexpr Limits kTexture3D = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH,
                               CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT,
                               CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH};
constexpr Limits kTexture3DAlternate = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH_ALTERNATE,
                                        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT_ALTERNATE,
                                        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH_ALTERNATE};
constexpr Limits kTexture1DLayered = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_WIDTH, kNone,
                                      CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_LAYERS};
constexpr Limits kTexture2DLayered = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_WIDTH,
                                      CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_HEIGHT,
                                      CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_LAYERS};
constexpr Limits kCubemap = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_WIDTH, kNone, kNone};
constexpr Limits kCubemapLayered = {CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_WIDTH, kNone,
                                    CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_LAYERS};
constexpr Limits kSurface1D = {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE1D_WIDTH, kNone, kNone};
constexpr Limits kSurface2D = {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_WIDTH,
                               CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_HEIGHT, kNone};
constexpr Limits kSurface3D = {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE3D_WIDTH,
                               CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE3D_HEIGHT,
                               CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE3D_DEPTH};
constexpr Limits kSurface1DLayered = {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE1D_LAYERED_WIDTH, kNone,
                                      CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE1D_LAYERED_LAYERS};
constexpr Limits kSurface2DLayered = {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_LAYERED_WIDTH,
                                      CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_LAYERED_HEIGHT,
                                      CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_LAYERED_LAYERS};
constexpr Limits kSurfaceCubemap = {CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACECUBEMAP_WIDTH, kNone, kNone};
constexpr Limits kSurfaceCubemapLayered = {
    CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACECUBEMAP_LAYERED_WIDTH, kNone,
    CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACECUBEMAP_LAYERED_LAYERS};

uint64_t Halved(uint64_t size, uint32_t level) {
  return size == 0 ? 0 : std::max<uint64_t>(size >> level, 1);
}

}  // namespace

uint32_t BytesOfFormat(CUarray_format format) {
  switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8:
    case CU_AD_FORMAT_UNORM_INT8X1:
    case CU_AD_FORMAT_SNORM_INT8X1:
      return 1;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF:
    case CU_AD_FORMAT_UNORM_INT8X2:
    case CU_AD_FORMAT_SNORM_INT8X2:
    case CU_AD_FORMAT_UNORM_INT16X1:
    case CU_AD_FORMAT_SNORM_INT16X1:
      return 2;
    case CU_AD_FORMAT_UNSIGNED_INT32:
    case CU_AD_FORMAT_SIGNED_INT32:
    case CU_AD_FORMAT_FLOAT:
    case CU_AD_FORMAT_UNORM_INT8X4:
    case CU_AD_FORMAT_SNORM_INT8X4:
    case CU_AD_FORMAT_UNORM_INT16X2:
    case CU_AD_FORMAT_SNORM_INT16X2:
      return 4;
    case CU_AD_FORMAT_UNORM_INT16X4:
    case CU_AD_FORMAT_SNORM_INT16X4:
      return 8;
    default:
      return 0;
  }
}

uint32_t ChannelsOfFormat(CUarray_format format) {
  switch (format) {
    case CU_AD_FORMAT_UNORM_INT8X1:
    case CU_AD_FORMAT_SNORM_INT8X1:
    case CU_AD_FORMAT_UNORM_INT16X1:
    case CU_AD_FORMAT_SNORM_INT16X1:
      return 1;
    case CU_AD_FORMAT_UNORM_INT8X2:
    case CU_AD_FORMAT_SNORM_INT8X2:
    case CU_AD_FORMAT_UNORM_INT16X2:
    case CU_AD_FORMAT_SNORM_INT16X2:
      return 2;
    case CU_AD_FORMAT_UNORM_INT8X4:
    case CU_AD_FORMAT_SNORM_INT8X4:
    case CU_AD_FORMAT_UNORM_INT16X4:
    case CU_AD_FORMAT_SNORM_INT16X4:
      return 4;
    default:
      return 0;
  }
}

uint32_t BytesOfTexel(CUarray_format format, uint32_t channels) {
  const uint32_t own = ChannelsOfFormat(format);
  if (own != 0) {
    return channels == own ? BytesOfFormat(format) : 0;
  }
  return channels == 1 || channels == 2 || channels == 4 ? BytesOfFormat(format) * channels : 0;
}

ArrayShape::ArrayShape(const CUDA_ARRAY3D_DESCRIPTOR& descriptor, uint32_t levels)
    : descriptor_(descriptor) {
  const uint64_t deepest = layered() || cubemap() ? 0 : descriptor.Depth;
  const uint64_t longest = std::max({descriptor.Width, descriptor.Height, deepest});
  // As with drivers: none is one, and more than halving gives are as many as it gives.
  levels_ = std::clamp<uint32_t>(
      levels, 1, std::max<uint32_t>(static_cast<uint32_t>(std::bit_width(longest)), 1));
}

ArrayShape ArrayShape::Level(uint32_t level) const {
  ArrayShape one = *this;
  one.levels_ = 1;
  one.descriptor_.Width = Halved(descriptor_.Width, level);
  one.descriptor_.Height = Halved(descriptor_.Height, level);
  if (!layered() && !cubemap()) {
    one.descriptor_.Depth = Halved(descriptor_.Depth, level);
  }
  return one;
}

CUresult ArrayShape::Check(const std::function<int(CUdevice_attribute)>& limit_of) const {
  if ((descriptor_.Flags & ~(kFlagsKnown | kFlagsMissing)) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if ((descriptor_.Flags & kFlagsMissing) != 0) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (texel_bytes() == 0) {
    // Formats of video frames and compressed blocks have numbers of their own.
    const bool other =
        descriptor_.Format > CU_AD_FORMAT_FLOAT && BytesOfFormat(descriptor_.Format) == 0;
    return other && descriptor_.Format <= CU_AD_FORMAT_SNORM_INT16X4 && descriptor_.Format >= 80
               ? CUDA_ERROR_NOT_SUPPORTED
               : CUDA_ERROR_INVALID_VALUE;
  }
  return CheckExtent(limit_of);
}

CUresult ArrayShape::CheckExtent(const std::function<int(CUdevice_attribute)>& limit_of) const {
  const ArrayExtent extent{descriptor_.Width, descriptor_.Height, descriptor_.Depth};
  const bool surface = (descriptor_.Flags & CUDA_ARRAY3D_SURFACE_LDST) != 0;
  const auto within = [&](const Limits& limits) {
    const auto fits = [&](uint64_t size, CUdevice_attribute limit) {
      return limit == kNone || size <= static_cast<uint64_t>(std::max(limit_of(limit), 0));
    };
    return fits(extent.width, limits.width) && fits(extent.height, limits.height) &&
           fits(extent.depth, limits.depth);
  };
  const auto allowed = [&](std::initializer_list<Limits> textures, const Limits& surfaces) {
    const bool fits = std::any_of(textures.begin(), textures.end(), within);
    return fits && (!surface || within(surfaces)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  };
  const bool gather = (descriptor_.Flags & CUDA_ARRAY3D_TEXTURE_GATHER) != 0;
  const bool flat = extent.depth == 0 && extent.height != 0;
  if (extent.width == 0 || (gather && (!flat || layered() || cubemap()))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (cubemap()) {
    const bool whole = extent.width == extent.height && extent.depth % kCubeFaces == 0 &&
                       extent.depth != 0 && (layered() || extent.depth == kCubeFaces);
    return !whole      ? CUDA_ERROR_INVALID_VALUE
           : layered() ? allowed({kCubemapLayered}, kSurfaceCubemapLayered)
                       : allowed({kCubemap}, kSurfaceCubemap);
  }
  if (layered()) {
    return extent.depth == 0    ? CUDA_ERROR_INVALID_VALUE
           : extent.height == 0 ? allowed({kTexture1DLayered}, kSurface1DLayered)
                                : allowed({kTexture2DLayered}, kSurface2DLayered);
  }
  if (extent.depth != 0) {
    return extent.height == 0 ? CUDA_ERROR_INVALID_VALUE
                              : allowed({kTexture3D, kTexture3DAlternate}, kSurface3D);
  }
  if (extent.height == 0) {
    return levels_ > 1 ? allowed({kTexture1DMipmapped}, kSurface1D)
                       : allowed({kTexture1D}, kSurface1D);
  }
  return gather        ? allowed({kTexture2DGather}, kSurface2D)
         : levels_ > 1 ? allowed({kTexture2DMipmapped}, kSurface2D)
                       : allowed({kTexture2D}, kSurface2D);
}

bool ArrayShape::Holds(const ArrayBox& box) const {
  const auto fits = [](uint64_t from, uint64_t count, uint64_t size) {
    return from <= size && count <= size - from;
  };
  return fits(box.x, box.width, row_bytes()) && fits(box.y, box.rows, rows()) &&
         fits(box.z, box.slices, slices());
}

uint64_t ArrayShape::BlockBytes() const {
  const uint64_t width = RoundUp(row_bytes(), kTileBytes);
  const uint64_t tiles = (rows() + kTileRows - 1) / kTileRows;
  const bool deep = descriptor_.Depth != 0 && !layered() && !cubemap();
  if (deep) {
    const uint64_t block = std::min(std::bit_ceil(slices()), kBlockSlices);
    return width * tiles * kTileRows * RoundUp(slices(), block);
  }
  const uint64_t block = std::min(std::bit_ceil(tiles), kBlockTiles);
  return width * RoundUp(tiles, block) * kTileRows * slices();
}

uint64_t ArrayShape::DeviceBytes() const {
  uint64_t bytes = 0;
  for (uint32_t level = 0; level < levels_; ++level) {
    bytes += Level(level).BlockBytes();
  }
  return bytes >= kLargePageBytes / 2 ? RoundUp(bytes, kLargePageBytes)
                                      : RoundUp(bytes, kSmallPageBytes);
}

}  // namespace farlane::abi
