// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

using ContextApi = SoftProgram;

TEST_F(ContextApi, NothingWorksWithoutAContext) {
  std::thread([] {
    CUdeviceptr address = 0;
    CUstream stream = nullptr;
    EXPECT_EQ(cuMemAlloc_v2(&address, 16), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT_EQ(cuStreamCreate(&stream, 0), CUDA_ERROR_INVALID_CONTEXT);
    CUcontext current = reinterpret_cast<CUcontext>(1);
    EXPECT_EQ(cuCtxGetCurrent(&current), CUDA_SUCCESS);
    EXPECT_EQ(current, nullptr);
  }).join();
}

TEST_F(ContextApi, ThePrimaryContextKeepsItsHandleOverAReset) {
  CUcontext first = nullptr;
  CUcontext second = nullptr;
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&first, 1), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxPushCurrent_v2(first), CUDA_SUCCESS);
  const CUdeviceptr address = Allocate(4 << 20);
  unsigned long long first_id = 0;
  ASSERT_EQ(cuCtxGetId(first, &first_id), CUDA_SUCCESS);

  ASSERT_EQ(cuDevicePrimaryCtxReset_v2(1), CUDA_SUCCESS);
  CUdeviceptr other = 0;
  EXPECT_EQ(cuMemAlloc_v2(&other, 16), CUDA_ERROR_CONTEXT_IS_DESTROYED);

  ASSERT_EQ(cuDevicePrimaryCtxRetain(&second, 1), CUDA_SUCCESS);
  EXPECT_EQ(first, second);
  unsigned long long second_id = 0;
  ASSERT_EQ(cuCtxGetId(second, &second_id), CUDA_SUCCESS);
  EXPECT_NE(first_id, second_id);
  EXPECT_EQ(cuMemFree_v2(address), CUDA_ERROR_INVALID_VALUE);
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  ASSERT_EQ(cuMemGetInfo_v2(&free_bytes, &total_bytes), CUDA_SUCCESS);
  EXPECT_EQ(free_bytes, total_bytes);
  EXPECT_EQ(cuCtxPopCurrent_v2(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(cuDevicePrimaryCtxRelease_v2(1), CUDA_SUCCESS);
}

TEST_F(ContextApi, HandlesAreNeverBelievedUnseen) {
  int on_the_stack = 0;
  const auto invented = reinterpret_cast<uintptr_t>(&on_the_stack);
  EXPECT_EQ(cuStreamSynchronize(reinterpret_cast<CUstream>(invented)), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuEventQuery(reinterpret_cast<CUevent>(invented)), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuModuleUnload(reinterpret_cast<CUmodule>(invented)), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuCtxSetCurrent(reinterpret_cast<CUcontext>(invented)), CUDA_ERROR_INVALID_CONTEXT);

  CUevent event = nullptr;
  ASSERT_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(reinterpret_cast<CUstream>(event)), CUDA_ERROR_INVALID_HANDLE);
  ASSERT_EQ(cuEventDestroy_v2(event), CUDA_SUCCESS);
  EXPECT_EQ(cuEventDestroy_v2(event), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(ContextApi, EachThreadHasAStreamOfItsOwn) {
  unsigned long long mine = 0;
  unsigned long long other = 0;
  ASSERT_EQ(cuStreamGetId(ThreadStream(), &mine), CUDA_SUCCESS);
  std::thread([&] {
    ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamGetId(ThreadStream(), &other), CUDA_SUCCESS);
  }).join();
  EXPECT_NE(mine, other);
  unsigned long long again = 0;
  ASSERT_EQ(cuStreamGetId(ThreadStream(), &again), CUDA_SUCCESS);
  EXPECT_EQ(mine, again);
}

TEST_F(ContextApi, AHostFunctionMayNotCallTheDriver) {
  static CUresult inside = CUDA_SUCCESS;
  const auto function = [](void*) {
    CUdeviceptr address = 0;
    inside = cuMemAlloc_v2(&address, 16);
  };
  ASSERT_EQ(cuLaunchHostFunc(nullptr, function, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_EQ(inside, CUDA_ERROR_NOT_PERMITTED);
}

TEST_F(ContextApi, CopiesRectanglesBetweenDevices) {
  char host[4][8];
  for (int i = 0; i < 32; ++i) {
    host[i / 8][i % 8] = static_cast<char>(i);
  }
  CUcontext second = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&second, 0, 1), CUDA_SUCCESS);
  const CUdeviceptr device = Allocate(4 * 512);
  CUDA_MEMCPY2D in{};
  in.srcMemoryType = CU_MEMORYTYPE_HOST;
  in.srcHost = host;
  in.srcPitch = 8;
  in.srcXInBytes = 2;
  in.srcY = 1;
  in.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  in.dstDevice = device;
  in.dstPitch = 512;
  in.WidthInBytes = 3;
  in.Height = 2;
  ASSERT_EQ(cuMemcpy2D_v2(&in, nullptr), CUDA_SUCCESS);
  char row[3];
  ASSERT_EQ(cuMemcpyDtoH_v2(row, device + 512, 3, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(row[0], 18);
  EXPECT_EQ(row[2], 20);

  in.dstPitch = 2;
  EXPECT_EQ(cuMemcpy2D_v2(&in, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuCtxDestroy_v2(second), CUDA_SUCCESS);
}

TEST_F(ContextApi, FillsWithEveryWidth) {
  const CUdeviceptr device = Allocate(64);
  ASSERT_EQ(cuMemsetD32_v2(device, 0x11223344, 16, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD16_v2(device + 4, 0xabcd, 2, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD8_v2(device + 8, 0x5a, 3, nullptr), CUDA_SUCCESS);
  uint32_t words[16];
  ASSERT_EQ(cuMemcpyDtoH_v2(words, device, 64, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(words[0], 0x11223344u);
  EXPECT_EQ(words[1], 0xabcdabcdu);
  EXPECT_EQ(words[2], 0x115a5a5au);
  EXPECT_EQ(words[15], 0x11223344u);
  EXPECT_EQ(cuMemsetD32_v2(device + 2, 0, 1, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemsetD8_v2(device, 0, 65, nullptr), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::soft
