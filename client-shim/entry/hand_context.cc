// SPDX-License-Identifier: Apache-2.0
// Contexts of the program's own, and the thread's stack of current ones.
#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/contexts.h"
#include "client-shim/device_scope.h"
#include "client-shim/object_scopes.h"

namespace farlane::shim {
namespace {

// The driver's number for contexts made by cuCtxCreate: the version of the API that they were made
// for.
constexpr uint32_t kApiVersion = 3020;

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

CUresult cuCtxCreate_v2(CUcontext* pctx, unsigned int flags, CUdevice dev) {
  return Create(pctx, flags, dev);
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

CUresult cuCtxPushCurrent_v2(CUcontext ctx) {
  const SessionScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (scope.session().objects().contexts.Find(ToWire(ctx)) == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  ThreadState::Mine().Push(ToWire(ctx));
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent_v2(CUcontext* pctx) {
  const SessionScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
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

CUresult cuCtxSetCurrent(CUcontext ctx) {
  const SessionScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (ctx != nullptr && scope.session().objects().contexts.Find(ToWire(ctx)) == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  ThreadState::Mine().SetCurrent(ToWire(ctx));
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* pctx) {
  const SessionScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (pctx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pctx = FromWire<CUcontext>(ThreadState::Mine().current());
  return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext ctx, unsigned long long* ctxId) {
  const ContextScope scope(ToWire(ctx));
  if (scope.result() == CUDA_ERROR_INVALID_CONTEXT && ctx != nullptr) {
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;  // this call tells the two apart
  }
  if (scope.result() == CUDA_SUCCESS && ctxId == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (scope.result() == CUDA_SUCCESS) {
    *ctxId = scope.object().id;
  }
  return scope.result();
}

CUresult cuCtxSynchronize_v2(CUcontext ctx) {
  const bool other = ctx != nullptr && ToWire(ctx) != ThreadState::Mine().current();
  if (other) {
    const CUresult pushed = cuCtxPushCurrent_v2(ctx);
    if (pushed != CUDA_SUCCESS) {
      return pushed;
    }
  }
  const CallScope scope;
  CUresult result = scope.result();
  if (result == CUDA_SUCCESS && scope.session().captures().busy()) {
    result = scope.session().captures().SpoilContext(scope.context());
  }
  if (result == CUDA_SUCCESS) {
    result = scope.WaitForPosted();
  }
  if (other) {
    ThreadState::Mine().Pop();
  }
  return result;
}

CUresult cuCtxGetStreamPriorityRange(int* leastPriority, int* greatestPriority) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const Device& device = scope.session().device(scope.device());
  if (leastPriority != nullptr) {
    *leastPriority = device.priority_least;
  }
  if (greatestPriority != nullptr) {
    *greatestPriority = device.priority_greatest;
  }
  return CUDA_SUCCESS;
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
  const SessionScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  return scope.session().objects().contexts.Find(ToWire(ctx)) == nullptr
             ? CUDA_ERROR_INVALID_CONTEXT
             : CUDA_SUCCESS;
}

}  // namespace farlane::shim
