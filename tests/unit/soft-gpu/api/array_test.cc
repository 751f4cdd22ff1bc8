// SPDX-License-Identifier: Apache-2.0
// Arrays, textures and surfaces of the software GPU: what can be made, what is said of it, and that
// nothing of it stays.
#include <cstring>
#include <vector>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

CUDA_ARRAY3D_DESCRIPTOR Described(size_t width, size_t height, size_t depth, unsigned flags = 0) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  descriptor.Width = width;
  descriptor.Height = height;
  descriptor.Depth = depth;
  descriptor.Format = CU_AD_FORMAT_FLOAT;
  descriptor.NumChannels = 1;
  descriptor.Flags = flags;
  return descriptor;
}

class ArrayProgram : public SoftProgram {
 protected:
  static size_t FreeBytes() {
    size_t free = 0;
    size_t total = 0;
    EXPECT_EQ(cuMemGetInfo_v2(&free, &total), CUDA_SUCCESS);
    return free;
  }

  static CUarray Make(const CUDA_ARRAY3D_DESCRIPTOR& descriptor) {
    CUarray array = nullptr;
    EXPECT_EQ(cuArray3DCreate_v2(&array, &descriptor), CUDA_SUCCESS);
    return array;
  }

  static CUresult MakeTexture(const CUDA_RESOURCE_DESC& resource, CUtexObject* object) {
    const CUDA_TEXTURE_DESC texture{};
    return cuTexObjectCreate(object, &resource, &texture, nullptr);
  }

  static CUDA_RESOURCE_DESC Linear(CUdeviceptr address, size_t bytes) {
    CUDA_RESOURCE_DESC resource{};
    resource.resType = CU_RESOURCE_TYPE_LINEAR;
    resource.res.linear.devPtr = address;
    resource.res.linear.format = CU_AD_FORMAT_FLOAT;
    resource.res.linear.numChannels = 1;
    resource.res.linear.sizeInBytes = bytes;
    return resource;
  }
};

