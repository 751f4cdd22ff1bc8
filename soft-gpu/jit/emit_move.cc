// SPDX-License-Identifier: Apache-2.0
// mov in all its forms (values, addresses, packing and unpacking) and lop3.
#include "soft-gpu/jit/emitter_table.h"

namespace farlane::soft::jit {
namespace {

using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Type;
using V = llvm::Value*;

// The unsigned type of one part of a packed move.
Type PartType(unsigned bits) {
  switch (bits) {
    case 8:
      return Type::kB8;
    case 16:
      return Type::kB16;
    case 32:
      return Type::kB32;
    case 64:
      return Type::kB64;
    default:
      return Type::kNone;
  }
}

// {a, b, …} = value: the first part is the lowest.
void Unpack(FunctionEmitter& e, const ptx::Instruction& instruction, Type part, unsigned bits) {
  const Operand& parts = instruction.operands[0];
  V whole = e.ToBits(e.Read(instruction.operands[1], instruction.type()));
  if (e.refused()) {
    return;
  }
  for (size_t i = 0; i < parts.children.size(); ++i) {
    V shifted = e.ir().CreateLShr(whole, i * bits);
    e.Write(parts.children[i], e.ir().CreateTrunc(shifted, e.IntType(bits)), part);
  }
}

void Pack(FunctionEmitter& e, const ptx::Instruction& instruction, Type part, unsigned bits) {
  const Operand& parts = instruction.operands[1];
  V whole = e.Int(ptx::BitsOf(instruction.type()), 0);
  for (size_t i = 0; i < parts.children.size(); ++i) {
    V value = e.Read(parts.children[i], part);
    if (e.refused()) {
      return;
    }
    V widened = e.ir().CreateZExt(value, whole->getType());
    whole = e.ir().CreateOr(whole, e.ir().CreateShl(widened, i * bits));
  }
  e.Write(instruction.operands[0], whole, instruction.type());
}

void Mov(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const Operand& to = instruction.operands[0];
  const Operand& from = instruction.operands[1];
  const bool unpacks = to.kind == OperandKind::kVector;
  const bool packs = from.kind == OperandKind::kVector;
  if (!unpacks && !packs) {
    const V value = e.Read(from, instruction.type());
    e.Write(to, value, instruction.type());
    return;
  }
  const size_t count = unpacks ? to.children.size() : from.children.size();
  const unsigned bits = count == 0 ? 0 : ptx::BitsOf(instruction.type()) / count;
  const Type part = PartType(bits);
  if (part == Type::kNone || (unpacks && packs)) {
    e.Refuse("a vector of this shape");
  } else if (unpacks) {
    Unpack(e, instruction, part, bits);
  } else {
    Pack(e, instruction, part, bits);
  }
}

// The function of three bits that `table` gives, as the or of its minterms.
V LookUp(FunctionEmitter& e, const std::array<V, 3>& inputs, uint64_t table) {
  V result = e.Int(32, 0);
  for (unsigned row = 0; row < 8; ++row) {
    if ((table >> row & 1) == 0) {
      continue;
    }
    V term = e.Int(32, 0xffffffff);
    for (unsigned i = 0; i < 3; ++i) {
      const bool is_set = (row >> (2 - i) & 1) != 0;
      term = e.ir().CreateAnd(term, is_set ? inputs[i] : e.ir().CreateNot(inputs[i]));
    }
    result = e.ir().CreateOr(result, term);
  }
  return result;
}

void Lop3(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  if (operands.size() < 5 || operands[4].kind != OperandKind::kImmediate) {
    e.Refuse("a table that is not a number");
    return;
  }
  const std::array<V, 3> inputs = {e.Read(operands[1], Type::kB32), e.Read(operands[2], Type::kB32),
                                   e.Read(operands[3], Type::kB32)};
  if (e.refused()) {
    return;
  }
  const V result = LookUp(e, inputs, operands[4].bits);
  if (operands[0].kind != OperandKind::kPair) {
    e.Write(operands[0], result, Type::kB32);
    return;
  }
  // lop3.BoolOp d|p, …, q: p says whether d is not zero, joined with q.
  e.Write(operands[0].children[0], result, Type::kB32);
  V is_set = e.ir().CreateICmpNE(result, e.Int(32, 0));
  if (operands.size() > 5) {
    V with = e.Read(operands[5], Type::kPred);
    if (e.refused()) {
      return;
    }
    is_set = instruction.Has(ptx::Modifier::kAnd) ? e.ir().CreateAnd(is_set, with)
                                                  : e.ir().CreateOr(is_set, with);
  }
  e.Write(operands[0].children[1], is_set, Type::kPred);
}

constexpr EmitterRow kRows[] = {
    {Opcode::kMov, Mov},
    {Opcode::kLop3, Lop3},
};

}  // namespace

std::span<const EmitterRow> MoveRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
