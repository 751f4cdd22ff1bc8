// SPDX-License-Identifier: Apache-2.0
// Libraries: code without a context, loaded into each one that uses it.
#include <algorithm>
#include <vector>

#include "soft-gpu/api/call.h"
#include "soft-gpu/api/file_image.h"
#include "soft-gpu/api/jit_options.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUresult FindLibrary(const PlainCall& call, CUlibrary handle, std::shared_ptr<Library>* library) {
  *library = call.driver->libraries().Find(HandleNumber(handle));
  return *library == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

CUresult AnswerVariable(const VariableFacts* variable, CUdeviceptr* dptr, size_t* bytes) {
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

// Where a library's managed variables are found. The runtime asks for them before it has made any
// context: then it is the one that it will use first.
std::shared_ptr<Context> ManagedContext(const PlainCall& call) {
  const ThreadState& thread = ThisThread();
  return thread.contexts.empty() ? call.driver->primary(0) : HomeOf(thread.contexts.back());
}

}  // namespace

CUresult cuLibraryLoadData(CUlibrary* library,
                           const void* code,
                           CUjit_option* jitOptions,
                           void** jitOptionsValues,
                           unsigned int numJitOptions,
                           CUlibraryOption* libraryOptions,
                           void** libraryOptionValues,
                           unsigned int numLibraryOptions) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const bool options_missing =
      numLibraryOptions > 0 && (libraryOptions == nullptr || libraryOptionValues == nullptr);
  if (library == nullptr || code == nullptr || options_missing) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const JitOptions options(jitOptions, jitOptionsValues, numJitOptions);
  FARLANE_SOFT_TRY(options.Check());
  const LoadedCode loaded = LoadCode(call.driver->config(), code);
  options.Report(loaded.problem);
  FARLANE_SOFT_TRY(loaded.result);
  *library = AsHandle<CUlibrary>(call.driver->AddLibrary(loaded.code)->handle());
  return CUDA_SUCCESS;
}

CUresult cuLibraryLoadFromFile(CUlibrary* library,
                               const char* fileName,
                               CUjit_option* jitOptions,
                               void** jitOptionsValues,
                               unsigned int numJitOptions,
                               CUlibraryOption* libraryOptions,
                               void** libraryOptionValues,
                               unsigned int numLibraryOptions) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  std::vector<char> image;
  FARLANE_SOFT_TRY(ReadImageFile(fileName, &image));
  return cuLibraryLoadData(library, image.data(), jitOptions, jitOptionsValues, numJitOptions,
                           libraryOptions, libraryOptionValues, numLibraryOptions);
}

CUresult cuLibraryUnload(CUlibrary library) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const auto taken = call.driver->libraries().Take(HandleNumber(library));
  if (taken == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  call.driver->UnloadLibrary(taken);
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernel(CUkernel* pKernel, CUlibrary library, const char* name) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pKernel == nullptr || name == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Library> found;
  FARLANE_SOFT_TRY(FindLibrary(call, library, &found));
  const auto kernel = found->Find(name);
  if (kernel == nullptr) {
    return CUDA_ERROR_NOT_FOUND;
  }
  *pKernel = AsHandle<CUkernel>(kernel->handle);
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernelCount(unsigned int* count, CUlibrary lib) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (count == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Library> library;
  FARLANE_SOFT_TRY(FindLibrary(call, lib, &library));
  *count = static_cast<unsigned int>(library->kernels().size());
  return CUDA_SUCCESS;
}

CUresult cuLibraryEnumerateKernels(CUkernel* kernels, unsigned int numKernels, CUlibrary lib) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (kernels == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Library> library;
  FARLANE_SOFT_TRY(FindLibrary(call, lib, &library));
  for (size_t i = 0; i < std::min<size_t>(numKernels, library->kernels().size()); ++i) {
    kernels[i] = AsHandle<CUkernel>(library->kernels()[i]->handle);
  }
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetModule(CUmodule* pMod, CUlibrary library) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pMod == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Library> found;
  FARLANE_SOFT_TRY(FindLibrary(call, library, &found));
  std::shared_ptr<Module> module;
  FARLANE_SOFT_TRY(call.driver->ModuleOf(found, call.context, &module).result);
  *pMod = AsHandle<CUmodule>(module->handle());
  return CUDA_SUCCESS;
}

// No device here calls functions of the host.
CUresult cuLibraryGetUnifiedFunction(void** fptr, CUlibrary library, const char* symbol) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Library> found;
  FARLANE_SOFT_TRY(FindLibrary(call, library, &found));
  return fptr == nullptr || symbol == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_FOUND;
}

CUresult cuKernelGetFunction(CUfunction* pFunc, CUkernel kernel) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pFunc == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, reinterpret_cast<CUfunction>(kernel), &use));
  *pFunc = AsHandle<CUfunction>(use.function->handle);
  return CUDA_SUCCESS;
}

CUresult cuKernelGetLibrary(CUlibrary* pLib, CUkernel kernel) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pLib == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto found = call.driver->functions().Find(HandleNumber(kernel));
  const auto library = found == nullptr ? nullptr : found->library.lock();
  if (library == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  *pLib = AsHandle<CUlibrary>(library->handle());
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetGlobal(CUdeviceptr* dptr, size_t* bytes, CUlibrary library, const char* name) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (name == nullptr || (dptr == nullptr && bytes == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Library> found;
  FARLANE_SOFT_TRY(FindLibrary(call, library, &found));
  std::shared_ptr<Module> module;
  FARLANE_SOFT_TRY(call.driver->ModuleOf(found, call.context, &module).result);
  return AnswerVariable(module->FindVariable(name), dptr, bytes);
}

CUresult cuLibraryGetManaged(CUdeviceptr* dptr,
                             size_t* bytes,
                             CUlibrary library,
                             const char* name) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (name == nullptr || (dptr == nullptr && bytes == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Library> found;
  FARLANE_SOFT_TRY(FindLibrary(call, library, &found));
  std::shared_ptr<Module> module;
  FARLANE_SOFT_TRY(call.driver->ModuleOf(found, ManagedContext(call), &module).result);
  const VariableFacts* variable = module->FindVariable(name);
  return AnswerVariable(variable != nullptr && variable->managed ? variable : nullptr, dptr, bytes);
}

}  // namespace farlane::soft
