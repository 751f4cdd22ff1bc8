// SPDX-License-Identifier: Apache-2.0
// Several threads, several streams, several contexts; none disturbs another.
#include <atomic>
#include <cstring>
#include <thread>

#include <poll.h>
#include <unistd.h>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr unsigned kThreads = 6;

template <typename Work>
void OnThreads(unsigned count, Work work) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i) {
    threads.emplace_back(work, i);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace

void Threads() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  OnThreads(kThreads, [&](unsigned i) {
    CUstream stream = nullptr;
    EXPECT_OK(Cuda().cuCtxSetCurrent(context));
    EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (uint32_t round = 0; round < 20; ++round) {
      CheckWork(kernels, i * 1000 + round, stream);
    }
    EXPECT_OK(Cuda().cuStreamDestroy_v2(stream));
  });
}

// More bytes under way at once than the server stages for one client, from all threads together.
void LargeCopies() {
  Begin();
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  OnThreads(kThreads, [&](unsigned i) {
    constexpr size_t kBytes = 40 << 20;
    EXPECT_OK(Cuda().cuCtxSetCurrent(context));
    std::vector<unsigned char> up(kBytes);
    for (size_t at = 0; at < kBytes; ++at) {
      up[at] = static_cast<unsigned char>(at * 167 ^ at >> 9 ^ i);
    }
    std::vector<unsigned char> down(kBytes);
    CUdeviceptr address = 0;
    EXPECT_OK(Cuda().cuMemAlloc_v2(&address, kBytes));
    for (int round = 0; round < 3; ++round) {
      EXPECT_OK(Cuda().cuMemcpyHtoD_v2(address, up.data(), kBytes));
      EXPECT_OK(Cuda().cuMemcpyDtoH_v2(down.data(), address, kBytes));
      EXPECT(memcmp(up.data(), down.data(), kBytes), 0);
    }
    EXPECT_OK(Cuda().cuMemFree_v2(address));
  });
}

// One thread waits in a synchronise for a kernel that only another's later post can end, while the
// others ask for answers.
void ReleasedByAnother() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUcontext context = nullptr;
  CUstream spinning = nullptr;
  CUstream side = nullptr;
  CUdeviceptr flag = 0;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  EXPECT_OK(Cuda().cuStreamCreate(&spinning, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuStreamCreate(&side, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&flag, 4096));
  void* parameters[] = {&flag};
  for (int round = 0; round < 20; ++round) {
    EXPECT_OK(Cuda().cuMemsetD32_v2(flag, 0, 1));
    EXPECT_OK(Cuda().cuCtxSynchronize());
    EXPECT_OK(
        Cuda().cuLaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, spinning, parameters, nullptr));
    std::atomic<bool> begun{false};
    std::thread waiter([&] {
      EXPECT_OK(Cuda().cuCtxSetCurrent(context));
      begun = true;
      EXPECT_OK(Cuda().cuStreamSynchronize(spinning));
    });
    while (!begun) {
      std::this_thread::yield();
    }
    OnThreads(3, [&](unsigned) {
      size_t free = 0;
      size_t total = 0;
      EXPECT_OK(Cuda().cuCtxSetCurrent(context));
      for (int i = 0; i < 5; ++i) {
        EXPECT(Cuda().cuStreamQuery(spinning), CUDA_ERROR_NOT_READY);
        EXPECT_OK(Cuda().cuMemGetInfo_v2(&free, &total));
      }
    });
    EXPECT_OK(Cuda().cuMemsetD32Async(flag, 1, 1, side));
    waiter.join();
    EXPECT_OK(Cuda().cuStreamQuery(spinning));
  }
}

void TwoContexts() {
  EXPECT_OK(Cuda().cuInit(0));
  CUcontext contexts[2] = {};
  Kernels kernels[2];
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(Cuda().cuCtxCreate_v2(&contexts[i], 0, 0));
    kernels[i] = LoadKernels();
  }
  for (uint32_t round = 0; round < 10; ++round) {
    EXPECT_OK(Cuda().cuCtxSetCurrent(contexts[round % 2]));
    CheckWork(kernels[round % 2], round);
  }
  // Waiting for one context is no reason to give the other's memory away: its kernel still runs.
  CUdeviceptr flag = 0;
  CUdeviceptr freed = 0;
  CUdeviceptr given = 0;
  CUstream side = nullptr;
  EXPECT_OK(Cuda().cuCtxSetCurrent(contexts[0]));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&flag, 4096));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&freed, 4096));
  EXPECT_OK(Cuda().cuMemsetD32_v2(flag, 0, 1024));
  EXPECT_OK(Cuda().cuStreamCreate(&side, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuCtxSynchronize());
  void* parameters[] = {&flag};
  EXPECT_OK(
      Cuda().cuLaunchKernel(kernels[0].spin, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
  EXPECT_OK(Cuda().cuCtxSetCurrent(contexts[1]));
  EXPECT_OK(Cuda().cuCtxSynchronize());
  EXPECT_OK(Cuda().cuMemFree_v2(freed));
  for (int i = 0; i < 200; ++i) {
    EXPECT_OK(Cuda().cuMemAlloc_v2(&given, 4096));
    EXPECT_TRUE(given != freed);
  }
  EXPECT_OK(Cuda().cuCtxSetCurrent(contexts[0]));
  EXPECT_OK(Cuda().cuMemsetD32Async(flag, 1, 1, side));
  EXPECT_OK(Cuda().cuCtxSynchronize());
}

// A context that ends takes its objects along, wherever it is current; its successor starts clean.
void ContextEnds() {
  Begin();
  CUcontext first = nullptr;
  CUcontext other = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&first));
  const Kernels of_first = LoadKernels();
  EXPECT_OK(Cuda().cuCtxCreate_v2(&other, 0, 0));
  const Kernels of_other = LoadKernels();
  CheckWork(of_other, 61);
  std::atomic<int> step{0};
  std::thread holder([&] {
    CUdeviceptr address = 0;
    EXPECT_OK(Cuda().cuCtxSetCurrent(other));
    step = 1;
    while (step != 2) {
      std::this_thread::yield();
    }
    EXPECT(Cuda().cuMemAlloc_v2(&address, 100), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    EXPECT(Cuda().cuCtxSynchronize(), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    EXPECT_OK(Cuda().cuCtxSetCurrent(first));
    CheckWork(of_first, 62);
  });
  while (step != 1) {
    std::this_thread::yield();
  }
  EXPECT_OK(Cuda().cuCtxDestroy_v2(other));
  step = 2;
  holder.join();
  CUcontext now = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&now));
  EXPECT_TRUE(now == first);
  CheckWork(of_first, 63);
  EXPECT_OK(Cuda().cuDevicePrimaryCtxRelease_v2(0));
  Begin();
  CheckWork(LoadKernels(), 64);
}

// Works all the while that something else goes wrong, until its standard input ends.
void Bystander() {
  Begin();
  const Kernels kernels = LoadKernels();
  uint32_t rounds = 0;
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  while (AllRight() && poll(&input, 1, 1) == 0) {
    CheckWork(kernels, ++rounds);
    if (rounds == 1) {
      std::printf("working\n");
      std::fflush(stdout);
    }
  }
  CheckWork(kernels, ++rounds);
  std::printf("rounds %u\n", rounds);
}

}  // namespace farlane::cases
