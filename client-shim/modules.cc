// SPDX-License-Identifier: Apache-2.0
#include "client-shim/modules.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "client-shim/current_context.h"
#include "client-shim/file_content.h"
#include "protocol/abi/image.h"
#include "protocol/abi/module_package.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// Room for the loader's messages on their way here, whatever size of buffer the program offers.
constexpr uint64_t kLogBytesMax = 64 << 10;
// A program that asks for no messages: enough for the line on stderr that says why loading failed.
constexpr uint64_t kLogBytesMin = 1 << 10;

CUresult ResultOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kNotFound:
      return CUDA_ERROR_NO_BINARY_FOR_GPU;
    case StatusCode::kExhausted:
      return CUDA_ERROR_OUT_OF_MEMORY;
    default:
      return CUDA_ERROR_INVALID_IMAGE;
  }
}

void CopyLog(std::string_view log, char* to, uint64_t bytes) {
  if (to != nullptr && bytes != 0) {
    const uint64_t size = std::min<uint64_t>(log.size(), bytes - 1);
    to[log.copy(to, size)] = '\0';
  }
}

// The calling thread's context if it exists on the server, else 0.
wire::Handle CurrentAlive(Session& session) {
  const wire::Handle current = ThreadState::Mine().current();
  const Context* context = session.objects().contexts.Find(current);
  return context != nullptr && context->alive ? current : 0;
}

// Whether the answer is wanted before the load call returns. A module's call must return its error;
// a library's error may show at its first use, as with a driver that loads lazily.
bool WaitsAtOnce(const Session& session, wire::Handle context, const JitLogs& logs) {
  return context != 0 || logs.info != nullptr || logs.error != nullptr ||
         !session.config().lazy_loading || session.config().synchronous;
}

CUresult Load(Session& session,
              wire::Handle context,
              const abi::ImageView& view,
              const JitLogs& logs,
              std::string* log,
              wire::Handle* handle) {
  std::vector<int> capabilities;
  for (const Device& device : session.devices()) {
    capabilities.push_back(device.capability());
  }
  Result<std::vector<std::byte>> package = abi::PackModule(view, capabilities);
  if (!package.ok()) {
    LogError("cannot load device code: %s", package.error().message().c_str());
    return ResultOf(package.error());
  }
  const auto loaded = std::make_shared<LoadedModule>(session, context);
  *handle = session.objects().modules.Mint(Module{.context = context, .loaded = loaded});
  if (*handle == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const uint64_t log_bytes =
      std::clamp<uint64_t>(std::max(logs.info_bytes, logs.error_bytes), kLogBytesMin, kLogBytesMax);
  // A library belongs to no context, but whatever is current helps the driver to describe it.
  CUresult result =
      loaded->Begin(*handle, context != 0 ? context : CurrentAlive(session),
                    std::make_shared<const std::vector<std::byte>>(std::move(*package)),
                    static_cast<uint32_t>(log_bytes));
  if (result == CUDA_SUCCESS && WaitsAtOnce(session, context, logs)) {
    result = loaded->Await();
    *log = loaded->log();
  }
  if (result != CUDA_SUCCESS) {
    session.objects().modules.Retire(*handle);
  }
  return result;
}

}  // namespace

