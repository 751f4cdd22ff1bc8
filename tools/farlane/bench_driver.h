// SPDX-License-Identifier: Apache-2.0
// BenchDriver is a libcuda that `farlane bench` measures: the client library, the software GPU or
// any other, loaded by path, with a context, an empty kernel and some memory ready.
#pragma once

#include <memory>
#include <string>

#include "protocol/abi/cuda_abi.h"
#include "protocol/abi/own_table.h"
#include "protocol/base/result.h"

namespace farlane::cli {

// The calls that are measured or needed for it, by their names.
struct BenchCalls {
  CUresult (*cuInit)(unsigned int);
  CUresult (*cuDeviceGet)(CUdevice*, int);
  CUresult (*cuDeviceGetName)(char*, int, CUdevice);
  CUresult (*cuDevicePrimaryCtxRetain)(CUcontext*, CUdevice);
  CUresult (*cuCtxSetCurrent)(CUcontext);
  CUresult (*cuCtxSynchronize)();
  CUresult (*cuModuleLoadData)(CUmodule*, const void*);
  CUresult (*cuModuleGetFunction)(CUfunction*, CUmodule, const char*);
  CUresult (*cuLaunchKernel)(CUfunction,
                             unsigned int,
                             unsigned int,
                             unsigned int,
                             unsigned int,
                             unsigned int,
                             unsigned int,
                             unsigned int,
                             CUstream,
                             void**,
                             void**);
  CUresult (*cuMemAlloc_v2)(CUdeviceptr*, size_t);
  CUresult (*cuMemFree_v2)(CUdeviceptr);
  CUresult (*cuMemAllocHost_v2)(void**, size_t);
  CUresult (*cuMemFreeHost)(void*);
  CUresult (*cuMemAllocManaged)(CUdeviceptr*, size_t, unsigned int);
  CUresult (*cuMemsetD32Async)(CUdeviceptr, unsigned int, size_t, CUstream);
  CUresult (*cuMemcpyHtoD_v2)(CUdeviceptr, const void*, size_t);
  CUresult (*cuMemcpyDtoH_v2)(void*, CUdeviceptr, size_t);
  CUresult (*cuEventCreate)(CUevent*, unsigned int);
  CUresult (*cuEventDestroy_v2)(CUevent);
  CUresult (*cuEventRecord)(CUevent, CUstream);
  CUresult (*cuEventQuery)(CUevent);
  CUresult (*cuMemGetInfo_v2)(size_t*, size_t*);
};

// Thread: the one that loaded it; the library stays loaded.
class BenchDriver {
 public:
  static Result<std::unique_ptr<BenchDriver>> Load(const std::string& path);

  const BenchCalls& calls() const { return calls_; }

  CUfunction kernel() const { return kernel_; }

  const std::string& device() const { return device_; }

  // What the library counts of itself; null for any but ours.
  const abi::OwnTable* own_table() const { return own_table_; }

  // From before cuInit until a kernel had run.
  uint64_t first_use_ns() const { return first_use_ns_; }

 private:
  Status Bind(void* library);
  Status Start();

  BenchCalls calls_{};
  CUfunction kernel_ = nullptr;
  const abi::OwnTable* own_table_ = nullptr;
  std::string device_;
  uint64_t first_use_ns_ = 0;
};

}  // namespace farlane::cli
