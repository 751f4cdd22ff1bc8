// SPDX-License-Identifier: Apache-2.0
#include "client-shim/bodies.h"
#include "client-shim/contexts.h"
#include "client-shim/device_scope.h"

namespace farlane::shim {

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags) {
  const DeviceScope scope(dev);
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if ((flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) != 0 ||
      (flags & CU_CTX_SCHED_MASK) > CU_CTX_SCHED_BLOCKING_SYNC) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  scope.session().objects().contexts.Find(scope.session().primary_context(dev))->flags = flags;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int* flags, int* active) {
  const DeviceScope scope(dev);
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (flags == nullptr || active == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Context* context =
      scope.session().objects().contexts.Find(scope.session().primary_context(dev));
  *flags = context->flags;
  *active = context->alive ? 1 : 0;
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
