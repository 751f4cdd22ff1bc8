// SPDX-License-Identifier: Apache-2.0
// What can be asked and set about kernels, by either of their two handle types.
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

uint32_t DynamicSharedMax(const FunctionUse& use) {
  const uint32_t set =
      use.function->settings->With([](const FunctionSettings& s) { return s.dynamic_shared_max; });
  const uint32_t static_bytes =
      use.module->program().MemoryOf(use.function->index).static_shared_bytes;
  const uint32_t unasked =
      static_bytes > kSharedBytesDefaultMax ? 0 : kSharedBytesDefaultMax - static_bytes;
  return std::max(set, unasked);
}

CUresult Get(const ContextCall& call,
             CUfunction_attribute attribute,
             const FunctionUse& use,
             int* value) {
  const Config& config = call.driver->config();
  KernelProgram& program = use.module->program();
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = static_cast<int>(use.facts().threads_max);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      *value = static_cast<int>(program.MemoryOf(use.function->index).static_shared_bytes);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = static_cast<int>(program.MemoryOf(use.function->index).local_bytes);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
      *value = 0;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = static_cast<int>(use.facts().registers);
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      *value = use.module->architecture();
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = config.cc_major * 10 + config.cc_minor;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = static_cast<int>(DynamicSharedMax(use));
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      *value = use.function->settings->With([](const FunctionSettings& s) { return s.carveout; });
      return CUDA_SUCCESS;
    default:
      break;
  }
  if (attribute < 0 || attribute >= CU_FUNC_ATTRIBUTE_MAX) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *value = use.function->settings->With([&](const FunctionSettings& settings) {
    const auto set = settings.cluster.find(attribute);
    return set == settings.cluster.end() ? 0 : set->second;
  });
  return CUDA_SUCCESS;
}

CUresult SetDynamicShared(const ContextCall& call, const FunctionUse& use, int value) {
  const uint32_t static_bytes =
      use.module->program().MemoryOf(use.function->index).static_shared_bytes;
  if (value < 0 || static_cast<uint32_t>(value) + static_bytes >
                       SharedMemoryOf(call.driver->config()).block_bytes) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  use.function->settings->With(
      [&](FunctionSettings& s) { s.dynamic_shared_max = static_cast<uint32_t>(value); });
  return CUDA_SUCCESS;
}

CUresult Set(const ContextCall& call,
             CUfunction_attribute attribute,
             const FunctionUse& use,
             int value) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      return SetDynamicShared(call, use, value);
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      if (value < -1 || value > 100) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      use.function->settings->With([&](FunctionSettings& s) { s.carveout = value; });
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      if (value < 0) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      use.function->settings->With([&](FunctionSettings& s) { s.cluster[attribute] = value; });
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult ParameterInfo(const FunctionUse& use, size_t index, size_t* offset, size_t* bytes) {
  const auto& parameters = use.facts().parameters;
  if (offset == nullptr || index >= parameters.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *offset = parameters[index].offset;
  if (bytes != nullptr) {
    *bytes = parameters[index].bytes;
  }
  return CUDA_SUCCESS;
}

CUresult NameOf(const char** name, uint64_t handle) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (name == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto function = call.driver->functions().Find(handle);
  if (function == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  *name = function->name.c_str();  // lives as long as its module or library
  return CUDA_SUCCESS;
}

bool KnownCacheConfig(CUfunc_cache config) {
  return config >= CU_FUNC_CACHE_PREFER_NONE && config <= CU_FUNC_CACHE_PREFER_EQUAL;
}

// A kernel's facts are the same on every device, but the ordinal has to be one.
CUresult FindKernel(const ContextCall& call, CUkernel kernel, CUdevice dev, FunctionUse* use) {
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  return FindFunction(call, reinterpret_cast<CUfunction>(kernel), use);
}

}  // namespace

CUresult cuFuncGetAttribute(int* pi, CUfunction_attribute attrib, CUfunction hfunc) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pi == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, hfunc, &use));
  return Get(call, attrib, use, pi);
}

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, hfunc, &use));
  return Set(call, attrib, use, value);
}

CUresult cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, hfunc, &use));
  return KnownCacheConfig(config) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, hfunc, &use));
  const bool known = config >= CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE &&
                     config <= CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE;
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuFuncGetModule(CUmodule* hmod, CUfunction hfunc) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (hmod == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, hfunc, &use));
  *hmod = AsHandle<CUmodule>(use.module->handle());
  return CUDA_SUCCESS;
}

CUresult cuFuncGetName(const char** name, CUfunction hfunc) {
  return NameOf(name, HandleNumber(hfunc));
}

CUresult cuFuncGetParamInfo(CUfunction func,
                            size_t paramIndex,
                            size_t* paramOffset,
                            size_t* paramSize) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, func, &use));
  return ParameterInfo(use, paramIndex, paramOffset, paramSize);
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState* state, CUfunction function) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (state == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, function, &use));
  *state = CU_FUNCTION_LOADING_STATE_LOADED;  // its variables are placed; nothing more can be asked
  return CUDA_SUCCESS;
}

CUresult cuFuncLoad(CUfunction function) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, function, &use));
  return use.module->program().Prepare(use.function->index).result;
}

CUresult cuKernelGetAttribute(int* pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice dev) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pi == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindKernel(call, kernel, dev, &use));
  return Get(call, attrib, use, pi);
}

CUresult cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FunctionUse use;
  FARLANE_SOFT_TRY(FindKernel(call, kernel, dev, &use));
  return Set(call, attrib, use, val);
}

CUresult cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FunctionUse use;
  FARLANE_SOFT_TRY(FindKernel(call, kernel, dev, &use));
  return KnownCacheConfig(config) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuKernelGetName(const char** name, CUkernel hfunc) {
  return NameOf(name, HandleNumber(hfunc));
}

}  // namespace farlane::soft
