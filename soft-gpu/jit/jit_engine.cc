// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/jit_engine.h"

#include <string>

#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/Orc/CompileUtils.h>
#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/Support/TargetSelect.h>

#include "protocol/base/guarded.h"
#include "soft-gpu/jit/approximate.h"
#include "soft-gpu/jit/bit_search.h"
#include "soft-gpu/jit/code_range_plugin.h"
#include "soft-gpu/jit/coroutine.h"
#include "soft-gpu/jit/kernel_module.h"
#include "soft-gpu/jit/mbarrier.h"
#include "soft-gpu/jit/narrow.h"
#include "soft-gpu/jit/rounding.h"

namespace farlane::soft::jit {
namespace {

// The same in every object, so that equal kernels make equal objects.
constexpr const char* kEntryName = "kernel";

// A thread that keeps more than this is as well off with a stack.
constexpr uint64_t kFrameBytesMax = uint64_t{32} << 10;

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

// What a kernel becomes depends on its code before optimisation, on the processor it is made for
// and on who makes it. The code says everything of ours: layouts, runtime functions, checks.
Sha256Digest KeyOf(const llvm::Module& module, const llvm::TargetMachine& machine) {
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  stream << "O2 LLVM " LLVM_VERSION_STRING " " << machine.getTargetTriple().str() << ' '
         << machine.getTargetCPU() << ' ' << machine.getTargetFeatureString() << '\n';
  llvm::WriteBitcodeToFile(module, stream);
  return Sha256(std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace

// Thread: any; `machine` guards the whole of a compilation.
struct JitEngine::Machinery {
  EngineOptions options;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  CodeRange loaded;  // of the object that was loaded last
  uint64_t kernels_count = 0;
  Guarded<std::unique_ptr<llvm::TargetMachine>> machine;

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
         {functions, RoundingFunctions(), ApproximateFunctions(), NarrowFunctions(), BitFunctions(),
          MbarrierFunctions()}) {
      if (llvm::Error error = Define(some)) {
        return error;
      }
    }
    return AllowProcessSymbols(*jit);
  }

  // The entry of an object, which gets a name space of its own.
  Result<void*> Load(std::unique_ptr<llvm::MemoryBuffer> object) {
    loaded = {};
    auto library = jit->createJITDylib("kernel" + std::to_string(kernels_count++));
    if (!library) {
      return ToStatus(library.takeError(), "making room for a kernel");
    }
    library->addToLinkOrder(jit->getMainJITDylib());
    if (llvm::Error error = jit->addObjectFile(*library, std::move(object))) {
      return ToStatus(std::move(error), "adding a kernel");
    }
    auto entry = jit->lookup(*library, kEntryName);
    if (!entry) {
      return ToStatus(entry.takeError(), "loading a kernel");
    }
    return entry->toPtr<void*>();
  }

  // Null if there is none in the store, or none that can be loaded.
  void* LoadKeptOrNull(const Sha256Digest& key) {
    const auto kept = options.store_or_null->Find(key);
    if (!kept) {
      return nullptr;
    }
    const Result<void*> entry = Load(llvm::MemoryBuffer::getMemBufferCopy(
        {reinterpret_cast<const char*>(kept->data()), kept->size()}, kEntryName));
    return entry.ok() ? *entry : nullptr;
  }

  Result<void*> CompileNew(KernelModule kernel,
                           llvm::TargetMachine& target,
                           const Sha256Digest& key) {
    Optimise(*kernel.module, target);
    auto object = llvm::orc::SimpleCompiler(target)(*kernel.module);
    if (!object) {
      return ToStatus(object.takeError(), "generating a kernel's code");
    }
    if (options.store_or_null != nullptr) {
      options.store_or_null->Keep(
          key, std::as_bytes(std::span((*object)->getBufferStart(), (*object)->getBufferSize())));
    }
    return Load(std::move(*object));
  }

  Result<Routine> Compile(const KernelSource& source, llvm::TargetMachine& target) {
    const Waiting wished = options.fibers_only ? Waiting::kOnFibers : Waiting::kAsCoroutines;
    FARLANE_ASSIGN(const Routine routine, CompileAs(wished, source, target));
    return routine.frame_bytes > kFrameBytesMax ? CompileAs(Waiting::kOnFibers, source, target)
                                                : routine;
  }

  Result<Routine> CompileAs(Waiting waiting,
                            const KernelSource& source,
                            llvm::TargetMachine& target) {
    FARLANE_ASSIGN(KernelModule kernel,
                   BuildKernelModule(source, kEntryName, target,
                                     {options.check, options.has_rights}, waiting));
    const bool is_coroutine = kernel.is_coroutine;
    Sha256Digest key{};
    void* entry = nullptr;
    if (options.store_or_null != nullptr) {
      key = KeyOf(*kernel.module, target);
      entry = LoadKeptOrNull(key);
    }
    Routine routine;
    routine.was_kept = entry != nullptr;
    if (entry == nullptr) {
      FARLANE_ASSIGN(entry, CompileNew(std::move(kernel), target, key));
    }
    routine.code = loaded;
    if (routine.code.begin == routine.code.end) {
      return Status(StatusCode::kInternal, "a kernel's code was not found once it was loaded");
    }
    if (is_coroutine) {
      routine.start_thread = reinterpret_cast<Routine::StartThread>(entry);
      const FrameNeed need = FrameNeed::Unpack(routine.start_thread(nullptr, nullptr, nullptr));
      routine.frame_bytes = need.bytes;
      routine.frame_align_bytes = need.align_bytes;
    } else if (source.suspends) {
      routine.run_thread = reinterpret_cast<Routine::RunThread>(entry);
    } else {
      routine.run_block = reinterpret_cast<Routine::RunBlock>(entry);
    }
    return routine;
  }
};

JitEngine::JitEngine(std::unique_ptr<Machinery> machinery) : machinery_(std::move(machinery)) {}

JitEngine::~JitEngine() = default;

Result<std::unique_ptr<JitEngine>> JitEngine::Create(std::span<const RuntimeFunction> functions,
                                                     const EngineOptions& options) {
  PrepareLlvmOnce();
  auto host = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!host) {
    return ToStatus(host.takeError(), "asking LLVM about this CPU");
  }
  // What is called lies anywhere; the loader writes the bridges to it.
  host->setCodeModel(llvm::CodeModel::Small);
  host->setRelocationModel(llvm::Reloc::PIC_);
  auto machinery = std::make_unique<Machinery>();
  machinery->options = options;
  auto target = host->createTargetMachine();
  if (!target) {
    return ToStatus(target.takeError(), "creating a code generator");
  }
  machinery->machine.With([&](auto& machine) { machine = std::move(*target); });
  llvm::orc::LLJITBuilder builder;
  builder.setJITTargetMachineBuilder(std::move(*host));
  // Kernels have no static constructors, which is what the usual platform is for.
  builder.setPlatformSetUp(llvm::orc::setUpInactivePlatform);
  builder.setObjectLinkingLayerCreator(
      [code = &machinery->loaded](
          llvm::orc::ExecutionSession& session,
          const llvm::Triple&) -> llvm::Expected<std::unique_ptr<llvm::orc::ObjectLayer>> {
        auto layer = std::make_unique<llvm::orc::ObjectLinkingLayer>(session);
        layer->addPlugin(MakeCodeRangePlugin(code));
        return layer;
      });
  auto jit = builder.create();
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
  // The whole work is done under the lock: a target machine serves one compilation at a time.
  return machinery_->machine.With(
      [&](auto& machine) { return machinery_->Compile(source, *machine); });
}

}  // namespace farlane::soft::jit
