// SPDX-License-Identifier: Apache-2.0
// Modules and libraries; a library differs only in belonging to no context.
#include <algorithm>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/modules.h"

namespace farlane::shim {
namespace {

// A library may be loaded before any context is current, so it only needs a session.
struct LibraryScope {
  Session* session = Process::Get().session();
  CUresult result = session == nullptr ? Process::Get().Why() : CUDA_SUCCESS;
};

// `handle` by reference: the call that makes `result` sets it.
template <typename T>
CUresult Give(CUresult result, const wire::Handle& handle, T* to) {
  if (result == CUDA_SUCCESS) {
    *to = FromWire<T>(handle);
  }
  return result;
}

CUresult Enumerate(Session& session,
                   wire::Handle handle,
                   unsigned int count,
                   CUfunction* functions) {
  const Module* module = session.objects().modules.Find(handle);
  if (module == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (functions == nullptr && count != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const size_t given = std::min<size_t>(count, module->kernels.size());
  for (size_t i = 0; i < given; ++i) {
    functions[i] = FromWire<CUfunction>(FunctionOf(session, handle, i));
  }
  return CUDA_SUCCESS;
}

CUresult Count(Session& session, wire::Handle handle, unsigned int* count) {
  const Module* module = session.objects().modules.Find(handle);
  if (module == nullptr || count == nullptr) {
    return module == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
  }
  *count = static_cast<unsigned int>(module->kernels.size());
  return CUDA_SUCCESS;
}

// The context in which a library's variables are looked at: the current one, or the first device's
// primary one.
wire::Handle ContextForLibrary(Session& session, int32_t* device) {
  const wire::Handle current = ThreadState::Mine().current();
  const Context* context = session.objects().contexts.Find(current);
  *device = context == nullptr ? 0 : context->device;
  return context == nullptr ? 0 : current;
}

}  // namespace

CUresult cuModuleLoadDataEx(CUmodule* module,
                            const void* image,
                            unsigned int numOptions,
                            CUjit_option* options,
                            void** optionValues) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (module == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::Handle handle = 0;
  return Give(LoadImage(scope.session(), scope.context(), scope.device(), image, numOptions,
                        options, optionValues, &handle),
              handle, module);
}

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr);
}

CUresult cuModuleLoadFatBinary(CUmodule* module, const void* fatCubin) {
  return cuModuleLoadData(module, fatCubin);
}

CUresult cuModuleLoad(CUmodule* module, const char* fname) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (module == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::Handle handle = 0;
  return Give(LoadImageFile(scope.session(), scope.context(), scope.device(), fname, 0, nullptr,
                            nullptr, &handle),
              handle, module);
}

CUresult cuModuleUnload(CUmodule hmod) {
  const CallScope scope;
  return scope.result() == CUDA_SUCCESS ? UnloadImage(scope.session(), ToWire(hmod))
                                        : scope.result();
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  const LibraryScope scope;
  if (scope.session == nullptr) {
    return scope.result;
  }
  if (mode == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *mode = scope.session->config().lazy_loading ? CU_MODULE_LAZY_LOADING : CU_MODULE_EAGER_LOADING;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* hfunc, CUmodule hmod, const char* name) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (hfunc == nullptr || name == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::Handle handle = 0;
  return Give(FindFunction(scope.session(), ToWire(hmod), name, &handle), handle, hfunc);
}

CUresult cuModuleGetFunctionCount(unsigned int* count, CUmodule mod) {
  const CallScope scope;
  return scope.result() == CUDA_SUCCESS ? Count(scope.session(), ToWire(mod), count)
                                        : scope.result();
}

CUresult cuModuleEnumerateFunctions(CUfunction* functions,
                                    unsigned int numFunctions,
                                    CUmodule mod) {
  const CallScope scope;
  return scope.result() == CUDA_SUCCESS
             ? Enumerate(scope.session(), ToWire(mod), numFunctions, functions)
             : scope.result();
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* dptr, size_t* bytes, CUmodule hmod, const char* name) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (name == nullptr || (dptr == nullptr && bytes == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t address = 0;
  uint64_t size = 0;
  const CUresult result = FindGlobal(scope.session(), scope.context(), scope.device(), ToWire(hmod),
                                     name, &address, &size);
  if (result == CUDA_SUCCESS && dptr != nullptr) {
    *dptr = address;
  }
  if (result == CUDA_SUCCESS && bytes != nullptr) {
    *bytes = size;
  }
  return result;
}

CUresult cuLibraryLoadData(CUlibrary* library,
                           const void* code,
                           CUjit_option* jitOptions,
                           void** jitOptionsValues,
                           unsigned int numJitOptions,
                           CUlibraryOption*,
                           void**,
                           unsigned int) {
  const LibraryScope scope;
  if (scope.session == nullptr) {
    return scope.result;
  }
  if (library == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // The library options only say how long the program keeps the image; it has been packed when this
  // returns.
  wire::Handle handle = 0;
  return Give(
      LoadImage(*scope.session, 0, 0, code, numJitOptions, jitOptions, jitOptionsValues, &handle),
      handle, library);
}

CUresult cuLibraryLoadFromFile(CUlibrary* library,
                               const char* fileName,
                               CUjit_option* jitOptions,
                               void** jitOptionsValues,
                               unsigned int numJitOptions,
                               CUlibraryOption*,
                               void**,
                               unsigned int) {
  const LibraryScope scope;
  if (scope.session == nullptr) {
    return scope.result;
  }
  if (library == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::Handle handle = 0;
  return Give(LoadImageFile(*scope.session, 0, 0, fileName, numJitOptions, jitOptions,
                            jitOptionsValues, &handle),
              handle, library);
}

CUresult cuLibraryUnload(CUlibrary library) {
  const LibraryScope scope;
  return scope.session == nullptr ? scope.result : UnloadImage(*scope.session, ToWire(library));
}

CUresult cuLibraryGetKernel(CUkernel* pKernel, CUlibrary library, const char* name) {
  const LibraryScope scope;
  if (scope.session == nullptr) {
    return scope.result;
  }
  if (pKernel == nullptr || name == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::Handle handle = 0;
  return Give(FindFunction(*scope.session, ToWire(library), name, &handle), handle, pKernel);
}

CUresult cuLibraryGetKernelCount(unsigned int* count, CUlibrary lib) {
  const LibraryScope scope;
  return scope.session == nullptr ? scope.result : Count(*scope.session, ToWire(lib), count);
}

CUresult cuLibraryEnumerateKernels(CUkernel* kernels, unsigned int numKernels, CUlibrary lib) {
  const LibraryScope scope;
  // One handle type serves both: a kernel is a function here.
  return scope.session == nullptr ? scope.result
                                  : Enumerate(*scope.session, ToWire(lib), numKernels,
                                              reinterpret_cast<CUfunction*>(kernels));
}

CUresult cuLibraryGetModule(CUmodule* pMod, CUlibrary library) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (pMod == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (scope.session().objects().modules.Find(ToWire(library)) == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  *pMod =
      FromWire<CUmodule>(ToWire(library));  // its module in any context answers to the same handle
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetGlobal(CUdeviceptr* dptr, size_t* bytes, CUlibrary library, const char* name) {
  const LibraryScope scope;
  if (scope.session == nullptr) {
    return scope.result;
  }
  if (name == nullptr || (dptr == nullptr && bytes == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  int32_t device = 0;
  const wire::Handle context = ContextForLibrary(*scope.session, &device);
  uint64_t address = 0;
  uint64_t size = 0;
  const CUresult result =
      FindGlobal(*scope.session, context, device, ToWire(library), name, &address, &size);
  if (result == CUDA_SUCCESS && dptr != nullptr) {
    *dptr = address;
  }
  if (result == CUDA_SUCCESS && bytes != nullptr) {
    *bytes = size;
  }
  return result;
}

}  // namespace farlane::shim
