// SPDX-License-Identifier: Apache-2.0
// Contexts of the program's own, and the thread's stack of current ones.
#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/contexts.h"
#include "client-shim/device_scope.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// The driver's number for contexts made by cuCtxCreate: the version of the API that they were made
// for.
constexpr uint32_t kApiVersion = 3020;

Session* Ready(CUresult* result) {
  Session* session = Process::Get().session();
  *result = session == nullptr ? Process::Get().Why() : CUDA_SUCCESS;
  return session;
}

// The context meant by a call that takes one or null for the current one; null if there is none.
Context* Meant(Session& session, CUcontext ctx, wire::Handle* handle) {
  *handle = ctx == nullptr ? ThreadState::Mine().current() : ToWire(ctx);
  return session.objects().contexts.Find(*handle);
}

CUresult Create(CUcontext* pctx, unsigned int flags, CUdevice dev) {
  const DeviceScope scope(dev);
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (pctx == nullptr || (flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) != 0 ||
      (flags & CU_CTX_SCHED_MASK) > CU_CTX_SCHED_BLOCKING_SYNC) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Session& session = scope.session();
  const wire::Handle handle =
      session.objects().contexts.Mint(Context{.device = dev,
                                              .alive = true,
                                              .flags = flags,
                                              .api_version = kApiVersion,
                                              .id = session.objects().next_id.fetch_add(1)});
  if (handle == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = session.Call(
      0, wire::ContextCreate{
             .context = handle, .device = scope.device().server_ordinal, .flags = flags});
  if (result != CUDA_SUCCESS) {
    session.objects().contexts.Retire(handle);
    return result;
  }
  ThreadState::Mine().Push(handle);
  *pctx = FromWire<CUcontext>(handle);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuCtxCreate(CUcontext* pctx, unsigned int flags, CUdevice dev) {
  return Create(pctx, flags, dev);
}

CUresult cuCtxCreate_v2(CUcontext* pctx, unsigned int flags, CUdevice dev) {
  return Create(pctx, flags, dev);
}

CUresult cuCtxCreate_v3(
    CUcontext* pctx, CUexecAffinityParam*, int numParams, unsigned int flags, CUdevice dev) {
  return numParams == 0 ? Create(pctx, flags, dev) : CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
}

CUresult cuCtxCreate_v4(CUcontext* pctx,
                        CUctxCreateParams* ctxCreateParams,
                        unsigned int flags,
                        CUdevice dev) {
  if (ctxCreateParams != nullptr &&
      (ctxCreateParams->numExecAffinityParams != 0 || ctxCreateParams->cigParams != nullptr)) {
    return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
  }
  return Create(pctx, flags, dev);
}

CUresult cuCtxDestroy_v2(CUcontext ctx) {
  CUresult result;
  Session* session = Ready(&result);
  if (session == nullptr) {
    return result;
  }
  result = DestroyContext(*session, ToWire(ctx));
  if (result != CUDA_ERROR_INVALID_CONTEXT) {
    ThreadState::Mine().Drop(ToWire(ctx));
  }
  return result;
}

CUresult cuCtxDestroy(CUcontext ctx) {
  return cuCtxDestroy_v2(ctx);
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx) {
  CUresult result;
  Session* session = Ready(&result);
  if (session == nullptr) {
    return result;
  }
  if (session->objects().contexts.Find(ToWire(ctx)) == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  ThreadState::Mine().Push(ToWire(ctx));
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext ctx) {
  return cuCtxPushCurrent_v2(ctx);
}

CUresult cuCtxPopCurrent_v2(CUcontext* pctx) {
  CUresult result;
  if (Ready(&result) == nullptr) {
    return result;
  }
  const wire::Handle popped = ThreadState::Mine().Pop();
  if (popped == 0) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (pctx != nullptr) {
    *pctx = FromWire<CUcontext>(popped);
  }
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext* pctx) {
  return cuCtxPopCurrent_v2(pctx);
}

CUresult cuCtxSetCurrent(CUcontext ctx) {
  CUresult result;
  Session* session = Ready(&result);
  if (session == nullptr) {
    return result;
  }
  if (ctx != nullptr && session->objects().contexts.Find(ToWire(ctx)) == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  ThreadState::Mine().SetCurrent(ToWire(ctx));
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* pctx) {
  CUresult result;
  if (Ready(&result) == nullptr) {
    return result;
  }
  if (pctx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pctx = FromWire<CUcontext>(ThreadState::Mine().current());
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice_v2(CUdevice* device, CUcontext ctx) {
  CUresult result;
  Session* session = Ready(&result);
  if (session == nullptr) {
    return result;
  }
  wire::Handle handle;
  const Context* context = Meant(*session, ctx, &handle);
  if (context == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (device == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *device = context->device;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice* device) {
  return cuCtxGetDevice_v2(device, nullptr);
}

CUresult cuCtxGetFlags(unsigned int* flags) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (flags == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *flags = scope.session().objects().contexts.Find(scope.context())->flags;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetFlags(unsigned int flags) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if ((flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // How a local thread would wait; here it is the transport that waits, so the flags are only
  // remembered.
  scope.session().objects().contexts.Find(scope.context())->flags = flags;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext ctx, unsigned long long* ctxId) {
  CUresult result;
  Session* session = Ready(&result);
  if (session == nullptr) {
    return result;
  }
  wire::Handle handle;
  const Context* context = Meant(*session, ctx, &handle);
  if (context == nullptr) {
    return ctx == nullptr ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  if (ctxId == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *ctxId = context->id;
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize() {
  const CallScope scope;
  return scope.result() == CUDA_SUCCESS ? scope.WaitForPosted() : scope.result();
}

CUresult cuCtxSynchronize_v2(CUcontext ctx) {
  if (ctx == nullptr || ToWire(ctx) == ThreadState::Mine().current()) {
    return cuCtxSynchronize();
  }
  const CUresult pushed = cuCtxPushCurrent_v2(ctx);
  if (pushed != CUDA_SUCCESS) {
    return pushed;
  }
  const CUresult result = cuCtxSynchronize();
  ThreadState::Mine().Pop();
  return result;
}

CUresult cuCtxGetCacheConfig(CUfunc_cache* pconfig) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (pconfig == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pconfig = scope.session().objects().contexts.Find(scope.context())->cache_config;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (config < CU_FUNC_CACHE_PREFER_NONE || config > CU_FUNC_CACHE_PREFER_EQUAL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // A preference without promise, of which no GPU since compute capability 3 takes notice.
  scope.session().objects().contexts.Find(scope.context())->cache_config = config;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig* pConfig) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (pConfig == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pConfig =
      CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE;  // what every GPU since compute capability 5 has
  return CUDA_SUCCESS;
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const bool known = config >= CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE &&
                     config <= CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE;
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int* version) {
  CUresult result;
  Session* session = Ready(&result);
  if (session == nullptr) {
    return result;
  }
  wire::Handle handle;
  const Context* context = Meant(*session, ctx, &handle);
  if (context == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (version == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *version = kApiVersion;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetStreamPriorityRange(int* leastPriority, int* greatestPriority) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const Device& device = scope.session().devices()[static_cast<size_t>(scope.device())];
  if (leastPriority != nullptr) {
    *leastPriority = device.priority_least;
  }
  if (greatestPriority != nullptr) {
    *greatestPriority = device.priority_greatest;
  }
  return CUDA_SUCCESS;
}

CUresult cuCtxResetPersistingL2Cache() {
  return CallScope().result();
}

CUresult cuCtxGetExecAffinity(CUexecAffinityParam*, CUexecAffinityType) {
  const CallScope scope;
  return scope.result() == CUDA_SUCCESS ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY : scope.result();
}

CUresult cuCtxAttach(CUcontext* pctx, unsigned int flags) {
  if (flags != 0 || pctx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CallScope scope;
  if (scope.result() == CUDA_SUCCESS) {
    *pctx = FromWire<CUcontext>(scope.context());
  }
  return scope.result();
}

CUresult cuCtxDetach(CUcontext ctx) {
  // Undoes one cuCtxAttach, which counts nothing here: a context ends by cuCtxDestroy.
  CUresult result;
  Session* session = Ready(&result);
  if (session == nullptr) {
    return result;
  }
  return session->objects().contexts.Find(ToWire(ctx)) == nullptr ? CUDA_ERROR_INVALID_CONTEXT
                                                                  : CUDA_SUCCESS;
}

}  // namespace farlane::shim
