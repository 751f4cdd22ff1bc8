// SPDX-License-Identifier: Apache-2.0
// Which arrays there are, how large they are, and what lies in them. Sizes that a device takes were
// measured on an H100.
#include "protocol/abi/array_shape.h"

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

// What an H100 says of itself.
int LimitOf(CUdevice_attribute attribute) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH:
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_WIDTH:
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_WIDTH:
      return 131072;
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_HEIGHT:
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_HEIGHT:
      return 65536;
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH:
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT:
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH:
      return 16384;
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_LAYERS:
    case CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_LAYERS:
      return 2048;
    default:
      return 32768;
  }
}

ArrayShape Shape(size_t width, size_t height, size_t depth, unsigned flags = 0) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  descriptor.Width = width;
  descriptor.Height = height;
  descriptor.Depth = depth;
  descriptor.Format = CU_AD_FORMAT_FLOAT;
  descriptor.NumChannels = 1;
  descriptor.Flags = flags;
  return {descriptor, 1};
}

CUresult Checked(size_t width, size_t height, size_t depth, unsigned flags = 0) {
  return Shape(width, height, depth, flags).Check(LimitOf);
}

TEST(ArrayShape, TakesTheShapesThatADriverTakes) {
  EXPECT_EQ(Checked(16, 0, 0), CUDA_SUCCESS);
  EXPECT_EQ(Checked(16, 16, 0), CUDA_SUCCESS);
  EXPECT_EQ(Checked(4, 4, 4), CUDA_SUCCESS);
  EXPECT_EQ(Checked(16, 0, 4, CUDA_ARRAY3D_LAYERED), CUDA_SUCCESS);
  EXPECT_EQ(Checked(16, 4, 4, CUDA_ARRAY3D_LAYERED), CUDA_SUCCESS);
  EXPECT_EQ(Checked(4, 4, 6, CUDA_ARRAY3D_CUBEMAP), CUDA_SUCCESS);
  EXPECT_EQ(Checked(4, 4, 12, CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_LAYERED), CUDA_SUCCESS);
  EXPECT_EQ(Checked(4, 4, 0, CUDA_ARRAY3D_TEXTURE_GATHER), CUDA_SUCCESS);
  EXPECT_EQ(Checked(131072, 0, 0), CUDA_SUCCESS);
}

TEST(ArrayShape, RefusesWhatADriverRefuses) {
  EXPECT_EQ(Checked(0, 4, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(16, 0, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(16, 4, 0, CUDA_ARRAY3D_LAYERED), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(4, 4, 5, CUDA_ARRAY3D_CUBEMAP), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(4, 5, 6, CUDA_ARRAY3D_CUBEMAP), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(4, 4, 13, CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_LAYERED),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(4, 4, 4, CUDA_ARRAY3D_TEXTURE_GATHER), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(4, 4, 0, 0x1000), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(131073, 0, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(131073, 4, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(4, 4, 2049, CUDA_ARRAY3D_LAYERED), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(32769, 0, 0, CUDA_ARRAY3D_SURFACE_LDST), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(~size_t{0}, ~size_t{0}, ~size_t{0}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Checked(4, 4, 0, CUDA_ARRAY3D_SPARSE), CUDA_ERROR_NOT_SUPPORTED);
}

TEST(ArrayShape, KnowsItsTexels) {
  EXPECT_EQ(BytesOfTexel(CU_AD_FORMAT_HALF, 4), 8u);
  EXPECT_EQ(BytesOfTexel(CU_AD_FORMAT_UNSIGNED_INT8, 1), 1u);
  EXPECT_EQ(BytesOfTexel(CU_AD_FORMAT_FLOAT, 3), 0u);
  EXPECT_EQ(BytesOfTexel(CU_AD_FORMAT_FLOAT, 0), 0u);
  EXPECT_EQ(BytesOfTexel(CU_AD_FORMAT_UNORM_INT8X4, 4), 4u);
  EXPECT_EQ(BytesOfTexel(CU_AD_FORMAT_UNORM_INT8X4, 1), 0u);
  EXPECT_EQ(BytesOfTexel(static_cast<CUarray_format>(99), 1), 0u);
}

TEST(ArrayShape, LevelsHalveDownToOne) {
  const ArrayShape whole(Shape(9, 5, 0).descriptor(), 100);
  EXPECT_EQ(whole.levels(), 4u);
  EXPECT_EQ(whole.Level(1).descriptor().Width, 4u);
  EXPECT_EQ(whole.Level(1).descriptor().Height, 2u);
  EXPECT_EQ(whole.Level(1).descriptor().Depth, 0u);
  EXPECT_EQ(whole.Level(3).descriptor().Height, 1u);
  const ArrayShape layers(Shape(8, 8, 7, CUDA_ARRAY3D_LAYERED).descriptor(), 0);
  EXPECT_EQ(layers.levels(), 1u);
  EXPECT_EQ(layers.Level(2).descriptor().Depth, 7u);
}

TEST(ArrayShape, HoldsOnlyWhatLiesInIt) {
  const ArrayShape shape = Shape(16, 4, 0);
  EXPECT_TRUE(shape.Holds({0, 0, 0, 64, 4, 1}));
  EXPECT_TRUE(shape.Holds({4, 1, 0, 60, 3, 1}));
  EXPECT_FALSE(shape.Holds({4, 0, 0, 64, 1, 1}));
  EXPECT_FALSE(shape.Holds({0, 1, 0, 64, 4, 1}));
  EXPECT_FALSE(shape.Holds({0, 0, 1, 64, 4, 1}));
  EXPECT_FALSE(shape.Holds({~uint64_t{0}, 0, 0, 8, 1, 1}));
  EXPECT_FALSE(shape.Holds({0, ~uint64_t{0}, 0, 8, 2, 1}));
}

// Bytes that cuMemGetInfo lacked after 64 such arrays had been made, each.
TEST(ArrayShape, CountsAtLeastWhatADeviceTakes) {
  EXPECT_EQ(Shape(1000, 1000, 0).DeviceBytes(), 4194304u);
  EXPECT_EQ(Shape(1920, 1080, 0).DeviceBytes(), 10485760u);
  EXPECT_EQ(Shape(4096, 4096, 0).DeviceBytes(), 67108864u);
  EXPECT_EQ(Shape(100, 100, 100).DeviceBytes(), 6291456u);
  EXPECT_EQ(Shape(256, 256, 256).DeviceBytes(), 67108864u);
  EXPECT_GE(Shape(64, 2000, 0).DeviceBytes(), 524288u);
  EXPECT_GE(Shape(100, 100, 0).DeviceBytes(), 32768u);
}

}  // namespace
}  // namespace farlane::abi
