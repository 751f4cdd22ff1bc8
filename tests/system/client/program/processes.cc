// SPDX-License-Identifier: Apache-2.0
// How programs start, fork and end.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include <dlfcn.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

void Say(const char* text) {
  std::printf("%s\n", text);
  std::fflush(stdout);
}

// Starts a kernel that runs until its flag is set, which nobody does.
CUdeviceptr Spin(const Kernels& kernels) {
  CUdeviceptr flag = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&flag, 4));
  EXPECT_OK(Cuda().cuMemsetD32_v2(flag, 0, 1));
  void* parameters[] = {&flag};
  EXPECT_OK(Cuda().cuLaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
  return flag;
}

int StatusOf(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// As a program's static object that owns device memory.
struct Holder {
  CUdeviceptr address = 0;

  ~Holder() {
    if (address != 0 && Cuda().cuMemFree_v2(address) != CUDA_SUCCESS) {
      _exit(3);
    }
  }
};

}  // namespace

// A signal's handler ends the process, whatever call it has interrupted.
void LeaveFromAHandler() {
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      Begin();
      CUdeviceptr cell = 0;
      EXPECT_OK(Cuda().cuMemAlloc_v2(&cell, 512));
      signal(SIGALRM, [](int) { exit(7); });
      const itimerval soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 1000 + 397 * i}};
      setitimer(ITIMER_REAL, &soon, nullptr);
      while (true) {
        static_cast<void>(Cuda().cuMemsetD8Async(cell, 1, 512, nullptr));
      }
    }
    EXPECT(StatusOf(child), 7);
  }
}

// Prints what cuInit says, twice: a failure stays one.
void Initialise() {
  const CUresult first = Cuda().cuInit(0);
  EXPECT(Cuda().cuInit(0), first);
  CUdevice device = 0;
  EXPECT(Cuda().cuDeviceGet(&device, 0), first);
  CUcontext context = nullptr;
  EXPECT(Cuda().cuCtxGetCurrent(&context), first);
  std::printf("cuInit %d\n", static_cast<int>(first));
}

void ForkedChild() {
  Begin();
  const Kernels kernels = LoadKernels();
  const pid_t child = fork();
  if (child == 0) {
    CUdeviceptr address = 0;
    const bool right = Cuda().cuInit(0) == CUDA_ERROR_NOT_INITIALIZED &&
                       Cuda().cuMemAlloc_v2(&address, 4) == CUDA_ERROR_NOT_INITIALIZED &&
                       Cuda().cuCtxSynchronize() == CUDA_ERROR_NOT_INITIALIZED &&
                       Fill(kernels, 0, 0, 1) == CUDA_ERROR_NOT_INITIALIZED;
    std::exit(right ? 0 : 1);  // with exit handlers, which must not end the parent's session
  }
  EXPECT(StatusOf(child), 0);
  CheckWork(kernels, 71);
}

// The child has nothing of the parent's session, so the server sees the parent's end at once.
void OutliveParent() {
  Begin();
  CUdeviceptr address = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, 40 << 20));
  if (fork() == 0) {
    fclose(stdout);
    fclose(stderr);
    std::this_thread::sleep_for(std::chrono::seconds(6));
    _exit(0);
  }
  Say("forked");
  pause();
}

void LeaveWithoutCleanup() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUdeviceptr address = 0;
  CUstream stream = nullptr;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, 4 << 20));
  EXPECT_OK(Cuda().cuStreamCreate(&stream, 0));
  EXPECT_OK(Fill(kernels, address, 1, 1 << 20, stream));
  std::exit(AllRight() ? 0 : 1);
}

// The program ends while another of its threads waits for a kernel.
void LeaveWhileWaiting() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  Spin(kernels);
  std::thread([context] {
    Cuda().cuCtxSetCurrent(context);
    Cuda().cuCtxSynchronize();
    while (true) {
      pause();
    }
  }).detach();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  std::exit(AllRight() ? 0 : 1);
}

void StaticObject() {
  static Holder holder;
  Begin();
  EXPECT_OK(Cuda().cuMemAlloc_v2(&holder.address, 1000));
}

void CloseLibrary() {
  Begin();
  const Kernels kernels = LoadKernels();
  CheckWork(kernels, 81);
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  // A thread that has used the library ends after it was closed.
  int stage = 0;
  std::thread user([&] {
    EXPECT_OK(Cuda().cuCtxSetCurrent(context));
    CheckWork(kernels, 82);
    __atomic_store_n(&stage, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&stage, __ATOMIC_SEQ_CST) != 2) {
      std::this_thread::yield();
    }
  });
  while (__atomic_load_n(&stage, __ATOMIC_SEQ_CST) != 1) {
    std::this_thread::yield();
  }
  EXPECT(dlclose(Library()), 0);
  __atomic_store_n(&stage, 2, __ATOMIC_SEQ_CST);
  user.join();
  // A child made after that must not be led into what is no longer there.
  const pid_t child = fork();
  if (child == 0) {
    _exit(0);
  }
  EXPECT(StatusOf(child), 0);
}

void SpinForever() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUdeviceptr address = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, 40 << 20));
  Spin(kernels);
  Say("spinning");
  Cuda().cuCtxSynchronize();
  Say("the wait has ended");
}

// The server is killed while this waits.
void LoseServer() {
  Begin();
  const Kernels kernels = LoadKernels();
  Spin(kernels);
  Say("spinning");
  EXPECT(Cuda().cuCtxSynchronize(), CUDA_ERROR_DEVICE_UNAVAILABLE);
  CUdeviceptr address = 0;
  CUmodule module = nullptr;
  EXPECT(Cuda().cuCtxSynchronize(), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT(Cuda().cuMemAlloc_v2(&address, 4), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT(Cuda().cuModuleLoadData(&module, "x"), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT(Fill(kernels, address, 0, 1), CUDA_ERROR_DEVICE_UNAVAILABLE);
  EXPECT(Cuda().cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_DEVICE_UNAVAILABLE);
}

}  // namespace farlane::cases
