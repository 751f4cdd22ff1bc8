// SPDX-License-Identifier: Apache-2.0
// Many small calls; how many messages they make is read from the summary that the library prints.
#include <string>

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

// Many are registered, one is used.
void Libraries() {
  Begin();
  std::vector<CUlibrary> libraries(20);
  for (size_t i = 0; i < libraries.size(); ++i) {
    const std::string ptx = ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k" +
                            std::to_string(i) + "()\n{\n  ret;\n}\n";
    EXPECT_OK(Cuda().cuLibraryLoadData(&libraries[i], ptx.c_str(), nullptr, nullptr, 0, nullptr,
                                       nullptr, 0));
  }
  CUkernel kernel = nullptr;
  EXPECT_OK(Cuda().cuLibraryGetKernel(&kernel, libraries.back(), "k19"));
}

}  // namespace farlane::cases
