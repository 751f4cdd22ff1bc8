// SPDX-License-Identifier: Apache-2.0
#include "client-shim/cu_result.h"

namespace farlane::shim {

CUresult ResultOfConnecting(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return CUDA_SUCCESS;
    case StatusCode::kMismatch:
      return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
    case StatusCode::kInternal:
      return CUDA_ERROR_UNKNOWN;
    default:
      return CUDA_ERROR_NO_DEVICE;  // nobody there, not one of ours, refused, or nothing to give
  }
}

}  // namespace farlane::shim
