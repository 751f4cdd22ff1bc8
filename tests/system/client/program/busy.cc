// SPDX-License-Identifier: Apache-2.0
// A client that gives the device work, in one of three ways, until its standard input ends: so much
// that something always waits, one kernel after the end of the other, or one for each line that it
// reads.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

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

  void Launch() { LaunchOn(stream); }

  void LaunchOn(CUstream on) {
    void* parameters[] = {&out, &steps};
    EXPECT_OK(Cuda().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, on, parameters, nullptr));
  }
};

// A function in which a stream waits until somebody opens it.
// Thread: any.
struct Door {
  std::atomic<bool> reached{false};
  std::atomic<bool> open{false};

  static void Wait(void* data) {
    Door& door = *static_cast<Door*>(data);
    door.reached = true;
    while (!door.open) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
};

void Say(const char* line) {
  std::printf("%s\n", line);
  std::fflush(stdout);
}

// Until the standard input ends. Thread: any may ask.
class Listener {
 public:
  ~Listener() { thread_.join(); }

  bool over() const { return over_; }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_{[this] {
    while (std::fgetc(stdin) != EOF) {
    }
    over_ = true;
  }};
};

}  // namespace

void Busy() {
  Begin();
  Spinner spinner;
  CUevent ends[2] = {};
  for (CUevent& end : ends) {
    EXPECT_OK(Cuda().cuEventCreate(&end, CU_EVENT_DISABLE_TIMING));
  }
  const Listener listener;
  Say("ready");
  size_t launches = 0;
  for (int turn = 0; !listener.over(); turn = 1 - turn) {
    for (int i = 0; i < kBatch; ++i) {
      spinner.Launch();
    }
    launches += kBatch;
    EXPECT_OK(Cuda().cuEventRecord(ends[turn], spinner.stream));
    EXPECT_OK(Cuda().cuEventSynchronize(ends[1 - turn]));
  }
  EXPECT_OK(Cuda().cuCtxSynchronize());
  std::printf("launches %zu\n", launches);
}

// Says how many rounds there were, and what of the clock one took: half of them, 99 of 100, all.
void Rounds() {
  using Clock = std::chrono::steady_clock;
  Begin();
  Spinner spinner;
  const Listener listener;
  Say("ready");
  std::vector<double> took_us;
  while (!listener.over()) {
    const Clock::time_point before = Clock::now();
    spinner.Launch();
    EXPECT_OK(Cuda().cuCtxSynchronize());
    took_us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count());
  }
  std::sort(took_us.begin(), took_us.end());
  const auto part = [&took_us](size_t parts) {
    return took_us.empty() ? 0 : took_us[(took_us.size() - 1) * parts / 100];
  };
  std::printf("rounds %zu %.0f %.0f %.0f\n", took_us.size(), part(50), part(99), part(100));
}

// STEPS_COUNT times: STEPS_BYTES to the device, if any, and a kernel; without data, a word back
// that is waited for. Says how many milliseconds of the clock that took.
void Steps() {
  using Clock = std::chrono::steady_clock;
  const auto number = [](const char* name, const char* usual) {
    return std::strtoull(Environment(name).value_or(usual).c_str(), nullptr, 10);
  };
  Begin();
  Spinner spinner;
  const uint64_t count = number("STEPS_COUNT", "20"), bytes = number("STEPS_BYTES", "0");
  std::vector<uint64_t> data(bytes / sizeof(uint64_t));
  uint64_t state = 88172645463325252ull;
  for (uint64_t& word : data) {  // nothing that could be sent as less
    state ^= state << 13U;
    state ^= state >> 7U;
    word = state ^= state << 17U;
  }
  CUdeviceptr memory = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&memory, bytes + sizeof(uint64_t)));
  const Clock::time_point before = Clock::now();
  for (uint64_t i = 0; i < count; ++i) {
    if (bytes != 0) {
      EXPECT_OK(Cuda().cuMemcpyHtoDAsync_v2(memory, data.data(), bytes, spinner.stream));
    }
    spinner.Launch();
    if (bytes == 0) {
      uint32_t word = 0;
      EXPECT_OK(Cuda().cuMemcpyDtoHAsync_v2(&word, spinner.out, sizeof word, spinner.stream));
      EXPECT_OK(Cuda().cuStreamSynchronize(spinner.stream));
    }
  }
  EXPECT_OK(Cuda().cuCtxSynchronize());
  const std::chrono::duration<double, std::milli> took = Clock::now() - before;
  std::printf("took %.0f\n", took.count());
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

// Streams wait in a function of the program until work of another stream, sent after much of their
// own, is done.
void WorkBehindFunctions() {
  constexpr int kBehind = 100;
  Begin();
  Spinner spinner;
  CUstream other = nullptr;
  EXPECT_OK(Cuda().cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
  Say("ready");
  for (int round = 0; round < 3; ++round) {
    Door door;
    EXPECT_OK(Cuda().cuLaunchHostFunc(spinner.stream, Door::Wait, &door));
    for (int i = 0; i < kBehind; ++i) {
      spinner.Launch();
    }
    spinner.LaunchOn(other);
    EXPECT_OK(Cuda().cuStreamSynchronize(other));
    while (!door.reached) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT(Cuda().cuStreamQuery(spinner.stream), CUDA_ERROR_NOT_READY);
    door.open = true;
    for (int i = 0; i < kBehind; ++i) {
      spinner.LaunchOn(other);  // the answer is sent while some of this is held
    }
    EXPECT_OK(Cuda().cuCtxSynchronize());
  }
  Say("done");
}

}  // namespace farlane::cases
