// SPDX-License-Identifier: Apache-2.0
// Tenants that are no good neighbours. Each says "ready" when it has begun, and goes on until its
// standard input ends or the server ends it; what its own calls answer is nobody's concern.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr size_t kMebibyte = 1 << 20;

void SayReady() {
  std::printf("ready\n");
  std::fflush(stdout);
}

bool MayGoOn() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return poll(&input, 1, 0) == 0;
}

// Launches on the null stream, or the same from a graph.
void LaunchSpin(const Kernels& kernels, CUdeviceptr flag, bool as_graph) {
  void* parameters[] = {&flag};
  CUstream stream = nullptr;
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  if (as_graph) {
    EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    EXPECT_OK(Cuda().cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
  }
  EXPECT_OK(Cuda().cuLaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr));
  if (as_graph) {
    EXPECT_OK(Cuda().cuStreamEndCapture(stream, &graph));
    EXPECT_OK(Cuda().cuGraphInstantiateWithFlags(&exec, graph, 0));
    EXPECT_OK(Cuda().cuGraphLaunch(exec, stream));
  }
}

// Text with many kernels and a large variable; another one each time.
std::string BombText(int number) {
  std::string text = ".version 7.0\n.target sm_70\n.address_size 64\n";
  text += ".visible .global .align 8 .b8 large_" + std::to_string(number) + "[" +
          std::to_string(8 * kMebibyte) + "];\n";
  for (int kernel = 0; kernel < 2000; ++kernel) {
    text +=
        ".visible .entry bomb_" + std::to_string(number) + "_" + std::to_string(kernel) +
        "(.param .u64 cells)\n{\n  .reg .b64 %rd<2>;\n  ld.param.u64 %rd0, [cells];\n  ret;\n}\n";
  }
  return text;
}

}  // namespace

// A store where nothing is.
void AttackIllegal() {
  Begin();
  const Kernels kernels = LoadKernels();
  SayReady();
  CUdeviceptr nowhere = 8;
  void* parameters[] = {&nowhere};
  static_cast<void>(
      Cuda().cuLaunchKernel(kernels.poke, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
  std::printf("%d\n", Cuda().cuCtxSynchronize());
}

// Kernels that do not end, one after the other for as long as they are taken. Says what the wait
// for them has said, and when, and what comes after it.
void AttackEndless() {
  using Clock = std::chrono::steady_clock;
  Begin();
  const Kernels kernels = LoadKernels();
  CUdeviceptr flag = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&flag, 4));
  EXPECT_OK(Cuda().cuMemsetD32_v2(flag, 0, 1));
  SayReady();
  const bool as_graph = Environment("ATTACK_GRAPH").has_value();
  const Clock::time_point before = Clock::now();
  for (int i = 0; i < 3; ++i) {
    LaunchSpin(kernels, flag, as_graph);
  }
  const CUresult result = Cuda().cuCtxSynchronize();
  const Clock::time_point after = Clock::now();
  std::printf("wait %d at %lld after %.3f\n", result,
              static_cast<long long>(after.time_since_epoch().count()),
              std::chrono::duration<double>(after - before).count());
  CUdeviceptr other = 0;
  CUmodule module = nullptr;
  CUstream stream = nullptr;
  std::printf("then %d %d %d %d %d %d\n", Cuda().cuCtxSynchronize(),
              Cuda().cuMemAlloc_v2(&other, 4), Cuda().cuModuleLoadData(&module, "x"),
              Cuda().cuStreamCreate(&stream, 0), Fill(kernels, flag, 0, 1),
              Cuda().cuStreamQuery(nullptr));
}

// As before, but it goes on posting, so that it writes when the server ends it.
void AttackEndlessFlood() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUdeviceptr flag = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&flag, 1 << 20));
  EXPECT_OK(Cuda().cuMemsetD32_v2(flag, 0, 1));
  SayReady();
  LaunchSpin(kernels, flag, false);
  CUresult result = CUDA_SUCCESS;
  while (result == CUDA_SUCCESS) {
    result = Cuda().cuMemsetD8Async(flag + 512, 1, 512, nullptr);
  }
  std::printf("post %d\n", result);
}

// All memory that there is, again and again, in pieces of all sizes and from two places.
void AttackAllocations() {
  Begin();
  SayReady();
  while (MayGoOn()) {
    std::vector<CUdeviceptr> plain;
    std::vector<CUdeviceptr> pooled;
    CUresult result = CUDA_SUCCESS;
    for (size_t i = 0; result == CUDA_SUCCESS && i < 4096; ++i) {
      CUdeviceptr address = 0;
      const size_t bytes = (i * 7919 % 64 + 1) * (kMebibyte / 8);
      result = i % 2 == 0 ? Cuda().cuMemAlloc_v2(&address, bytes)
                          : Cuda().cuMemAllocAsync(&address, bytes, nullptr);
      if (result == CUDA_SUCCESS) {
        (i % 2 == 0 ? plain : pooled).push_back(address);
      }
    }
    for (const CUdeviceptr address : plain) {
      static_cast<void>(Cuda().cuMemFree_v2(address));
    }
    for (const CUdeviceptr address : pooled) {
      static_cast<void>(Cuda().cuMemFreeAsync(address, nullptr));
    }
    static_cast<void>(Cuda().cuCtxSynchronize());
  }
}

// Many large modules; when no more are taken all are unloaded.
void AttackModules() {
  Begin();
  SayReady();
  int number = 0;
  std::vector<CUmodule> modules;
  while (MayGoOn()) {
    CUmodule module = nullptr;
    if (Cuda().cuModuleLoadData(&module, BombText(number++).c_str()) == CUDA_SUCCESS) {
      modules.push_back(module);
      continue;
    }
    for (const CUmodule loaded : modules) {
      static_cast<void>(Cuda().cuModuleUnload(loaded));
    }
    modules.clear();
  }
}

// Kernels that do nothing, as many as there is room for.
void AttackLaunches() {
  Begin();
  const Kernels kernels = LoadKernels();
  SayReady();
  while (MayGoOn()) {
    for (int i = 0; i < 1000; ++i) {
      static_cast<void>(
          Cuda().cuLaunchKernel(kernels.nothing, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
    }
  }
}

// Much data in both directions without an end.
void AttackBulk() {
  constexpr size_t kBytes = 64 * kMebibyte;
  Begin();
  std::vector<char> sent(kBytes, 1);
  void* fetched = nullptr;
  CUdeviceptr there = 0;
  EXPECT_OK(Cuda().cuMemAllocHost_v2(&fetched, kBytes));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&there, kBytes));
  SayReady();
  while (MayGoOn()) {
    static_cast<void>(Cuda().cuMemcpyHtoDAsync_v2(there, sent.data(), kBytes, nullptr));
    static_cast<void>(Cuda().cuMemcpyDtoHAsync_v2(fetched, there, kBytes, nullptr));
  }
}

// Asks for much data, and reads nothing any more.
void AttackDeaf() {
  constexpr size_t kBytes = 64 * kMebibyte;
  Begin();
  void* fetched = nullptr;
  CUdeviceptr there = 0;
  EXPECT_OK(Cuda().cuMemAllocHost_v2(&fetched, kBytes));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&there, kBytes));
  SayReady();
  for (int i = 0; i < 4; ++i) {
    static_cast<void>(Cuda().cuMemcpyDtoHAsync_v2(fetched, there, kBytes, nullptr));
  }
  static_cast<void>(raise(SIGSTOP));
}

}  // namespace farlane::cases
