// SPDX-License-Identifier: Apache-2.0
// Ends the program, with the call and its error on stderr, when a CUDA runtime call fails that has
// no reason to fail. Not for calls whose failure is what a program tests.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cuda_runtime.h>

namespace apps {

inline void Require(cudaError_t result, const char* call, const char* file, int line) {
  if (result != cudaSuccess) {
    std::fprintf(stderr, "%s:%d: %s: %s (%d)\n", file, line, call, cudaGetErrorName(result),
                 static_cast<int>(result));
    std::exit(1);
  }
}

#define CUDA_CALL(call) ::apps::Require((call), #call, __FILE__, __LINE__)

// Device memory for `count` elements; freed by its owner with CUDA_CALL(cudaFree(...)).
template <typename T>
T* DeviceArray(size_t count) {
  void* memory = nullptr;
  CUDA_CALL(cudaMalloc(&memory, count * sizeof(T)));
  return static_cast<T*>(memory);
}

template <typename T>
T* DeviceCopy(const std::vector<T>& host) {
  T* memory = DeviceArray<T>(host.size());
  CUDA_CALL(cudaMemcpy(memory, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
  return memory;
}

template <typename T>
std::vector<T> HostCopy(const T* device, size_t count) {
  std::vector<T> host(count);
  CUDA_CALL(cudaMemcpy(host.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost));
  return host;
}

}  // namespace apps