CUresult JitLogs::FromOptions(unsigned count,
                              const CUjit_option* options,
                              void* const* values,
                              JitLogs* logs) {
  if (count != 0 && (options == nullptr || values == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (unsigned i = 0; i < count; ++i) {
    switch (options[i]) {
      case CU_JIT_INFO_LOG_BUFFER:
        logs->info = static_cast<char*>(values[i]);
        break;
      case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
        logs->info_bytes = reinterpret_cast<uintptr_t>(values[i]) & UINT32_MAX;
        break;
      case CU_JIT_ERROR_LOG_BUFFER:
        logs->error = static_cast<char*>(values[i]);
        break;
      case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
        logs->error_bytes = reinterpret_cast<uintptr_t>(values[i]) & UINT32_MAX;
        break;
      default:
        break;
    }
  }
  return CUDA_SUCCESS;
}

void JitLogs::Report(unsigned count,
                     const CUjit_option* options,
                     void** values,
                     std::string_view log,
                     const JitLogs& logs) {
  CopyLog(log, logs.info, logs.info_bytes);
  CopyLog(log, logs.error, logs.error_bytes);
  for (unsigned i = 0; i < count; ++i) {
    // The size options tell the program how much was written.
    if (options[i] == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES) {
      values[i] = reinterpret_cast<void*>(std::min<uint64_t>(log.size(), logs.info_bytes));
    } else if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
      values[i] = reinterpret_cast<void*>(std::min<uint64_t>(log.size(), logs.error_bytes));
    }
  }
}

CUresult LoadImage(Session& session,
                   wire::Handle context,
                   int32_t,
                   const void* image,
                   unsigned options_count,
                   CUjit_option* options,
                   void** option_values,
                   wire::Handle* module) {
  JitLogs logs;
  CUresult result = JitLogs::FromOptions(options_count, options, option_values, &logs);
  if (result != CUDA_SUCCESS || image == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Result<abi::ImageView> view = abi::ViewImage(image);
  if (!view.ok()) {
    LogError("cannot load device code: %s", view.error().message().c_str());
    return ResultOf(view.error());
  }
  std::string log;
  result = Load(session, context, *view, logs, &log, module);
  JitLogs::Report(options_count, options, option_values, log, logs);
  return result;
}

CUresult LoadImageFile(Session& session,
                       wire::Handle context,
                       int32_t device,
                       const char* path,
                       unsigned options_count,
                       CUjit_option* options,
                       void** option_values,
                       wire::Handle* module) {
  if (path == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::optional<std::vector<std::byte>> content = FileContent(path);
  if (!content) {
    return CUDA_ERROR_FILE_NOT_FOUND;
  }
  content->push_back(std::byte{0});  // ends a PTX text; nothing else minds
  return LoadImage(session, context, device, content->data(), options_count, options, option_values,
                   module);
}

CUresult UnloadImage(Session& session, wire::Handle handle) {
  const std::shared_ptr<LoadedModule> loaded = FindLoaded(session, handle);
  if (loaded == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const wire::Handle context = session.objects().modules.Find(handle)->context;
  if (loaded->Await() == CUDA_SUCCESS) {
    session.Post(context, wire::ImageUnload{.module = handle});
    loaded->Forget();
  }
  session.objects().modules.Retire(handle);
  return CUDA_SUCCESS;
}

std::shared_ptr<LoadedModule> FindLoaded(Session& session, wire::Handle handle) {
  const Module* module = session.objects().modules.Find(handle);
  return module == nullptr ? nullptr : module->loaded;
}

CUresult UseModule(Session& session, wire::Handle handle, std::shared_ptr<LoadedModule>* loaded) {
  *loaded = FindLoaded(session, handle);
  return *loaded == nullptr ? CUDA_ERROR_INVALID_HANDLE : (*loaded)->Await();
}

CUresult FindFunction(Session& session,
                      wire::Handle handle,
                      const char* name,
                      wire::Handle* function) {
  std::shared_ptr<LoadedModule> loaded;
  const CUresult result = UseModule(session, handle, &loaded);
  return result == CUDA_SUCCESS ? loaded->FindFunction(name, function) : result;
}

CUresult FindGlobal(Session& session,
                    wire::Handle context,
                    int32_t device,
                    wire::Handle handle,
                    const char* name,
                    uint64_t* address,
                    uint64_t* bytes) {
  std::shared_ptr<LoadedModule> loaded;
  const CUresult result = UseModule(session, handle, &loaded);
  return result == CUDA_SUCCESS ? loaded->FindGlobal(context, device, name, address, bytes)
                                : result;
}

CUresult FindGlobalHere(
    Session& session, wire::Handle module, const char* name, uint64_t* address, uint64_t* bytes) {
  if (name == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const wire::Handle current = ThreadState::Mine().current();
  const Context* context = session.objects().contexts.Find(current);
  return context == nullptr
             ? FindGlobal(session, 0, 0, module, name, address, bytes)
             : FindGlobal(session, current, context->device, module, name, address, bytes);
}

void ForgetGlobals(Session& session, wire::Handle context, int32_t device) {
  session.objects().modules.ForEach(
      [&](wire::Handle, Module& module) { module.loaded->ForgetGlobals(context, device); });
}

}  // namespace farlane::shim
