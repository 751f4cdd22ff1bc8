// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/coroutine.h"

#include <algorithm>
#include <cstddef>
#include <unordered_map>
#include <vector>

#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include "soft-gpu/jit/block_frame.h"
#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {
namespace {

using V = llvm::Value*;

// Of LLVM's instructions before it has looked at them, some five for each of PTX.
constexpr uint64_t kInstructionsMax = 200'000;

// How LLVM calls the part of a coroutine that runs from one wait to the next.
constexpr const char* kGoesOnSuffix = ".resume";

// Says of a coroutine that its frame holds nothing that has an address.
constexpr const char* kOnlyValues = "farlane-only-values";

// Of a coroutine that is resumed LLVM says 0, of one that is to be destroyed 1.
constexpr uint8_t kNoSuchState = 2;

// What a thread calls to wait, and what it calls instead if it can leave by returning.
struct Wait {
  const char* waits;
  const char* arrives;
};

constexpr Wait kWaits[] = {
    {kBarrierFunction, kArriveBarrierFunction},
    {kWarpFunction, kArriveWarpFunction},
    {kConvergeFunction, kArriveConvergeFunction},
    {kYieldFunction, kArriveYieldFunction},
};

std::vector<llvm::CallInst*> CallsOf(const llvm::Function& function) {
  std::vector<llvm::CallInst*> calls;
  for (llvm::User* const user : const_cast<llvm::Function&>(function).users()) {
    if (auto* const call = llvm::dyn_cast<llvm::CallInst>(user)) {
      calls.push_back(call);
    }
  }
  return calls;
}

std::vector<llvm::CallInst*> CallsOf(const llvm::Module& module, const char* name) {
  const llvm::Function* const function = module.getFunction(name);
  return function == nullptr ? std::vector<llvm::CallInst*>() : CallsOf(*function);
}

// The functions of a kernel in which a thread may wait, callees first.
// Thread: the compiling one.
class WaitingFunctions {
 public:
  explicit WaitingFunctions(const llvm::Module& module) {
    for (const Wait& wait : kWaits) {
      AddCallers(CallsOf(module, wait.waits));
    }
    AddCallers(CallsOf(module, kExitFunction));
    for (size_t known = 0; known < found_.size(); ++known) {
      AddCallers(CallsOf(*found_[known]));
    }
    Sort();
  }

  // Whether one of them is reached from itself.
  bool HasCycle() const { return sorted_.size() != found_.size(); }

  // How many instructions the function has once those it calls are in it.
  uint64_t SizeOf(llvm::Function& function) const {
    const auto found = info_.find(&function);
    return found == info_.end() ? function.getInstructionCount() : found->second.size;
  }

  const std::vector<llvm::Function*>& sorted() const { return sorted_; }

 private:
  struct Info {
    uint64_t size = 0;
    uint32_t calls_left = 0;  // of functions among these that are not yet sorted
  };

  void AddCallers(const std::vector<llvm::CallInst*>& calls) {
    for (llvm::CallInst* const call : calls) {
      llvm::Function* const caller = call->getFunction();
      if (info_.try_emplace(caller, Info{caller->getInstructionCount()}).second) {
        found_.push_back(caller);
      }
    }
  }

  void Sort() {
    for (llvm::Function* const function : found_) {
      for (llvm::CallInst* const call : CallsOf(*function)) {
        info_[call->getFunction()].calls_left += 1;
      }
    }
    for (llvm::Function* const function : found_) {
      if (info_[function].calls_left == 0) {
        sorted_.push_back(function);
      }
    }
    for (size_t i = 0; i < sorted_.size(); ++i) {
      for (llvm::CallInst* const call : CallsOf(*sorted_[i])) {
        Info& caller = info_[call->getFunction()];
        caller.size = std::min(caller.size + info_[sorted_[i]].size, kInstructionsMax + 1);
        caller.calls_left -= 1;
        if (caller.calls_left == 0) {
          sorted_.push_back(call->getFunction());
        }
      }
    }
  }

