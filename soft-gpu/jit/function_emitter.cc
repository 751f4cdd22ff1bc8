// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/function_emitter.h"

#include <bit>

#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/lockstep.h"
#include "soft-gpu/jit/runtime_function.h"
#include "soft-gpu/ptx/optable.h"

namespace farlane::soft::jit {

using ptx::OperandKind;
using ptx::Ref;

FunctionEmitter::FunctionEmitter(EmitterModule& module,
                                 const SourceFunction& source,
                                 llvm::Function* function)
    : module_(module),
      source_(source),
      function_ast_(&module.source.module->functions[source.index]),
      function_(function),
      ir_(module.module.getContext()) {}

Status FunctionEmitter::Emit() {
  PrepareEntry();
  if (!module_.check) {
    groups_ = FindAccessGroups(body());
    group_starts_.assign(groups_.groups.size(), nullptr);
  }
  const std::vector<ptx::Instruction>& instructions = body().instructions;
  std::vector<std::vector<ptx::LabelId>> labels_before(instructions.size() + 1);
  for (ptx::LabelId label = 0; label < labels_.size(); ++label) {
    labels_before[body().labels[label].instruction].push_back(label);
  }
  const std::vector<bool> is_turn = FindTurns(body(), ExchangesOf(module_.source));
  for (size_t i = 0; i <= instructions.size(); ++i) {
    for (const ptx::LabelId label : labels_before[i]) {
      ir_.CreateBr(labels_[label]);
      ir_.SetInsertPoint(labels_[label]);
    }
    instruction_ = i;
    if (i < instructions.size()) {
      FARLANE_TRY(ptx::CheckInstruction(*module_.source.module, body(), instructions[i]));
      if (is_turn[i]) {
        // Whatever its predicate says: who skips an access must not get ahead of the others.
        CallRuntime(kYieldFunction, ir_.getVoidTy(), {});
      }
      EmitInstruction(instructions[i]);
      if (refused()) {
        return Refusal(instructions[i]);
      }
    }
  }
  EmitReturn();
  return Status::Ok();
}

Status FunctionEmitter::Refusal(const ptx::Instruction& instruction) const {
  const ptx::Module& ast = *module_.source.module;
  return {StatusCode::kUnsupported, std::string(instruction.text) + " in function " +
                                        std::string(function_ast_->name) + ", line " +
                                        std::to_string(LineOf(ast, instruction)) + ": " + refusal_};
}

llvm::Value* FunctionEmitter::Refuse(const std::string& why) {
  if (refusal_.empty()) {
    refusal_ = why;
  }
  return llvm::PoisonValue::get(ir_.getInt32Ty());
}

void FunctionEmitter::EmitInstruction(const ptx::Instruction& instruction) {
  // A conditional branch needs no way around it: bra looks at the predicate itself.
  if (instruction.predicate == ptx::kNoIndex || instruction.opcode == ptx::Opcode::kBra) {
    EmitByTable(*this, instruction);
    return;
  }
  llvm::Value* condition = ReadRegister(instruction.predicate, ptx::Type::kPred);
  llvm::BasicBlock* then = NewBlock();
  llvm::BasicBlock* after = NewBlock();
  if (instruction.predicate_negated) {
    ir_.CreateCondBr(condition, after, then);
  } else {
    ir_.CreateCondBr(condition, then, after);
  }
  ir_.SetInsertPoint(then);
  EmitByTable(*this, instruction);
  ir_.CreateBr(after);
  ir_.SetInsertPoint(after);
}

// ------------------------------------------------------------------------------------- the frame

void FunctionEmitter::PrepareEntry() {
  block_ = function_->getArg(0);
  thread_ = function_->getArg(1);
  ir_.SetInsertPoint(llvm::BasicBlock::Create(ir_.getContext(), "entry", function_));
  for (const ptx::RegisterInfo& info : body().registers) {
    registers_.push_back(Slot(IntType(std::max(ptx::BitsOf(info.type), 1u)), 0));
    // A program may read a register before it writes it; the value is then any, but not poison.
    ir_.CreateStore(llvm::Constant::getNullValue(registers_.back()->getAllocatedType()),
                    registers_.back());
  }
  carry_ = Slot(ir_.getInt1Ty(), 0);
  ir_.CreateStore(ir_.getFalse(), carry_);
  PrepareVariables();
  LoadRegisterParameters();
  ReserveLocal();
  for (size_t i = 0; i < body().labels.size(); ++i) {
    labels_.push_back(NewBlock());
  }
}

llvm::AllocaInst* FunctionEmitter::Slot(llvm::Type* type, uint64_t bytes_align) {
  llvm::AllocaInst* slot = ir_.CreateAlloca(type);
  if (bytes_align != 0) {
    slot->setAlignment(llvm::Align(bytes_align));
  }
  return slot;
}

void FunctionEmitter::PrepareVariables() {
  unsigned argument = 2;
  if (!is_entry()) {
    for (size_t i = 0; i < function_ast_->return_parameters.size(); ++i) {
      return_parameter_slots_.push_back(function_->getArg(argument++));
    }
    for (size_t i = 0; i < function_ast_->parameters.size(); ++i) {
      parameter_slots_.push_back(function_->getArg(argument++));
    }
  }
  for (const ptx::Variable& variable : body().variables) {
    llvm::AllocaInst* slot = nullptr;
    if (variable.space == ptx::Space::kParam) {
      const uint64_t bytes = std::max<uint64_t>(variable.SizeOf(), 1);
      slot = Slot(llvm::ArrayType::get(ir_.getInt8Ty(), bytes),
                  std::bit_ceil(std::max<uint64_t>(variable.AlignOf(), 16)));
    }
    variable_slots_.push_back(slot);
  }
}

// A parameter declared `.reg` is a register of the body, of the same name.
llvm::AllocaInst* FunctionEmitter::RegisterNamedOrNull(std::string_view name) {
  for (size_t i = 0; i < registers_.size(); ++i) {
    if (body().registers[i].index == ptx::kNoIndex && body().registers[i].name == name) {
      return registers_[i];
    }
  }
  return nullptr;
}

void FunctionEmitter::LoadRegisterParameters() {
  for (size_t i = 0; i < parameter_slots_.size(); ++i) {
    const ptx::Variable& parameter = function_ast_->parameters[i];
    llvm::AllocaInst* slot =
        parameter.space == ptx::Space::kRegister ? RegisterNamedOrNull(parameter.name) : nullptr;
    if (slot != nullptr) {
      ir_.CreateStore(ir_.CreateLoad(slot->getAllocatedType(), parameter_slots_[i]), slot);
    }
  }
}

void FunctionEmitter::StoreRegisterResults() {
  for (size_t i = 0; i < return_parameter_slots_.size(); ++i) {
    const ptx::Variable& result = function_ast_->return_parameters[i];
    llvm::AllocaInst* slot =
        result.space == ptx::Space::kRegister ? RegisterNamedOrNull(result.name) : nullptr;
    if (slot != nullptr) {
      ir_.CreateStore(ir_.CreateLoad(slot->getAllocatedType(), slot), return_parameter_slots_[i]);
    }
  }
}

// A call's local variables lie on top of its caller's. The entry starts at 0 and always fits.
void FunctionEmitter::ReserveLocal() {
  if (is_entry()) {
    local_frame_ = Int(64, 0);
  } else {
    local_frame_ = LocalTop();
  }
  if (source_.local_bytes == 0) {
    return;
  }
  llvm::Value* top = ir_.CreateAdd(local_frame_, Int(64, source_.local_bytes));
  if (!is_entry()) {
    FaultUnless(ir_.CreateICmpULE(top, BlockField(offsetof(BlockFrame, local_bytes), 64)), top,
                static_cast<uint32_t>(FaultCause::kStack));
  }
  SetLocalTop(top);
}

void FunctionEmitter::SetLocalTop(llvm::Value* top) {
  ir_.CreateStore(
      top, ir_.CreateConstGEP1_64(ir_.getInt8Ty(), thread_, offsetof(ThreadFrame, local_top)));
}

void FunctionEmitter::EmitReturn() {
  StoreRegisterResults();
  if (source_.local_bytes != 0 || source_.uses_alloca) {
    SetLocalTop(local_frame_);
  }
  ir_.CreateRetVoid();
}

llvm::BasicBlock* FunctionEmitter::NewBlock() {
  return llvm::BasicBlock::Create(ir_.getContext(), "", function_);
}

llvm::Value* FunctionEmitter::BlockField(size_t offset, IntegerBits bits) {
  llvm::Value* address = ir_.CreateConstGEP1_64(ir_.getInt8Ty(), block_, offset);
  llvm::LoadInst* load = ir_.CreateLoad(IntType(bits), address);
  // Lets LLVM read it once for all threads of the block.
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(ir_.getContext(), {}));
  return load;
}

