// SPDX-License-Identifier: Apache-2.0
#include "client-shim/loaded_module.h"

#include <algorithm>
#include <cstring>

#include "client-shim/process.h"
#include "client-shim/session.h"
#include "protocol/abi/error_log.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// A module with more kernels than this is no module; NCCL's largest has some hundreds.
constexpr size_t kKernelsMax = 1u << 20;
// No compiler makes a longer name.
constexpr size_t kNameBytesMax = 64_KiB;

// What `to` has room for; nothing may be at no address at all, which memcpy must not be given.
void Copy(ConstBytes from, void* to) {
  if (!from.empty()) {
    memcpy(to, from.data(), from.size());
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
  Copy(record.parameters, kernel->parameters.data());
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
  Copy(record.attributes, kernel->attributes.data());
  return true;
}

}  // namespace

LoadedModule::LoadedModule(Session& session, wire::Handle context)
    : session_(session), context_(context), pending_(session.channel()) {}

LoadedModule::~LoadedModule() = default;

// ---- loading

CUresult LoadedModule::Begin(wire::Handle handle,
                             wire::Handle current,
                             Package image,
                             uint32_t log_bytes) {
  handle_ = handle;
  const uint64_t image_bytes = image->size();
  hash_ = session_.images().Offer(std::move(image));
  const CUresult result = session_.Begin(current,
                                         wire::ImageLoad{.module = handle,
                                                         .image_bytes = image_bytes,
                                                         .hash_0 = hash_[0],
                                                         .hash_1 = hash_[1],
                                                         .hash_2 = hash_[2],
                                                         .hash_3 = hash_[3],
                                                         .library = context_ == 0 ? 1u : 0u,
                                                         .log_bytes = log_bytes},
                                         &pending_);
  if (result != CUDA_SUCCESS) {
    session_.images().Withdraw(hash_);
    result_ = result;
    awaited_.store(true, std::memory_order_release);
  }
  return result;
}

CUresult LoadedModule::Await() {
  if (!awaited_.load(std::memory_order_acquire)) {
    std::lock_guard<std::mutex> lock(awaiting_);
    if (!awaited_.load(std::memory_order_relaxed)) {
      result_ = Finish();
      session_.images().Withdraw(hash_);
      awaited_.store(true, std::memory_order_release);
    }
  }
  return result_;
}

CUresult LoadedModule::Finish() {
  channel::Answer answer;
  CUresult result = session_.Finish(&pending_, wire::Op::kImageLoad, &answer);
  wire::ImageLoadReply reply;
  const bool readable =
      !answer.body.empty() && Decode(answer.body, &reply) == wire::WireError::kNone;
  if (readable) {
    log_ = reply.log;
  }
  arriving_.With([this](Kernels& arrived) { kernels_.swap(arrived); });
  if (result == CUDA_SUCCESS && !(readable && reply.kernels_count == kernels_.size())) {
    LogError("the GPU server describes a module in a way that cannot be read");
    return CUDA_ERROR_UNKNOWN;
  }
  if (result != CUDA_SUCCESS) {
    ExplainFailure(result);
    return result;
  }
  for (size_t i = 0; i < kernels_.size(); ++i) {
    by_name_.emplace(kernels_[i]->name, i);
  }
  functions_.resize(kernels_.size());
  return CUDA_SUCCESS;
}

// One line, also where the driver had nothing to say.
void LoadedModule::ExplainFailure(CUresult result) const {
  if (session_.is_lost()) {
    return;  // which has its own line
  }
  const size_t end = log_.find_last_not_of(" \n\t\r");
  std::string reason;
  if (end != std::string::npos) {
    reason = log_.substr(0, end + 1);
  } else if (result == CUDA_ERROR_NO_BINARY_FOR_GPU) {
    reason =
        "it has nothing for the server's GPU; rebuild it with PTX: nvcc's default, or "
        "-arch=compute_XX -code=compute_XX";
  } else {
    reason = "the GPU server's driver refuses it (error " + std::to_string(result) + ")";
  }
  LogError("cannot load device code: %s", reason.c_str());
  abi::ErrorLog::Explain(result, "cannot load device code: " + reason);
}

