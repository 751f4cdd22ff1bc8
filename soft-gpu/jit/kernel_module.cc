// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/kernel_module.h"

#include <cstddef>

#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/raw_ostream.h>

#include "soft-gpu/jit/block_frame.h"
#include "soft-gpu/jit/coroutine.h"
#include "soft-gpu/jit/function_emitter.h"

namespace farlane::soft::jit {
namespace {

using V = llvm::Value*;

llvm::Function* Declare(llvm::Module& module, const std::string& name, size_t pointers) {
  llvm::LLVMContext& context = module.getContext();
  const std::vector<llvm::Type*> types(pointers, llvm::PointerType::get(context, 0));
  llvm::FunctionType* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), types, false);
  llvm::Function* function =
      llvm::Function::Create(type, llvm::Function::InternalLinkage, name, module);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  // A large frame touches each page on its way down, so that none steps over the guard page.
  function->addFnAttr("probe-stack", "inline-asm");
  return function;
}

// Writes the loops over a block's threads, x fastest, each calling `thread_function`.
// Thread: the compiling one.
class BlockLoop {
 public:
  BlockLoop(llvm::Function* function, llvm::Function* thread_function)
      : function_(function), thread_function_(thread_function), ir_(function->getContext()) {}

  void Emit() {
    ir_.SetInsertPoint(llvm::BasicBlock::Create(ir_.getContext(), "", function_));
    frame_ = ir_.CreateAlloca(llvm::ArrayType::get(ir_.getInt8Ty(), sizeof(ThreadFrame)));
    llvm::cast<llvm::AllocaInst>(frame_)->setAlignment(llvm::Align(alignof(ThreadFrame)));
    Store(offsetof(ThreadFrame, local_base), BlockField(offsetof(BlockFrame, local_base), 64));
    Store(offsetof(ThreadFrame, linear), ir_.getInt32(0));
    EmitLoop(2);
    ir_.CreateRetVoid();
  }

 private:
  V Field(V base, size_t offset) { return ir_.CreateConstGEP1_64(ir_.getInt8Ty(), base, offset); }

  V BlockField(size_t offset, unsigned bits) {
    llvm::LoadInst* load = ir_.CreateLoad(ir_.getIntNTy(bits), Field(function_->getArg(0), offset));
    load->setMetadata(llvm::LLVMContext::MD_invariant_load,
                      llvm::MDNode::get(ir_.getContext(), {}));
    return load;
  }

  void Store(size_t offset, V value) { ir_.CreateStore(value, Field(frame_, offset)); }

  void EmitLoop(unsigned dimension) {
    llvm::BasicBlock* before = ir_.GetInsertBlock();
    llvm::BasicBlock* loop = llvm::BasicBlock::Create(ir_.getContext(), "", function_);
    llvm::BasicBlock* after = llvm::BasicBlock::Create(ir_.getContext(), "", function_);
    V count = BlockField(offsetof(BlockFrame, ntid) + 4 * dimension, 32);
    ir_.CreateBr(loop);
    ir_.SetInsertPoint(loop);
    llvm::PHINode* index = ir_.CreatePHI(ir_.getInt32Ty(), 2);
    index->addIncoming(ir_.getInt32(0), before);
    Store(offsetof(ThreadFrame, tid) + 4 * dimension, index);
    if (dimension > 0) {
      EmitLoop(dimension - 1);
    } else {
      EmitThread();
    }
    V next = ir_.CreateAdd(index, ir_.getInt32(1));
    index->addIncoming(next, ir_.GetInsertBlock());
    ir_.CreateCondBr(ir_.CreateICmpULT(next, count), loop, after);
    ir_.SetInsertPoint(after);
  }

  void EmitThread() {
    Store(offsetof(ThreadFrame, local_top), ir_.getInt64(0));
    ir_.CreateCall(thread_function_, {function_->getArg(0), frame_});
    V linear = Field(frame_, offsetof(ThreadFrame, linear));
    V next = ir_.CreateAdd(ir_.CreateLoad(ir_.getInt32Ty(), linear), ir_.getInt32(1));
    ir_.CreateStore(next, linear);
  }

  llvm::Function* function_;
  llvm::Function* thread_function_;
  llvm::IRBuilder<> ir_;
  V frame_ = nullptr;
};

Status EmitFunctions(const KernelSource& source, EmitterModule& emitters) {
  const ptx::Module& ast = *source.module;
  size_t number = 0;
  for (const SourceFunction& function : source.functions) {
    const ptx::Function& declared = ast.functions[function.index];
    const size_t parameters =
        declared.is_entry ? 0 : declared.parameters.size() + declared.return_parameters.size();
    emitters.functions[function.index] =
        Declare(emitters.module, "function" + std::to_string(number++), 2 + parameters);
  }
  for (const SourceFunction& function : source.functions) {
    llvm::Function* target = emitters.functions[function.index];
    FARLANE_TRY(FunctionEmitter(emitters, function, target).Emit());
  }
  return Status::Ok();
}

Status Verify(llvm::Module& module) {
  std::string complaint;
  llvm::raw_string_ostream stream(complaint);
  if (llvm::verifyModule(module, &stream)) {
    return {StatusCode::kUnsupported, "the kernel makes no valid code: " + stream.str()};
  }
  return Status::Ok();
}

}  // namespace

Result<KernelModule> BuildKernelModule(const KernelSource& source,
                                       const std::string& name,
                                       llvm::TargetMachine& machine,
                                       const AccessRules& rules,
                                       Waiting waiting) {
  KernelModule kernel;
  kernel.context = std::make_unique<llvm::LLVMContext>();
  kernel.module = std::make_unique<llvm::Module>(name, *kernel.context);
  kernel.module->setDataLayout(machine.createDataLayout());
  kernel.module->setTargetTriple(machine.getTargetTriple().str());
  EmitterModule emitters{source, *kernel.module, {}, rules.check, rules.has_rights};
  FARLANE_TRY(EmitFunctions(source, emitters));
  llvm::Function* thread_function = emitters.functions[source.entry];
  llvm::Function* entry = thread_function;
  if (!source.suspends) {
    entry = Declare(*kernel.module, name, 1);
    thread_function->addFnAttr(llvm::Attribute::AlwaysInline);
    BlockLoop(entry, thread_function).Emit();
  }
  // Recursion and alloca take from a stack of a size that the program chooses.
  if (source.suspends && waiting == Waiting::kAsCoroutines && !source.layout.needs_stack) {
    llvm::Function* const coroutine = MakeCoroutineOrNull(*kernel.module, *entry, name);
    kernel.is_coroutine = coroutine != nullptr;
    entry = kernel.is_coroutine ? coroutine : entry;
  }
  entry->setName(name);
  entry->setLinkage(llvm::Function::ExternalLinkage);
  FARLANE_TRY(Verify(*kernel.module));
  return kernel;
}

void Optimise(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  // Every access may end in a fault, so no loop of a kernel can be vectorised; looking costs time.
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerPeepholeEPCallback(
      [](llvm::FunctionPassManager& passes, auto) { passes.addPass(CoroutineFramePass()); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
  FreeCoroutines(module);
}

}  // namespace farlane::soft::jit
