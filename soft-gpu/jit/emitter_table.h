// SPDX-License-Identifier: Apache-2.0
// The table that says how each opcode is translated. Most opcodes are *pure*: values in, one value
// out; their row gives the types of the operands and a function from values to a value, and one
// driver (pure_emitter.cc) does the rest for every type, packed ones included. The others have an
// emitter of their own.
#pragma once

#include <array>
#include <span>

#include "soft-gpu/jit/function_emitter.h"

namespace farlane::soft::jit {

// Which types of an opcode a row is for.
enum class Kind : uint8_t {
  kInteger,  // b u s of 8 … 64 bits, and pred for logic
  kFloat,    // f32 f64
  kHalf,     // f16 bf16; without a row of its own it is computed in f32, which is exact enough
};

// The type of one operand, in terms of the instruction's own.
enum class Slot : uint8_t {
  kNone,
  kMain,  // types[0]
  kWide,  // types[0], twice as wide if the instruction is .wide
  kU32,
  kB32,
  kPredicate,
};

using Values = std::array<llvm::Value*, 4>;

// What a pure function is told beside its operands.
struct PureContext {
  FunctionEmitter& emitter;
  llvm::IRBuilder<>& ir;
  const ptx::Instruction& instruction;
  ptx::Type type;  // of the values given: the element's of a packed type, f32 for a widened half

  bool Has(ptx::Modifier modifier) const { return instruction.Has(modifier); }
};

struct PureRow {
  ptx::Opcode opcode;
  Kind kind;
  Slot result;
  std::array<Slot, 4> operands;
  llvm::Value* (*emit)(PureContext& context, const Values& values);
};

struct EmitterRow {
  ptx::Opcode opcode;
  void (*emit)(FunctionEmitter& emitter, const ptx::Instruction& instruction);
};

// The rows, by what they are about.
std::span<const PureRow> IntegerRows();
std::span<const PureRow> BitRows();
std::span<const PureRow> FloatRows();
std::span<const PureRow> ApproximateRows();
std::span<const EmitterRow> MoveRows();
std::span<const EmitterRow> CompareRows();
std::span<const EmitterRow> ConvertRows();
std::span<const EmitterRow> MemoryRows();
std::span<const EmitterRow> ControlRows();
std::span<const EmitterRow> CallRows();
std::span<const EmitterRow> StackRows();
std::span<const EmitterRow> AtomicRows();
std::span<const EmitterRow> CollectiveRows();
std::span<const EmitterRow> VideoRows();
std::span<const EmitterRow> AsyncRows();
std::span<const EmitterRow> TextureRows();

// Translates one instruction, its predicate left aside. Refuses what no row covers.
void EmitByTable(FunctionEmitter& emitter, const ptx::Instruction& instruction);

}  // namespace farlane::soft::jit
