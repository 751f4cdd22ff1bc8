// SPDX-License-Identifier: Apache-2.0
#include "client-shim/linear_copies.h"

#include <cstring>
#include <vector>

#include "client-shim/bodies.h"
#include "client-shim/host_posts.h"
#include "client-shim/host_reads.h"

namespace farlane::shim {
namespace {

// Between two host addresses a copy is ordered by its stream all the same, so what came before is
// waited for.
CUresult HostToHost(
    const CallScope& scope, void* to, const void* from, size_t bytes, CUstream stream) {
  CUresult taken = CUDA_SUCCESS;
  if (TakeMoveIntoCapture(scope, stream, to, from, RowShape{.width = bytes}, &taken)) {
    return taken;
  }
  const CUresult result = scope.Call(wire::StreamSynchronize{.hStream = ToWire(stream)});
  if (result == CUDA_SUCCESS && bytes != 0) {
    memmove(to, from, bytes);
  }
  return result;
}

// The program may look at mirrored memory as soon as a copy has returned that waits for what came
// before it, or that goes into managed memory.
bool ShowsAtOnce(const CallScope& scope, CUdeviceptr to, Wait wait) {
  MirroredMemory& mirrored = scope.session().mirrored();
  return mirrored.any() && (wait == Wait::kYes || mirrored.IsManaged(to));
}

CUresult OnDevice(const CallScope& scope,
                  CUdeviceptr to,
                  CUdeviceptr from,
                  size_t bytes,
                  CUstream stream,
                  Wait wait) {
  const CUresult result = wait == Wait::kYes ? CopyOnDevices(scope, to, from, bytes, stream)
                                             : cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
  const bool waits = wait == Wait::kYes && scope.session().mirrored().any();
  return result == CUDA_SUCCESS && waits ? scope.WaitForPosted() : result;
}

CUresult SendBytes(const CallScope& scope,
                   CUstream stream,
                   CUdeviceptr to,
                   const void* from,
                   const RowShape& shape) {
  const MirroredWork work(scope.session(), scope.context(), ToWire(stream),
                          {.all = false, .written = to});
  return work.result() == CUDA_SUCCESS
             ? scope.session().transfers().Send(scope.context(), ToWire(stream), to, from, shape)
             : work.result();
}

CUresult ReceiveBytes(
    const CallScope& scope, CUstream stream, void* to, CUdeviceptr from, size_t bytes, bool waits) {
  const MirroredWork work(scope.session(), scope.context(), ToWire(stream),
                          {.all = false, .read = from});
  return work.result() == CUDA_SUCCESS
             ? scope.session().transfers().Receive(scope.context(), ToWire(stream), to, from,
                                                   RowShape{.width = bytes}, waits)
             : work.result();
}

}  // namespace

CUresult CopyLinear(const CallScope& scope,
                    CUdeviceptr to,
                    const void* from,
                    size_t bytes,
                    CUstream stream,
                    Wait wait) {
  if (!scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (bytes != 0 && (from == nullptr || !scope.OwnsRows(to, bytes, 1, 0, 1))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUdeviceptr mirror = scope.DeviceSideOf(from, bytes)) {
    return OnDevice(scope, to, mirror, bytes, stream, wait);
  }
  CUresult result = CUDA_SUCCESS;
  if (TakeCopyIntoCapture(scope, stream, HostCall::Kind::kFetch, const_cast<void*>(from), to,
                          RowShape{.width = bytes}, &result)) {
    return result;
  }
  bool late = false;
  result = ChooseHostRead(scope, stream, from, bytes, wait, &late);
  const bool waits = scope.session().config().synchronous || ShowsAtOnce(scope, to, wait);
  if (result == CUDA_SUCCESS) {
    const bool fence = wait == Wait::kYes && !waits;
    result =
        SendBytes(scope, stream, to, from, RowShape{.width = bytes, .late = late, .fence = fence});
  }
  if (result == CUDA_SUCCESS && !waits && wait == Wait::kYes && scope.session().shares().any()) {
    return scope.Call(wire::StreamSynchronize{.hStream = ToWire(stream)});
  }
  return result == CUDA_SUCCESS && waits ? scope.WaitForPosted() : result;
}

CUresult CopyLinear(
    const CallScope& scope, void* to, CUdeviceptr from, size_t bytes, CUstream stream, Wait wait) {
  if (!scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (bytes != 0 && (to == nullptr || !scope.OwnsRows(from, bytes, 1, 0, 1))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUdeviceptr mirror = scope.DeviceSideOf(to, bytes)) {
    return OnDevice(scope, mirror, from, bytes, stream, wait);
  }
  Session& session = scope.session();
  CUresult taken = CUDA_SUCCESS;
  if (TakeCopyIntoCapture(scope, stream, HostCall::Kind::kStore, to, from, RowShape{.width = bytes},
                          &taken)) {
    return taken;
  }
  const bool waits =
      wait == Wait::kYes || session.config().synchronous || !session.IsPinned(to, bytes);
  CUresult result = waits ? scope.SendMirrored() : CUDA_SUCCESS;
  if (result == CUDA_SUCCESS) {
    result = ReceiveBytes(scope, stream, to, from, bytes, waits);
  }
  return result == CUDA_SUCCESS && waits ? scope.FetchMirrored() : result;
}

CUresult CopyLinear(const CallScope& scope,
                    CUdeviceptr to,
                    CUdeviceptr from,
                    size_t bytes,
                    CUstream stream,
                    Wait wait) {
  if (!scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const bool to_device = scope.session().DeviceOfAddress(to) >= 0;
  const bool from_device = scope.session().DeviceOfAddress(from) >= 0;
  if (to_device && from_device) {
    return OnDevice(scope, to, from, bytes, stream, wait);
  }
  if (to_device) {
    return CopyLinear(scope, to, reinterpret_cast<const void*>(from), bytes, stream, wait);
  }
  if (from_device) {
    return CopyLinear(scope, reinterpret_cast<void*>(to), from, bytes, stream, wait);
  }
  if (bytes != 0 && (to == 0 || from == 0)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return HostToHost(scope, reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes,
                    stream);
}

CUresult CopyOnDevices(
    const CallScope& scope, CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  Session& session = scope.session();
  if (session.devices_count() == 1) {
    return cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
  }
  const int32_t to_device = session.DeviceOfAddress(to);
  const int32_t from_device = session.DeviceOfAddress(from);
  const bool apart = bytes != 0 && to_device != from_device && to_device >= 0 && from_device >= 0;
  if (apart) {
    std::vector<wire::Handle> others;
    session.objects().contexts.ForEach([&](wire::Handle handle, const Context& context) {
      const bool uses_either = context.device == to_device || context.device == from_device;
      if (context.alive && uses_either && handle != scope.context()) {
        others.push_back(handle);
      }
    });
    for (const wire::Handle other : others) {
      session.Post(other, wire::StreamFence{.stream = 0});
    }
  }
  const CUresult result = cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
  if (apart && result == CUDA_SUCCESS) {
    session.Post(scope.context(), wire::StreamFence{.stream = ToWire(stream)});
  }
  return result;
}

}  // namespace farlane::shim
