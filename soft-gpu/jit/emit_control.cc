// SPDX-License-Identifier: Apache-2.0
// Branches, calls and the ways a thread ends.
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {
namespace {

using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Type;
using V = llvm::Value*;

// What follows a terminator can only be reached by a label.
void StartNewBlock(FunctionEmitter& e) {
  e.ir().SetInsertPoint(e.NewBlock());
}

// A block that lets other threads run and goes on to `target`.
llvm::BasicBlock* YieldTo(FunctionEmitter& e, llvm::BasicBlock* target) {
  const llvm::IRBuilderBase::InsertPoint here = e.ir().saveIP();
  llvm::BasicBlock* yielding = e.NewBlock();
  e.ir().SetInsertPoint(yielding);
  e.CallRuntime(kYieldFunction, e.ir().getVoidTy(), {});
  e.ir().CreateBr(target);
  e.ir().restoreIP(here);
  return yielding;
}

void Bra(FunctionEmitter& e, const ptx::Instruction& instruction) {
  llvm::BasicBlock* target = e.BlockOf(instruction.operands[0].id);
  if (e.IsSpin(instruction)) {
    target = YieldTo(e, target);
  }
  if (instruction.predicate == ptx::kNoIndex) {
    e.ir().CreateBr(target);
    StartNewBlock(e);
    return;
  }
  Operand condition;
  condition.kind = OperandKind::kRegister;
  condition.ref = ptx::Ref::kRegister;
  condition.id = instruction.predicate;
  V taken = e.Read(condition, Type::kPred);
  llvm::BasicBlock* next = e.NewBlock();
  if (instruction.predicate_negated) {
    e.ir().CreateCondBr(taken, next, target);
  } else {
    e.ir().CreateCondBr(taken, target, next);
  }
  e.ir().SetInsertPoint(next);
}

void Brx(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V index = e.Read(instruction.operands[0], Type::kU32);
  if (instruction.operands[1].kind != OperandKind::kBranchTable) {
    e.Refuse("a branch without a table");
  }
  if (e.refused()) {
    return;
  }
  const ptx::BranchTable& table = e.body().branch_tables[instruction.operands[1].id];
  llvm::BasicBlock* outside = e.NewBlock();
  llvm::SwitchInst* choice = e.ir().CreateSwitch(index, outside, table.targets.size());
  for (size_t i = 0; i < table.targets.size(); ++i) {
    choice->addCase(llvm::cast<llvm::ConstantInt>(e.Int(32, i)), e.BlockOf(table.targets[i]));
  }
  e.ir().SetInsertPoint(outside);
  e.Fault(static_cast<uint32_t>(FaultCause::kTrap));
}

void Ret(FunctionEmitter& e, const ptx::Instruction&) {
  e.EmitReturn();
  StartNewBlock(e);
}

void Exit(FunctionEmitter& e, const ptx::Instruction&) {
  if (e.is_entry()) {
    e.EmitReturn();
  } else {
    e.CallRuntime(kExitFunction, e.ir().getVoidTy(), {});
    e.ir().CreateUnreachable();
  }
  StartNewBlock(e);
}

void Trap(FunctionEmitter& e, const ptx::Instruction&) {
  e.Fault(static_cast<uint32_t>(FaultCause::kTrap));
}

void Brkpt(FunctionEmitter&, const ptx::Instruction&) {}

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
                 const ptx::Function& callee,
                 const std::vector<V>& results) {
  for (size_t i = 0; i < results.size(); ++i) {
    const Operand& operand = tuple.children[i];
    if (operand.kind == OperandKind::kRegister) {
      const Type type = callee.return_parameters[i].type;
      V value = e.ir().CreateLoad(e.IntType(ptx::BitsOf(type)), results[i]);
      e.Write(operand, value, type);
    }
  }
}

void Call(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const Operand& target = instruction.operands[1];
  if (target.ref != ptx::Ref::kFunction) {
    e.Refuse("a call through a pointer");
    return;
  }
  const std::vector<ptx::Function>& functions = e.module().source.module->functions;
  const ptx::Function& callee = functions[target.id];
  const std::vector<V> results =
      Slots(e, instruction.operands[0], callee.return_parameters, ResultSlot);
  const std::vector<V> arguments =
      Slots(e, instruction.operands[2], callee.parameters, ArgumentSlot);
  if (e.refused()) {
    return;
  }
  if (const auto found = e.module().functions.find(target.id);
      found != e.module().functions.end()) {
    std::vector<V> values = {e.block(), e.thread()};
    values.insert(values.end(), results.begin(), results.end());
    values.insert(values.end(), arguments.begin(), arguments.end());
    e.ir().CreateCall(found->second, values);
    TakeResults(e, instruction.operands[0], callee, results);
    return;
  }
  for (const KnownFunction& known : kKnownFunctions) {
    if (known.name == callee.name) {
      CallKnown(e, known, callee, results, arguments);
      return;
    }
  }
  e.Refuse("a call of " + std::string(callee.name) + ", which this module does not define");
}

constexpr EmitterRow kRows[] = {
    {Opcode::kBra, Bra},   {Opcode::kBrx, Brx},     {Opcode::kRet, Ret},   {Opcode::kExit, Exit},
    {Opcode::kTrap, Trap}, {Opcode::kBrkpt, Brkpt}, {Opcode::kCall, Call},
};

}  // namespace

std::span<const EmitterRow> ControlRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
