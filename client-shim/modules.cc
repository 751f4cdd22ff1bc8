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

// A module with more kernels than this is no module; NCCL's largest has some hundreds.
constexpr uint32_t kKernelsMax = 1u << 20;
// Room for the loader's messages on their way here, whatever size of buffer the program offers.
constexpr uint64_t kLogBytesMax = 64 << 10;
// A program that asks for no messages: enough for the line on stderr that says why loading failed.
constexpr uint64_t kLogBytesMin = 1 << 10;

// Guards the lists inside modules: functions and globals found later. Not Guarded: the modules live
// in their table.
std::mutex& ListsMutex() {
  static auto* const mutex = new std::mutex();  // never destroyed: exit handlers look functions up
  return *mutex;
}

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

// Reads one KernelRecord; false if it is not one.
bool ReadKernel(ConstBytes body, Kernel* kernel) {
  wire::KernelRecord record;
  if (Decode(body, &record) != wire::WireError::kNone ||
      record.parameters.size() % sizeof(Kernel::Parameter) != 0 ||
      record.attributes.size() % sizeof(int32_t) != 0) {
    return false;
  }
  kernel->name = record.name;
  kernel->parameters.resize(record.parameters.size() / sizeof(Kernel::Parameter));
  memcpy(kernel->parameters.data(), record.parameters.data(), record.parameters.size());
  for (const Kernel::Parameter& parameter : kernel->parameters) {
    // Offsets come from the server and are written through when a launch is packed.
    constexpr uint32_t kParametersBytesMax = 32764;  // the largest parameter block of any GPU
    if (parameter.offset > kParametersBytesMax ||
        parameter.bytes > kParametersBytesMax - parameter.offset) {
      return false;
    }
    kernel->parameters_bytes =
        std::max(kernel->parameters_bytes, parameter.offset + parameter.bytes);
  }
  kernel->attributes.resize(record.attributes.size() / sizeof(int32_t));
  memcpy(kernel->attributes.data(), record.attributes.data(), record.attributes.size());
  return true;
}

bool ReadKernels(const wire::ImageLoadReply& reply, Module* module) {
  if (reply.kernels_count > kKernelsMax) {
    return false;
  }
  ConstBytes rest = reply.kernels;
  for (uint32_t i = 0; i < reply.kernels_count; ++i) {
    wire::MessageView view;
    auto kernel = std::make_shared<Kernel>();
    if (wire::TakeMessage(&rest, &view) != wire::WireError::kNone ||
        view.op != static_cast<uint16_t>(wire::Op::kKernelRecord) ||
        !ReadKernel(view.body, kernel.get())) {
      return false;
    }
    module->kernels.push_back(std::move(kernel));
  }
  module->functions.resize(module->kernels.size());
  return rest.empty();
}

void CopyLog(std::string_view log, char* to, uint64_t bytes) {
  if (to != nullptr && bytes != 0) {
    const uint64_t size = std::min<uint64_t>(log.size(), bytes - 1);
    memcpy(to, log.data(), size);
    to[size] = '\0';
  }
}

// The calling thread's context if it exists on the server, else 0.
wire::Handle CurrentAlive(Session& session) {
  const wire::Handle current = ThreadState::Mine().current();
  const Context* context = session.objects().contexts.Find(current);
  return context != nullptr && context->alive ? current : 0;
}

