// SPDX-License-Identifier: Apache-2.0
// Memory and events of another process.
#include <cstring>

#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kEventMagic = 0x3174766574666f73;  // of this layout

// What the handle of an event holds. Plain bytes.
struct EventBytes {
  uint64_t magic;
  SharedEventKey key;
  uint32_t reserved;
  uint64_t unused[5];
};

static_assert(sizeof(EventBytes) == CU_IPC_HANDLE_SIZE);

}  // namespace

CUresult cuIpcGetEventHandle(CUipcEventHandle* pHandle, CUevent event) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Event> found;
  FARLANE_SOFT_TRY(FindEvent(call, event, &found));
  if (pHandle == nullptr || found->shared() == nullptr) {
    return pHandle == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
  }
  const EventBytes bytes{
      .magic = kEventMagic, .key = found->shared()->key(), .reserved = 0, .unused = {}};
  memcpy(pHandle, &bytes, sizeof bytes);
  return CUDA_SUCCESS;
}

CUresult cuIpcOpenEventHandle(CUevent* phEvent, CUipcEventHandle handle) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  EventBytes bytes{};
  memcpy(static_cast<void*>(&bytes), &handle, sizeof bytes);
  if (phEvent == nullptr || bytes.magic != kEventMagic) {
    return phEvent == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
  }
  SharedEvents& events = call.driver->space().shared_events();
  if (bytes.key.maker == events.self()) {
    return CUDA_ERROR_INVALID_CONTEXT;  // only another process may
  }
  std::shared_ptr<SharedEvent> shared = events.Join(bytes.key);
  if (shared == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const uint64_t number = call.driver->events().Mint();
  call.driver->events().Set(
      number,
      std::make_shared<Event>(number, call.context, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING,
                              std::move(shared)));
  *phEvent = AsHandle<CUevent>(number);
  return CUDA_SUCCESS;
}

CUresult cuIpcGetMemHandle(CUipcMemHandle* pHandle, CUdeviceptr dptr) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  const auto range = call.driver->space().table().Find(dptr);
  // What a pool has given out has a call of its own.
  if (pHandle == nullptr || (range && call.driver->pools().PoolOf(range->base) != 0)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return call.driver->opened_memory().Name(dptr, 0, pHandle);
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr* pdptr, CUipcMemHandle handle, unsigned int Flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pdptr == nullptr || Flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t address = 0;
  FARLANE_SOFT_TRY(call.driver->opened_memory().Open(handle, 0, call.context->handle(), &address));
  *pdptr = address;
  return CUDA_SUCCESS;
}

CUresult cuIpcCloseMemHandle(CUdeviceptr dptr) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  // As cuMemFree: nothing may use it any more.
  call.context->Synchronize();
  return call.driver->opened_memory().Close(dptr, false);
}

}  // namespace farlane::soft
