// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/jit_engine.h"

#include <atomic>
#include <string>

#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/TargetSelect.h>

#include "protocol/base/guarded.h"
#include "soft-gpu/jit/approximate.h"
#include "soft-gpu/jit/kernel_module.h"
#include "soft-gpu/jit/rounding.h"

namespace farlane::soft::jit {
namespace {

Status ToStatus(llvm::Error error, const std::string& doing) {
  return {StatusCode::kInternal, doing + ": " + llvm::toString(std::move(error))};
}

void PrepareLlvmOnce() {
  static const bool prepared = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  static_cast<void>(prepared);
}

// What LLVM calls for by itself: a block copy or fill it recognised, and f32 remainders and the
// like.
llvm::Error AllowProcessSymbols(llvm::orc::LLJIT& jit) {
  auto generator = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      jit.getDataLayout().getGlobalPrefix());
  if (!generator) {
    return generator.takeError();
  }
  jit.getMainJITDylib().addGenerator(std::move(*generator));
  return llvm::Error::success();
}

}  // namespace

// Thread: any; `compiling` guards the target machine.
struct JitEngine::Machinery {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  Guarded<std::unique_ptr<llvm::TargetMachine>> compiling;
  std::atomic<uint64_t> kernels_count{0};

  llvm::Error Define(std::span<const RuntimeFunction> functions) {
    llvm::orc::SymbolMap symbols;
    for (const RuntimeFunction& function : functions) {
      symbols[jit->mangleAndIntern(function.name)] = llvm::orc::ExecutorSymbolDef(
          llvm::orc::ExecutorAddr::fromPtr(function.address), llvm::JITSymbolFlags::Exported);
    }
    return jit->getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(symbols)));
  }

  llvm::Error DefineAll(std::span<const RuntimeFunction> functions) {
    for (const std::span<const RuntimeFunction> some :
         {functions, RoundingFunctions(), ApproximateFunctions()}) {
      if (llvm::Error error = Define(some)) {
        return error;
      }
    }
    return AllowProcessSymbols(*jit);
  }

  Result<void*> Find(const std::string& name) {
    auto found = jit->lookup(name);
    if (!found) {
      return ToStatus(found.takeError(), "looking up " + name);
    }
    return found->toPtr<void*>();
  }
};

JitEngine::JitEngine(std::unique_ptr<Machinery> machinery) : machinery_(std::move(machinery)) {}

JitEngine::~JitEngine() = default;

Result<std::unique_ptr<JitEngine>> JitEngine::Create(std::span<const RuntimeFunction> functions) {
  PrepareLlvmOnce();
  auto host = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!host) {
    return ToStatus(host.takeError(), "asking LLVM about this CPU");
  }
  auto machinery = std::make_unique<Machinery>();
  auto target = host->createTargetMachine();
  if (!target) {
    return ToStatus(target.takeError(), "creating a code generator");
  }
  machinery->compiling.With([&](auto& machine) { machine = std::move(*target); });
  auto jit = llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(*host)).create();
  if (!jit) {
    return ToStatus(jit.takeError(), "creating the JIT");
  }
  machinery->jit = std::move(*jit);
  if (llvm::Error error = machinery->DefineAll(functions)) {
    return ToStatus(std::move(error), "defining the runtime's functions");
  }
  return std::unique_ptr<JitEngine>(new JitEngine(std::move(machinery)));
}

Result<Routine> JitEngine::Compile(const KernelSource& source) {
  const std::string name = "kernel" + std::to_string(machinery_->kernels_count.fetch_add(1));
  // The whole work is done under the lock: a target machine serves one compilation at a time.
  return machinery_->compiling.With([&](auto& machine) -> Result<Routine> {
    FARLANE_ASSIGN(KernelModule kernel, BuildKernelModule(source, name, *machine));
    llvm::orc::ThreadSafeModule module(std::move(kernel.module), std::move(kernel.context));
    if (llvm::Error error = machinery_->jit->addIRModule(std::move(module))) {
      return ToStatus(std::move(error), "adding a kernel");
    }
    FARLANE_ASSIGN(void* const entry, machinery_->Find(name));
    Routine routine;
    if (source.suspends) {
      routine.run_thread = reinterpret_cast<Routine::RunThread>(entry);
    } else {
      routine.run_block = reinterpret_cast<Routine::RunBlock>(entry);
    }
    return routine;
  });
}

}  // namespace farlane::soft::jit
