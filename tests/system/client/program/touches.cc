// SPDX-License-Identifier: Apache-2.0
// The program uses managed memory while a kernel may be using it.
#include <csignal>
#include <cstring>
#include <thread>

#include <unistd.h>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr uint32_t kTurns = 3'000'000;
constexpr size_t kWords = 16 << 10;

// (words, turns): takes its time, then writes 4321 to the first word. Meanwhile it has added 1 to
// the second one, turn by turn.
constexpr char kLate[] = R"(.version 7.0
.target sm_70
.address_size 64
.visible .entry late(.param .u64 late_words, .param .u32 late_turns)
{
  .reg .pred %p<2>;
  .reg .b32 %r<5>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [late_words];
  ld.param.u32 %r1, [late_turns];
again:
  atom.sys.global.add.u32 %r2, [%rd1+4], 1;
  sub.u32 %r1, %r1, 1;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra again;
  mov.u32 %r3, 4321;
  st.global.u32 [%rd1], %r3;
  ret;
}
)";

struct Late {
  CUmodule module = nullptr;
  CUfunction function = nullptr;
  CUdeviceptr address = 0;
  volatile uint32_t* words = nullptr;  // the same

  Late() {
    EXPECT_OK(Cuda().cuModuleLoadData(&module, kLate));
    EXPECT_OK(Cuda().cuModuleGetFunction(&function, module, "late"));
    EXPECT_OK(Cuda().cuMemAllocManaged(&address, kWords * 4, CU_MEM_ATTACH_GLOBAL));
    words = reinterpret_cast<volatile uint32_t*>(address);
  }

  void Launch(CUdeviceptr where, CUstream stream = nullptr) const {
    uint32_t turns = kTurns;
    void* parameters[] = {&where, &turns};
    EXPECT_OK(Cuda().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr));
  }

  void Launch() const {
    words[0] = 0;
    Launch(address);
  }

  void Add(uint32_t more) const { __sync_fetch_and_add(words + 1, more); }
};

void Interrupted(int) {}

void ReadAndAdd(const Late& late) {
  late.Launch();
  EXPECT(late.words[0], 4321);
  EXPECT(late.words[1], kTurns);
  late.Launch();
  late.Add(1000);
  EXPECT(late.words[0], 4321);
  EXPECT_OK(Cuda().cuCtxSynchronize());
  EXPECT(late.words[1], 2 * kTurns + 1000);
  late.Launch();
  late.Launch(late.address);
  EXPECT(late.words[kWords - 1], 0);  // another page is the same
  EXPECT(late.words[1], 4 * kTurns + 1000);
}

void SeveralThreads(const Late& late) {
  late.words[1] = 0;
  late.Launch();
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&late] { late.Add(1000); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_OK(Cuda().cuCtxSynchronize());
  EXPECT(late.words[1], kTurns + 4000);
}

void SystemCalls(const Late& late) {
  int ends[2];
  uint32_t got = 0;
  EXPECT(pipe(ends), 0);
  late.Launch();
  EXPECT(write(ends[1], const_cast<uint32_t*>(late.words), 4), 4);
  EXPECT(read(ends[0], &got, 4), 4);
  EXPECT(got, 4321);
  late.Launch();
  EXPECT(write(ends[1], &got, 4), 4);
  EXPECT(read(ends[0], const_cast<uint32_t*>(late.words) + 2, 4), 4);
  EXPECT_OK(Cuda().cuCtxSynchronize());
  EXPECT(late.words[2], 4321);
  EXPECT(late.words[0], 4321);
  close(ends[0]);
  close(ends[1]);
}

// What the program has attached to itself, or to a stream, it uses while others work.
void Attached(const Late& late) {
  CUdeviceptr mine = 0;
  EXPECT_OK(Cuda().cuMemAllocManaged(&mine, kWords * 4, CU_MEM_ATTACH_HOST));
  auto* const word = reinterpret_cast<volatile uint32_t*>(mine);
  late.Launch();
  *word = 5;
  EXPECT(Cuda().cuStreamQuery(nullptr), CUDA_ERROR_NOT_READY);
  EXPECT(*word, 5);
  EXPECT_OK(Cuda().cuCtxSynchronize());
  EXPECT_OK(Cuda().cuStreamAttachMemAsync(nullptr, mine, 0, CU_MEM_ATTACH_GLOBAL));
  late.Launch();
  *word = 6;
  EXPECT(late.words[0], 4321);
  EXPECT_OK(Cuda().cuMemFree_v2(mine));
}

// Both streams are under way when the function runs, and one is behind it.
void InFunctions(const Late& late) {
  const auto touch = [](void* data) { static_cast<const Late*>(data)->Add(1); };
  late.words[1] = 0;
  late.Launch();
  EXPECT_OK(Cuda().cuLaunchHostFunc(nullptr, touch, const_cast<Late*>(&late)));
  late.Launch(late.address);
  EXPECT_OK(Cuda().cuCtxSynchronize());
  EXPECT(late.words[1], 2 * kTurns + 1);
}

}  // namespace

void Touches() {
  Begin();

  // Nobody but the program handles its signals.
  struct sigaction action {};

  action.sa_handler = Interrupted;
  sigaction(SIGSEGV, &action, nullptr);
  const Late late;
  ReadAndAdd(late);
  SeveralThreads(late);
  SystemCalls(late);
  Attached(late);
  InFunctions(late);

  struct sigaction now {};

  sigaction(SIGSEGV, nullptr, &now);
  EXPECT(now.sa_handler == Interrupted, 1);
  EXPECT_OK(Cuda().cuMemFree_v2(late.address));
  std::printf("done\n");
}

// A kernel waits for what the program writes only after it has been started.
void TouchBeforeKernelEnds() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUdeviceptr address = 0;
  EXPECT_OK(Cuda().cuMemAllocManaged(&address, 4096, CU_MEM_ATTACH_GLOBAL));
  void* parameters[] = {&address};
  EXPECT_OK(Cuda().cuLaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
  *reinterpret_cast<volatile uint32_t*>(address) = 1;
  EXPECT_OK(Cuda().cuCtxSynchronize());
  std::printf("ended\n");
}

}  // namespace farlane::cases
