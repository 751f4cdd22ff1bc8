// SPDX-License-Identifier: Apache-2.0
// FunctionEmitter writes the LLVM code of one PTX function: registers are stack slots (LLVM turns
// them into values), labels are blocks, and each instruction goes to the emitter its opcode has in
// the table of emitter_table.h. An emitter that cannot translate calls Refuse; code after that is
// thrown away, so it may return any value.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include "protocol/base/result.h"
#include "soft-gpu/jit/access_groups.h"
#include "soft-gpu/jit/block_frame.h"
#include "soft-gpu/jit/kernel_source.h"
#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::jit {

using IntegerBits = unsigned;

// What the functions of one kernel share while they are written.
// Thread: the compiling one.
struct EmitterModule {
  const KernelSource& source;
  llvm::Module& module;
  std::unordered_map<uint32_t, llvm::Function*> functions;  // by index in ptx::Module::functions
  bool check = false;                                       // every access asks the runtime
  bool has_rights = false;  // every access of the window looks for the grid's right to its frame
};

// Thread: the compiling one.
class FunctionEmitter {
 public:
  FunctionEmitter(EmitterModule& module, const SourceFunction& source, llvm::Function* function);

  // Writes the whole body. kUnsupported names what cannot be translated.
  Status Emit();

  // ---- for the emitters of single opcodes ----

  llvm::IRBuilder<>& ir() { return ir_; }

  const KernelSource& kernel() const { return module_.source; }

  // Says why this instruction cannot be translated; the first reason counts.
  llvm::Value* Refuse(const std::string& why);

  bool refused() const { return !refusal_.empty(); }

  // The operand's value as LLVM type TypeFor(type).
  llvm::Value* Read(const ptx::Operand& operand, ptx::Type type);
  // Stores into a register, extending by the type's sign when the register is wider.
  void Write(const ptx::Operand& operand, llvm::Value* value, ptx::Type type);

  llvm::Type* TypeFor(ptx::Type type);
  llvm::Value* ToBits(llvm::Value* value);                   // float to integer of its width
  llvm::Value* FromBits(llvm::Value* bits, ptx::Type type);  // and back
  llvm::Value* Int(IntegerBits bits, uint64_t value);        // a constant
  llvm::Type* IntType(IntegerBits bits);

  // The carry flag of add.cc, addc and their kin.
  llvm::Value* carry();
  void SetCarry(llvm::Value* carry);

  // A field of BlockFrame (never changes during a block) or of ThreadFrame.
  llvm::Value* BlockField(size_t offset, IntegerBits bits);
  llvm::Value* ThreadField(size_t offset, IntegerBits bits);

  // The first free byte of the thread's local memory.
  llvm::Value* LocalTop() { return ThreadField(offsetof(ThreadFrame, local_top), 64); }

  void SetLocalTop(llvm::Value* top);

  llvm::Value* block() { return block_; }

  llvm::Value* thread() { return thread_; }

  // Calls a runtime function by name; all arguments and the result are plain values.
  llvm::Value* CallRuntime(const char* name,
                           llvm::Type* result,
                           llvm::ArrayRef<llvm::Value*> arguments);
  // Which instruction is being written: its number in the body plus 1, and that of the function
  // among the kernel's in the upper half.
  llvm::Value* Place();
  // The accesses that the one being written is checked with; null if it is checked by itself.
  const AccessGroup* GroupOrNull() const;

  // Where that group's lowest access lies; null until the group was checked.
  llvm::Value*& GroupStart() { return group_starts_[groups_.group_of[instruction_]]; }

  // Makes another instruction the one being written, for what is said about it; returns which was.
  size_t Turn(size_t instruction) { return std::exchange(instruction_, instruction); }

  // With EmitterModule::check: asks the runtime about an access.
  void AskAbout(llvm::Value* address, uint32_t cause);
  // Goes on only if `allowed`; else the runtime's fault function ends the thread.
  void FaultUnless(llvm::Value* allowed, llvm::Value* address, uint32_t cause);
  void Fault(uint32_t cause);

  // Where the slot of a call's parameter or of this function's own parameter is; null if none.
  llvm::Value* ParameterSlotOrNull(const ptx::Operand& operand);
  // The address (in its own space) of the variable or function an operand names.
  llvm::Value* AddressOf(const ptx::Operand& operand);
  // The space of the variable an operand names, kNone for a register or a plain number.
  ptx::Space SpaceOf(const ptx::Operand& operand) const;
  const ptx::Variable* VariableOrNull(const ptx::Operand& operand) const;

  llvm::BasicBlock* BlockOf(ptx::LabelId label) { return labels_[label]; }

  llvm::BasicBlock* NewBlock();
  // Ends the function's work: gives back its local memory and returns.
  void EmitReturn();

  const ptx::Body& body() const { return source_.body; }

  // Whether an instruction of this body branches back to a loop that may wait for another thread.
  bool IsSpin(const ptx::Instruction& instruction) const {
    return source_.is_spin[&instruction - source_.body.instructions.data()];
  }

  // A number for an instruction that no other one of the kernel has.
  uint64_t PlaceOf(const ptx::Instruction& instruction) const {
    const auto index = &instruction - source_.body.instructions.data();
    return uint64_t{source_.index} << 32 | static_cast<uint32_t>(index);
  }

  // What the pointer of a call through one may hold: Module::functions.
  std::span<const uint32_t> TargetsOf(const ptx::Instruction& instruction) const;

  const ptx::Function& function() const { return *function_ast_; }

  EmitterModule& module() { return module_; }

  bool is_entry() const { return function_ast_->is_entry; }

 private:
  void PrepareEntry();
  void PrepareVariables();
  void ReserveLocal();
  llvm::AllocaInst* RegisterNamedOrNull(std::string_view name);
  void LoadRegisterParameters();
  void StoreRegisterResults();
  void EmitInstruction(const ptx::Instruction& instruction);
  llvm::Value* ReadRegister(ptx::RegisterId id, ptx::Type type);
  llvm::Value* ReadImmediate(const ptx::Operand& operand, ptx::Type type);
  llvm::Value* AddressOfFunction(uint32_t index);
  void EndInFault(llvm::Value* address, uint32_t cause);
  llvm::AllocaInst* Slot(llvm::Type* type, uint64_t bytes_align);
  Status Refusal(const ptx::Instruction& instruction) const;

  EmitterModule& module_;
  const SourceFunction& source_;
  const ptx::Function* function_ast_;
  llvm::Function* function_;
  llvm::IRBuilder<> ir_;
  llvm::Value* block_ = nullptr;
  llvm::Value* thread_ = nullptr;
  llvm::Value* local_frame_ = nullptr;  // offset of this call's local variables
  llvm::AllocaInst* carry_ = nullptr;
  std::vector<llvm::AllocaInst*> registers_;
  std::vector<llvm::Value*> parameter_slots_;         // Function::parameters
  std::vector<llvm::Value*> return_parameter_slots_;  // Function::return_parameters
  std::vector<llvm::AllocaInst*> variable_slots_;     // Body::variables of space kParam
  std::vector<llvm::BasicBlock*> labels_;
  AccessGroups groups_;
  std::vector<llvm::Value*> group_starts_;  // by group
  size_t instruction_ = 0;                  // the number of the one being written
  std::string refusal_;
};

// The value of a special register (%tid.x …); emit_special.cc.
llvm::Value* EmitSpecial(FunctionEmitter& emitter, const ptx::Operand& operand);

}  // namespace farlane::soft::jit
