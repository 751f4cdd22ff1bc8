// SPDX-License-Identifier: Apache-2.0
// A program whose kernels touch whatever address they are told, one command a line:
//
//   take BYTES           allocates and fills; says where
//   check                says whether what was taken is as it was filled
//   WAY ADDRESS VALUE    launches that kernel (kernels.h); says the error code
//   past WAY VALUE       the same just behind an allocation of its own
//   freed WAY VALUE      the same in an allocation that it has given back
//
// After every fault it starts CUDA anew and shows that its own memory still works.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <dlfcn.h>

#include "gpu-server/driver/driver_table.h"
#include "tests/system/wild_store/kernels.h"

namespace farlane::wild {
namespace {

constexpr size_t kFrameBytes = size_t{2} << 20;
constexpr unsigned kFilled = 0x5a5a1234;

const server::DriverTable& Cuda() {
  static const server::DriverTable table = [] {
    void* const library = dlopen("libcuda.so.1", RTLD_NOW);
    server::DriverTable found;
    if (library == nullptr) {
      std::printf("%s\n", dlerror());
      std::exit(2);
    }
    server::LoadDriverTable([](void* from, const char* symbol) { return dlsym(from, symbol); },
                            library, found);
    return found;
  }();
  return table;
}

void Require(CUresult result, const char* what) {
  if (result != CUDA_SUCCESS) {
    std::printf("broken: %s gave %d\n", what, static_cast<int>(result));
    std::exit(2);
  }
}

const Way* FindWay(const char* name) {
  for (const Way& way : kWays) {
    if (std::strcmp(way.name, name) == 0) {
      return &way;
    }
  }
  std::printf("broken: no way is called %s\n", name);
  std::exit(2);
}

// One way's kernel in the current context.
CUfunction LoadKernel(const Way& way) {
  const std::string text =
      std::string(kHeader) + ".visible .entry Touch" + kEntry + way.body + kEnd;
  CUmodule module = nullptr;
  CUfunction kernel = nullptr;
  Require(Cuda().cuModuleLoadData(&module, text.c_str()), "cuModuleLoadData");
  Require(Cuda().cuModuleGetFunction(&kernel, module, "Touch"), "cuModuleGetFunction");
  return kernel;
}

void Begin() {
  CUcontext context = nullptr;
  Require(Cuda().cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
  Require(Cuda().cuCtxSetCurrent(context), "cuCtxSetCurrent");
}

CUresult Launch(CUfunction kernel, uint64_t address, unsigned value) {
  void* parameters[] = {&address, &value};
  Require(Cuda().cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr),
          "cuLaunchKernel");
  return Cuda().cuCtxSynchronize();
}

// The same kernel on an address that is right must do its work.
void ShowThatItWorks(const Way& way, CUfunction kernel, unsigned value) {
  CUdeviceptr own = 0;
  uint64_t address = way.space == Space::kGlobal ? 0 : 16;
  if (way.space == Space::kGlobal) {
    Require(Cuda().cuMemAlloc_v2(&own, kFrameBytes), "cuMemAlloc");
    Require(Cuda().cuMemsetD32_v2(own, 0, kFrameBytes / 4), "cuMemsetD32");
    address = own + 8192;
  }
  Require(Launch(kernel, address, value), "a kernel at an address of its own");
  if (way.space != Space::kGlobal) {
    return;
  }
  unsigned got = 0;
  Require(Cuda().cuMemcpyDtoH_v2(&got, address, sizeof got), "cuMemcpyDtoH");
  const bool is_load = std::strcmp(way.name, "load") == 0;
  const unsigned wanted = std::strcmp(way.name, "byte") == 0 ? value & 0xff : value;
  if (got != (is_load ? 0 : wanted)) {
    std::printf("broken: %s wrote %x, not %x\n", way.name, got, wanted);
    std::exit(2);
  }
  Require(Cuda().cuMemFree_v2(own), "cuMemFree");
}

// Thread: the main thread only.
class Program {
 public:
  // Says "result CODE", and has a working context again afterwards.
  void Touch(const Way& way, uint64_t address, unsigned value) {
    const CUfunction kernel = LoadKernel(way);
    ShowThatItWorks(way, kernel, value);
    const CUresult result = Launch(kernel, address, value);
    if (result != CUDA_SUCCESS) {
      if (Cuda().cuCtxSynchronize() != result) {
        std::printf("broken: the fault was forgotten\n");
        std::exit(2);
      }
      Require(Cuda().cuDevicePrimaryCtxReset_v2(0), "cuDevicePrimaryCtxReset");
      Begin();
      ShowThatItWorks(way, LoadKernel(way), value);
    }
    std::printf("result %d\n", static_cast<int>(result));
  }

  void TouchPast(const Way& way, unsigned value) {
    CUdeviceptr own = 0;
    Require(Cuda().cuMemAlloc_v2(&own, kFrameBytes), "cuMemAlloc");
    Touch(way, own + kFrameBytes, value);
  }

  void TouchFreed(const Way& way, unsigned value) {
    CUdeviceptr own = 0;
    Require(Cuda().cuMemAlloc_v2(&own, 4 * kFrameBytes), "cuMemAlloc");
    Require(Cuda().cuMemFree_v2(own), "cuMemFree");
    Touch(way, own + 3 * kFrameBytes, value);
  }

  void Take(size_t bytes) {
    cells_ = bytes / 4;
    Require(Cuda().cuMemAlloc_v2(&taken_, bytes), "cuMemAlloc");
    Require(Cuda().cuMemsetD32_v2(taken_, kFilled, cells_), "cuMemsetD32");
    Require(Cuda().cuCtxSynchronize(), "cuCtxSynchronize");
    std::printf("at %" PRIx64 "\n", static_cast<uint64_t>(taken_));
  }

  void Check() {
    std::vector<unsigned> cells(cells_);
    Require(Cuda().cuMemcpyDtoH_v2(cells.data(), taken_, cells_ * 4), "cuMemcpyDtoH");
    size_t different = 0;
    for (const unsigned cell : cells) {
      different += cell == kFilled ? 0 : 1;
    }
    std::printf("%zu of %zu changed\n", different, cells_);
  }

 private:
  CUdeviceptr taken_ = 0;
  size_t cells_ = 0;
};

void Run(Program& program, const char* line) {
  char first[32] = "";
  char second[32] = "";
  uint64_t address = 0;
  unsigned value = 0;
  if (std::sscanf(line, "take %" SCNu64, &address) == 1) {
    program.Take(address);
  } else if (std::strcmp(line, "check\n") == 0) {
    program.Check();
  } else if (std::sscanf(line, "past %31s %x", second, &value) == 2) {
    program.TouchPast(*FindWay(second), value);
  } else if (std::sscanf(line, "freed %31s %x", second, &value) == 2) {
    program.TouchFreed(*FindWay(second), value);
  } else if (std::sscanf(line, "%31s %" SCNx64 " %x", first, &address, &value) == 3) {
    program.Touch(*FindWay(first), address, value);
  } else {
    std::printf("broken: not a command: %s", line);
    std::exit(2);
  }
}

}  // namespace
}  // namespace farlane::wild

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  farlane::wild::Require(farlane::wild::Cuda().cuInit(0), "cuInit");
  farlane::wild::Begin();
  farlane::wild::Program program;
  char line[128];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    farlane::wild::Run(program, line);
  }
  return 0;
}
