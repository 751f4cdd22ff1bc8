// SPDX-License-Identifier: Apache-2.0
// Fills of memory with one value.
#include "soft-gpu/api/copy_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

constexpr CopyWait kSynchronous = CopyWait::kSynchronous;
constexpr CopyWait kAsynchronous = CopyWait::kAsynchronous;

template <typename Value>
struct Area {
  CUdeviceptr to = 0;
  size_t pitch_bytes = 0;  // 0: one row
  Value value = 0;
  size_t width = 0;  // in values
  size_t height = 1;
};

template <typename Value>
CUresult Submit(const Area<Value>& area, CUstream stream, CopyWait wait) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FillRequest request;
  request.to = DeviceSide(area.to);
  request.to.pitch_bytes = area.pitch_bytes;
  request.value = area.value;
  request.value_bytes = sizeof(Value);
  request.box.height = area.height;
  if (__builtin_mul_overflow(area.width, sizeof(Value), &request.box.width_bytes) ||
      (area.height > 1 && area.pitch_bytes < request.box.width_bytes)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return SubmitFill(call, stream, request, wait);
}

}  // namespace

CUresult cuMemsetD8_v2(CUdeviceptr dstDevice, unsigned char uc, size_t N, CUstream stream) {
  return Submit<unsigned char>({dstDevice, 0, uc, N, 1}, stream, kSynchronous);
}

CUresult cuMemsetD8Async(CUdeviceptr dstDevice, unsigned char uc, size_t N, CUstream hStream) {
  return Submit<unsigned char>({dstDevice, 0, uc, N, 1}, hStream, kAsynchronous);
}

CUresult cuMemsetD2D8_v2(CUdeviceptr dstDevice,
                         size_t dstPitch,
                         unsigned char uc,
                         size_t Width,
                         size_t Height,
                         CUstream stream) {
  return Submit<unsigned char>({dstDevice, dstPitch, uc, Width, Height}, stream, kSynchronous);
}

CUresult cuMemsetD2D8Async(CUdeviceptr dstDevice,
                           size_t dstPitch,
                           unsigned char uc,
                           size_t Width,
                           size_t Height,
                           CUstream hStream) {
  return Submit<unsigned char>({dstDevice, dstPitch, uc, Width, Height}, hStream, kAsynchronous);
}

CUresult cuMemsetD16_v2(CUdeviceptr dstDevice, unsigned short us, size_t N, CUstream stream) {
  return Submit<unsigned short>({dstDevice, 0, us, N, 1}, stream, kSynchronous);
}

CUresult cuMemsetD16Async(CUdeviceptr dstDevice, unsigned short us, size_t N, CUstream hStream) {
  return Submit<unsigned short>({dstDevice, 0, us, N, 1}, hStream, kAsynchronous);
}

CUresult cuMemsetD2D16_v2(CUdeviceptr dstDevice,
                          size_t dstPitch,
                          unsigned short us,
                          size_t Width,
                          size_t Height,
                          CUstream stream) {
  return Submit<unsigned short>({dstDevice, dstPitch, us, Width, Height}, stream, kSynchronous);
}

CUresult cuMemsetD2D16Async(CUdeviceptr dstDevice,
                            size_t dstPitch,
                            unsigned short us,
                            size_t Width,
                            size_t Height,
                            CUstream hStream) {
  return Submit<unsigned short>({dstDevice, dstPitch, us, Width, Height}, hStream, kAsynchronous);
}

CUresult cuMemsetD32_v2(CUdeviceptr dstDevice, unsigned int ui, size_t N, CUstream stream) {
  return Submit<unsigned int>({dstDevice, 0, ui, N, 1}, stream, kSynchronous);
}

CUresult cuMemsetD32Async(CUdeviceptr dstDevice, unsigned int ui, size_t N, CUstream hStream) {
  return Submit<unsigned int>({dstDevice, 0, ui, N, 1}, hStream, kAsynchronous);
}

CUresult cuMemsetD2D32_v2(CUdeviceptr dstDevice,
                          size_t dstPitch,
                          unsigned int ui,
                          size_t Width,
                          size_t Height,
                          CUstream stream) {
  return Submit<unsigned int>({dstDevice, dstPitch, ui, Width, Height}, stream, kSynchronous);
}

CUresult cuMemsetD2D32Async(CUdeviceptr dstDevice,
                            size_t dstPitch,
                            unsigned int ui,
                            size_t Width,
                            size_t Height,
                            CUstream hStream) {
  return Submit<unsigned int>({dstDevice, dstPitch, ui, Width, Height}, hStream, kAsynchronous);
}

}  // namespace farlane::soft
