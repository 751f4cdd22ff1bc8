// SPDX-License-Identifier: Apache-2.0
// Modules: code that is loaded into the current context.
#include <algorithm>
#include <vector>

#include "protocol/abi/driver_environment.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/api/file_image.h"
#include "soft-gpu/api/jit_options.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUresult Load(CUmodule* module, const void* image, const JitOptions& options) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (module == nullptr || image == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FARLANE_SOFT_TRY(options.Check());
  const LoadedCode loaded = LoadCode(call.driver->config(), image);
  if (loaded.result != CUDA_SUCCESS) {
    options.Report(loaded.problem);
    return loaded.result;
  }
  std::shared_ptr<Module> made;
  const Outcome outcome = call.driver->LoadModule(call.context, *loaded.code, nullptr, &made);
  options.Report(outcome.problem);
  FARLANE_SOFT_TRY(outcome.result);
  *module = AsHandle<CUmodule>(made->handle());
  return CUDA_SUCCESS;
}

CUresult FindModule(const PlainCall& call, CUmodule handle, std::shared_ptr<Module>* module) {
  *module = call.driver->modules().Find(HandleNumber(handle));
  return *module == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

}  // namespace

CUresult cuModuleLoadDataEx(CUmodule* module,
                            const void* image,
                            unsigned int numOptions,
                            CUjit_option* options,
                            void** optionValues) {
  return Load(module, image, JitOptions(options, optionValues, numOptions));
}

CUresult cuModuleLoad(CUmodule* module, const char* fname) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::vector<char> image;
  FARLANE_SOFT_TRY(ReadImageFile(fname, &image));
  return cuModuleLoadData(module, image.data());
}

CUresult cuModuleUnload(CUmodule hmod) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Module> module;
  FARLANE_SOFT_TRY(FindModule(call, hmod, &module));
  module->context()->Synchronize();
  call.driver->UnloadModule(module);
  return CUDA_SUCCESS;
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (mode == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool eager = abi::DriverEnvironment::OfProgram().eager_code;
  *mode = eager ? CU_MODULE_EAGER_LOADING : CU_MODULE_LAZY_LOADING;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* hfunc, CUmodule hmod, const char* name) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (hfunc == nullptr || name == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Module> module;
  FARLANE_SOFT_TRY(FindModule(call, hmod, &module));
  const auto function = module->Find(name);
  if (function == nullptr) {
    return CUDA_ERROR_NOT_FOUND;
  }
  *hfunc = AsHandle<CUfunction>(function->handle);
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunctionCount(unsigned int* count, CUmodule mod) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (count == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Module> module;
  FARLANE_SOFT_TRY(FindModule(call, mod, &module));
  *count = static_cast<unsigned int>(module->functions().size());
  return CUDA_SUCCESS;
}

CUresult cuModuleEnumerateFunctions(CUfunction* functions,
                                    unsigned int numFunctions,
                                    CUmodule mod) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (functions == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Module> module;
  FARLANE_SOFT_TRY(FindModule(call, mod, &module));
  for (size_t i = 0; i < std::min<size_t>(numFunctions, module->functions().size()); ++i) {
    functions[i] = AsHandle<CUfunction>(module->functions()[i]->handle);
  }
  return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* dptr, size_t* bytes, CUmodule hmod, const char* name) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (name == nullptr || (dptr == nullptr && bytes == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Module> module;
  FARLANE_SOFT_TRY(FindModule(call, hmod, &module));
  const VariableFacts* variable = module->FindVariable(name);
  if (variable == nullptr) {
    return CUDA_ERROR_NOT_FOUND;
  }
  if (dptr != nullptr) {
    *dptr = variable->address;
  }
  if (bytes != nullptr) {
    *bytes = variable->size_bytes;
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
