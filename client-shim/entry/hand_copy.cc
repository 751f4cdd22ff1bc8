// SPDX-License-Identifier: Apache-2.0
// Linear copies. Bytes that leave the program are taken at the call, so a pageable source and a
// pinned one differ in nothing; bytes that come to pageable memory are waited for, as the driver
// does.
#include <cstring>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"

namespace farlane::shim {
namespace {

enum class Wait : bool { kNo, kYes };

CUresult ToDevice(
    const CallScope& scope, CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  if (!scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (bytes != 0 && (from == nullptr || !scope.OwnsRows(to, bytes, 1, 0, 1))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUresult result = scope.SendManaged();
  if (result == CUDA_SUCCESS) {
    result = scope.session().transfers().Send(scope.context(), ToWire(stream), to, from,
                                              RowShape{.width = bytes});
  }
  // The program may read managed memory as soon as a synchronous copy into it has returned.
  const bool waits = scope.session().config().synchronous || scope.session().managed().Contains(to);
  return result == CUDA_SUCCESS && waits ? scope.WaitForPosted() : result;
}

CUresult ToHost(
    const CallScope& scope, void* to, CUdeviceptr from, size_t bytes, CUstream stream, Wait wait) {
  if (!scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (bytes != 0 && (to == nullptr || !scope.OwnsRows(from, bytes, 1, 0, 1))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Session& session = scope.session();
  const bool waits = wait == Wait::kYes || session.config().synchronous ||
                     !session.host_memory().IsPinned(to, bytes);
  const CUresult result = scope.SendManaged();
  return result == CUDA_SUCCESS ? session.transfers().Receive(scope.context(), ToWire(stream), to,
                                                              from, RowShape{.width = bytes}, waits)
                                : result;
}

// Between two host addresses a copy is ordered by its stream all the same, so what came before is
// waited for.
CUresult HostToHost(
    const CallScope& scope, void* to, const void* from, size_t bytes, CUstream stream) {
  const CUresult result = scope.Call(wire::StreamSynchronize{.hStream = ToWire(stream)});
  if (result == CUDA_SUCCESS && bytes != 0) {
    memmove(to, from, bytes);
  }
  return result;
}

// The addresses tell which side is which.
CUresult Unified(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream, Wait wait) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (!scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const bool to_device = scope.session().DeviceOfAddress(to) >= 0;
  const bool from_device = scope.session().DeviceOfAddress(from) >= 0;
  if (to_device && from_device) {
    const CUresult result = cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
    const bool waits = wait == Wait::kYes && scope.session().managed().Contains(to);
    return result == CUDA_SUCCESS && waits ? scope.WaitForPosted() : result;
  }
  if (to_device) {
    return ToDevice(scope, to, reinterpret_cast<const void*>(from), bytes, stream);
  }
  if (from_device) {
    return ToHost(scope, reinterpret_cast<void*>(to), from, bytes, stream, wait);
  }
  if (bytes != 0 && (to == 0 || from == 0)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return HostToHost(scope, reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes,
                    stream);
}

}  // namespace

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice,
                              const void* srcHost,
                              size_t ByteCount,
                              CUstream hStream) {
  const CallScope scope;
  return scope.result() == CUDA_SUCCESS ? ToDevice(scope, dstDevice, srcHost, ByteCount, hStream)
                                        : scope.result();
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice,
                         const void* srcHost,
                         size_t ByteCount,
                         CUstream stream) {
  return cuMemcpyHtoDAsync_v2(dstDevice, srcHost, ByteCount, stream);
}

CUresult cuMemcpyDtoHAsync_v2(void* dstHost,
                              CUdeviceptr srcDevice,
                              size_t ByteCount,
                              CUstream hStream) {
  const CallScope scope;
  return scope.result() == CUDA_SUCCESS
             ? ToHost(scope, dstHost, srcDevice, ByteCount, hStream, Wait::kNo)
             : scope.result();
}

CUresult cuMemcpyDtoH_v2(void* dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream stream) {
  const CallScope scope;
  return scope.result() == CUDA_SUCCESS
             ? ToHost(scope, dstHost, srcDevice, ByteCount, stream, Wait::kYes)
             : scope.result();
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream) {
  return Unified(dst, src, ByteCount, hStream, Wait::kNo);
}

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream stream) {
  return Unified(dst, src, ByteCount, stream, Wait::kYes);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr dstDevice,
                           CUcontext dstContext,
                           CUdeviceptr srcDevice,
                           CUcontext srcContext,
                           size_t ByteCount,
                           CUstream hStream) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  Objects& objects = scope.session().objects();
  if (objects.contexts.Find(ToWire(dstContext)) == nullptr ||
      objects.contexts.Find(ToWire(srcContext)) == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return cuMemcpyDtoDAsync_v2(dstDevice, srcDevice, ByteCount, hStream);
}

CUresult cuMemcpyPeer(CUdeviceptr dstDevice,
                      CUcontext dstContext,
                      CUdeviceptr srcDevice,
                      CUcontext srcContext,
                      size_t ByteCount,
                      CUstream stream) {
  return cuMemcpyPeerAsync(dstDevice, dstContext, srcDevice, srcContext, ByteCount, stream);
}

}  // namespace farlane::shim
