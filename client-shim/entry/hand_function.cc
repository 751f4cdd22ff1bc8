// SPDX-License-Identifier: Apache-2.0
// Functions and kernels: one handle for both, described once when their image was loaded.
#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"

namespace farlane::shim {
namespace {

// The attributes that a program may set; the others are what the compiler made.
bool IsSettable(int attribute) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      return true;
    default:
      return false;
  }
}

// A function by its handle, without asking for a current context: kernels of libraries need none.
const Function* Find(CUfunction handle, CUresult* result) {
  Session* session = Process::Get().session();
  if (session == nullptr) {
    *result = Process::Get().Why();
    return nullptr;
  }
  const Function* function = session->objects().functions.Find(ToWire(handle));
  *result = function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
  return function;
}

CUfunction AsFunction(CUkernel kernel) {
  return reinterpret_cast<CUfunction>(kernel);
}

CUresult GetAttribute(int* value, int attribute, CUfunction handle) {
  CUresult result;
  const Function* function = Find(handle, &result);
  if (function == nullptr) {
    return result;
  }
  const std::vector<int32_t>& attributes = function->kernel->attributes;
  if (value == nullptr || attribute < 0 || static_cast<size_t>(attribute) >= attributes.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *value = attributes[static_cast<size_t>(attribute)];
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuFuncGetAttribute(int* pi, CUfunction_attribute attrib, CUfunction hfunc) {
  return GetAttribute(pi, attrib, hfunc);
}

CUresult cuKernelGetAttribute(int* pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice) {
  return GetAttribute(pi, attrib, AsFunction(kernel));
}

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  CUresult result;
  const Function* function = Find(hfunc, &result);
  if (function == nullptr) {
    return result;
  }
  std::vector<int32_t>& attributes = function->kernel->attributes;
  const Device& device = scope.session().devices()[static_cast<size_t>(scope.device())];
  const auto index = static_cast<size_t>(attrib);
  const bool shared = attrib == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
  if (!IsSettable(attrib) || index >= attributes.size() || (shared && value < 0)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (shared && value > device.attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN) -
                            attributes[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES]) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  attributes[index] = value;
  return scope.Post(
      wire::FuncSetAttribute{.hfunc = ToWire(hfunc), .attrib = attrib, .value = value});
}

CUresult cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice) {
  return cuFuncSetAttribute(AsFunction(kernel), attrib, val);
}

CUresult cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice) {
  return cuFuncSetCacheConfig(AsFunction(kernel), config);
}

CUresult cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig) {
  CUresult result;
  Find(hfunc, &result);
  return result;  // bank sizes cannot be chosen on any GPU since compute capability 5
}

CUresult cuFuncGetModule(CUmodule* hmod, CUfunction hfunc) {
  CUresult result;
  const Function* function = Find(hfunc, &result);
  if (function != nullptr && hmod == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (function != nullptr) {
    *hmod = FromWire<CUmodule>(function->module);
  }
  return result;
}

CUresult cuKernelGetLibrary(CUlibrary* pLib, CUkernel kernel) {
  return cuFuncGetModule(reinterpret_cast<CUmodule*>(pLib), AsFunction(kernel));
}

CUresult cuKernelGetFunction(CUfunction* pFunc, CUkernel kernel) {
  CUresult result;
  const Function* function = Find(AsFunction(kernel), &result);
  if (function != nullptr && pFunc == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (function != nullptr) {
    *pFunc = AsFunction(kernel);
  }
  return result;
}

CUresult cuFuncGetName(const char** name, CUfunction hfunc) {
  CUresult result;
  const Function* function = Find(hfunc, &result);
  if (function != nullptr && name == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (function != nullptr) {
    *name = function->kernel->name.c_str();
  }
  return result;
}

CUresult cuKernelGetName(const char** name, CUkernel hfunc) {
  return cuFuncGetName(name, AsFunction(hfunc));
}

CUresult cuFuncGetParamInfo(CUfunction func,
                            size_t paramIndex,
                            size_t* paramOffset,
                            size_t* paramSize) {
  CUresult result;
  const Function* function = Find(func, &result);
  if (function == nullptr) {
    return result;
  }
  if (paramOffset == nullptr || paramIndex >= function->kernel->parameters.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *paramOffset = function->kernel->parameters[paramIndex].offset;
  if (paramSize != nullptr) {
    *paramSize = function->kernel->parameters[paramIndex].bytes;
  }
  return CUDA_SUCCESS;
}

CUresult cuKernelGetParamInfo(CUkernel kernel,
                              size_t paramIndex,
                              size_t* paramOffset,
                              size_t* paramSize) {
  return cuFuncGetParamInfo(AsFunction(kernel), paramIndex, paramOffset, paramSize);
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState* state, CUfunction function) {
  CUresult result;
  if (Find(function, &result) != nullptr && state == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (result == CUDA_SUCCESS) {
    *state = CU_FUNCTION_LOADING_STATE_LOADED;
  }
  return result;
}

CUresult cuFuncLoad(CUfunction function) {
  CUresult result;
  Find(function, &result);
  return result;  // described functions are loaded
}

}  // namespace farlane::shim
