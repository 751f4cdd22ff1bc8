// SPDX-License-Identifier: Apache-2.0
// The context of each device that the runtime API works in.
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {

CUresult cuDevicePrimaryCtxRetain(CUcontext* pctx, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pctx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  FARLANE_SOFT_TRY(call.driver->RetainPrimary(dev));
  *pctx = AsHandle<CUcontext>(call.driver->primary(dev)->handle());
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  return call.driver->ReleasePrimary(dev);
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  if ((flags & ~static_cast<unsigned int>(CU_CTX_FLAGS_MASK)) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  call.driver->SetPrimaryFlags(dev, flags);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int* flags, int* active) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  if (flags == nullptr || active == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *flags = call.driver->primary_flags(dev);
  *active = call.driver->primary(dev)->alive() ? 1 : 0;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  call.driver->CloseContext(call.driver->primary(dev));
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
