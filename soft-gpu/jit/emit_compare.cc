// SPDX-License-Identifier: Apache-2.0
// Comparisons and choices: setp, set, selp, slct, testp.
#include <optional>

#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/flush.h"
#include "soft-gpu/jit/half.h"

namespace farlane::soft::jit {
namespace {

using llvm::CmpInst;
using ptx::Modifier;
using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Type;
using V = llvm::Value*;

struct Comparison {
  Modifier name;
  CmpInst::Predicate for_signed;
  CmpInst::Predicate for_unsigned;
  CmpInst::Predicate for_float;
};

// lo, ls, hi and hs compare unsigned whatever the type says; .lo and .hi are also parts of
// products.
constexpr Comparison kComparisons[] = {
    {Modifier::kEq, CmpInst::ICMP_EQ, CmpInst::ICMP_EQ, CmpInst::FCMP_OEQ},
    {Modifier::kNe, CmpInst::ICMP_NE, CmpInst::ICMP_NE, CmpInst::FCMP_ONE},
    {Modifier::kLt, CmpInst::ICMP_SLT, CmpInst::ICMP_ULT, CmpInst::FCMP_OLT},
    {Modifier::kLe, CmpInst::ICMP_SLE, CmpInst::ICMP_ULE, CmpInst::FCMP_OLE},
    {Modifier::kGt, CmpInst::ICMP_SGT, CmpInst::ICMP_UGT, CmpInst::FCMP_OGT},
    {Modifier::kGe, CmpInst::ICMP_SGE, CmpInst::ICMP_UGE, CmpInst::FCMP_OGE},
    {Modifier::kLo, CmpInst::ICMP_ULT, CmpInst::ICMP_ULT, CmpInst::BAD_FCMP_PREDICATE},
    {Modifier::kLs, CmpInst::ICMP_ULE, CmpInst::ICMP_ULE, CmpInst::BAD_FCMP_PREDICATE},
    {Modifier::kHi, CmpInst::ICMP_UGT, CmpInst::ICMP_UGT, CmpInst::BAD_FCMP_PREDICATE},
    {Modifier::kHs, CmpInst::ICMP_UGE, CmpInst::ICMP_UGE, CmpInst::BAD_FCMP_PREDICATE},
    {Modifier::kEqu, CmpInst::BAD_ICMP_PREDICATE, CmpInst::BAD_ICMP_PREDICATE, CmpInst::FCMP_UEQ},
    {Modifier::kNeu, CmpInst::BAD_ICMP_PREDICATE, CmpInst::BAD_ICMP_PREDICATE, CmpInst::FCMP_UNE},
    {Modifier::kLtu, CmpInst::BAD_ICMP_PREDICATE, CmpInst::BAD_ICMP_PREDICATE, CmpInst::FCMP_ULT},
    {Modifier::kLeu, CmpInst::BAD_ICMP_PREDICATE, CmpInst::BAD_ICMP_PREDICATE, CmpInst::FCMP_ULE},
    {Modifier::kGtu, CmpInst::BAD_ICMP_PREDICATE, CmpInst::BAD_ICMP_PREDICATE, CmpInst::FCMP_UGT},
    {Modifier::kGeu, CmpInst::BAD_ICMP_PREDICATE, CmpInst::BAD_ICMP_PREDICATE, CmpInst::FCMP_UGE},
    {Modifier::kIsNum, CmpInst::BAD_ICMP_PREDICATE, CmpInst::BAD_ICMP_PREDICATE, CmpInst::FCMP_ORD},
    {Modifier::kIsNan, CmpInst::BAD_ICMP_PREDICATE, CmpInst::BAD_ICMP_PREDICATE, CmpInst::FCMP_UNO},
};

V Compare(FunctionEmitter& e, const ptx::Instruction& instruction, V a, V b, Type type) {
  for (const Comparison& comparison : kComparisons) {
    if (!instruction.Has(comparison.name)) {
      continue;
    }
    if (ptx::IsFloat(type)) {
      return comparison.for_float == CmpInst::BAD_FCMP_PREDICATE
                 ? e.Refuse("an integer comparison of floats")
                 : e.ir().CreateFCmp(comparison.for_float, a, b);
    }
    const CmpInst::Predicate predicate =
        ptx::IsSigned(type) ? comparison.for_signed : comparison.for_unsigned;
    return predicate == CmpInst::BAD_ICMP_PREDICATE ? e.Refuse("a float comparison of integers")
                                                    : e.ir().CreateICmp(predicate, a, b);
  }
  return e.Refuse("no comparison is named");
}

// A value ready to be compared: halves widened, subnormals flushed if the instruction says so.
V Comparable(FunctionEmitter& e, const ptx::Instruction& instruction, V value, Type type) {
  const bool flushes = instruction.Has(Modifier::kFtz);
  if (type == Type::kF16 || type == Type::kBf16) {
    return WidenHalf(e, value, type, flushes);
  }
  return type == Type::kF32 && flushes ? FlushSubnormal(e, value) : value;
}

V ReadComparable(FunctionEmitter& e,
                 const ptx::Instruction& instruction,
                 const Operand& operand,
                 Type type) {
  V value = e.Read(operand, type);
  return e.refused() ? value : Comparable(e, instruction, value, type);
}

V Join(FunctionEmitter& e, const ptx::Instruction& instruction, V a, V b) {
  if (instruction.Has(Modifier::kAnd)) {
    return e.ir().CreateAnd(a, b);
  }
  return instruction.Has(Modifier::kOr) ? e.ir().CreateOr(a, b) : e.ir().CreateXor(a, b);
}

// The element of a pair of halves, kNone for other types.
Type HalfOf(Type pair) {
  return pair == Type::kF16x2 ? Type::kF16 : pair == Type::kBf16x2 ? Type::kBf16 : Type::kNone;
}

// Whether the comparison holds for one lane of two pairs, joined with the predicate if there is
// one.
V CompareLane(FunctionEmitter& e,
              const ptx::Instruction& instruction,
              V a,
              V b,
              Type element,
              unsigned lane) {
  const auto part = [&](V value) {
    V bits = e.ir().CreateTrunc(e.ir().CreateLShr(value, 16 * lane), e.IntType(16));
    return Comparable(e, instruction, e.FromBits(bits, element), element);
  };
  V result = Compare(e, instruction, part(a), part(b), element);
  if (instruction.operands.size() > 3 && !e.refused()) {
    V with = e.Read(instruction.operands[3], Type::kPred);
    result = e.refused() ? with : Join(e, instruction, result, with);
  }
  return result;
}

// setp on two halves at once: p for the lower pair, q for the upper.
void SetpPacked(FunctionEmitter& e, const ptx::Instruction& instruction, Type element) {
  const std::span<const Operand> operands = instruction.operands;
  V a = e.Read(operands[1], Type::kB32);
  V b = e.Read(operands[2], Type::kB32);
  if (e.refused() || operands[0].kind != OperandKind::kPair) {
    e.Refuse("a packed comparison without two results");
    return;
  }
  for (unsigned lane = 0; lane < 2; ++lane) {
    V result = CompareLane(e, instruction, a, b, element, lane);
    e.Write(operands[0].children[lane], result, Type::kPred);
  }
}

void Setp(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  const Type type = instruction.type();
  if (HalfOf(type) != Type::kNone) {
    SetpPacked(e, instruction, HalfOf(type));
    return;
  }
  V a = ReadComparable(e, instruction, operands[1], type);
  V b = ReadComparable(e, instruction, operands[2], type);
  if (e.refused()) {
    return;
  }
  V result = Compare(e, instruction, a, b, type);
  if (e.refused()) {
    return;
  }
  V opposite = e.ir().CreateNot(result);
  if (operands.size() > 3) {
    V with = e.Read(operands[3], Type::kPred);
    if (e.refused()) {
      return;
    }
    result = Join(e, instruction, result, with);
    opposite = Join(e, instruction, opposite, with);
  }
  if (operands[0].kind == OperandKind::kPair) {
    e.Write(operands[0].children[0], result, Type::kPred);
    e.Write(operands[0].children[1], opposite, Type::kPred);
  } else {
    e.Write(operands[0], result, Type::kPred);
  }
}

// What set gives for true, as bits of the result's type: 1.0, or all ones.
llvm::Constant* TrueOf(FunctionEmitter& e, Type type) {
  switch (type) {
    case Type::kF16:
      return e.ir().getInt16(0x3c00);
    case Type::kBf16:
      return e.ir().getInt16(0x3f80);
    case Type::kF32:
      return e.ir().getInt32(0x3f800000);
    default:
      return llvm::Constant::getAllOnesValue(e.IntType(ptx::BitsOf(type)));
  }
}

// set on two halves at once: each half of the result is 1.0 or, for integers, 16 ones.
void SetPacked(FunctionEmitter& e, const ptx::Instruction& instruction, Type element) {
  const Type to = instruction.types[0];
  const Type to_element = HalfOf(to);
  if (to_element == Type::kNone && ptx::BitsOf(to) != 32) {
    e.Refuse("a result of this type");
    return;
  }
  V a = e.Read(instruction.operands[1], Type::kB32);
  V b = e.Read(instruction.operands[2], Type::kB32);
  V joined = e.Int(32, 0);
  for (unsigned lane = 0; lane < 2 && !e.refused(); ++lane) {
    V result = CompareLane(e, instruction, a, b, element, lane);
    V yes = TrueOf(e, to_element == Type::kNone ? Type::kB16 : to_element);
    V half = e.ir().CreateSelect(result, yes, e.Int(16, 0));
    V widened = e.ir().CreateZExt(half, e.ir().getInt32Ty());
    joined = e.ir().CreateOr(joined, e.ir().CreateShl(widened, 16 * lane));
  }
  if (!e.refused()) {
    e.Write(instruction.operands[0], joined, Type::kB32);
  }
}

// set: types[0] is the result's, types[1] is compared.
void Set(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  const Type to = instruction.types[0];
  const Type type = instruction.types[1];
  if (HalfOf(type) != Type::kNone) {
    SetPacked(e, instruction, HalfOf(type));
    return;
  }
  V a = ReadComparable(e, instruction, operands[1], type);
  V b = ReadComparable(e, instruction, operands[2], type);
  if (e.refused()) {
    return;
  }
  V result = Compare(e, instruction, a, b, type);
  if (operands.size() > 3 && !e.refused()) {
    V with = e.Read(operands[3], Type::kPred);
    result = e.refused() ? with : Join(e, instruction, result, with);
  }
  if (e.refused()) {
    return;
  }
  if (HalfOf(to) != Type::kNone || to == Type::kF64) {
    e.Refuse("a result of this type");
    return;
  }
  V yes = TrueOf(e, to);
  V bits = e.ir().CreateSelect(result, yes, llvm::Constant::getNullValue(yes->getType()));
  e.Write(operands[0], e.FromBits(bits, to), to);
}

void Selp(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  const Type type = instruction.type();
  V a = e.Read(operands[1], type);
  V b = e.Read(operands[2], type);
  V chooser = e.Read(operands[3], Type::kPred);
  if (!e.refused()) {
    e.Write(operands[0], e.ir().CreateSelect(chooser, e.ToBits(a), e.ToBits(b)), type);
  }
}

// slct: a if c >= 0, else b; a NaN counts as less than zero.
void Slct(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::span<const Operand> operands = instruction.operands;
  const Type type = instruction.types[0];
  V a = e.Read(operands[1], type);
  V b = e.Read(operands[2], type);
  V c = ReadComparable(e, instruction, operands[3], instruction.types[1]);
  if (e.refused()) {
    return;
  }
  V zero = llvm::Constant::getNullValue(c->getType());
  V chooser = c->getType()->isFloatingPointTy() ? e.ir().CreateFCmpOGE(c, zero)
                                                : e.ir().CreateICmpSGE(c, zero);
  e.Write(operands[0], e.ir().CreateSelect(chooser, e.ToBits(a), e.ToBits(b)), type);
}

struct FloatClass {
  Modifier name;
  unsigned mask;
};

constexpr FloatClass kFloatClasses[] = {
    {Modifier::kFinite, llvm::fcFinite},
    {Modifier::kInfinite, llvm::fcInf},
    {Modifier::kNumber, llvm::fcAllFlags & ~llvm::fcNan},
    {Modifier::kNotanumber, llvm::fcNan},
    {Modifier::kNormal, llvm::fcNormal},
    {Modifier::kSubnormal, llvm::fcSubnormal},
};

void Testp(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V value = e.Read(instruction.operands[1], instruction.type());
  for (const FloatClass& row : kFloatClasses) {
    if (instruction.Has(row.name) && !e.refused()) {
      e.Write(instruction.operands[0], e.ir().createIsFPClass(value, row.mask), Type::kPred);
      return;
    }
  }
  e.Refuse("no class is named");
}

constexpr EmitterRow kRows[] = {
    {Opcode::kSetp, Setp}, {Opcode::kSet, Set},     {Opcode::kSelp, Selp},
    {Opcode::kSlct, Slct}, {Opcode::kTestp, Testp},
};

}  // namespace

std::span<const EmitterRow> CompareRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