llvm::Value* FunctionEmitter::ThreadField(size_t offset, IntegerBits bits) {
  return ir_.CreateLoad(IntType(bits), ir_.CreateConstGEP1_64(ir_.getInt8Ty(), thread_, offset));
}

// ------------------------------------------------------------------------------------ values

llvm::Type* FunctionEmitter::IntType(IntegerBits bits) {
  return llvm::IntegerType::get(ir_.getContext(), bits);
}

llvm::Value* FunctionEmitter::Int(IntegerBits bits, uint64_t value) {
  return llvm::ConstantInt::get(IntType(bits), value);
}

llvm::Type* FunctionEmitter::TypeFor(ptx::Type type) {
  switch (type) {
    case ptx::Type::kF16:
      return ir_.getHalfTy();
    case ptx::Type::kF32:
    case ptx::Type::kTf32:
      return ir_.getFloatTy();
    case ptx::Type::kF64:
      return ir_.getDoubleTy();
    default:
      // bf16 too: LLVM's own type for it is lowered differently from version to version.
      return IntType(std::max(ptx::BitsOf(type), 1u));
  }
}

llvm::Value* FunctionEmitter::ToBits(llvm::Value* value) {
  llvm::Type* type = value->getType();
  return type->isIntegerTy() ? value
                             : ir_.CreateBitCast(value, IntType(type->getPrimitiveSizeInBits()));
}

