// SPDX-License-Identifier: Apache-2.0
// Calls: of functions by name, through pointers, and of the runtime's functions that programs know
// by name. A function's address only tells it from others, so a call through a pointer is a choice
// among the functions that the pointer may hold, and of nothing else.
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {
namespace {

using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Type;
using V = llvm::Value*;

// A slot in the function's first block, where LLVM can turn it into a value.
llvm::AllocaInst* TemporarySlot(FunctionEmitter& e, uint64_t bytes) {
  llvm::BasicBlock& first = e.ir().GetInsertBlock()->getParent()->getEntryBlock();
  llvm::IRBuilder<> at_start(&first, first.begin());
  llvm::AllocaInst* slot = at_start.CreateAlloca(llvm::ArrayType::get(at_start.getInt8Ty(), bytes));
  slot->setAlignment(llvm::Align(16));
  return slot;
}

// The memory in which a call's argument is handed over.
V ArgumentSlot(FunctionEmitter& e, const Operand& operand, const ptx::Variable& parameter) {
  if (V slot = e.ParameterSlotOrNull(operand)) {
    return e.VariableOrNull(operand)->SizeOf() < parameter.SizeOf()
               ? e.Refuse("an argument smaller than its parameter")
               : slot;
  }
  V value = e.Read(operand, parameter.type);
  if (e.refused()) {
    return value;
  }
  llvm::AllocaInst* slot = TemporarySlot(e, ptx::BytesOf(parameter.type));
  e.ir().CreateStore(e.ToBits(value), slot);
  return slot;
}

V ResultSlot(FunctionEmitter& e, const Operand& operand, const ptx::Variable& result) {
  if (V slot = e.ParameterSlotOrNull(operand)) {
    return e.VariableOrNull(operand)->SizeOf() < result.SizeOf()
               ? e.Refuse("a result larger than its place")
               : slot;
  }
  return TemporarySlot(e, std::max(ptx::BytesOf(result.type), 1u));
}

// A function of the runtime that programs know by name.
struct KnownFunction {
  std::string_view name;
  const char* runtime;
  unsigned arguments;
  bool returns;
};

constexpr KnownFunction kKnownFunctions[] = {
    {"vprintf", kPrintFunction, 2, true},
    {"__assertfail", kAssertFunction, 5, false},
    {"malloc", kMallocFunction, 1, true},
    {"free", kFreeFunction, 1, false},
    {"cudaGraphSetConditional", kConditionFunction, 2, false},
};

void CallKnown(FunctionEmitter& e,
               const KnownFunction& known,
               const ptx::Function& callee,
               const std::vector<V>& results,
               const std::vector<V>& arguments) {
  if (arguments.size() != known.arguments || results.size() != (known.returns ? 1 : 0)) {
    e.Refuse("a call of " + std::string(known.name) + " with other arguments than it has");
    return;
  }
  llvm::Type* i64 = e.ir().getInt64Ty();
  std::vector<V> values = {e.block(), e.ThreadField(offsetof(ThreadFrame, linear), 32)};
  for (size_t i = 0; i < arguments.size(); ++i) {
    llvm::Type* type = e.IntType(callee.parameters[i].SizeOf() * 8);
    values.push_back(e.ir().CreateZExt(e.ir().CreateLoad(type, arguments[i]), i64));
  }
  V result = e.CallRuntime(known.runtime, known.returns ? i64 : e.ir().getVoidTy(), values);
  if (known.returns) {
    llvm::Type* type = e.IntType(callee.return_parameters[0].SizeOf() * 8);
    e.ir().CreateStore(e.ir().CreateTrunc(result, type), results[0]);
  }
}

// The slots of a call's tuple of operands, null values if they do not fit the declaration.
std::vector<V> Slots(FunctionEmitter& e,
                     const Operand& tuple,
                     const std::vector<ptx::Variable>& declared,
                     V (*slot)(FunctionEmitter&, const Operand&, const ptx::Variable&)) {
  std::vector<V> slots;
  if (tuple.children.size() != declared.size()) {
    e.Refuse("a call with another number of arguments than declared");
    return slots;
  }
  for (size_t i = 0; i < declared.size() && !e.refused(); ++i) {
    slots.push_back(slot(e, tuple.children[i], declared[i]));
  }
  return slots;
}

// Results that live in registers are read from their slots.
void TakeResults(FunctionEmitter& e,
                 const Operand& tuple,
                 const std::vector<ptx::Variable>& declared,
                 const std::vector<V>& results) {
  for (size_t i = 0; i < results.size(); ++i) {
    const Operand& operand = tuple.children[i];
    if (operand.kind == OperandKind::kRegister) {
      const Type type = declared[i].type;
      V value = e.ir().CreateLoad(e.IntType(ptx::BitsOf(type)), results[i]);
      e.Write(operand, value, type);
    }
  }
}

// Calls the functions of the module with the values a call has.
// Thread: the compiling one.
class Caller {
 public:
  Caller(FunctionEmitter& emitter, const std::vector<V>& results, const std::vector<V>& arguments)
      : e_(emitter) {
    values_ = {e_.block(), e_.thread()};
    values_.insert(values_.end(), results.begin(), results.end());
    values_.insert(values_.end(), arguments.begin(), arguments.end());
  }

  // False if this kernel has no such function.
  bool Call(uint32_t function) {
    const auto& functions = e_.module().functions;
    const auto found = functions.find(e_.module().source.module->DefinitionOf(function));
    if (found == functions.end()) {
      return false;
    }
    e_.ir().CreateCall(found->second, values_);
    return true;
  }

  void CallThrough(V pointer, std::span<const uint32_t> targets) {
    llvm::IRBuilder<>& ir = e_.ir();
    V offset = ir.CreateSub(pointer, e_.BlockField(offsetof(BlockFrame, functions_base), 64));
    llvm::BasicBlock* none = e_.NewBlock();
    llvm::BasicBlock* after = e_.NewBlock();
    llvm::SwitchInst* choice = ir.CreateSwitch(offset, none, targets.size());
    for (const uint32_t target : targets) {
      llvm::BasicBlock* called = e_.NewBlock();
      choice->addCase(
          llvm::cast<llvm::ConstantInt>(e_.Int(64, uint64_t{target} * kFunctionStrideBytes)),
          called);
      ir.SetInsertPoint(called);
      Call(target);
      ir.CreateBr(after);
    }
    ir.SetInsertPoint(none);
    e_.FaultUnless(ir.getFalse(), pointer, static_cast<uint32_t>(FaultCause::kFunction));
    ir.CreateBr(after);
    ir.SetInsertPoint(after);
  }

 private:
  FunctionEmitter& e_;
  std::vector<V> values_;
};

void CallByName(FunctionEmitter& e,
                uint32_t function,
                const std::vector<V>& results,
                const std::vector<V>& arguments) {
  if (Caller(e, results, arguments).Call(function)) {
    return;
  }
  const ptx::Function& callee = e.module().source.module->functions[function];
  for (const KnownFunction& known : kKnownFunctions) {
    if (known.name == callee.name) {
      CallKnown(e, known, callee, results, arguments);
      return;
    }
  }
  e.Refuse("a call of " + std::string(callee.name) + ", which this module does not define");
}

void Call(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  const ptx::CallShape shape = ptx::ShapeOfCall(*e.module().source.module, e.body(), instruction);
  if (shape.results == nullptr) {
    e.Refuse("a call through a pointer without a prototype");
    return;
  }
  const std::vector<V> results = Slots(e, operands[0], *shape.results, ResultSlot);
  const std::vector<V> arguments = Slots(e, operands[2], *shape.parameters, ArgumentSlot);
  if (e.refused()) {
    return;
  }
  if (operands[1].ref == ptx::Ref::kFunction) {
    CallByName(e, operands[1].id, results, arguments);
  } else {
    V pointer = e.Read(operands[1], Type::kU64);
    Caller(e, results, arguments).CallThrough(pointer, e.TargetsOf(instruction));
  }
  if (!e.refused()) {
    TakeResults(e, operands[0], *shape.results, results);
  }
}

constexpr EmitterRow kRows[] = {{Opcode::kCall, Call}};

}  // namespace

std::span<const EmitterRow> CallRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
