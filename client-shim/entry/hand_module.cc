// SPDX-License-Identifier: Apache-2.0
// Libraries; what is asked about a module is the same question, with a context at hand.
#include <algorithm>

#include "client-shim/bodies.h"
#include "client-shim/modules.h"
#include "client-shim/object_scopes.h"

namespace farlane::shim {

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  const SessionScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (mode == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *mode = scope.session().config().lazy_loading ? CU_MODULE_LAZY_LOADING : CU_MODULE_EAGER_LOADING;
  return CUDA_SUCCESS;
}

CUresult cuLibraryEnumerateKernels(CUkernel* kernels, unsigned int numKernels, CUlibrary lib) {
  const ModuleScope scope(ToWire(lib));
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (kernels == nullptr && numKernels != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const size_t given = std::min<size_t>(numKernels, scope.object().kernels_count());
  for (size_t i = 0; i < given; ++i) {
    kernels[i] = FromWire<CUkernel>(scope.object().FunctionOf(i));
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