llvm::Value* FunctionEmitter::FromBits(llvm::Value* bits, ptx::Type type) {
  llvm::Type* wanted = TypeFor(type);
  return wanted->isIntegerTy() ? bits : ir_.CreateBitCast(bits, wanted);
}

llvm::Value* FunctionEmitter::Read(const ptx::Operand& operand, ptx::Type type) {
  switch (operand.kind) {
    case OperandKind::kRegister: {
      llvm::Value* value = ReadRegister(operand.id, type);
      if (!operand.negated) {
        return value;
      }
      return type == ptx::Type::kPred ? ir_.CreateNot(value) : Refuse("a negated operand");
    }
    case OperandKind::kImmediate:
      return ReadImmediate(operand, type);
    case OperandKind::kSpecial: {
      llvm::Value* value = EmitSpecial(*this, operand);
      return FromBits(ir_.CreateZExtOrTrunc(value, IntType(ptx::BitsOf(type))), type);
    }
    case OperandKind::kSymbol: {
      llvm::Value* address = AddressOf(operand);
      return refused() ? address : ir_.CreateZExtOrTrunc(address, IntType(ptx::BitsOf(type)));
    }
    default:
      return Refuse("an operand of this form");
  }
}

llvm::Value* FunctionEmitter::ReadRegister(ptx::RegisterId id, ptx::Type type) {
  const ptx::RegisterInfo& info = body().registers[id];
  if (info.vector != 1) {
    return Refuse("a vector register");
  }
  llvm::AllocaInst* slot = registers_[id];
  llvm::Value* bits = ir_.CreateLoad(slot->getAllocatedType(), slot);
  llvm::Type* wanted = IntType(std::max(ptx::BitsOf(type), 1u));
  bits = ptx::IsSigned(type) ? ir_.CreateSExtOrTrunc(bits, wanted)
                             : ir_.CreateZExtOrTrunc(bits, wanted);
  return FromBits(bits, type);
}

