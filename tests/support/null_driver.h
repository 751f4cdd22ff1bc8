// SPDX-License-Identifier: Apache-2.0
// A driver that agrees to everything and does nothing: for tests and measurements of what happens
// before it.
#pragma once

#include <atomic>

#include "gpu-server/driver/driver_table.h"

namespace farlane::server {

inline std::atomic<unsigned long long> null_driver_next{1};
inline int null_driver_object;

inline void AgreeToContextsAndMemory(DriverTable& table) {
  table.cuDevicePrimaryCtxSetFlags_v2 = [](CUdevice, unsigned int) { return CUDA_SUCCESS; };
  table.cuDevicePrimaryCtxRetain = [](CUcontext* context, CUdevice) {
    *context = reinterpret_cast<CUcontext>(&null_driver_object);
    return CUDA_SUCCESS;
  };
  table.cuDevicePrimaryCtxRelease_v2 = [](CUdevice) { return CUDA_SUCCESS; };
  table.cuCtxCreate_v2 = [](CUcontext* context, unsigned int, CUdevice) {
    *context = reinterpret_cast<CUcontext>(&null_driver_object);
    return CUDA_SUCCESS;
  };
  table.cuCtxDestroy_v2 = [](CUcontext) { return CUDA_SUCCESS; };
  table.cuCtxSetCurrent = [](CUcontext) { return CUDA_SUCCESS; };
  table.cuCtxGetCurrent = [](CUcontext* context) {
    *context = reinterpret_cast<CUcontext>(&null_driver_object);
    return CUDA_SUCCESS;
  };
  table.cuCtxPushCurrent_v2 = [](CUcontext) { return CUDA_SUCCESS; };
  table.cuCtxPopCurrent_v2 = [](CUcontext*) { return CUDA_SUCCESS; };
  table.cuCtxSynchronize = [] { return CUDA_SUCCESS; };
  table.cuMemAddressReserve = [](CUdeviceptr* address, size_t, size_t, CUdeviceptr hint,
                                 unsigned long long) {
    *address = hint != 0 ? hint : 0x1000'0000'0000;
    return CUDA_SUCCESS;
  };
  table.cuMemAddressFree = [](CUdeviceptr, size_t) { return CUDA_SUCCESS; };
  table.cuMemCreate = [](CUmemGenericAllocationHandle* chunk, size_t, const CUmemAllocationProp*,
                         unsigned long long) {
    *chunk = null_driver_next++;
    return CUDA_SUCCESS;
  };
  table.cuMemRelease = [](CUmemGenericAllocationHandle) { return CUDA_SUCCESS; };
  table.cuMemMap = [](CUdeviceptr, size_t, size_t, CUmemGenericAllocationHandle,
                      unsigned long long) { return CUDA_SUCCESS; };
  table.cuMemUnmap = [](CUdeviceptr, size_t) { return CUDA_SUCCESS; };
  table.cuMemSetAccess = [](CUdeviceptr, size_t, const CUmemAccessDesc*, size_t) {
    return CUDA_SUCCESS;
  };
  table.cuMemHostRegister_v2 = [](void*, size_t, unsigned int) { return CUDA_SUCCESS; };
  table.cuMemHostUnregister = [](void*) { return CUDA_SUCCESS; };
}

inline void AgreeToCodeAndWork(DriverTable& table) {
  table.cuMemcpyHtoDAsync_v2 = [](CUdeviceptr, const void*, size_t, CUstream) {
    return CUDA_SUCCESS;
  };
  table.cuMemcpyDtoHAsync_v2 = [](void*, CUdeviceptr, size_t, CUstream) { return CUDA_SUCCESS; };
  table.cuMemcpy2DAsync_v2 = [](const CUDA_MEMCPY2D*, CUstream) { return CUDA_SUCCESS; };
  table.cuMemcpy3DAsync_v2 = [](const CUDA_MEMCPY3D*, CUstream) { return CUDA_SUCCESS; };
  table.cuStreamCreateWithPriority = [](CUstream* stream, unsigned int, int) {
    *stream = reinterpret_cast<CUstream>(&null_driver_object);
    return CUDA_SUCCESS;
  };
  table.cuStreamDestroy_v2 = [](CUstream) { return CUDA_SUCCESS; };
  table.cuStreamQuery = [](CUstream) { return CUDA_SUCCESS; };
  table.cuStreamSynchronize = [](CUstream) { return CUDA_SUCCESS; };
  table.cuEventCreate = [](CUevent* event, unsigned int) {
    *event = reinterpret_cast<CUevent>(&null_driver_object);
    return CUDA_SUCCESS;
  };
  table.cuEventDestroy_v2 = [](CUevent) { return CUDA_SUCCESS; };
  table.cuEventRecord = [](CUevent, CUstream) { return CUDA_SUCCESS; };
  table.cuEventQuery = [](CUevent) { return CUDA_SUCCESS; };
  table.cuEventSynchronize = [](CUevent) { return CUDA_SUCCESS; };
  table.cuModuleLoadDataEx = [](CUmodule* module, const void*, unsigned int, CUjit_option*,
                                void**) {
    *module = reinterpret_cast<CUmodule>(&null_driver_object);
    return CUDA_SUCCESS;
  };
  table.cuModuleUnload = [](CUmodule) { return CUDA_SUCCESS; };
  table.cuModuleGetFunctionCount = [](unsigned int* count, CUmodule) {
    *count = 1;
    return CUDA_SUCCESS;
  };
  table.cuModuleEnumerateFunctions = [](CUfunction* functions, unsigned int, CUmodule) {
    functions[0] = reinterpret_cast<CUfunction>(&null_driver_object);
    return CUDA_SUCCESS;
  };
  table.cuModuleGetFunction = [](CUfunction* function, CUmodule, const char*) {
    *function = reinterpret_cast<CUfunction>(&null_driver_object);
    return CUDA_SUCCESS;
  };
  table.cuFuncGetName = [](const char** name, CUfunction) {
    *name = "kernel";
    return CUDA_SUCCESS;
  };
  table.cuFuncGetParamInfo = [](CUfunction, size_t index, size_t* offset, size_t* size) {
    *offset = 0;
    *size = 8;
    return index == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  };
  table.cuLaunchKernel = [](CUfunction, unsigned int, unsigned int, unsigned int, unsigned int,
                            unsigned int, unsigned int, unsigned int, CUstream, void**,
                            void**) { return CUDA_SUCCESS; };
}

// Everything the server relies on succeeds; all other calls are missing.
inline DriverTable NullDriverTable() {
  DriverTable table;
  LoadDriverTable([](void*, const char*) -> void* { return nullptr; }, nullptr, table);
  AgreeToContextsAndMemory(table);
  AgreeToCodeAndWork(table);
  return table;
}

}  // namespace farlane::server
