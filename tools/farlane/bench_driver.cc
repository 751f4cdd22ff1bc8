// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/bench_driver.h"

#include <dlfcn.h>

#include "protocol/base/clock.h"

namespace farlane::cli {
namespace {

constexpr char kEmptyKernel[] = R"(.version 7.0
.target sm_52
.address_size 64
.visible .entry nothing()
{
  ret;
}
)";

Status Failed(const char* call, CUresult result) {
  return Status(StatusCode::kUnavailable,
                std::string(call) + " gives error " + std::to_string(static_cast<int>(result)));
}

#define FARLANE_BENCH_TRY(call, arguments)          \
  do {                                              \
    const CUresult result_ = calls_.call arguments; \
    if (result_ != CUDA_SUCCESS) {                  \
      return Failed(#call, result_);                \
    }                                               \
  } while (false)

}  // namespace

Result<std::unique_ptr<BenchDriver>> BenchDriver::Load(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Status(StatusCode::kNotFound, dlerror());
  }
  auto driver = std::make_unique<BenchDriver>();
  if (Status status = driver->Bind(library); !status.ok()) {
    return status;
  }
  if (Status status = driver->Start(); !status.ok()) {
    return status;
  }
  return driver;
}

Status BenchDriver::Bind(void* library) {
  const char* missing = nullptr;
  const auto bind = [&](const char* name, auto* to) {
    *to = reinterpret_cast<std::remove_pointer_t<decltype(to)>>(dlsym(library, name));
    missing = *to == nullptr ? name : missing;
  };
#define FARLANE_BENCH_BIND(name) bind(#name, &calls_.name)
  FARLANE_BENCH_BIND(cuInit);
  FARLANE_BENCH_BIND(cuDeviceGet);
  FARLANE_BENCH_BIND(cuDeviceGetName);
  FARLANE_BENCH_BIND(cuDevicePrimaryCtxRetain);
  FARLANE_BENCH_BIND(cuCtxSetCurrent);
  FARLANE_BENCH_BIND(cuCtxSynchronize);
  FARLANE_BENCH_BIND(cuModuleLoadData);
  FARLANE_BENCH_BIND(cuModuleGetFunction);
  FARLANE_BENCH_BIND(cuLaunchKernel);
  FARLANE_BENCH_BIND(cuMemAlloc_v2);
  FARLANE_BENCH_BIND(cuMemFree_v2);
  FARLANE_BENCH_BIND(cuMemAllocHost_v2);
  FARLANE_BENCH_BIND(cuMemFreeHost);
  FARLANE_BENCH_BIND(cuMemAllocManaged);
  FARLANE_BENCH_BIND(cuMemsetD32Async);
  FARLANE_BENCH_BIND(cuMemcpyHtoD_v2);
  FARLANE_BENCH_BIND(cuMemcpyDtoH_v2);
  FARLANE_BENCH_BIND(cuEventCreate);
  FARLANE_BENCH_BIND(cuEventDestroy_v2);
  FARLANE_BENCH_BIND(cuEventRecord);
  FARLANE_BENCH_BIND(cuEventQuery);
  FARLANE_BENCH_BIND(cuMemGetInfo_v2);
#undef FARLANE_BENCH_BIND
  // Any libcuda has this call, and none but ours the table.
  CUresult (*tables)(const void**, const CUuuid*) = nullptr;
  const char* const needed = missing;
  bind("cuGetExportTable", &tables);
  missing = needed;
  const void* found = nullptr;
  if (tables != nullptr && tables(&found, &abi::kOwnTableId) == CUDA_SUCCESS) {
    own_table_ = static_cast<const abi::OwnTable*>(found);
  }
  return missing == nullptr
             ? Status::Ok()
             : Status(StatusCode::kMismatch, std::string("this libcuda has no ") + missing);
}

Status BenchDriver::Start() {
  const uint64_t start = NowNs();
  CUdevice device = 0;
  CUcontext context = nullptr;
  CUmodule module = nullptr;
  char name[256] = "";
  FARLANE_BENCH_TRY(cuInit, (0));
  FARLANE_BENCH_TRY(cuDeviceGet, (&device, 0));
  FARLANE_BENCH_TRY(cuDeviceGetName, (name, sizeof name, device));
  FARLANE_BENCH_TRY(cuDevicePrimaryCtxRetain, (&context, device));
  FARLANE_BENCH_TRY(cuCtxSetCurrent, (context));
  FARLANE_BENCH_TRY(cuModuleLoadData, (&module, kEmptyKernel));
  FARLANE_BENCH_TRY(cuModuleGetFunction, (&kernel_, module, "nothing"));
  FARLANE_BENCH_TRY(cuLaunchKernel, (kernel_, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
  FARLANE_BENCH_TRY(cuCtxSynchronize, ());
  first_use_ns_ = NowNs() - start;
  device_ = name;
  return Status::Ok();
}

}  // namespace farlane::cli
