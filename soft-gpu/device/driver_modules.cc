// SPDX-License-Identifier: Apache-2.0
// The driver's modules and libraries.
#include "protocol/base/log.h"
#include "soft-gpu/device/driver.h"

namespace farlane::soft {
namespace {

// Whether it is said of the code, and not of what there was room for.
bool IsFinal(CUresult result) {
  return result == CUDA_ERROR_INVALID_PTX || result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION ||
         result == CUDA_ERROR_INVALID_IMAGE || result == CUDA_ERROR_NO_BINARY_FOR_GPU ||
         result == CUDA_ERROR_NOT_SUPPORTED;
}

}  // namespace

void Driver::AddFunctions(const std::shared_ptr<Module>& module,
                          const std::shared_ptr<Library>& library) {
  uint32_t index = 0;
  for (const KernelFacts& facts : module->program().kernels()) {
    auto function = std::make_shared<Function>();
    function->handle = functions_.Mint();
    function->index = index++;
    function->module = module;
    function->name = facts.name;
    if (library != nullptr) {
      function->library = library;
      const std::shared_ptr<Function> kernel = library->Find(facts.name);
      function->settings = kernel != nullptr ? kernel->settings : nullptr;
    }
    if (function->settings == nullptr) {
      function->settings = std::make_shared<Guarded<FunctionSettings>>();
    }
    functions_.Set(function->handle, function);
    module->functions().push_back(std::move(function));
  }
}

void Driver::AddReferences(const std::shared_ptr<Module>& module) {
  for (const ReferenceFacts& facts : module->program().references()) {
    auto reference = std::make_shared<Reference>(references_.Mint(), module->context()->handle(),
                                                 facts.is_surface);
    reference->BelongTo(module, facts.name, facts.variable);
    references_.Set(reference->handle(), reference);
    module->references().push_back(std::move(reference));
  }
}

Outcome Driver::LoadModule(const std::shared_ptr<Context>& context,
                           const CodeImage& code,
                           const std::shared_ptr<Library>& library_or_null,
                           std::shared_ptr<Module>* module) {
  const ProgramPlace place{memory_.get(), context->device(), context->handle(),
                           context->HeapIn(*memory_)};
  LoadedProgram loaded =
      config_.null_mode ? LoadNullProgram(code, place) : LoadJitProgram(code, place);
  if (loaded.outcome.result != CUDA_SUCCESS) {
    LogWarn("soft-gpu: %s", loaded.outcome.problem.c_str());
    return loaded.outcome;
  }
  *module = std::make_shared<Module>(context, std::move(loaded.program),
                                     static_cast<int>(code.index.architecture));
  (*module)->SetHandle(modules_.Mint());
  AddFunctions(*module, library_or_null);
  AddReferences(*module);
  modules_.Set((*module)->handle(), *module);
  return {};
}

std::shared_ptr<Library> Driver::AddLibrary(std::shared_ptr<const CodeImage> code) {
  auto library = std::make_shared<Library>(std::move(code));
  library->SetHandle(libraries_.Mint());
  uint32_t index = 0;
  for (const abi::KernelLayout& layout : library->code().index.kernels) {
    auto kernel = std::make_shared<Function>();
    kernel->handle = functions_.Mint();
    kernel->index = index++;
    kernel->contextless = true;
    kernel->library = library;
    kernel->name = layout.name;
    kernel->settings = std::make_shared<Guarded<FunctionSettings>>();
    functions_.Set(kernel->handle, kernel);
    library->kernels().push_back(std::move(kernel));
  }
  libraries_.Set(library->handle(), library);
  return library;
}

Outcome Driver::ModuleOf(const std::shared_ptr<Library>& library,
                         const std::shared_ptr<Context>& context,
                         std::shared_ptr<Module>* module) {
  // Loaded under the library's lock: whoever else needs it in this context waits for the same load.
  return library->modules().With([&](Library::Modules& modules) -> Outcome {
    const auto known = modules.by_context.find(context->handle());
    if (known != modules.by_context.end()) {
      *module = known->second;
      return {};
    }
    if (modules.refusal.result != CUDA_SUCCESS) {
      return modules.refusal;
    }
    Outcome outcome = LoadModule(context, library->code(), library, module);
    if (outcome.result == CUDA_SUCCESS) {
      modules.by_context[context->handle()] = *module;
    } else if (IsFinal(outcome.result)) {
      modules.refusal = outcome;  // a program may ask for each of thousands of kernels
    }
    return outcome;
  });
}

void Driver::UnloadModule(const std::shared_ptr<Module>& module) {
  for (const std::shared_ptr<Function>& function : module->functions()) {
    static_cast<void>(functions_.Take(function->handle));  // null if another thread was faster
  }
  for (const std::shared_ptr<Reference>& reference : module->references()) {
    static_cast<void>(references_.Take(reference->handle()));
  }
  static_cast<void>(modules_.Take(module->handle()));
}

void Driver::UnloadLibrary(const std::shared_ptr<Library>& library) {
  for (const std::shared_ptr<Function>& kernel : library->kernels()) {
    static_cast<void>(functions_.Take(kernel->handle));
  }
  const auto modules = library->modules().With(
      [](Library::Modules& loaded) { return std::exchange(loaded, Library::Modules()); });
  for (const auto& [context, module] : modules.by_context) {
    UnloadModule(module);
  }
}

}  // namespace farlane::soft
