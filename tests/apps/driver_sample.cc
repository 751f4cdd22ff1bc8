// SPDX-License-Identifier: Apache-2.0
// A CUDA program that needs no CUDA toolkit: its kernel is PTX made by clang, and it finds
// libcuda.so.1 by name at run time, as frameworks do. It lets heat flow along a rod and compares
// every cell with the CPU.
#include <cmath>

#include <dlfcn.h>

#include "protocol/abi/cuda_abi.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

asm(".section .rodata\n"
    "driver_sample_ptx: .incbin \"" DRIVER_SAMPLE_PTX
    "\"\n"
    ".byte 0\n"
    ".previous\n");
extern "C" const char driver_sample_ptx[];

namespace {

constexpr unsigned kCells = 20000;
constexpr int kSteps = 200;

// The handful of driver calls this program makes, by their exported names.
struct Driver {
  CUresult (*Init)(unsigned flags);
  CUresult (*DeviceGet)(CUdevice* device, int ordinal);
  CUresult (*DeviceGetName)(char* name, int size_bytes, CUdevice device);
  CUresult (*PrimaryCtxRetain)(CUcontext* context, CUdevice device);
  CUresult (*PrimaryCtxRelease)(CUdevice device);
  CUresult (*CtxSetCurrent)(CUcontext context);
  CUresult (*CtxSynchronize)();
  CUresult (*ModuleLoadData)(CUmodule* module, const void* image);
  CUresult (*ModuleGetFunction)(CUfunction* function, CUmodule module, const char* name);
  CUresult (*ModuleUnload)(CUmodule module);
  CUresult (*MemAlloc)(CUdeviceptr* address, size_t size_bytes);
  CUresult (*MemFree)(CUdeviceptr address);
  CUresult (*MemcpyHtoD)(CUdeviceptr to, const void* from, size_t size_bytes);
  CUresult (*MemcpyDtoH)(void* to, CUdeviceptr from, size_t size_bytes);
  CUresult (*LaunchKernel)(CUfunction function,
                           unsigned grid_x,
                           unsigned grid_y,
                           unsigned grid_z,
                           unsigned block_x,
                           unsigned block_y,
                           unsigned block_z,
                           unsigned shared_bytes,
                           CUstream stream,
                           void** parameters,
                           void** extra);
};

template <typename Function>
void Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) {
    std::fprintf(stderr, "driver_sample: libcuda.so.1 has no %s\n", name);
    std::exit(1);
  }
}

Driver FindDriver() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) {
    std::fprintf(stderr, "driver_sample: %s\n", dlerror());
    std::exit(1);
  }
  Driver driver;
  Find(library, "cuInit", driver.Init);
  Find(library, "cuDeviceGet", driver.DeviceGet);
  Find(library, "cuDeviceGetName", driver.DeviceGetName);
  Find(library, "cuDevicePrimaryCtxRetain", driver.PrimaryCtxRetain);
  Find(library, "cuDevicePrimaryCtxRelease_v2", driver.PrimaryCtxRelease);
  Find(library, "cuCtxSetCurrent", driver.CtxSetCurrent);
  Find(library, "cuCtxSynchronize", driver.CtxSynchronize);
  Find(library, "cuModuleLoadData", driver.ModuleLoadData);
  Find(library, "cuModuleGetFunction", driver.ModuleGetFunction);
  Find(library, "cuModuleUnload", driver.ModuleUnload);
  Find(library, "cuMemAlloc_v2", driver.MemAlloc);
  Find(library, "cuMemFree_v2", driver.MemFree);
  Find(library, "cuMemcpyHtoD_v2", driver.MemcpyHtoD);
  Find(library, "cuMemcpyDtoH_v2", driver.MemcpyDtoH);
  Find(library, "cuLaunchKernel", driver.LaunchKernel);
  return driver;
}

void Require(CUresult result, const char* call, int line) {
  if (result != CUDA_SUCCESS) {
    std::fprintf(stderr, "driver_sample.cc:%d: %s: error %d\n", line, call,
                 static_cast<int>(result));
    std::exit(1);
  }
}

#define DRIVER_CALL(call) Require((call), #call, __LINE__)

std::vector<float> FlowOnHost(std::vector<float> rod, float rate) {
  std::vector<float> after(rod.size());
  for (int step = 0; step < kSteps; ++step) {
    for (size_t i = 0; i < rod.size(); ++i) {
      float left = rod[i == 0 ? 0 : i - 1];
      float right = rod[i + 1 == rod.size() ? i : i + 1];
      after[i] = std::fma(rate, left + right - (rod[i] + rod[i]), rod[i]);
    }
    rod.swap(after);
  }
  return rod;
}

std::vector<float> FlowOnDevice(const Driver& driver,
                                CUfunction step,
                                std::vector<float> rod,
                                float rate) {
  size_t bytes = rod.size() * sizeof(float);
  unsigned cells = static_cast<unsigned>(rod.size());
  CUdeviceptr before = 0;
  CUdeviceptr after = 0;
  DRIVER_CALL(driver.MemAlloc(&before, bytes));
  DRIVER_CALL(driver.MemAlloc(&after, bytes));
  DRIVER_CALL(driver.MemcpyHtoD(before, rod.data(), bytes));
  for (int i = 0; i < kSteps; ++i) {
    void* parameters[] = {&before, &after, &rate, &cells};
    DRIVER_CALL(driver.LaunchKernel(step, 40, 1, 1, 128, 1, 1, 0, nullptr, parameters, nullptr));
    std::swap(before, after);
  }
  DRIVER_CALL(driver.CtxSynchronize());
  DRIVER_CALL(driver.MemcpyDtoH(rod.data(), before, bytes));
  DRIVER_CALL(driver.MemFree(before));
  DRIVER_CALL(driver.MemFree(after));
  return rod;
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("driver_sample", argc, argv);
  apps::SeededRandom random(verdict.seed());
  Driver driver = FindDriver();
  CUdevice device;
  CUcontext context;
  CUmodule module;
  CUfunction step;
  char name[256] = {};
  DRIVER_CALL(driver.Init(0));
  DRIVER_CALL(driver.DeviceGet(&device, 0));
  DRIVER_CALL(driver.DeviceGetName(name, sizeof name, device));
  DRIVER_CALL(driver.PrimaryCtxRetain(&context, device));
  DRIVER_CALL(driver.CtxSetCurrent(context));
  DRIVER_CALL(driver.ModuleLoadData(&module, driver_sample_ptx));
  DRIVER_CALL(driver.ModuleGetFunction(&step, module, "HeatStep"));
  std::printf("%d steps of heat along %u cells on %s\n", kSteps, kCells, name);

  std::vector<float> rod = random.Reals(kCells);
  float rate = 0.25f + random.Real() / 8;
  verdict.ExpectEqual(FlowOnDevice(driver, step, rod, rate), FlowOnHost(rod, rate),
                      "the rod after all steps");
  DRIVER_CALL(driver.ModuleUnload(module));
  DRIVER_CALL(driver.PrimaryCtxRelease(device));
  return verdict.Finish();
}
