// SPDX-License-Identifier: Apache-2.0
#include "client-shim/modules.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "client-shim/current_context.h"
#include "client-shim/file_content.h"
#include "client-shim/process.h"
#include "client-shim/references.h"
#include "protocol/abi/driver_environment.h"
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
    case StatusCode::kRefused:
      return CUDA_ERROR_JIT_COMPILATION_DISABLED;
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
  const abi::DriverEnvironment& asked = abi::DriverEnvironment::OfProgram();
  return context != 0 || logs.info != nullptr || logs.error != nullptr || asked.eager_code ||
         asked.eager_data || session.config().synchronous;
}

// Of the GPUs that it may be used on: a library's kernels may be launched on any.
std::vector<int> Capabilities(const Session& session, wire::Handle context) {
  std::vector<int> capabilities;
  const Servers* const servers = context == 0 ? Process::Get().servers() : nullptr;
  for (int32_t device = 0; servers != nullptr && device < servers->devices_count(); ++device) {
    capabilities.push_back(servers->OfDevice(device)->device(device).capability());
  }
  if (capabilities.empty()) {
    for (const Device& device : session.devices()) {
      capabilities.push_back(device.capability());
    }
  }
  return capabilities;
}

// Null for more modules than there can be.
CUresult Begin(Session& session,
               wire::Handle context,
               const LoadedModule::Package& package,
               uint64_t log_bytes,
               std::shared_ptr<LoadedModule>* loaded,
               wire::Handle* handle) {
  const auto made = std::make_shared<LoadedModule>(session, context);
  *handle = session.objects().modules.Mint(Module{.context = context, .loaded = made});
  if (*handle == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *loaded = made;
  // A library belongs to no context, but whatever is current helps the driver to describe it.
  return made->Begin(*handle, context != 0 ? context : CurrentAlive(session), package,
                     static_cast<uint32_t>(log_bytes));
}

// A library goes on all servers that know it.
void UnloadElsewhere(LoadedModule& loaded) {
  std::map<uint32_t, wire::Handle> handles;
  loaded.elsewhere().With(
      [&handles](LoadedModule::Elsewhere& where) { handles.swap(where.handles); });
  for (const auto& [server, handle] : handles) {
    if (Session* const session = Process::Get().SessionOf(handle)) {
      static_cast<void>(UnloadImage(*session, handle));
    }
  }
}

CUresult Load(Session& session,
              wire::Handle context,
              const abi::ImageView& view,
              const JitLogs& logs,
              std::string* log,
              wire::Handle* handle) {
  Result<std::vector<std::byte>> package = abi::PackModule(
      view, Capabilities(session, context), abi::DriverEnvironment::OfProgram().code);
  if (!package.ok()) {
    LogError("cannot load device code: %s", package.error().message().c_str());
    return ResultOf(package.error());
  }
  const auto kept = std::make_shared<const std::vector<std::byte>>(std::move(*package));
  const uint64_t log_bytes =
      std::clamp<uint64_t>(std::max(logs.info_bytes, logs.error_bytes), kLogBytesMin, kLogBytesMax);
  std::shared_ptr<LoadedModule> loaded;
  CUresult result = Begin(session, context, kept, log_bytes, &loaded, handle);
  if (loaded == nullptr) {
    return result;
  }
  if (context == 0 && AreSeveralServers()) {
    loaded->elsewhere().With([&kept](LoadedModule::Elsewhere& where) { where.package = kept; });
  }
  if (result == CUDA_SUCCESS && WaitsAtOnce(session, context, logs)) {
    result = loaded->Await();
    *log = loaded->log();
  }
  if (result != CUDA_SUCCESS) {
    session.objects().modules.Retire(*handle);
  }
  return result;
}

// The memory of variables is idle from now on.
void NoteUnloaded(Session& session) {
  for (int32_t device = 0; device < session.devices_in_program(); ++device) {
    if (session.HasDevice(device)) {
      session.memory(device).NoteKept();
    }
  }
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
  UnloadElsewhere(*loaded);
  if (loaded->Await() == CUDA_SUCCESS) {
    session.Post(context, wire::ImageUnload{.module = handle});
    NoteUnloaded(session);
    loaded->Forget();
    ForgetReferencesOf(session, handle);
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
  Session* const owner = Process::Get().SessionOf(current);
  const Context* const context =
      owner == nullptr ? nullptr : owner->objects().contexts.Find(current);
  if (context == nullptr) {
    return FindGlobal(session, 0, session.first_device(), module, name, address, bytes);
  }
  const CUresult brought = BringLibraryTo(*owner, &module);
  Session* const here = Process::Get().SessionOf(module);
  if (brought != CUDA_SUCCESS || here == nullptr) {
    return brought == CUDA_SUCCESS ? CUDA_ERROR_INVALID_HANDLE : brought;
  }
  return FindGlobal(*here, current, context->device, module, name, address, bytes);
}

CUresult BringLibraryTo(Session& session, wire::Handle* library) {
  Session* const home = Process::Get().SessionOf(*library);
  const std::shared_ptr<LoadedModule> loaded =
      home == nullptr || home == &session ? nullptr : FindLoaded(*home, *library);
  if (loaded == nullptr || !loaded->is_library()) {
    return CUDA_SUCCESS;
  }
  return loaded->elsewhere().With([&](LoadedModule::Elsewhere& where) {
    wire::Handle& there = where.handles[session.number()];
    std::shared_ptr<LoadedModule> begun;
    const CUresult result =
        there != 0 ? CUDA_SUCCESS : Begin(session, 0, where.package, kLogBytesMin, &begun, &there);
    *library = there;
    return result;
  });
}

void ForgetGlobals(Session& session, wire::Handle context, int32_t device) {
  session.objects().modules.ForEach(
      [&](wire::Handle, Module& module) { module.loaded->ForgetGlobals(context, device); });
}

}  // namespace farlane::shim
