// SPDX-License-Identifier: Apache-2.0
// BorrowedContext makes some context current for as long as it lives, where there is none: a
// library may be loaded before the client has made any, but a driver describes kernels only within
// one.
#pragma once

#include "gpu-server/driver/driver_table.h"

namespace farlane::server {

// Thread: the one that made it.
class BorrowedContext {
 public:
  BorrowedContext(const DriverTable& driver, CUdevice device) : driver_(driver), device_(device) {
    CUcontext current = nullptr;
    if (driver_.cuCtxGetCurrent(&current) == CUDA_SUCCESS && current != nullptr) {
      return;
    }
    CUcontext primary = nullptr;
    if (driver_.cuDevicePrimaryCtxRetain(&primary, device_) != CUDA_SUCCESS) {
      return;
    }
    retained_ = true;
    pushed_ = driver_.cuCtxPushCurrent_v2(primary) == CUDA_SUCCESS;
  }

  ~BorrowedContext() {
    CUcontext popped = nullptr;
    if (pushed_) {
      static_cast<void>(driver_.cuCtxPopCurrent_v2(&popped));
    }
    if (retained_) {
      static_cast<void>(driver_.cuDevicePrimaryCtxRelease_v2(device_));
    }
  }

  BorrowedContext(const BorrowedContext&) = delete;
  BorrowedContext& operator=(const BorrowedContext&) = delete;

 private:
  const DriverTable& driver_;
  const CUdevice device_;
  bool retained_ = false;
  bool pushed_ = false;
};

}  // namespace farlane::server
