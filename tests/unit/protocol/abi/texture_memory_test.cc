// SPDX-License-Identifier: Apache-2.0
// Which plain memory a texture may read.
#include "protocol/abi/texture_memory.h"

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

int LimitOf(CUdevice_attribute attribute) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT:
      return 512;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT:
      return 32;
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_HEIGHT:
      return 65000;
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_WIDTH:
      return 131072;
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_PITCH:
      return 2097120;
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH:
      return 1 << 28;
    default:
      return 0;
  }
}

CUresult Linear(CUdeviceptr address, size_t bytes, unsigned channels = 1) {
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_LINEAR;
  resource.res.linear = {address, CU_AD_FORMAT_FLOAT, channels, bytes};
  return CheckTextureMemory(resource, LimitOf);
}

CUresult Pitched(CUdeviceptr address, size_t width, size_t height, size_t pitch) {
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_PITCH2D;
  resource.res.pitch2D = {address, CU_AD_FORMAT_FLOAT, 1, width, height, pitch};
  return CheckTextureMemory(resource, LimitOf);
}

TEST(TextureMemory, BeginsWhereTheDeviceSays) {
  EXPECT_EQ(Linear(1024, 64), CUDA_SUCCESS);
  EXPECT_EQ(Linear(1024 + 256, 64), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Pitched(1024, 4, 4, 64), CUDA_SUCCESS);
  EXPECT_EQ(Pitched(1024 + 256, 4, 4, 64), CUDA_ERROR_INVALID_VALUE);
}

TEST(TextureMemory, IsAsLargeAsTheDeviceReads) {
  const size_t most = size_t{4} << 28;
  EXPECT_EQ(Linear(0, most), CUDA_SUCCESS);
  EXPECT_EQ(Linear(0, most + 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Linear(0, most + 4, 2), CUDA_SUCCESS) << "half as many elements";
  EXPECT_EQ(Pitched(0, 131072, 65000, 2097120), CUDA_SUCCESS);
  EXPECT_EQ(Pitched(0, 131073, 65000, 2097120), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Pitched(0, 131072, 65001, 2097120), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Pitched(0, 131072, 65000, 2097152), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Pitched(0, 4, 0, 64), CUDA_ERROR_INVALID_VALUE);
}

TEST(TextureMemory, HasElementsAndRowsOfAKind) {
  EXPECT_EQ(Linear(0, 64, 3), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Pitched(0, 4, 4, 48), CUDA_ERROR_INVALID_VALUE);
}

// A device that says nothing of its textures has none.
TEST(TextureMemory, IsNotForADeviceWithoutTextures) {
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_LINEAR;
  resource.res.linear = {512, CU_AD_FORMAT_FLOAT, 1, 4};
  EXPECT_EQ(CheckTextureMemory(resource, [](CUdevice_attribute) { return 0; }),
            CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::abi