// One line, also where the driver had nothing to say.
void LogLoadFailure(const Session& session, CUresult result, const std::string& log) {
  if (session.is_lost()) {
    return;  // which has its own line
  }
  const size_t end = log.find_last_not_of(" \n\t\r");
  if (end != std::string::npos) {
    LogError("cannot load device code: %s", log.substr(0, end + 1).c_str());
  } else if (result == CUDA_ERROR_NO_BINARY_FOR_GPU) {
    LogError(
        "cannot load device code: it has nothing for the server's GPU; rebuild it with PTX: nvcc's "
        "default, or -arch=compute_XX -code=compute_XX");
  } else {
    LogError("cannot load device code: the GPU server's driver refuses it (error %d)",
             static_cast<int>(result));
  }
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
  const auto image = std::make_shared<const std::vector<std::byte>>(std::move(*package));
  Module module{.context = context, .library = context == 0};
  *handle = session.objects().modules.Mint(Module{});
  if (*handle == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const ImageHash hash = session.images().Offer(image);
  channel::Answer answer;
  CUresult result =
      // A library belongs to no context, but whatever is current helps the driver to describe it.
      session.Call(context != 0 ? context : CurrentAlive(session),

                   wire::ImageLoad{.module = *handle,
                                   .image_bytes = image->size(),
                                   .hash_0 = hash[0],
                                   .hash_1 = hash[1],
                                   .hash_2 = hash[2],
                                   .hash_3 = hash[3],
                                   .library = module.library ? 1u : 0u,
                                   .log_bytes = static_cast<uint32_t>(std::clamp<uint64_t>(
                                       std::max(logs.info_bytes, logs.error_bytes), kLogBytesMin,
                                       kLogBytesMax))},
                   &answer);
  session.images().Withdraw(hash);
  wire::ImageLoadReply reply;
  const bool readable =
      !answer.body.empty() && Decode(answer.body, &reply) == wire::WireError::kNone;
  if (readable) {
    *log = reply.log;
  }
  if (result == CUDA_SUCCESS && !(readable && ReadKernels(reply, &module))) {
    LogError("the GPU server describes a module in a way that cannot be read");
    result = CUDA_ERROR_UNKNOWN;
  }
  if (result != CUDA_SUCCESS) {
    LogLoadFailure(session, result, *log);
    session.objects().modules.Retire(*handle);
    return result;
  }
  *session.objects().modules.Find(*handle) = std::move(module);
  return CUDA_SUCCESS;
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
  Module* module = session.objects().modules.Find(handle);
  if (module == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  session.Post(module->context, wire::ImageUnload{.module = handle});
  std::lock_guard<std::mutex> lock(ListsMutex());
  for (const wire::Handle function : module->functions) {
    session.objects().functions.Retire(function);
  }
  for (const Module::Global& global : module->globals) {
    for (size_t device = 0; device < session.devices().size(); ++device) {
      session.memory(static_cast<int32_t>(device))
          .RemoveGlobal({.address = global.address, .bytes = global.bytes});
    }
  }
  session.objects().modules.Retire(handle);
  return CUDA_SUCCESS;
}

wire::Handle FunctionOf(Session& session, wire::Handle handle, size_t kernel) {
  std::lock_guard<std::mutex> lock(ListsMutex());
  Module* module = session.objects().modules.Find(handle);
  if (module == nullptr || kernel >= module->functions.size()) {
    return 0;  // another thread has unloaded it in the meantime
  }
  wire::Handle& function = module->functions[kernel];
  if (function == 0) {
    function = session.objects().functions.Mint(
        Function{.kernel = module->kernels[kernel], .module = handle, .library = module->library});
    session.Post(module->context, wire::KernelBind{.module = handle,
                                                   .function = function,
                                                   .index = static_cast<uint32_t>(kernel)});
  }
  return function;
}

CUresult FindFunction(Session& session,
                      wire::Handle handle,
                      const char* name,
                      wire::Handle* function) {
  const Module* module = session.objects().modules.Find(handle);
  if (module == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const auto found =
      std::find_if(module->kernels.begin(), module->kernels.end(),
                   [name](const std::shared_ptr<Kernel>& kernel) { return kernel->name == name; });
  if (found == module->kernels.end()) {
    return CUDA_ERROR_NOT_FOUND;
  }
  *function = FunctionOf(session, handle, static_cast<size_t>(found - module->kernels.begin()));
  return *function != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult FindGlobal(Session& session,
                    wire::Handle context,
                    int32_t device,
                    wire::Handle handle,
                    const char* name,
                    uint64_t* address,
                    uint64_t* bytes) {
  Module* module = session.objects().modules.Find(handle);
  if (module == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  // Asked for before there is a context, they are the first primary context's.
  const wire::Handle owner = context != 0 ? context : session.primary_context(0);
  std::lock_guard<std::mutex> lock(ListsMutex());
  const auto known = std::find_if(module->globals.begin(), module->globals.end(),
                                  [name, owner](const Module::Global& global) {
                                    return global.context == owner && global.name == name;
                                  });
  if (known != module->globals.end()) {
    *address = known->address;
    *bytes = known->bytes;
    return CUDA_SUCCESS;
  }
  wire::ImageGlobalReply reply;
  const CUresult result =
      session.Call(context, wire::ImageGlobal{.module = handle, .name = name}, &reply);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  module->globals.push_back({name, owner, reply.address, reply.bytes});
  session.memory(device).AddGlobal({.address = reply.address, .bytes = reply.bytes});
  *address = reply.address;
  *bytes = reply.bytes;
  return CUDA_SUCCESS;
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
  std::lock_guard<std::mutex> lock(ListsMutex());
  session.objects().modules.ForEach([&](wire::Handle, Module& module) {
    std::erase_if(module.globals, [&](const Module::Global& global) {
      if (global.context != context) {
        return false;
      }
      session.memory(device).RemoveGlobal({.address = global.address, .bytes = global.bytes});
      return true;
    });
  });
}

}  // namespace farlane::shim
