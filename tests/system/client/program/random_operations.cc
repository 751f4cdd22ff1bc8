// SPDX-License-Identifier: Apache-2.0
// Random operations from several threads, each on streams and memory of its own, against a model of
// what that memory holds. The last line says what has shown: each code by the kind of the call that
// told it, and the operations that have left no trace.
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/random_buffers.h"
#include "tests/system/client/program/random_tape.h"

namespace farlane::cases {
namespace {

constexpr char kSmallModule[] = R"(.version 7.0
.target sm_70
.address_size 64
.visible .global .align 4 .u32 number = 7;
.visible .entry nothing()
{
  ret;
}
)";

// Thread: one, but for End, which another may call when that one is gone.
class Walker {
 public:
  Walker(const Plan& plan, int number, CUcontext context, const Kernels& kernels, Seen& seen)
      : walk_(plan, number, context, seen), buffers_(walk_, kernels), tape_(walk_, kernels) {}

  void Run() {
    for (int i = 0; i < walk_.plan().operations; ++i) {
      Step();
      ++walk_.seen().operations;
    }
    buffers_.VerifyAll();
    tape_.Verify();
  }

  void End() {
    tape_.End();
    buffers_.End();
    walk_.End();
  }

 private:
  void Step() {
    const size_t kind = walk_.Below(32);
    if (kind < 21) {
      buffers_.Step();
    } else if (kind < 26) {
      tape_.Step();
    } else if (kind < 29) {
      walk_.Record();
    } else if (kind < 30) {
      walk_.Hop();
    } else if (kind < 31) {
      Load();
    } else {
      Ask();
    }
  }

  // A module with a variable, used and gone again.
  void Load() {
    CUmodule module = nullptr;
    if (!walk_.Do("module", [&] { return Cuda().cuModuleLoadData(&module, kSmallModule); })) {
      return;
    }
    CUdeviceptr address = 0;
    CUfunction nothing = nullptr;
    size_t bytes = 0;
    uint32_t number = 0;
    walk_.Require([&] { return Cuda().cuModuleGetGlobal_v2(&address, &bytes, module, "number"); });
    walk_.Require([&] { return Cuda().cuModuleGetFunction(&nothing, module, "nothing"); });
    walk_.Do("launch", [&] {
      return Cuda().cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0, walk_.stream(), nullptr, nullptr);
    });
    if (walk_.Do("read", [&] { return Cuda().cuMemcpyDtoH_v2(&number, address, bytes); })) {
      EXPECT(number, 7);
    }
    walk_.Wait();
    walk_.Require([&] { return Cuda().cuModuleUnload(module); });
  }

  // What changes nothing.
  void Ask() {
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    walk_.Require([&] { return Cuda().cuMemGetInfo_v2(&free_bytes, &total_bytes); });
    EXPECT_TRUE(free_bytes <= total_bytes);
    const CUresult state =
        walk_.Make("other", [&] { return Cuda().cuStreamQuery(walk_.stream()); });
    EXPECT_TRUE(state == CUDA_SUCCESS || state == CUDA_ERROR_NOT_READY);
  }

  Walk walk_;
  Buffers buffers_;
  Tape tape_;
};

void Print(const Seen& seen) {
  std::printf("operations %d out_of_memory %d", seen.operations.load(), seen.out_of_memory.load());
  seen.told.With([](const auto& told) {
    for (const auto& [what, count] : told) {
      std::printf(" %d:%s:%d", what.first, what.second.c_str(), count);
    }
  });
  seen.undone.With([](const auto& undone) {
    for (const auto& [kind, count] : undone) {
      std::printf(" undone:%s:%d", kind.c_str(), count);
    }
  });
  std::printf("\n");
}

}  // namespace

void RandomOperations() {
  const Plan plan = ReadPlan();
  Begin();
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  const Kernels kernels = LoadKernels();
  Seen seen;
  std::vector<std::unique_ptr<Walker>> walkers(static_cast<size_t>(plan.threads));
  std::vector<std::thread> threads;
  for (int i = 0; i < plan.threads; ++i) {
    threads.emplace_back([&, i] {
      walkers[static_cast<size_t>(i)] = std::make_unique<Walker>(plan, i, context, kernels, seen);
      walkers[static_cast<size_t>(i)]->Run();
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  // Now the memory of all processes can be counted, until somebody says that it has been.
  std::printf("holding\n");
  std::fflush(stdout);
  char line[16];
  EXPECT_TRUE(std::fgets(line, sizeof line, stdin) != nullptr);
  for (const auto& walker : walkers) {
    walker->End();
  }
  Print(seen);
}

}  // namespace farlane::cases