// What the attributes promise is what there is, to the texel.
TEST_F(ArrayProgram, LimitsAreTrue) {
  int width = 0;
  ASSERT_EQ(cuDeviceGetAttribute(&width, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH, 0),
            CUDA_SUCCESS);
  ASSERT_GT(width, 0);
  EXPECT_EQ(cuArrayDestroy(Make(Described(static_cast<size_t>(width), 0, 0))), CUDA_SUCCESS);
  CUarray none = nullptr;
  const CUDA_ARRAY3D_DESCRIPTOR beyond = Described(static_cast<size_t>(width) + 1, 0, 0);
  EXPECT_EQ(cuArray3DCreate_v2(&none, &beyond), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(ArrayProgram, MemoryComesBack) {
  const size_t before = FreeBytes();
  const CUarray array = Make(Described(1024, 1024, 0));
  EXPECT_LE(FreeBytes() + (4 << 20), before);
  ASSERT_EQ(cuArrayDestroy(array), CUDA_SUCCESS);
  EXPECT_EQ(FreeBytes(), before);
  CUDA_ARRAY_DESCRIPTOR descriptor{};
  EXPECT_EQ(cuArrayGetDescriptor_v2(&descriptor, array), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuArrayDestroy(array), CUDA_ERROR_INVALID_HANDLE);
  CUarray none = nullptr;
  const CUDA_ARRAY3D_DESCRIPTOR large = Described(16384, 16384, 0);
  EXPECT_EQ(cuArray3DCreate_v2(&none, &large), CUDA_ERROR_OUT_OF_MEMORY);
}

TEST_F(ArrayProgram, AContextTakesItsArraysAndTexturesAlong) {
  const size_t before = FreeBytes();
  CUcontext other = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&other, 0, 0), CUDA_SUCCESS);
  CUDA_RESOURCE_DESC resource{};
  resource.res.array.hArray = Make(Described(512, 512, 0));
  CUtexObject texture = 0;
  ASSERT_EQ(MakeTexture(resource, &texture), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxDestroy_v2(other), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
  EXPECT_EQ(FreeBytes(), before);
  EXPECT_EQ(cuTexObjectGetResourceDesc(&resource, texture), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(MakeTexture(resource, &texture), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(ArrayProgram, LevelsHaveShapesAndHandlesOfTheirOwn) {
  const CUDA_ARRAY3D_DESCRIPTOR whole = Described(8, 4, 0);
  CUmipmappedArray mipmapped = nullptr;
  ASSERT_EQ(cuMipmappedArrayCreate(&mipmapped, &whole, 3), CUDA_SUCCESS);
  CUarray level = nullptr;
  CUarray again = nullptr;
  ASSERT_EQ(cuMipmappedArrayGetLevel(&level, mipmapped, 2), CUDA_SUCCESS);
  ASSERT_EQ(cuMipmappedArrayGetLevel(&again, mipmapped, 2), CUDA_SUCCESS);
  EXPECT_EQ(level, again);
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  ASSERT_EQ(cuArray3DGetDescriptor_v2(&descriptor, level), CUDA_SUCCESS);
  EXPECT_EQ(descriptor.Width, 2u);
  EXPECT_EQ(descriptor.Height, 1u);
  EXPECT_EQ(cuMipmappedArrayGetLevel(&level, mipmapped, 3), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuArrayDestroy(again), CUDA_SUCCESS) << "nothing happens";
  EXPECT_EQ(cuArray3DGetDescriptor_v2(&descriptor, again), CUDA_SUCCESS);
  ASSERT_EQ(cuMipmappedArrayDestroy(mipmapped), CUDA_SUCCESS);
  EXPECT_EQ(cuArray3DGetDescriptor_v2(&descriptor, again), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(ArrayProgram, TexturesOfPlainMemoryAreAligned) {
  const CUdeviceptr memory = Allocate(4096);
  CUtexObject texture = 0;
  EXPECT_EQ(MakeTexture(Linear(memory + 16, 64), &texture), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(MakeTexture(Linear(memory, 4096), &texture), CUDA_SUCCESS);
  CUDA_RESOURCE_DESC resource{};
  ASSERT_EQ(cuTexObjectGetResourceDesc(&resource, texture), CUDA_SUCCESS);
  EXPECT_EQ(resource.res.linear.devPtr, memory);
  EXPECT_EQ(cuTexObjectDestroy(texture), CUDA_SUCCESS);
  EXPECT_EQ(cuTexObjectGetResourceDesc(&resource, texture), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuTexObjectDestroy(texture), CUDA_SUCCESS) << "as drivers say";
}

TEST_F(ArrayProgram, RunsOfBytesStayInTheFirstRow) {
  const CUarray array = Make(Described(16, 4, 0));
  std::vector<float> values(64);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i);
  }
  EXPECT_EQ(cuMemcpyHtoA_v2(array, 32, values.data(), 64, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemcpyHtoA_v2(array, 0, values.data(), 256, nullptr), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(cuMemcpyHtoA_v2(array, 8, values.data(), 56, nullptr), CUDA_SUCCESS);
  const CUdeviceptr memory = Allocate(256);
  ASSERT_EQ(cuMemcpyAtoD_v2(memory, array, 12, 40, nullptr), CUDA_SUCCESS);
  const CUarray other = Make(Described(16, 0, 0));
  ASSERT_EQ(cuMemcpyDtoA_v2(other, 4, memory, 40, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyAtoA_v2(array, 0, other, 4, 40, nullptr), CUDA_SUCCESS);
  std::vector<float> read(10);
  ASSERT_EQ(cuMemcpyAtoH_v2(read.data(), array, 0, 40, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(read, std::vector<float>(values.begin() + 1, values.begin() + 11));
}

}  // namespace
}  // namespace farlane::soft
