// SPDX-License-Identifier: Apache-2.0
// Calls that are posted, so often that somebody can count what one of them takes. It says when it
// is about to start, and starts when it is told to, so that the server can be stopped in between.
#include <cstdio>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr int kTimes = 1000;
constexpr size_t kBytes = 1024;
constexpr size_t kCopied = 64;  // a command, more or less

struct Objects {
  Kernels kernels;
  CUstream stream = nullptr;
  CUevent event = nullptr;
  CUevent passed = nullptr;  // before it counts
  CUdeviceptr memory = 0;
};

void PostEach(const Objects& with, int times) {
  for (int i = 0; i < times; ++i) {
    EXPECT_OK(Cuda().cuLaunchKernel(with.kernels.nothing, 1, 1, 1, 1, 1, 1, 0, with.stream, nullptr,
                                    nullptr));
  }
  for (int i = 0; i < times; ++i) {
    EXPECT_OK(Cuda().cuEventRecord(with.event, with.stream));
    EXPECT_OK(Cuda().cuStreamWaitEvent(with.stream, with.event, 0));
  }
  for (int i = 0; i < times; ++i) {
    EXPECT_OK(Cuda().cuMemsetD32Async(with.memory, 1, kBytes / 4, with.stream));
  }
  const char bytes[kCopied] = {1, 2, 3};
  for (int i = 0; i < times; ++i) {
    EXPECT_OK(Cuda().cuMemcpyHtoDAsync_v2(with.memory, bytes, kCopied, with.stream));
  }
  for (int i = 0; i < times; ++i) {
    EXPECT_OK(Cuda().cuEventQuery(with.passed));
  }
  for (int i = 0; i < times; ++i) {
    CUdeviceptr address = 0;
    EXPECT_OK(Cuda().cuMemAlloc_v2(&address, kBytes));
    EXPECT_OK(Cuda().cuMemFree_v2(address));
  }
  for (int i = 0; i < times; ++i) {
    CUdeviceptr address = 0;
    EXPECT_OK(Cuda().cuMemAllocAsync(&address, kBytes, with.stream));
    EXPECT_OK(Cuda().cuMemFreeAsync(address, with.stream));
  }
}

void WaitForALine() {
  char line[16];
  std::fflush(stdout);
  EXPECT_TRUE(std::fgets(line, sizeof line, stdin) != nullptr);
}

}  // namespace

void CountedPosts() {
  Begin();
  Objects objects{.kernels = LoadKernels()};
  EXPECT_OK(Cuda().cuStreamCreate(&objects.stream, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuEventCreate(&objects.event, CU_EVENT_DISABLE_TIMING));
  EXPECT_OK(Cuda().cuEventCreate(&objects.passed, CU_EVENT_DISABLE_TIMING));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&objects.memory, kBytes));
  EXPECT_OK(Cuda().cuEventRecord(objects.passed, objects.stream));
  EXPECT_OK(Cuda().cuEventSynchronize(objects.passed));
  PostEach(objects, 10);  // nothing is new any more when it counts
  EXPECT_OK(Cuda().cuCtxSynchronize());
  std::printf("ready\n");
  WaitForALine();
  int version = 0;
  EXPECT_OK(Cuda().cuDriverGetVersion(&version));  // whoever counts begins here
  PostEach(objects, kTimes);
  std::printf("posted\n");
  WaitForALine();
  EXPECT_OK(Cuda().cuCtxSynchronize());
}

// Nothing but launches between two streams that are made, by which whoever counts in the server
// knows where they begin and end.
void CountedLaunches() {
  Begin();
  constexpr int kLaunches = 20'000;
  const Kernels kernels = LoadKernels();
  CUstream stream = nullptr;
  EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  const auto launch = [&](int times) {
    for (int i = 0; i < times; ++i) {
      EXPECT_OK(
          Cuda().cuLaunchKernel(kernels.nothing, 1, 1, 1, 1, 1, 1, 0, stream, nullptr, nullptr));
    }
    EXPECT_OK(Cuda().cuStreamSynchronize(stream));
  };
  launch(100);  // nothing is new any more when it counts
  CUstream mark = nullptr;
  EXPECT_OK(Cuda().cuStreamCreate(&mark, CU_STREAM_NON_BLOCKING));
  launch(kLaunches);
  EXPECT_OK(Cuda().cuStreamCreate(&mark, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuCtxSynchronize());
}

}  // namespace farlane::cases
