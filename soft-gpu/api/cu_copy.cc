// SPDX-License-Identifier: Apache-2.0
// Copies of one run of bytes.
#include "soft-gpu/api/copy_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

constexpr CopyWait kSynchronous = CopyWait::kSynchronous;
constexpr CopyWait kAsynchronous = CopyWait::kAsynchronous;

struct Flat {
  Side to;
  Side from;
  size_t bytes = 0;
};

CUresult Submit(const ContextCall& call, CUstream stream, const Flat& flat, CopyWait wait) {
  CopyRequest request;
  request.to = flat.to;
  request.from = flat.from;
  request.box.width_bytes = flat.bytes;
  return SubmitCopy(call, stream, request, wait);
}

CUresult CopyAny(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream, CopyWait wait) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  return Submit(call, stream, {AnySide(call, to), AnySide(call, from), bytes}, wait);
}

CUresult CopyIn(CUdeviceptr to, const void* from, size_t bytes, CUstream stream, CopyWait wait) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  return Submit(call, stream, {DeviceSide(to), HostSide(call, from), bytes}, wait);
}

CUresult CopyOut(void* to, CUdeviceptr from, size_t bytes, CUstream stream, CopyWait wait) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  return Submit(call, stream, {HostSide(call, to), DeviceSide(from), bytes}, wait);
}

CUresult CopyWithin(
    CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream, CopyWait wait) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  return Submit(call, stream, {DeviceSide(to), DeviceSide(from), bytes}, wait);
}

// A copy that names no stream comes behind all that both devices have been given.
void AwaitDefaultStream(const Context& context) {
  for (const SharedCompletion& pending : context.Pending(*context.legacy())) {
    pending->Wait();
  }
}

struct PeerPair {
  CUcontext to = nullptr;
  CUcontext from = nullptr;
};

CUresult CopyPeer(CUdeviceptr to,
                  CUdeviceptr from,
                  const PeerPair& contexts,
                  size_t bytes,
                  CUstream stream,
                  CopyWait wait) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Context> context;
  for (const CUcontext peer : {contexts.to, contexts.from}) {
    if (peer == nullptr) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    FARLANE_SOFT_TRY(FindContext(call, peer, &context));
    if (wait == CopyWait::kSynchronous && context != call.context) {
      AwaitDefaultStream(*context);
    }
  }
  return Submit(call, stream, {DeviceSide(to), DeviceSide(from), bytes}, wait);
}

}  // namespace

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream stream) {
  return CopyAny(dst, src, ByteCount, stream, kSynchronous);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream) {
  return CopyAny(dst, src, ByteCount, hStream, kAsynchronous);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice,
                         const void* srcHost,
                         size_t ByteCount,
                         CUstream stream) {
  return CopyIn(dstDevice, srcHost, ByteCount, stream, kSynchronous);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice,
                              const void* srcHost,
                              size_t ByteCount,
                              CUstream hStream) {
  return CopyIn(dstDevice, srcHost, ByteCount, hStream, kAsynchronous);
}

CUresult cuMemcpyDtoH_v2(void* dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream stream) {
  return CopyOut(dstHost, srcDevice, ByteCount, stream, kSynchronous);
}

CUresult cuMemcpyDtoHAsync_v2(void* dstHost,
                              CUdeviceptr srcDevice,
                              size_t ByteCount,
                              CUstream hStream) {
  return CopyOut(dstHost, srcDevice, ByteCount, hStream, kAsynchronous);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr dstDevice,
                         CUdeviceptr srcDevice,
                         size_t ByteCount,
                         CUstream stream) {
  return CopyWithin(dstDevice, srcDevice, ByteCount, stream, kSynchronous);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice,
                              CUdeviceptr srcDevice,
                              size_t ByteCount,
                              CUstream hStream) {
  return CopyWithin(dstDevice, srcDevice, ByteCount, hStream, kAsynchronous);
}

CUresult cuMemcpyPeer(CUdeviceptr dstDevice,
                      CUcontext dstContext,
                      CUdeviceptr srcDevice,
                      CUcontext srcContext,
                      size_t ByteCount,
                      CUstream stream) {
  return CopyPeer(dstDevice, srcDevice, {dstContext, srcContext}, ByteCount, stream, kSynchronous);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr dstDevice,
                           CUcontext dstContext,
                           CUdeviceptr srcDevice,
                           CUcontext srcContext,
                           size_t ByteCount,
                           CUstream hStream) {
  return CopyPeer(dstDevice, srcDevice, {dstContext, srcContext}, ByteCount, hStream,
                  kAsynchronous);
}

}  // namespace farlane::soft
