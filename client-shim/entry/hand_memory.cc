// SPDX-License-Identifier: Apache-2.0
// Device memory and pinned host memory: who has what.
#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/mapped_host.h"
#include "protocol/base/bytes.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// A row starts where every GPU can fetch it whole.
constexpr uint64_t kPitchAlign = 512;

// Data may still be on its way into it or out of it, of copies and of what graphs copy.
CUresult AwaitUses(Session& session, void* pointer, uint64_t bytes) {
  CUresult result = session.transfers().WaitForHost(pointer, bytes);
  for (int32_t i = 0; session.host_calls().any() && i < session.devices_count(); ++i) {
    const CUresult waited = session.Quiesce(session.first_device() + i);
    result = result == CUDA_SUCCESS ? waited : result;
  }
  session.host_calls().LetGo(pointer, bytes);
  return result;
}

// Any server of the program may copy it.
CUresult AwaitUsesOfOthers(const Session& owner, void* pointer, uint64_t bytes) {
  const Servers* const servers = AreSeveralServers() ? Process::Get().servers() : nullptr;
  CUresult result = CUDA_SUCCESS;
  for (size_t i = 0; servers != nullptr && i < servers->sessions().size(); ++i) {
    Session& session = *servers->sessions()[i];
    const CUresult waited =
        &session == &owner || session.is_lost() ? CUDA_SUCCESS : AwaitUses(session, pointer, bytes);
    result = result == CUDA_SUCCESS ? waited : result;
  }
  return result;
}

CUresult RemoveHost(void* pointer, bool registered, CUresult unknown) {
  Session* session = Process::Get().session();
  if (session == nullptr) {
    return Process::Get().Why();
  }
  CUresult result = session->CheckSafe();
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const std::optional<PinnedRange> range = session->host_memory().Remove(pointer, registered);
  if (!range.has_value()) {
    return unknown;
  }
  result = AwaitUses(*session, pointer, range->bytes);
  const CUresult others = AwaitUsesOfOthers(*session, pointer, range->bytes);
  result = result == CUDA_SUCCESS ? others : result;
  DiscardHost(*session, *range);
  return result;
}

}  // namespace

CUresult cuMemAllocPitch_v2(CUdeviceptr* dptr,
                            size_t* pPitch,
                            size_t WidthInBytes,
                            size_t Height,
                            unsigned int ElementSizeBytes) {
  const bool element = ElementSizeBytes == 4 || ElementSizeBytes == 8 || ElementSizeBytes == 16;
  if (pPitch == nullptr || WidthInBytes == 0 || Height == 0 || !element ||
      WidthInBytes > UINT64_MAX / 2) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint64_t pitch = RoundUp(WidthInBytes, kPitchAlign);
  if (Height > UINT64_MAX / pitch) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = cuMemAlloc_v2(dptr, pitch * Height);
  if (result == CUDA_SUCCESS) {
    *pPitch = pitch;
  }
  return result;
}

CUresult cuMemFree_v2(CUdeviceptr dptr) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS || dptr == 0) {
    return scope.result();
  }
  const CUresult safe = scope.CheckSafe();
  if (safe != CUDA_SUCCESS) {
    return safe;
  }
  const int32_t device = scope.session().DeviceOfAddress(dptr);
  if (device < 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const std::optional<CUresult> freed = scope.session().shares().FreeImported(dptr)) {
    return *freed;
  }
  const std::optional<Mirror> mirror = scope.session().mirrored().FindDevice(dptr);
  if (mirror.has_value() && mirror->kind == MirrorKind::kMapped) {
    return CUDA_ERROR_INVALID_VALUE;  // host memory has calls of its own
  }
  if (CUresult freed = CUDA_SUCCESS;
      scope.session().graph_memory().any() && scope.session().graph_memory().Free(dptr, &freed)) {
    return freed;
  }
  if (scope.session().pools().any() && !scope.session().pools().Release(dptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  scope.session().mirrored().Remove(dptr);
  return scope.session().memory(device).Free(dptr);
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* pbase, size_t* psize, CUdeviceptr dptr) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const int32_t device = scope.session().DeviceOfAddress(dptr);
  std::optional<AddressRange> range =
      device < 0 ? std::nullopt : scope.session().memory(device).Find(dptr);
  if (!range.has_value()) {
    const std::optional<MappedRange> mapped = scope.session().virtual_memory().Find(dptr);
    if (!mapped.has_value()) {
      return CUDA_ERROR_NOT_FOUND;
    }
    const std::optional<AddressRange> opened = scope.session().shares().Find(dptr);
    range = opened.has_value() ? *opened : mapped->mapping;
  }
  if (pbase != nullptr) {
    *pbase = range->address;
  }
  if (psize != nullptr) {
    *psize = range->bytes;
  }
  return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void* p) {
  return RemoveHost(p, false, CUDA_ERROR_INVALID_VALUE);
}

CUresult cuMemHostUnregister(void* p) {
  return RemoveHost(p, true, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}

CUresult cuMemHostGetFlags(unsigned int* pFlags, void* p) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const std::optional<PinnedRange> range = scope.session().host_memory().Find(p);
  if (pFlags == nullptr || !range.has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pFlags = range->flags;
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
