// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/textures.h"

#include <algorithm>

#include "protocol/abi/texture_memory.h"
#include "soft-gpu/exec/texture_table.h"

namespace farlane::soft {
namespace {

constexpr uint32_t kFaces = 6;

struct FormatRow {
  CUarray_format format;
  ChannelType type;
  bool is_fraction;  // whatever the texture says
};

constexpr FormatRow kFormats[] = {
    {CU_AD_FORMAT_UNSIGNED_INT8, ChannelType::kUnsigned8, false},
    {CU_AD_FORMAT_UNSIGNED_INT16, ChannelType::kUnsigned16, false},
    {CU_AD_FORMAT_UNSIGNED_INT32, ChannelType::kUnsigned32, false},
    {CU_AD_FORMAT_SIGNED_INT8, ChannelType::kSigned8, false},
    {CU_AD_FORMAT_SIGNED_INT16, ChannelType::kSigned16, false},
    {CU_AD_FORMAT_SIGNED_INT32, ChannelType::kSigned32, false},
    {CU_AD_FORMAT_HALF, ChannelType::kHalf, false},
    {CU_AD_FORMAT_FLOAT, ChannelType::kFloat, false},
    {CU_AD_FORMAT_UNORM_INT8X1, ChannelType::kUnsigned8, true},
    {CU_AD_FORMAT_UNORM_INT8X2, ChannelType::kUnsigned8, true},
    {CU_AD_FORMAT_UNORM_INT8X4, ChannelType::kUnsigned8, true},
    {CU_AD_FORMAT_UNORM_INT16X1, ChannelType::kUnsigned16, true},
    {CU_AD_FORMAT_UNORM_INT16X2, ChannelType::kUnsigned16, true},
    {CU_AD_FORMAT_UNORM_INT16X4, ChannelType::kUnsigned16, true},
    {CU_AD_FORMAT_SNORM_INT8X1, ChannelType::kSigned8, true},
    {CU_AD_FORMAT_SNORM_INT8X2, ChannelType::kSigned8, true},
    {CU_AD_FORMAT_SNORM_INT8X4, ChannelType::kSigned8, true},
    {CU_AD_FORMAT_SNORM_INT16X1, ChannelType::kSigned16, true},
    {CU_AD_FORMAT_SNORM_INT16X2, ChannelType::kSigned16, true},
    {CU_AD_FORMAT_SNORM_INT16X4, ChannelType::kSigned16, true},
};

CUresult SetFormat(CUarray_format format, uint32_t channels, unsigned int flags, Texture* texture) {
  if (abi::BytesOfTexel(format, channels) == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (const FormatRow& row : kFormats) {
    if (row.format == format) {
      texture->type = row.type;
      texture->channels = static_cast<uint8_t>(channels);
      const bool is_integer = BytesOf(row.type) < 4 && row.type != ChannelType::kHalf;
      texture->reads_fraction =
          row.is_fraction || (is_integer && (flags & CU_TRSF_READ_AS_INTEGER) == 0);
      texture->is_srgb = (flags & CU_TRSF_SRGB) != 0 && row.type == ChannelType::kUnsigned8;
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_INVALID_VALUE;
}

// ---- resources ----------------------------------------------------------------------------------

CUresult DescribeArray(const Array& array, unsigned int flags, Texture* texture) {
  const CUDA_ARRAY3D_DESCRIPTOR& descriptor = array.shape.descriptor();
  texture->is_layered = array.shape.layered();
  texture->is_cube = array.shape.cubemap();
  texture->dimensions = descriptor.Height == 0                                             ? 1
                        : descriptor.Depth == 0 || texture->is_layered || texture->is_cube ? 2
                                                                                           : 3;
  if (texture->is_surface && texture->is_cube) {
    texture->is_layered = true;  // each face is a layer
    texture->is_cube = false;
  }
  if (texture->is_cube && (flags & CU_TRSF_SEAMLESS_CUBEMAP) != 0) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  texture->levels = static_cast<uint32_t>(array.images.size());
  std::copy(array.images.begin(), array.images.end(), texture->images);
  return SetFormat(descriptor.Format, descriptor.NumChannels, flags, texture);
}

CUresult DescribeLinear(const CUDA_RESOURCE_DESC& resource, unsigned int flags, Texture* texture) {
  const auto& linear = resource.res.linear;
  const uint64_t width = linear.sizeInBytes / abi::BytesOfTexel(linear.format, linear.numChannels);
  texture->is_linear = true;
  texture->images[0] = {linear.devPtr, 0, 0, static_cast<uint32_t>(width), 1, 1};
  return SetFormat(linear.format, linear.numChannels, flags, texture);
}

CUresult DescribePitched(const CUDA_RESOURCE_DESC& resource, unsigned int flags, Texture* texture) {
  const auto& pitched = resource.res.pitch2D;
  texture->dimensions = 2;
  texture->images[0] = {pitched.devPtr,
                        pitched.pitchInBytes,
                        0,
                        static_cast<uint32_t>(pitched.width),
                        static_cast<uint32_t>(pitched.height),
                        1};
  return SetFormat(pitched.format, pitched.numChannels, flags, texture);
}

CUresult DescribeMemory(const CUDA_RESOURCE_DESC& resource,
                        unsigned int flags,
                        const DeviceLimit& limit_of,
                        Texture* texture) {
  const CUresult possible = abi::CheckTextureMemory(resource, limit_of);
  if (possible != CUDA_SUCCESS) {
    return possible;
  }
  return resource.resType == CU_RESOURCE_TYPE_LINEAR ? DescribeLinear(resource, flags, texture)
                                                     : DescribePitched(resource, flags, texture);
}

CUresult DescribeResource(const TextureObject& object,
                          const Arrays& arrays,
                          const DeviceLimit& limit_of,
                          Texture* texture) {
  const unsigned int flags = object.texture.flags;
  uint64_t handle = 0;
  switch (object.resource.resType) {
    case CU_RESOURCE_TYPE_ARRAY:
      handle = HandleNumber(object.resource.res.array.hArray);
      break;
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      handle = HandleNumber(object.resource.res.mipmap.hMipmappedArray);
      break;
    case CU_RESOURCE_TYPE_LINEAR:
    case CU_RESOURCE_TYPE_PITCH2D:
      return DescribeMemory(object.resource, flags, limit_of, texture);
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  const bool is_mipmapped = object.resource.resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
  const std::shared_ptr<const Array> array = arrays.Find(handle);
  if (array == nullptr || array->is_mipmapped != is_mipmapped) {
    return handle == 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
  }
  return DescribeArray(*array, flags, texture);
}

// ---- views --------------------------------------------------------------------------------------

// The formats of views stand in groups of one, two and four channels.
CUresult SetViewFormat(CUresourceViewFormat format, unsigned int flags, Texture* texture) {
  constexpr CUarray_format kGroups[] = {
      CU_AD_FORMAT_UNSIGNED_INT8, CU_AD_FORMAT_SIGNED_INT8,    CU_AD_FORMAT_UNSIGNED_INT16,
      CU_AD_FORMAT_SIGNED_INT16,  CU_AD_FORMAT_UNSIGNED_INT32, CU_AD_FORMAT_SIGNED_INT32,
      CU_AD_FORMAT_HALF,          CU_AD_FORMAT_FLOAT,
  };
  if (format == CU_RES_VIEW_FORMAT_NONE) {
    return CUDA_SUCCESS;
  }
  if (format > CU_RES_VIEW_FORMAT_FLOAT_4X32) {
    return CUDA_ERROR_NOT_SUPPORTED;  // compressed blocks
  }
  const uint32_t index = static_cast<uint32_t>(format) - CU_RES_VIEW_FORMAT_UINT_1X8;
  const uint32_t bytes = texture->texel_bytes();
  const CUresult result = SetFormat(kGroups[index / 3], 1u << index % 3, flags, texture);
  return result == CUDA_SUCCESS && texture->texel_bytes() != bytes ? CUDA_ERROR_INVALID_VALUE
                                                                   : result;
}

// A part of the levels and layers.
CUresult Narrow(const CUDA_RESOURCE_VIEW_DESC& view, Texture* texture) {
  const uint32_t first_level = view.firstMipmapLevel;
  const uint32_t last_level = std::max(view.lastMipmapLevel, first_level);
  const uint32_t first_layer = view.firstLayer;
  const uint32_t last_layer = std::max(view.lastLayer, first_layer);
  const uint32_t faces = texture->is_cube ? kFaces : 1;
  const uint32_t layers = texture->is_layered ? texture->images[0].depth / faces : 1;
  if (last_level >= texture->levels || last_layer >= layers) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (uint32_t level = first_level; level <= last_level; ++level) {
    TexelImage image = texture->images[level];
    if (texture->is_layered && (first_layer != 0 || view.lastLayer != 0)) {
      image.base += uint64_t{first_layer} * faces * image.slice_bytes;
      image.depth = (last_layer - first_layer + 1) * faces;
    }
    texture->images[level - first_level] = image;
  }
  // A view that names no levels means all of them.
  if (first_level != 0 || view.lastMipmapLevel != 0) {
    texture->levels = last_level - first_level + 1;
  }
  return CUDA_SUCCESS;
}

// ---- sampling -----------------------------------------------------------------------------------

CUresult SetSampling(const CUDA_TEXTURE_DESC& described, Texture* texture) {
  const auto is_filter = [](CUfilter_mode mode) {
    return mode == CU_TR_FILTER_MODE_POINT || mode == CU_TR_FILTER_MODE_LINEAR;
  };
  if ((described.flags & ~abi::kTextureFlags) != 0 || !is_filter(described.filterMode) ||
      !is_filter(described.mipmapFilterMode)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  constexpr AddressMode kModes[] = {AddressMode::kWrap, AddressMode::kClamp, AddressMode::kMirror,
                                    AddressMode::kBorder};
  for (int axis = 0; axis < 3; ++axis) {
    const auto mode = static_cast<uint32_t>(described.addressMode[axis]);
    if (mode >= std::size(kModes)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    texture->modes[axis] = kModes[mode];
  }
  texture->filters = described.filterMode == CU_TR_FILTER_MODE_LINEAR;
  texture->filters_levels = described.mipmapFilterMode == CU_TR_FILTER_MODE_LINEAR;
  texture->is_normalized = (described.flags & CU_TRSF_NORMALIZED_COORDINATES) != 0;
  texture->level_bias = described.mipmapLevelBias;
  texture->level_min = described.minMipmapLevelClamp;
  texture->level_max = described.maxMipmapLevelClamp;
  std::copy(std::begin(described.borderColor), std::end(described.borderColor), texture->border);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult DescribeTexture(const TextureObject& object,
                         const Arrays& arrays,
                         const DeviceLimit& limit_of,
                         Texture* texture) {
  texture->is_surface = object.is_surface;
  if (object.resource.flags != 0 ||
      (object.is_surface && object.resource.resType != CU_RESOURCE_TYPE_ARRAY)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUresult result = DescribeResource(object, arrays, limit_of, texture);
  if (result == CUDA_SUCCESS && !object.is_surface) {
    result = SetSampling(object.texture, texture);
  }
  if (result == CUDA_SUCCESS && object.has_view) {
    result = SetViewFormat(object.view.format, object.texture.flags, texture);
    result = result == CUDA_SUCCESS ? Narrow(object.view, texture) : result;
  }
  return result;
}

CUresult Textures::Add(const TextureObject& object, const Texture& texture, uint64_t* number) {
  const uint64_t added = TextureTable::Get().Add(texture);
  if (added == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  objects_.With([&](Objects& objects) { objects[added] = object; });
  *number = added;
  return CUDA_SUCCESS;
}

std::optional<TextureObject> Textures::Find(uint64_t number, bool is_surface) const {
  return objects_.With([&](const Objects& objects) -> std::optional<TextureObject> {
    const auto found = objects.find(number);
    return found != objects.end() && found->second.is_surface == is_surface
               ? std::optional(found->second)
               : std::nullopt;
  });
}

bool Textures::Remove(uint64_t number, bool is_surface) {
  const bool removed = objects_.With([&](Objects& objects) {
    const auto found = objects.find(number);
    if (found == objects.end() || found->second.is_surface != is_surface) {
      return false;
    }
    objects.erase(found);
    return true;
  });
  return removed && TextureTable::Get().Remove(number);
}

void Textures::ForgetContext(uint64_t context) {
  objects_.With([&](Objects& objects) {
    std::erase_if(objects, [context](const auto& entry) {
      return entry.second.context == context && TextureTable::Get().Remove(entry.first);
    });
  });
}

}  // namespace farlane::soft