  std::vector<llvm::Function*> found_;
  std::vector<llvm::Function*> sorted_;
  std::unordered_map<llvm::Function*, Info> info_;
};

// Writes the coroutine around a body that is then put into it.
// Thread: the compiling one.
class CoroutineWriter {
 public:
  CoroutineWriter(llvm::Module& module, const std::string& name)
      : module_(module), ir_(module.getContext()) {
    llvm::Type* const pointer = ir_.getPtrTy();
    llvm::FunctionType* const type =
        llvm::FunctionType::get(ir_.getInt64Ty(), {pointer, pointer, pointer}, false);
    function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module);
    function_->addFnAttr(llvm::Attribute::NoUnwind);
    function_->addFnAttr("probe-stack", "inline-asm");
    function_->setPresplitCoroutine();
  }

  llvm::Function* Write(llvm::Function& body, const WaitingFunctions& waiting) {
    WriteOutside(body);
    for (llvm::Function* const function : waiting.sorted()) {
      for (llvm::CallInst* const call : CallsOf(*function)) {
        llvm::InlineFunctionInfo info;
        llvm::InlineFunction(*call, info);
      }
      function->eraseFromParent();
    }
    for (llvm::CallInst* const call : CallsOf(module_, kExitFunction)) {
      EndAt(call);
    }
    for (const Wait& wait : kWaits) {
      for (llvm::CallInst* const call : CallsOf(module_, wait.waits)) {
        SuspendAt(call, wait.arrives);
      }
    }
    return function_;
  }

 private:
  llvm::BasicBlock* NewBlock(const char* name) {
    return llvm::BasicBlock::Create(ir_.getContext(), name, function_);
  }

  V Call(llvm::Intrinsic::ID id, llvm::ArrayRef<V> arguments, llvm::ArrayRef<llvm::Type*> types) {
    return ir_.CreateCall(llvm::Intrinsic::getDeclaration(&module_, id, types), arguments);
  }

  // Everything but the thread's own work.
  void WriteOutside(llvm::Function& body) {
    llvm::BasicBlock* const entry = NewBlock("entry");
    llvm::BasicBlock* const tell = NewBlock("tell");
    llvm::BasicBlock* const begin = NewBlock("begin");
    ended_ = NewBlock("ended");
    out_ = NewBlock("out");
    V null = llvm::ConstantPointerNull::get(ir_.getPtrTy());
    V none = llvm::ConstantTokenNone::get(ir_.getContext());
    V frame = function_->getArg(2);
    ir_.SetInsertPoint(entry);
    V id = Call(llvm::Intrinsic::coro_id, {ir_.getInt32(kFrameAlignBytes), null, null, null}, {});
    ir_.CreateCondBr(ir_.CreateICmpEQ(frame, null), tell, begin);
    ir_.SetInsertPoint(tell);
    V size = Call(llvm::Intrinsic::coro_size, {}, {ir_.getInt64Ty()});
    V align = Call(llvm::Intrinsic::coro_align, {}, {ir_.getInt64Ty()});
    ir_.CreateRet(ir_.CreateOr(ir_.CreateShl(align, FrameNeed::kAlignShift), size));
    ir_.SetInsertPoint(begin);
    V handle = Call(llvm::Intrinsic::coro_begin, {id, frame}, {});
    ir_.CreateCall(&body, {function_->getArg(0), function_->getArg(1)});
    ir_.CreateBr(ended_);
    ir_.SetInsertPoint(ended_);
    V block = function_->getArg(0);
    ir_.CreateCall(
        module_.getOrInsertFunction(
            kEndFunction, llvm::FunctionType::get(ir_.getVoidTy(), {block->getType()}, false)),
        {block});
    ir_.CreateBr(out_);
    ir_.SetInsertPoint(out_);
    Call(llvm::Intrinsic::coro_end, {handle, ir_.getFalse(), none}, {});
    // Given back, because LLVM takes a frame that nobody else hears of for a local variable.
    ir_.CreateRet(ir_.CreatePtrToInt(handle, ir_.getInt64Ty()));
  }

  // The thread ends here instead of never coming back from there.
  void EndAt(llvm::CallInst* call) {
    llvm::BasicBlock* const before = call->getParent();
    before->splitBasicBlock(call->getIterator());
    before->getTerminator()->setSuccessor(0, ended_);
    call->eraseFromParent();
  }

