// SPDX-License-Identifier: Apache-2.0
// Copies of one run of bytes into, out of and between arrays. As with drivers a run lies in the
// first row of an array.
#include "soft-gpu/api/copy_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

constexpr CopyWait kSynchronous = CopyWait::kSynchronous;
constexpr CopyWait kAsynchronous = CopyWait::kAsynchronous;

// A side in an array.
CUresult Run(const ContextCall& call, CUarray array, size_t offset, size_t bytes, Side* side) {
  return ArraySide(call, array, {.x = offset, .width = bytes, .rows = 1, .slices = 1}, side);
}

CUresult Submit(const ContextCall& call,
                const Side& to,
                const Side& from,
                size_t bytes,
                CUstream stream,
                CopyWait wait) {
  CopyRequest request;
  request.to = to;
  request.from = from;
  request.box = {bytes, 1, 1};
  return SubmitCopy(call, stream, request, wait);
}

CUresult HostToArray(
    CUarray array, size_t offset, const void* host, size_t bytes, CUstream stream, CopyWait wait) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  Side to;
  FARLANE_SOFT_TRY(Run(call, array, offset, bytes, &to));
  return Submit(call, to, HostSide(call, host), bytes, stream, wait);
}

CUresult ArrayToHost(
    void* host, CUarray array, size_t offset, size_t bytes, CUstream stream, CopyWait wait) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  Side from;
  FARLANE_SOFT_TRY(Run(call, array, offset, bytes, &from));
  return Submit(call, HostSide(call, host), from, bytes, stream, wait);
}

}  // namespace

CUresult cuMemcpyHtoA_v2(
    CUarray dstArray, size_t dstOffset, const void* srcHost, size_t ByteCount, CUstream stream) {
  return HostToArray(dstArray, dstOffset, srcHost, ByteCount, stream, kSynchronous);
}

CUresult cuMemcpyHtoAAsync_v2(
    CUarray dstArray, size_t dstOffset, const void* srcHost, size_t ByteCount, CUstream hStream) {
  return HostToArray(dstArray, dstOffset, srcHost, ByteCount, hStream, kAsynchronous);
}

CUresult cuMemcpyAtoH_v2(
    void* dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount, CUstream stream) {
  return ArrayToHost(dstHost, srcArray, srcOffset, ByteCount, stream, kSynchronous);
}

CUresult cuMemcpyAtoHAsync_v2(
    void* dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount, CUstream hStream) {
  return ArrayToHost(dstHost, srcArray, srcOffset, ByteCount, hStream, kAsynchronous);
}

CUresult cuMemcpyDtoA_v2(
    CUarray dstArray, size_t dstOffset, CUdeviceptr srcDevice, size_t ByteCount, CUstream stream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  Side to;
  FARLANE_SOFT_TRY(Run(call, dstArray, dstOffset, ByteCount, &to));
  return Submit(call, to, DeviceSide(srcDevice), ByteCount, stream, kAsynchronous);
}

CUresult cuMemcpyAtoD_v2(
    CUdeviceptr dstDevice, CUarray srcArray, size_t srcOffset, size_t ByteCount, CUstream stream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  Side from;
  FARLANE_SOFT_TRY(Run(call, srcArray, srcOffset, ByteCount, &from));
  return Submit(call, DeviceSide(dstDevice), from, ByteCount, stream, kAsynchronous);
}

CUresult cuMemcpyAtoA_v2(CUarray dstArray,
                         size_t dstOffset,
                         CUarray srcArray,
                         size_t srcOffset,
                         size_t ByteCount,
                         CUstream stream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  Side to;
  Side from;
  FARLANE_SOFT_TRY(Run(call, dstArray, dstOffset, ByteCount, &to));
  FARLANE_SOFT_TRY(Run(call, srcArray, srcOffset, ByteCount, &from));
  return Submit(call, to, from, ByteCount, stream, kAsynchronous);
}

}  // namespace farlane::soft
