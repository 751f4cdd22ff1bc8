// SPDX-License-Identifier: Apache-2.0
// The lives of processes and threads: children by fork, vfork and posix_spawn, programs that take
// the place of others, daemons, threads that end with work under way, exit handlers, a library that
// is loaded again.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

extern char** environ;

namespace farlane::cases {
namespace {

constexpr char kSelf[] = "/proc/self/exe";
constexpr size_t kGreedyBytes = 40 << 20;

int StatusOf(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Begins, computes, and says nothing. 0 if all was right.
int WorkAlone(uint32_t value) {
  Begin();
  CheckWork(LoadKernels(), value);
  return AllRight() ? 0 : 1;
}

pid_t ForkAndExec() {
  const pid_t child = fork();
  if (child == 0) {
    execl(kSelf, kSelf, "work", nullptr);
    _exit(9);
  }
  return child;
}

pid_t VforkAndExec() {
  const char* const words[] = {kSelf, "work", nullptr};
  // Deprecated for what a child could do that this one does not.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  const pid_t child = vfork();
#pragma GCC diagnostic pop
  if (child == 0) {
    execve(kSelf, const_cast<char* const*>(words), environ);
    _exit(9);
  }
  return child;
}

pid_t Spawn(const char* name) {
  const char* const words[] = {kSelf, name, nullptr};
  pid_t child = -1;
  EXPECT(posix_spawn(&child, kSelf, nullptr, nullptr, const_cast<char* const*>(words), environ), 0);
  return child;
}

// What a thread leaves to be done when it ends: a memset and a kernel in its own default stream.
void LeaveWork(CUcontext context, const Kernels& kernels, CUdeviceptr cells, uint32_t value) {
  EXPECT_OK(Cuda().cuCtxSetCurrent(context));
  EXPECT_OK(Cuda().cuMemsetD32Async(cells, 1, 64, CU_STREAM_PER_THREAD));
  EXPECT_OK(Fill(kernels, cells, value, 64, CU_STREAM_PER_THREAD));
}

// What a thread owns goes when the thread does.
struct Owned {
  CUdeviceptr address = 0;
  CUstream stream = nullptr;

  ~Owned() {
    if (stream != nullptr) {
      EXPECT_OK(Cuda().cuMemsetD8Async(address, 7, 1000, stream));
      EXPECT_OK(Cuda().cuStreamSynchronize(stream));
      EXPECT_OK(Cuda().cuStreamDestroy_v2(stream));
      EXPECT_OK(Cuda().cuMemFree_v2(address));
    }
  }
};

thread_local Owned owned;

void Own(CUcontext context) {
  EXPECT_OK(Cuda().cuCtxSetCurrent(context));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&owned.address, 1000));
  EXPECT_OK(Cuda().cuStreamCreate(&owned.stream, 0));
}

Kernels kept;

void WorkAtExit() {
  CheckWork(kept, 93);
  if (!AllRight()) {
    _exit(3);
  }
}

// In a child that has left its session and closed what it had, as daemons do. Writes on the
// descriptors of standard output and error must reach nobody.
int WorkAsDaemon() {
  setsid();
  for (int descriptor = 0; descriptor < 3; ++descriptor) {
    close(descriptor);
  }
  Begin();
  const Kernels kernels = LoadKernels();
  CheckWork(kernels, 94);
  const char noise[64] = "what a daemon says by mistake";
  for (const int descriptor : {0, 1, 2}) {
    if (write(descriptor, noise, sizeof noise) >= 0 || errno != EBADF) {
      return 5;
    }
  }
  CheckWork(kernels, 95);
  return AllRight() ? 0 : 1;
}

}  // namespace

void Work() {
  static_cast<void>(WorkAlone(90));
}

// Another program takes this one's place while a kernel of it runs.
void ExecItself() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUdeviceptr flag = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&flag, 40 << 20));
  EXPECT_OK(Cuda().cuMemsetD32_v2(flag, 0, 1));
  void* parameters[] = {&flag};
  EXPECT_OK(Cuda().cuLaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
  if (AllRight()) {
    execl(kSelf, kSelf, "work", nullptr);
  }
}

