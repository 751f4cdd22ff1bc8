// SPDX-License-Identifier: Apache-2.0
// Device memory that is freed with its scope. A program that ends in a fault must not hold one
// then: freeing in a failed context fails, and that ends the program as a mistake.
#pragma once

#include <vector>

#include "tests/apps/cuda_call.h"

namespace apps {

// An array in the memory of the device that was current when it was made.
// Thread: one thread at a time.
template <typename T>
class DeviceBuffer {
 public:
  explicit DeviceBuffer(size_t count) : count_(count), memory_(DeviceArray<T>(count)) {}

  explicit DeviceBuffer(const std::vector<T>& host)
      : count_(host.size()), memory_(DeviceCopy(host)) {}

  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  ~DeviceBuffer() { CUDA_CALL(cudaFree(memory_)); }

  T* get() const { return memory_; }

  size_t count() const { return count_; }

  size_t bytes() const { return count_ * sizeof(T); }

  // Every byte of it.
  void Fill(int byte) { CUDA_CALL(cudaMemset(memory_, byte, bytes())); }

  void Write(const std::vector<T>& host) {
    CUDA_CALL(cudaMemcpy(memory_, host.data(), bytes(), cudaMemcpyHostToDevice));
  }

  // Waits for the work before it.
  std::vector<T> Read() const { return HostCopy(memory_, count_); }

 private:
  size_t count_;
  T* memory_;
};

}  // namespace apps
