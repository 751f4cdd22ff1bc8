// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/export_slots.h"

namespace farlane::abi {
namespace {

// A runtime refuses flag arrays shorter than its number of calls: 523 in 13.0, about 553 in 13.1.
constexpr size_t kCallFlags = 1024;
constexpr size_t kEventFlags = 14;  // exactly what the runtimes of 13.x demand

CUcontext OrCurrent(Host* host, CUcontext context) {
  return context != nullptr ? context : host->CurrentContext();
}

CUresult Load(CUmodule* module, const void* image) {
  Host* host = InstalledHost();
  if (host == nullptr) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  if (module == nullptr || image == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return host->LoadModule(module, image);
}

}  // namespace

CUresult LoadWrapper(CUmodule* module, const void* wrapper) {
  return Load(module, wrapper);
}

CUresult LoadWrapperWithOptions(CUmodule* module, const void* wrapper, void*, void*, uint32_t) {
  return Load(module, wrapper);
}

CUresult LoadFatbin(const void* fatbin, CUmodule* module, void*, void*, uint32_t) {
  return Load(module, fatbin);
}

CUresult PrimaryContextHandle(CUcontext* context, CUdevice device) {
  Host* host = InstalledHost();
  if (host == nullptr) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  if (context == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return host->PrimaryContext(device, context);
}

CUresult PreloadCompilers() {
  return CUDA_SUCCESS;  // no compiler lives in this process, so there is none to load early
}

void RuntimeCallFlags(void** flags, size_t* count) {
  static uint32_t call_flags[kCallFlags];
  *flags = call_flags;
  *count = kCallFlags;
}

void RuntimeEventFlags(void** flags, size_t* count) {
  static uint32_t event_flags[kEventFlags];
  *flags = event_flags;
  *count = kEventFlags;
}

CUresult ThreadContext(CUcontext* context) {
  Host* host = InstalledHost();
  if (host == nullptr) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  if (context == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *context = host->CurrentContext();
  return *context != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult PutContextLocal(CUcontext context, void* key, void* value, ContextDestructor destructor) {
  Host* host = InstalledHost();
  if (host == nullptr) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  context = OrCurrent(host, context);
  if (context == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  const CUresult result = ProcessContextStorage().Put(context, key, value, destructor);
  // Asked afterwards: a context that was dead before the Put would keep the value for its successor
  // at the same address. Where the value is gone already, its destructor has run: it was put.
  if (result == CUDA_SUCCESS && !host->ContextAlive(context) &&
      ProcessContextStorage().Erase(context, key) == CUDA_SUCCESS) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return result;
}

CUresult EraseContextLocal(CUcontext context, void* key) {
  Host* host = InstalledHost();
  if (host == nullptr) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  context = OrCurrent(host, context);
  return context != nullptr ? ProcessContextStorage().Erase(context, key)
                            : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult GetContextLocal(void** value, CUcontext context, void* key) {
  if (context == nullptr) {
    Host* host = InstalledHost();
    if (host == nullptr) {
      return CUDA_ERROR_NOT_INITIALIZED;
    }
    context = host->CurrentContext();
  }
  if (context == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return ProcessContextStorage().Get(context, key, value);
}

CUresult CheckContext(CUcontext, uint32_t* flags, void** unknown) {
  // Any flag makes the runtime follow a path that ends in a crash at exit.
  if (flags != nullptr) {
    *flags = 0;
  }
  if (unknown != nullptr) {
    *unknown = nullptr;
  }
  return CUDA_SUCCESS;
}

uint32_t CheckAtStart() {
  return 0;
}

CUresult UniqueContextId(CUcontext context, uint64_t* id) {
  Host* host = InstalledHost();
  if (host == nullptr) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  context = OrCurrent(host, context);
  if (context == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return id != nullptr ? host->ContextId(context, id) : CUDA_ERROR_INVALID_VALUE;
}

CUresult StreamTokenOf(CUcontext context, CUstream stream, void** token, int per_thread) {
  Host* host = InstalledHost();
  if (host == nullptr) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  context = OrCurrent(host, context);
  if (context == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (token == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return host->StreamToken(context, stream, per_thread != 0, token);
}

CUresult UniqueStreamId(CUcontext context, void* token, uint64_t* id) {
  Host* host = InstalledHost();
  if (host == nullptr) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  context = OrCurrent(host, context);
  if (context == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return id != nullptr ? host->StreamId(context, token, id) : CUDA_ERROR_INVALID_VALUE;
}

int VisitModuleFunctions(CUcontext context, CUmodule module, FunctionVisitor visit, void* user) {
  Host* host = InstalledHost();
  if (host == nullptr || visit == nullptr) {
    return 0;
  }
  context = OrCurrent(host, context);
  if (context == nullptr) {
    return 0;
  }
  return host->VisitFunctions(context, module, visit, user) == CUDA_SUCCESS ? 1 : 0;
}

CUresult ProcessorLayout(uint8_t** groups, uint64_t*) {
  if (groups != nullptr) {
    *groups = nullptr;
  }
  return CUDA_ERROR_NOT_SUPPORTED;
}

}  // namespace farlane::abi