void Children() {
  Begin();
  const Kernels kernels = LoadKernels();
  const auto works = [&kernels](pid_t child, uint32_t value) {
    EXPECT(StatusOf(child), 0);
    CheckWork(kernels, value);
  };
  works(ForkAndExec(), 96);
  works(VforkAndExec(), 97);
  works(Spawn("work"), 98);
  const std::string command = "exec /proc/" + std::to_string(getpid()) + "/exe work";
  EXPECT(system(command.c_str()), 0);
  CheckWork(kernels, 99);
}

// Children of a program that has loaded the library, and asked for its version at most, each begin
// for themselves; so does the program after them.
void ForkBeforeInit() {
  int version = 0;
  for (const bool asks : {false, true}) {
    EXPECT_TRUE(Library() != nullptr);
    if (asks) {
      EXPECT_OK(Cuda().cuDriverGetVersion(&version));
    }
    pid_t children[3];
    for (pid_t& child : children) {
      child = fork();
      if (child == 0) {
        std::exit(WorkAlone(100));
      }
    }
    for (const pid_t child : children) {
      EXPECT(StatusOf(child), 0);
    }
  }
  static_cast<void>(WorkAlone(101));
}

// Says whether there is as much memory as the parent has taken already.
void Greedy() {
  Begin();
  CUdeviceptr address = 0;
  std::printf("child %d\n", static_cast<int>(Cuda().cuMemAlloc_v2(&address, kGreedyBytes)));
}

void GreedyChild() {
  Begin();
  CUdeviceptr address = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&address, kGreedyBytes));
  EXPECT_OK(Cuda().cuMemsetD8_v2(address, 1, kGreedyBytes));
  EXPECT_OK(Cuda().cuCtxSynchronize());
  EXPECT(StatusOf(Spawn("greedy")), 0);
}

void Daemon() {
  int result[2];
  EXPECT(pipe(result), 0);
  // High enough for a daemon to leave it open.
  const int says = fcntl(result[1], F_DUPFD, 100);
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() != 0) {
      _exit(0);
    }
    const int status = WorkAsDaemon();
    static_cast<void>(!write(says, &status, sizeof status));
    _exit(0);
  }
  EXPECT(StatusOf(child), 0);
  close(result[1]);
  close(says);
  int status = -1;
  EXPECT(read(result[0], &status, sizeof status), sizeof status);
  EXPECT(status, 0);
  static_cast<void>(WorkAlone(102));
}

void DyingThreads() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUcontext context = nullptr;
  CUdeviceptr cells = 0;
  constexpr uint32_t kThreads = 300;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&cells, kThreads * 256));
  for (uint32_t i = 0; i < kThreads; ++i) {
    std::thread([&, i] {
      LeaveWork(context, kernels, cells + i * 256, i);
      Own(context);
    }).join();
  }
  // Some at the same time, too, and one that leaves by itself.
  std::thread leaves([&] {
    Own(context);
    pthread_exit(nullptr);
  });
  std::thread stays([&] { Own(context); });
  leaves.join();
  stays.join();
  EXPECT_OK(Cuda().cuCtxSynchronize());
  std::vector<uint32_t> found(kThreads * 64);
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(found.data(), cells, found.size() * 4));
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < kThreads * 64; ++i) {
    wrong += found[i] == i / 64 + i % 64 ? 0 : 1;
  }
  EXPECT(wrong, 0);
}

// Handlers from before and after the start of CUDA, an object of the main thread, a static one.
void ExitHandlers() {
  EXPECT(atexit(&WorkAtExit), 0);
  Begin();
  kept = LoadKernels();
  EXPECT(atexit(&WorkAtExit), 0);
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  Own(context);
  static Owned until_the_end;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&until_the_end.address, 1000));
  EXPECT_OK(Cuda().cuStreamCreate(&until_the_end.stream, 0));
}

void ReopenLibrary() {
  for (uint32_t i = 0; i < 3; ++i) {
    static_cast<void>(WorkAlone(110 + i));
    EXPECT(dlclose(Library()), 0);
    Reopen();
  }
  static_cast<void>(WorkAlone(120));
}

}  // namespace farlane::cases
