// SPDX-License-Identifier: Apache-2.0
// Many small calls; how many messages they make is read from the summary that the library prints.
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr int kTimes = 10000;

}  // namespace

void PostedLaunches() {
  Begin();
  const Kernels kernels = LoadKernels();
  for (int i = 0; i < kTimes; ++i) {
    EXPECT_OK(
        Cuda().cuLaunchKernel(kernels.nothing, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
  }
  EXPECT_OK(Cuda().cuCtxSynchronize());
}

void Allocations() {
  Begin();
  CUdeviceptr before = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&before, 1));
  for (int i = 0; i < kTimes; ++i) {
    CUdeviceptr address = 0;
    EXPECT_OK(Cuda().cuMemAlloc_v2(&address, static_cast<size_t>(1 + i % 50000)));
    EXPECT_TRUE(address != 0 && address != before);
    EXPECT_OK(Cuda().cuMemFree_v2(address));
  }
}

}  // namespace farlane::cases
