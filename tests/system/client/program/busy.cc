// SPDX-License-Identifier: Apache-2.0
// A client that gives the device work, in one of two ways, until its standard input ends: so much
// that something always waits, or one kernel for each line that it reads.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "protocol/base/environment.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

// One thread that does nothing useful for so many steps, which a compiler cannot foresee.
constexpr char kSpin[] = R"(.version 7.0
.target sm_70
.address_size 64
.visible .entry spin(.param .u64 out, .param .u32 steps) {
  .reg .pred %p;
  .reg .b32 %r<4>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd0, [out];
  ld.param.u32 %r0, [steps];
  mov.u32 %r1, 1;
again:
  mul.lo.u32 %r1, %r1, 1664525;
  xor.b32 %r1, %r1, %r0;
  sub.u32 %r0, %r0, 1;
  setp.ne.u32 %p, %r0, 0;
  @%p bra again;
  st.global.u32 [%rd0], %r1;
  ret;
})";

// Kernels that are under way or wait, of the client's always busy.
constexpr int kBatch = 32;

uint32_t StepsWanted() {
  const std::string text = Environment("BUSY_STEPS").value_or("100000");
  return static_cast<uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
}

struct Spinner {
  CUmodule module = nullptr;
  CUfunction function = nullptr;
  CUdeviceptr out = 0;
  CUstream stream = nullptr;
  uint32_t steps = StepsWanted();

  Spinner() {
    EXPECT_OK(Cuda().cuModuleLoadData(&module, kSpin));
    EXPECT_OK(Cuda().cuModuleGetFunction(&function, module, "spin"));
    EXPECT_OK(Cuda().cuMemAlloc_v2(&out, sizeof steps));
    EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  }

  void Launch() {
    void* parameters[] = {&out, &steps};
    EXPECT_OK(Cuda().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr));
  }
};

void Say(const char* line) {
  std::printf("%s\n", line);
  std::fflush(stdout);
}

}  // namespace

void Busy() {
  Begin();
  Spinner spinner;
  CUevent ends[2] = {};
  for (CUevent& end : ends) {
    EXPECT_OK(Cuda().cuEventCreate(&end, CU_EVENT_DISABLE_TIMING));
  }
  std::atomic<bool> over{false};
  std::thread listener([&over] {
    while (std::fgetc(stdin) != EOF) {
    }
    over = true;
  });
  Say("ready");
  for (int turn = 0; !over; turn = 1 - turn) {
    for (int i = 0; i < kBatch; ++i) {
      spinner.Launch();
    }
    EXPECT_OK(Cuda().cuEventRecord(ends[turn], spinner.stream));
    EXPECT_OK(Cuda().cuEventSynchronize(ends[1 - turn]));
  }
  listener.join();
  EXPECT_OK(Cuda().cuCtxSynchronize());
}

void Asked() {
  Begin();
  Spinner spinner;
  Say("ready");
  char line[16];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    spinner.Launch();
    EXPECT_OK(Cuda().cuCtxSynchronize());
    Say("done");
  }
}

}  // namespace farlane::cases