  void SuspendAt(llvm::CallInst* call, const char* arrives) {
    llvm::BasicBlock* const before = call->getParent();
    llvm::BasicBlock* const after = before->splitBasicBlock(call->getIterator());
    before->getTerminator()->eraseFromParent();
    ir_.SetInsertPoint(before);
    std::vector<V> arguments(call->arg_begin(), call->arg_end());
    arguments.insert(arguments.begin(), function_->getArg(0));
    std::vector<llvm::Type*> types;
    for (V argument : arguments) {
      types.push_back(argument->getType());
    }
    ir_.CreateCall(module_.getOrInsertFunction(
                       arrives, llvm::FunctionType::get(ir_.getVoidTy(), types, false)),
                   arguments);
    V state = Call(llvm::Intrinsic::coro_suspend,
                   {llvm::ConstantTokenNone::get(ir_.getContext()), ir_.getFalse()}, {});
    llvm::SwitchInst* const choice = ir_.CreateSwitch(state, out_, 2);
    choice->addCase(ir_.getInt8(0), after);
    choice->addCase(ir_.getInt8(kNoSuchState), WayTo(after));
    if (!call->use_empty()) {
      ir_.SetInsertPoint(call);
      call->replaceAllUsesWith(Result(call->getType()));
    }
    call->eraseFromParent();
  }

  // A block that goes on to `after` and that LLVM does not take away. With one way to a block it
  // moves work there that only that block wants: a sum would be made after the wait, and all its
  // terms kept in the frame.
  llvm::BasicBlock* WayTo(llvm::BasicBlock* after) {
    llvm::BasicBlock* const way = NewBlock("never");
    const llvm::IRBuilderBase::InsertPointGuard here(ir_);
    ir_.SetInsertPoint(way);
    Call(llvm::Intrinsic::sideeffect, {}, {});
    ir_.CreateBr(after);
    return way;
  }

  // What the thread waited for has left for it.
  V Result(llvm::Type* type) {
    V results = Field(ir_.getPtrTy(), function_->getArg(0), offsetof(BlockFrame, results));
    V linear = Field(ir_.getInt32Ty(), function_->getArg(1), offsetof(ThreadFrame, linear));
    V place = ir_.CreateGEP(ir_.getInt64Ty(), results, ir_.CreateZExt(linear, ir_.getInt64Ty()));
    return ir_.CreateTrunc(ir_.CreateLoad(ir_.getInt64Ty(), place), type);
  }

  V Field(llvm::Type* type, V base, size_t offset) {
    return ir_.CreateLoad(type, ir_.CreateConstGEP1_64(ir_.getInt8Ty(), base, offset));
  }

  llvm::Module& module_;
  llvm::IRBuilder<> ir_;
  llvm::Function* function_ = nullptr;
  llvm::BasicBlock* ended_ = nullptr;
  llvm::BasicBlock* out_ = nullptr;
};

bool HasVariables(const llvm::Function& function) {
  return std::any_of(llvm::inst_begin(function), llvm::inst_end(function),
                     [](const llvm::Instruction& one) { return llvm::isa<llvm::AllocaInst>(one); });
}

}  // namespace

llvm::Function* MakeCoroutineOrNull(llvm::Module& module,
                                    llvm::Function& body,
                                    const std::string& name) {
  const WaitingFunctions waiting(module);
  if (waiting.HasCycle() || waiting.SizeOf(body) > kInstructionsMax) {
    return nullptr;
  }
  return CoroutineWriter(module, name).Write(body, waiting);
}

llvm::PreservedAnalyses CoroutineFramePass::run(llvm::Function& function,
                                                llvm::FunctionAnalysisManager&) {
  if (function.isPresplitCoroutine()) {
    if (HasVariables(function)) {
      function.removeFnAttr(kOnlyValues);
    } else {
      function.addFnAttr(kOnlyValues);  // which the pieces inherit
    }
    return llvm::PreservedAnalyses::all();
  }
  if (!function.getName().ends_with(kGoesOnSuffix) || !function.hasFnAttribute(kOnlyValues) ||
      function.hasParamAttribute(0, llvm::Attribute::NoAlias)) {
    return llvm::PreservedAnalyses::all();
  }
  function.addParamAttr(0, llvm::Attribute::NoAlias);
  return llvm::PreservedAnalyses::none();
}

void FreeCoroutines(llvm::Module& module) {
  for (llvm::Function& function : module) {
    // Nobody in the module calls what its address is taken of: it is only put into frames.
    if (function.getCallingConv() == llvm::CallingConv::Fast && function.hasAddressTaken()) {
      function.setCallingConv(llvm::CallingConv::C);
    }
  }
}

}  // namespace farlane::soft::jit
