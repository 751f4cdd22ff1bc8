// SPDX-License-Identifier: Apache-2.0
// Planned faults and strict mode, by the exported functions. One process, one plan: its settings
// are read once.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/abi/cuda_abi.h"

extern "C" {
CUresult cuInit(unsigned int flags);
CUresult cuCtxCreate_v2(CUcontext* context, unsigned int flags, CUdevice device);
CUresult cuCtxDestroy_v2(CUcontext context);
CUresult cuCtxSynchronize();
CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes);
CUresult cuMemFree_v2(CUdeviceptr address);
CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes);
CUresult cuMemsetD8_v2(CUdeviceptr address, unsigned char value, size_t bytes);
CUresult cuMemGetInfo_v2(size_t* free, size_t* total);
CUresult cuMemAddressReserve(
    CUdeviceptr* address, size_t bytes, size_t align, CUdeviceptr hint, unsigned long long flags);
CUresult cuMemAddressFree(CUdeviceptr address, size_t bytes);
}

namespace farlane {
namespace {

// Settings before the first call, for whichever test comes first.
class Faults : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("FARLANE_SOFT_MEMORY", "64Mi", 1);
    setenv("FARLANE_SOFT_STRICT", "7", 1);
    setenv("FARLANE_SOFT_FAULTS",
           "cuMemAlloc_v2@2=2, cuMemsetD8_v2@1=719:late, cuMemGetInfo_v2@1=lost, "
           "cuMemcpyDtoH_v2@3=700:half",
           1);
  }
};

// One test, since the order of calls is what the plan counts.
TEST_F(Faults, HappenWhenTheyArePlannedAndInStrictModeWishesAreWishes) {
  constexpr size_t kBytes = 4096;
  ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
  CUcontext context = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
  CUdeviceptr address = 0;
  ASSERT_EQ(cuMemAlloc_v2(&address, kBytes), CUDA_SUCCESS);
  CUdeviceptr never = 0;
  EXPECT_EQ(cuMemAlloc_v2(&never, kBytes), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(never, 0u);
  ASSERT_EQ(cuMemAlloc_v2(&never, kBytes), CUDA_SUCCESS);

  std::vector<unsigned char> fresh(kBytes);
  ASSERT_EQ(cuMemcpyDtoH_v2(fresh.data(), address, kBytes), CUDA_SUCCESS);
  EXPECT_EQ(fresh, std::vector<unsigned char>(kBytes, 0xa5));

  int granted = 0;
  constexpr int kWishes = 64;
  constexpr size_t kReserved = 2 << 20;
  for (int i = 0; i < kWishes; ++i) {
    const CUdeviceptr wish = address / kReserved * kReserved + (64 + i) * kReserved;
    CUdeviceptr got = 0;
    ASSERT_EQ(cuMemAddressReserve(&got, kReserved, 0, wish, 0), CUDA_SUCCESS);
    EXPECT_EQ(got % kReserved, 0u);
    granted += got == wish ? 1 : 0;
    ASSERT_EQ(cuMemAddressFree(got, kReserved), CUDA_SUCCESS);
  }
  EXPECT_GT(granted, 0);
  EXPECT_LT(granted, kWishes);

  EXPECT_EQ(cuMemsetD8_v2(address, 1, kBytes), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_EQ(cuMemFree_v2(address), CUDA_ERROR_LAUNCH_FAILED);
  ASSERT_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);

  // A copy that ends half-way has moved what it has moved.
  ASSERT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuMemAlloc_v2(&address, kBytes), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD8_v2(address, 7, kBytes), CUDA_SUCCESS);
  std::vector<unsigned char> whole(kBytes, 1);
  ASSERT_EQ(cuMemcpyDtoH_v2(whole.data(), address, kBytes), CUDA_SUCCESS);
  EXPECT_EQ(whole, std::vector<unsigned char>(kBytes, 7));
  std::vector<unsigned char> half(kBytes, 1);
  EXPECT_EQ(cuMemcpyDtoH_v2(half.data(), address, kBytes), CUDA_ERROR_ILLEGAL_ADDRESS);
  std::vector<unsigned char> expected(kBytes, 1);
  std::fill_n(expected.begin(), kBytes / 2, 7);
  EXPECT_EQ(half, expected);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  ASSERT_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);

  ASSERT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
  size_t free = 0;
  size_t total = 0;
  EXPECT_EQ(cuMemGetInfo_v2(&free, &total), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_ERROR_DEVICE_UNAVAILABLE);
}

}  // namespace
}  // namespace farlane