llvm::Value* FunctionEmitter::ReadImmediate(const ptx::Operand& operand, ptx::Type type) {
  const bool is_float32 = operand.immediate == ptx::ImmediateKind::kFloat32;
  const bool is_float64 = operand.immediate == ptx::ImmediateKind::kFloat64;
  const IntegerBits bits = std::max(ptx::BitsOf(type), 1u);
  if (type == ptx::Type::kF32 && is_float64) {
    return llvm::ConstantFP::get(ir_.getFloatTy(),
                                 static_cast<float>(std::bit_cast<double>(operand.bits)));
  }
  if (type == ptx::Type::kF64 && is_float32) {
    return llvm::ConstantFP::get(ir_.getDoubleTy(),
                                 std::bit_cast<float>(static_cast<uint32_t>(operand.bits)));
  }
  const bool is_number = !is_float32 && !is_float64;
  if (ptx::IsFloat(type) && is_number && bits >= 32) {
    return llvm::ConstantFP::get(TypeFor(type), static_cast<double>(operand.offset));
  }
  if (type == ptx::Type::kPred) {
    return Int(1, operand.bits != 0);
  }
  const uint64_t mask = bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  return FromBits(llvm::ConstantInt::get(IntType(bits), llvm::APInt(bits, operand.bits & mask)),
                  type);
}

void FunctionEmitter::Write(const ptx::Operand& operand, llvm::Value* value, ptx::Type type) {
  if (operand.kind == OperandKind::kSink || refused()) {
    return;
  }
  if (operand.kind != OperandKind::kRegister || body().registers[operand.id].vector != 1) {
    Refuse("a destination of this form");
    return;
  }
  llvm::AllocaInst* slot = registers_[operand.id];
  llvm::Value* bits = ToBits(value);
  bits = ptx::IsSigned(type) ? ir_.CreateSExtOrTrunc(bits, slot->getAllocatedType())
                             : ir_.CreateZExtOrTrunc(bits, slot->getAllocatedType());
  ir_.CreateStore(bits, slot);
}

llvm::Value* FunctionEmitter::carry() {
  return ir_.CreateLoad(ir_.getInt1Ty(), carry_);
}

void FunctionEmitter::SetCarry(llvm::Value* carry) {
  ir_.CreateStore(carry, carry_);
}

// --------------------------------------------------------------------------------- variables

const ptx::Variable* FunctionEmitter::VariableOrNull(const ptx::Operand& operand) const {
  switch (operand.ref) {
    case Ref::kGlobalVariable:
      return &module_.source.module->variables[operand.id];
    case Ref::kLocalVariable:
      return &body().variables[operand.id];
    case Ref::kParameter:
      return &function_ast_->parameters[operand.id];
    case Ref::kReturnParameter:
      return &function_ast_->return_parameters[operand.id];
    default:
      return nullptr;
  }
}

ptx::Space FunctionEmitter::SpaceOf(const ptx::Operand& operand) const {
  const ptx::Variable* variable = VariableOrNull(operand);
  return variable == nullptr ? ptx::Space::kNone : variable->space;
}

llvm::Value* FunctionEmitter::ParameterSlotOrNull(const ptx::Operand& operand) {
  switch (operand.ref) {
    case Ref::kLocalVariable:
      return variable_slots_[operand.id];
    case Ref::kParameter:
      return is_entry() ? nullptr : parameter_slots_[operand.id];
    case Ref::kReturnParameter:
      return is_entry() ? nullptr : return_parameter_slots_[operand.id];
    default:
      return nullptr;
  }
}

llvm::Value* FunctionEmitter::AddressOf(const ptx::Operand& operand) {
  const ptx::Variable* variable = VariableOrNull(operand);
  llvm::Value* base = nullptr;
  if (variable == nullptr) {
    return operand.ref == Ref::kFunction ? AddressOfFunction(operand.id) : Refuse("this address");
  }
  if (operand.ref == Ref::kGlobalVariable && variable->space == ptx::Space::kShared) {
    base = Int(64, module_.source.layout.shared_offsets.at(operand.id));
  } else if (operand.ref == Ref::kGlobalVariable) {
    llvm::Value* symbols = BlockField(offsetof(BlockFrame, symbols), 64);
    llvm::Value* entry = ir_.CreateAdd(symbols, Int(64, uint64_t{operand.id} * 8));
    base = ir_.CreateLoad(ir_.getInt64Ty(), ir_.CreateIntToPtr(entry, ir_.getPtrTy()));
  } else if (operand.ref == Ref::kParameter && is_entry()) {
    base = Int(64, module_.source.parameter_offsets[operand.id]);
  } else if (variable->space == ptx::Space::kLocal) {
    base = ir_.CreateAdd(local_frame_, Int(64, source_.variable_offsets[operand.id]));
  } else if (variable->space == ptx::Space::kShared && variable->is_unsized) {
    return Refuse("a shared array without a size that a function declares");
  } else if (variable->space == ptx::Space::kShared) {
    base = Int(64, source_.variable_offsets[operand.id]);
  } else {
    return Refuse("the address of a function's parameter");
  }
  return ir_.CreateAdd(base, Int(64, static_cast<uint64_t>(operand.offset)));
}

