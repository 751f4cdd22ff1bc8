// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/texture_memory.h"

#include "protocol/abi/array_shape.h"

namespace farlane::abi {
namespace {

// Thread: caller's.
struct Limits {
  const std::function<int(CUdevice_attribute)>& limit_of;

  uint64_t Of(CUdevice_attribute attribute) const {
    const int value = limit_of(attribute);
    return value < 0 ? 0 : static_cast<uint64_t>(value);
  }

  bool AtMost(uint64_t value, CUdevice_attribute attribute) const { return value <= Of(attribute); }

  // Nothing is a multiple of what a device does not know.
  bool Multiple(uint64_t value, CUdevice_attribute attribute) const {
    const uint64_t unit = Of(attribute);
    return unit != 0 && value % unit == 0;
  }
};

bool IsGood(const Limits& limits, const CUDA_RESOURCE_DESC& resource) {
  if (resource.resType == CU_RESOURCE_TYPE_LINEAR) {
    const auto& linear = resource.res.linear;
    const uint32_t texel = BytesOfTexel(linear.format, linear.numChannels);
    return texel != 0 && limits.Multiple(linear.devPtr, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT) &&
           limits.AtMost(linear.sizeInBytes / texel,
                         CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH);
  }
  const auto& pitched = resource.res.pitch2D;
  return BytesOfTexel(pitched.format, pitched.numChannels) != 0 && pitched.width != 0 &&
         pitched.height != 0 &&
         limits.AtMost(pitched.width, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_WIDTH) &&
         limits.AtMost(pitched.height, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_HEIGHT) &&
         limits.AtMost(pitched.pitchInBytes, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_PITCH) &&
         limits.Multiple(pitched.pitchInBytes, CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT) &&
         limits.Multiple(pitched.devPtr, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
}

}  // namespace

CUresult CheckTextureMemory(const CUDA_RESOURCE_DESC& resource,
                            const std::function<int(CUdevice_attribute)>& limit_of) {
  return IsGood({limit_of}, resource) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace farlane::abi