wire::WireError LoadedModule::OnKernels(const wire::ImageKernels& part) {
  return arriving_.With([&part](Kernels& kernels) {
    if (part.first != kernels.size() || part.count > kKernelsMax - kernels.size()) {
      return wire::WireError::kBadValue;
    }
    ConstBytes rest = part.kernels;
    for (uint32_t i = 0; i < part.count; ++i) {
      wire::MessageView view;
      FARLANE_WIRE_TRY(wire::TakeMessage(&rest, &view));
      auto kernel = std::make_shared<Kernel>();
      if (view.op != static_cast<uint16_t>(wire::Op::kKernelRecord) ||
          !ReadKernel(view.body, kernel.get())) {
        return wire::WireError::kBadValue;
      }
      kernels.push_back(std::move(kernel));
    }
    return rest.empty() ? wire::WireError::kNone : wire::WireError::kTrailing;
  });
}

// ---- what is in it

wire::Handle LoadedModule::FunctionOf(size_t kernel) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (kernel >= functions_.size()) {
    return 0;  // another thread has unloaded it in the meantime
  }
  wire::Handle& function = functions_[kernel];
  if (function == 0) {
    function = session_.objects().functions.Mint(
        Function{.kernel = kernels_[kernel], .module = handle_, .library = context_ == 0});
    session_.Post(context_, wire::KernelBind{.module = handle_,
                                             .function = function,
                                             .index = static_cast<uint32_t>(kernel)});
  }
  return function;
}

CUresult LoadedModule::FindFunction(const char* name, wire::Handle* function) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    return CUDA_ERROR_NOT_FOUND;
  }
  *function = FunctionOf(found->second);
  return *function != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult LoadedModule::FindGlobal(
    wire::Handle context, int32_t device, const char* name, uint64_t* address, uint64_t* bytes) {
  if (strnlen(name, kNameBytesMax) == kNameBytesMax) {
    return CUDA_ERROR_NOT_FOUND;
  }
  // Asked for before there is a context, they are the first primary context's.
  const wire::Handle owner =
      context != 0 ? context : session_.primary_context(session_.first_device());
  const auto find = [&] {
    const auto known = std::find_if(globals_.begin(), globals_.end(), [&](const Global& global) {
      return global.context == owner && global.name == name;
    });
    if (known != globals_.end()) {
      *address = known->address;
      *bytes = known->bytes;
    }
    return known != globals_.end();
  };
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (find()) {
      return CUDA_SUCCESS;
    }
  }
  // Asked without the lock, which others want for what is known already. Two who ask the same get
  // the same.
  wire::ImageGlobalReply reply;
  const CUresult result =
      session_.Call(context, wire::ImageGlobal{.module = handle_, .name = name}, &reply);
  if (result == CUDA_SUCCESS && AreSeveralServers() &&
      !Process::Get().servers()->KeepClear(session_,
                                           {.address = reply.address, .bytes = reply.bytes})) {
    LogError("the variable %s lies where the program has memory of another server", name);
    return CUDA_ERROR_MAP_FAILED;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  if (result != CUDA_SUCCESS || find()) {
    return result;
  }
  globals_.push_back({name, owner, device, reply.address, reply.bytes});
  session_.memory(device).AddGlobal({.address = reply.address, .bytes = reply.bytes});
  *address = reply.address;
  *bytes = reply.bytes;
  return CUDA_SUCCESS;
}

// ---- its end

void LoadedModule::ForgetGlobals(wire::Handle context, int32_t device) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(globals_, [&](const Global& global) {
    if (global.context != context) {
      return false;
    }
    session_.memory(device).RemoveGlobal({.address = global.address, .bytes = global.bytes});
    return true;
  });
}

void LoadedModule::HandOverGlobals(wire::Handle from, wire::Handle to) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (Global& global : globals_) {
    global.context = global.context == from ? to : global.context;
  }
}

void LoadedModule::Forget() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const wire::Handle function : functions_) {
    session_.objects().functions.Retire(function);
  }
  functions_.clear();
  for (const Global& global : globals_) {
    session_.memory(global.device).RemoveGlobal({.address = global.address, .bytes = global.bytes});
  }
  globals_.clear();
}

}  // namespace farlane::shim
