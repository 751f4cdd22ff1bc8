// SPDX-License-Identifier: Apache-2.0
// Functions and kernels: one handle for both, described once when their image was loaded.
#include "client-shim/answers.h"
#include "client-shim/bodies.h"
#include "client-shim/object_scopes.h"

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

}  // namespace

CUresult cuFuncGetAttribute(int* pi, CUfunction_attribute attrib, CUfunction hfunc) {
  const FunctionScope scope(ToWire(hfunc));
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const std::vector<int32_t>& attributes = scope.object().kernel->attributes;
  if (pi == nullptr || attrib < 0 || static_cast<size_t>(attrib) >= attributes.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pi = attributes[static_cast<size_t>(attrib)];
  return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const FunctionScope function(ToWire(hfunc));
  if (function.result() != CUDA_SUCCESS) {
    return function.result();
  }
  std::vector<int32_t>& attributes = function.object().kernel->attributes;
  const Device& device = scope.session().device(scope.device());
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
  Answers::Get().Forget();  // how many blocks fit may be another number now
  return scope.Post(
      wire::FuncSetAttribute{.hfunc = ToWire(hfunc), .attrib = attrib, .value = value});
}

CUresult cuFuncGetParamInfo(CUfunction func,
                            size_t paramIndex,
                            size_t* paramOffset,
                            size_t* paramSize) {
  const FunctionScope scope(ToWire(func));
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  const std::vector<Kernel::Parameter>& parameters = scope.object().kernel->parameters;
  if (paramOffset == nullptr || paramIndex >= parameters.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *paramOffset = parameters[paramIndex].offset;
  if (paramSize != nullptr) {
    *paramSize = parameters[paramIndex].bytes;
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