llvm::Value* FunctionEmitter::AddressOfFunction(uint32_t index) {
  const ptx::Module& ast = *module_.source.module;
  const ptx::Function& function = ast.functions[ast.DefinitionOf(index)];
  if (function.is_entry || !function.has_body) {
    return Refuse("the address of " + std::string(function.name) +
                  (function.is_entry ? ", a kernel" : ", which this module does not define"));
  }
  return ir_.CreateAdd(BlockField(offsetof(BlockFrame, functions_base), 64),
                       Int(64, uint64_t{index} * kFunctionStrideBytes));
}

std::span<const uint32_t> FunctionEmitter::TargetsOf(const ptx::Instruction& instruction) const {
  const auto index = static_cast<uint32_t>(&instruction - source_.body.instructions.data());
  const auto found = source_.targets.find(index);
  return found == source_.targets.end() ? std::span<const uint32_t>() : found->second;
}

// -------------------------------------------------------------------------------- the runtime

llvm::Value* FunctionEmitter::CallRuntime(const char* name,
                                          llvm::Type* result,
                                          llvm::ArrayRef<llvm::Value*> arguments) {
  std::vector<llvm::Type*> types;
  for (llvm::Value* argument : arguments) {
    types.push_back(argument->getType());
  }
  llvm::FunctionType* type = llvm::FunctionType::get(result, types, false);
  return ir_.CreateCall(module_.module.getOrInsertFunction(name, type), arguments);
}

const AccessGroup* FunctionEmitter::GroupOrNull() const {
  const bool has_group =
      instruction_ < groups_.group_of.size() && groups_.group_of[instruction_] != kNoGroup;
  return has_group ? &groups_.groups[groups_.group_of[instruction_]] : nullptr;
}

llvm::Value* FunctionEmitter::Place() {
  const auto function = static_cast<uint64_t>(&source_ - module_.source.functions.data());
  return Int(64, function << 32 | (instruction_ + 1));
}

void FunctionEmitter::AskAbout(llvm::Value* address, uint32_t cause) {
  if (module_.check) {
    llvm::Value* linear = ThreadField(offsetof(ThreadFrame, linear), 32);
    CallRuntime(kCheckFunction, ir_.getVoidTy(),
                {block_, linear, address, Int(32, cause), Place()});
  }
}

void FunctionEmitter::FaultUnless(llvm::Value* allowed, llvm::Value* address, uint32_t cause) {
  llvm::BasicBlock* fault = NewBlock();
  llvm::BasicBlock* go_on = NewBlock();
  llvm::MDNode* likely = llvm::MDBuilder(ir_.getContext()).createBranchWeights(1 << 20, 1);
  ir_.CreateCondBr(allowed, go_on, fault, likely);
  ir_.SetInsertPoint(fault);
  EndInFault(address, cause);
  ir_.SetInsertPoint(go_on);
}

void FunctionEmitter::Fault(uint32_t cause) {
  EndInFault(Int(64, 0), cause);
  ir_.SetInsertPoint(NewBlock());
}

void FunctionEmitter::EndInFault(llvm::Value* address, uint32_t cause) {
  // The thread is named by its number: handing out the frame's address would keep LLVM from holding
  // the frame's fields in registers.
  llvm::Value* linear = ThreadField(offsetof(ThreadFrame, linear), 32);
  llvm::Value* call = CallRuntime(kFaultFunction, ir_.getVoidTy(),
                                  {block_, linear, address, Int(32, cause), Place()});
  llvm::cast<llvm::CallInst>(call)->setDoesNotReturn();
  ir_.CreateUnreachable();
}

}  // namespace farlane::soft::jit
