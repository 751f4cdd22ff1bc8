// SPDX-License-Identifier: Apache-2.0
// Green contexts. One and the context that stands for it have one handle.
#include <algorithm>

#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUresult FindGreen(const PlainCall& call, CUgreenCtx handle, std::shared_ptr<Context>* context) {
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(FindContext(call, reinterpret_cast<CUcontext>(handle), context));
  return (*context)->home() == nullptr ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
}

CUresult Tell(const PlainCall& call,
              const ProcessorSet& set,
              CUdevResourceType type,
              CUdevResource* resource) {
  if (resource == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (type != CU_DEV_RESOURCE_TYPE_SM) {
    return CUDA_ERROR_INVALID_RESOURCE_TYPE;
  }
  set.Write(*call.driver->FindDevice(set.device()), resource);
  return CUDA_SUCCESS;
}

CUresult TellOfContext(const PlainCall& call,
                       const std::shared_ptr<Context>& context,
                       CUdevResourceType type,
                       CUdevResource* resource) {
  if (!context->alive()) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return Tell(call,
              context->home() != nullptr
                  ? context->processors()
                  : ProcessorSet(*call.driver->FindDevice(context->device())),
              type, resource);
}

}  // namespace

CUresult cuDeviceGetDevResource(CUdevice device, CUdevResource* resource, CUdevResourceType type) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* found = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, device, &found));
  return Tell(call, ProcessorSet(*found), type, resource);
}

CUresult cuCtxGetDevResource(CUcontext hCtx, CUdevResource* resource, CUdevResourceType type) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindContext(call, hCtx, &context));
  return TellOfContext(call, context, type, resource);
}

CUresult cuGreenCtxGetDevResource(CUgreenCtx hCtx,
                                  CUdevResource* resource,
                                  CUdevResourceType type) {
  const PlainCall call;
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindGreen(call, hCtx, &context));
  return TellOfContext(call, context, type, resource);
}

CUresult cuDevSmResourceSplitByCount(CUdevResource* result,
                                     unsigned int* nbGroups,
                                     const CUdevResource* input,
                                     CUdevResource* remaining,
                                     unsigned int useFlags,
                                     unsigned int minCount) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (nbGroups == nullptr || input == nullptr || (result != nullptr && *nbGroups == 0)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  ProcessorSet set;
  FARLANE_SOFT_TRY(ProcessorSet::Read(*input, call.driver->devices(), &set));
  const Device& device = *call.driver->FindDevice(set.device());
  ProcessorSplit split;
  FARLANE_SOFT_TRY(ProcessorSplit::Make(set, device, result == nullptr ? 0 : *nbGroups, useFlags,
                                        minCount, &split));
  *nbGroups = result == nullptr ? split.possible : static_cast<unsigned int>(split.groups.size());
  for (size_t i = 0; result != nullptr && i < split.groups.size(); ++i) {
    split.groups[i].Write(device, &result[i]);
  }
  if (result != nullptr && remaining != nullptr) {
    split.rest.Write(device, remaining);
  }
  return CUDA_SUCCESS;
}

CUresult cuDevResourceGenerateDesc(CUdevResourceDesc* phDesc,
                                   CUdevResource* resources,
                                   unsigned int nbResources) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (phDesc == nullptr || resources == nullptr || nbResources == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto all = std::make_shared<ProcessorSet>();
  for (unsigned int i = 0; i < nbResources; ++i) {
    ProcessorSet one;
    FARLANE_SOFT_TRY(ProcessorSet::Read(resources[i], call.driver->devices(), &one));
    if (i != 0 &&
        (one.device() != all->device() || one.split() != all->split() || one.split() == 0)) {
      return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
    }
    all->Add(one);
  }
  const uint64_t handle = call.driver->descriptions().Mint();
  call.driver->descriptions().Set(handle, all);
  *phDesc = AsHandle<CUdevResourceDesc>(handle);
  return CUDA_SUCCESS;
}

CUresult cuGreenCtxCreate(CUgreenCtx* phCtx,
                          CUdevResourceDesc desc,
                          CUdevice dev,
                          unsigned int flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  const auto set = call.driver->descriptions().Find(HandleNumber(desc));
  if (phCtx == nullptr || set == nullptr || set->device() != dev ||
      flags != CU_GREEN_CTX_DEFAULT_STREAM) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *phCtx = AsHandle<CUgreenCtx>(call.driver->CreateGreen(*set)->handle());
  return CUDA_SUCCESS;
}

CUresult cuGreenCtxDestroy(CUgreenCtx hCtx) {
  const PlainCall call;
  std::shared_ptr<Context> context;
  if (hCtx == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  FARLANE_SOFT_TRY(FindGreen(call, hCtx, &context));
  auto& stack = ThisThread().contexts;
  const bool current = !stack.empty() && stack.back() == context;
  call.driver->CloseGreen(context);
  static_cast<void>(call.driver->ReleasePrimary(context->device()));
  if (current) {
    stack.pop_back();
  }
  return CUDA_SUCCESS;
}

CUresult cuCtxFromGreenCtx(CUcontext* pContext, CUgreenCtx hCtx) {
  const PlainCall call;
  std::shared_ptr<Context> context;
  if (pContext == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FARLANE_SOFT_TRY(FindGreen(call, hCtx, &context));
  *pContext = AsHandle<CUcontext>(context->handle());
  return CUDA_SUCCESS;
}

CUresult cuGreenCtxRecordEvent(CUgreenCtx hCtx, CUevent hEvent) {
  const PlainCall call;
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindGreen(call, hCtx, &context));
  return cuCtxRecordEvent(AsHandle<CUcontext>(context->handle()), hEvent);
}

CUresult cuGreenCtxWaitEvent(CUgreenCtx hCtx, CUevent hEvent) {
  const PlainCall call;
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindGreen(call, hCtx, &context));
  return cuCtxWaitEvent(AsHandle<CUcontext>(context->handle()), hEvent);
}

CUresult cuStreamGetGreenCtx(CUstream hStream, CUgreenCtx* phCtx) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (phCtx == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  const bool green = use.context->home() != nullptr;
  *phCtx = green ? AsHandle<CUgreenCtx>(use.context->handle()) : nullptr;
  return CUDA_SUCCESS;
}

CUresult cuGreenCtxStreamCreate(CUstream* phStream,
                                CUgreenCtx greenCtx,
                                unsigned int flags,
                                int priority) {
  const PlainCall call;
  std::shared_ptr<Context> context;
  FARLANE_SOFT_TRY(FindGreen(call, greenCtx, &context));
  if (phStream == nullptr || flags != CU_STREAM_NON_BLOCKING) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *phStream = AsHandle<CUstream>(context->CreateStream(flags, priority)->traits().handle);
  return CUDA_SUCCESS;
}

CUresult cuGreenCtxGetId(CUgreenCtx greenCtx, unsigned long long* greenCtxId) {
  const PlainCall call;
  std::shared_ptr<Context> context;
  if (greenCtxId == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FARLANE_SOFT_TRY(FindGreen(call, greenCtx, &context));
  *greenCtxId = context->id();
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
