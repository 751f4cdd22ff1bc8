// SPDX-License-Identifier: Apache-2.0
// How long the first use of a GPU takes, and an allocation that needs nobody. Prints one line of
// fields, in microseconds.
#include <chrono>
#include <cstdio>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr int kTimes = 100'000;
constexpr size_t kBytes = 4096;

using Clock = std::chrono::steady_clock;

double MicrosecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

}  // namespace

void Timings() {
  static_cast<void>(Cuda());  // what the loader of programs costs is not ours
  const Clock::time_point start = Clock::now();
  EXPECT_OK(Cuda().cuInit(0));
  const double initialised = MicrosecondsSince(start);
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuDevicePrimaryCtxRetain(&context, 0));
  EXPECT_OK(Cuda().cuCtxSetCurrent(context));
  const double with_context = MicrosecondsSince(start);
  unsigned char bytes[kBytes] = {1};
  CUdeviceptr address = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, kBytes));
  EXPECT_OK(Cuda().cuMemcpyHtoD_v2(address, bytes, kBytes));
  bytes[0] = 0;
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(bytes, address, kBytes));
  EXPECT(bytes[0], 1);
  const double first_use = MicrosecondsSince(start);
  const Clock::time_point pairs = Clock::now();
  for (int i = 0; i < kTimes; ++i) {
    CUdeviceptr one = 0;
    EXPECT_OK(Cuda().cuMemAlloc_v2(&one, kBytes));
    EXPECT_OK(Cuda().cuMemFree_v2(one));
  }
  std::printf("init=%.0f context=%.0f first_use=%.0f allocate_and_free=%.3f\n", initialised,
              with_context, first_use, MicrosecondsSince(pairs) / kTimes);
}

}  // namespace farlane::cases
