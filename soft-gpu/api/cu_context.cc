// SPDX-License-Identifier: Apache-2.0
// Contexts, their settings, and the calling thread's stack of them.
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

constexpr unsigned int kApiVersion = 3020;
constexpr unsigned int kFlagsKnown = CU_CTX_FLAGS_MASK;

CUresult Create(CUcontext* pctx, unsigned int flags, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pctx == nullptr || (flags & ~kFlagsKnown) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  auto context = call.driver->CreateContext(dev, flags);
  *pctx = AsHandle<CUcontext>(context->handle());
  ThisThread().contexts.push_back(std::move(context));
  return CUDA_SUCCESS;
}

CUresult Synchronize(const std::shared_ptr<Context>& context) {
  if (!context->alive()) {
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  graph::Captures& captures = Driver::Get()->captures();
  if (captures.busy()) {
    FARLANE_SOFT_TRY(captures.SpoilContext(context->handle()));
  }
  context->Synchronize();
  return context->failed().get();
}

bool KnownLimit(CUlimit limit) {
  return limit >= 0 && limit < CU_LIMIT_MAX;
}

}  // namespace

CUresult cuCtxCreate_v2(CUcontext* pctx, unsigned int flags, CUdevice dev) {
  return Create(pctx, flags, dev);
}

CUresult cuCtxCreate_v3(CUcontext* pctx,
                        CUexecAffinityParam* paramsArray,
                        int numParams,
                        unsigned int flags,
                        CUdevice dev) {
  if (numParams != 0 || paramsArray != nullptr) {
    return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
  }
  return Create(pctx, flags, dev);
}

CUresult cuCtxCreate_v4(CUcontext* pctx,
                        CUctxCreateParams* ctxCreateParams,
                        unsigned int flags,
                        CUdevice dev) {
  if (ctxCreateParams != nullptr && ctxCreateParams->numExecAffinityParams != 0) {
    return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
  }
  if (ctxCreateParams != nullptr && ctxCreateParams->cigParams != nullptr) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  return Create(pctx, flags, dev);
}

CUresult cuCtxDestroy_v2(CUcontext ctx) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (ctx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindContext(call, ctx, &context));
  if (context->primary() || context->home() != nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  auto& stack = ThisThread().contexts;
  const bool current = !stack.empty() && stack.back() == context;
  call.driver->CloseContext(context);
  if (current) {
    stack.pop_back();  // after the close: destructors of context-local storage still see it
  }
  return CUDA_SUCCESS;
}

CUresult cuCtxAttach(CUcontext* pctx, unsigned int flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pctx == nullptr || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindContext(call, nullptr, &context));
  *pctx = AsHandle<CUcontext>(context->handle());
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (ctx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindContext(call, ctx, &context));
  ThisThread().contexts.push_back(std::move(context));
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent_v2(CUcontext* pctx) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  auto& stack = ThisThread().contexts;
  if (stack.empty()) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (pctx != nullptr) {
    *pctx = AsHandle<CUcontext>(stack.back()->handle());
  }
  stack.pop_back();
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext ctx) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  auto& stack = ThisThread().contexts;
  if (ctx == nullptr) {
    if (!stack.empty()) {
      stack.pop_back();
    }
    return CUDA_SUCCESS;
  }
  if (!stack.empty() && stack.back()->handle() == HandleNumber(ctx)) {
    return CUDA_SUCCESS;
  }
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindContext(call, ctx, &context));
  if (stack.empty()) {
    stack.push_back(std::move(context));
  } else {
    stack.back() = std::move(context);
  }
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* pctx) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pctx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Context* current = ThisThread().current();
  *pctx = current == nullptr ? nullptr : AsHandle<CUcontext>(current->handle());
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice_v2(CUdevice* device, CUcontext ctx) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (device == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindContext(call, ctx, &context));
  *device = context->device();
  return CUDA_SUCCESS;
}

CUresult cuCtxGetFlags(unsigned int* flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (flags == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *flags = call.context->settings().With([](const ContextSettings& s) { return s.flags; });
  return CUDA_SUCCESS;
}

CUresult cuCtxSetFlags(unsigned int flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if ((flags & ~kFlagsKnown) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  call.context->settings().With([&](ContextSettings& s) { s.flags = flags; });
  return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext ctx, unsigned long long* ctxId) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (ctxId == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindContext(call, ctx, &context));
  if (!context->alive()) {
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  *ctxId = context->id();
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  return Synchronize(call.current);
}

CUresult cuCtxSynchronize_v2(CUcontext ctx) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindContext(call, ctx, &context));
  return Synchronize(context);
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (!KnownLimit(limit)) {
    return CUDA_ERROR_UNSUPPORTED_LIMIT;
  }
  if (limit == CU_LIMIT_STACK_SIZE && value > kStackLimitMax) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (limit == CU_LIMIT_PERSISTING_L2_CACHE_SIZE) {
    value = std::min<size_t>(value, kPersistingBytesMax);  // drivers give what they can
  }
  call.context->settings().With([&](ContextSettings& s) { s.limits[limit] = value; });
  return CUDA_SUCCESS;
}

CUresult cuCtxGetLimit(size_t* pvalue, CUlimit limit) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pvalue == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!KnownLimit(limit)) {
    return CUDA_ERROR_UNSUPPORTED_LIMIT;
  }
  *pvalue =
      call.context->settings().With([&](const ContextSettings& s) { return s.limits[limit]; });
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCacheConfig(CUfunc_cache* pconfig) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pconfig == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pconfig = call.context->settings().With([](const ContextSettings& s) { return s.cache; });
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (config < CU_FUNC_CACHE_PREFER_NONE || config > CU_FUNC_CACHE_PREFER_EQUAL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  call.context->settings().With([&](ContextSettings& s) { s.cache = config; });
  return CUDA_SUCCESS;
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig* pConfig) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pConfig == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pConfig = call.context->settings().With([](const ContextSettings& s) { return s.shared; });
  return CUDA_SUCCESS;
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (config < CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE ||
      config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  call.context->settings().With([&](ContextSettings& s) { s.shared = config; });
  return CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int* version) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (version == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindContext(call, ctx, &context));
  *version = kApiVersion;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetStreamPriorityRange(int* leastPriority, int* greatestPriority) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (leastPriority != nullptr) {
    *leastPriority = kPriorityLeast;
  }
  if (greatestPriority != nullptr) {
    *greatestPriority = kPriorityGreatest;
  }
  return CUDA_SUCCESS;
}

CUresult cuCtxResetPersistingL2Cache(void) {
  const ContextCall call;
  return call.result;  // there is no such cache to reset
}

CUresult cuCtxGetExecAffinity(CUexecAffinityParam* pExecAffinity, CUexecAffinityType) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  return pExecAffinity == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
}

}  // namespace farlane::soft
