// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/legal_variant.h"

#include <algorithm>

namespace farlane::soft::isa {

using ptx::Modifier;
using ptx::Opcode;
using ptx::OperandRole;
using ptx::Type;

namespace {

bool HasAny(const Variant& variant, std::initializer_list<Modifier> modifiers) {
  return std::any_of(modifiers.begin(), modifiers.end(),
                     [&](Modifier modifier) { return variant.Has(modifier); });
}

bool HasRounding(const Variant& v) {
  return HasAny(v, {Modifier::kRn, Modifier::kRz, Modifier::kRm, Modifier::kRp});
}

bool HasIntegralRounding(const Variant& v) {
  return HasAny(v, {Modifier::kRni, Modifier::kRzi, Modifier::kRmi, Modifier::kRpi});
}

bool OperandsFit(const Variant& v, const Row& row) {
  const auto sources = std::count_if(v.operands.begin(), v.operands.end(), [](OperandRole role) {
    return role == OperandRole::kSource || role == OperandRole::kPredicate ||
           role == OperandRole::kSourceVector;
  });
  return static_cast<size_t>(sources) == row.inputs.size() &&
         (!v.is_pair || row.results.size() == 2);
}

bool IsBrain(Type type) {
  return PackingOf(type).element == Type::kBf16;
}

bool IsHalf(Type type) {
  return PackingOf(type).element == Type::kF16 || IsBrain(type);
}

// Bits are equal or not; only unsigned numbers have the spellings of their own.
bool ComparisonFits(const Variant& v, Type type) {
  const ptx::TypeClass type_class = ptx::InfoOf(type).type_class;
  const bool is_unordered =
      HasAny(v, {Modifier::kEqu, Modifier::kNeu, Modifier::kLtu, Modifier::kLeu, Modifier::kGtu,
                 Modifier::kGeu, Modifier::kIsNum, Modifier::kIsNan});
  const bool is_unsigned = HasAny(v, {Modifier::kLo, Modifier::kLs, Modifier::kHi, Modifier::kHs});
  const bool is_equality = HasAny(v, {Modifier::kEq, Modifier::kNe});
  switch (type_class) {
    case ptx::TypeClass::kBits:
      return is_equality;
    case ptx::TypeClass::kUnsigned:
      return !is_unordered;
    case ptx::TypeClass::kSigned:
      return !is_unordered && !is_unsigned;
    default:
      return !is_unsigned;
  }
}

bool FlushesWhatItCompares(const Variant& v, Type type) {
  return type == Type::kF32 || PackingOf(type).element == Type::kF16 || !v.Has(Modifier::kFtz);
}

bool IsLegalSetp(const Variant& v) {
  const Type type = v.type();
  const bool is_packed = PackingOf(type).count == 2;
  return ComparisonFits(v, type) && FlushesWhatItCompares(v, type) &&
         (!IsHalf(type) || v.is_pair == is_packed);
}

// Only one spelling of `!p` per result type is tested: it is read like setp's.
bool IsLegalSet(const Variant& v) {
  const Type to = v.types[0];
  const Type from = v.types[1];
  if (!ComparisonFits(v, from) || !FlushesWhatItCompares(v, from) ||
      (v.negates && to != Type::kU32) || (IsBrain(to) && v.Has(Modifier::kFtz))) {
    return false;
  }
  const bool to_word = to == Type::kU32 || to == Type::kS32;
  if (PackingOf(to).count == 2) {
    return from == to;
  }
  if (PackingOf(from).count == 2) {
    return to_word;
  }
  if (to == Type::kU16 || to == Type::kS16 || IsBrain(to)) {
    return IsHalf(from);
  }
  return to_word || (to == Type::kF32 ? !IsHalf(from) : !IsBrain(from));
}

bool EveryValueFits(Type from, Type to) {
  const unsigned from_bits = ptx::BitsOf(from);
  const unsigned to_bits = ptx::BitsOf(to);
  if (ptx::IsSigned(from) == ptx::IsSigned(to)) {
    return from_bits <= to_bits;
  }
  return !ptx::IsSigned(from) && from_bits < to_bits;
}

// No conversion between 8-bit integers and bf16, and no .sat for bf16.
bool BrainFits(const Variant& v) {
  const bool has_byte = ptx::BitsOf(v.types[0]) == 8 || ptx::BitsOf(v.types[1]) == 8;
  const bool has_brain = IsBrain(v.types[0]) || IsBrain(v.types[1]);
  return !has_brain || (!has_byte && !v.Has(Modifier::kSat));
}

bool FlushFits(const Variant& v) {
  return !v.Has(Modifier::kFtz) || v.types[0] == Type::kF32 || v.types[1] == Type::kF32;
}

bool IsLegalIntegerCvt(const Variant& v) {
  const bool to_float = ptx::IsFloat(v.types[0]);
  const bool from_float = ptx::IsFloat(v.types[1]);
  if (!to_float && !from_float) {
    return !HasRounding(v) && !HasIntegralRounding(v) &&
           (!v.Has(Modifier::kSat) || !EveryValueFits(v.types[1], v.types[0]));
  }
  return HasRounding(v) == to_float && HasIntegralRounding(v) == from_float && BrainFits(v);
}

// What f32 to a half allows beside the usual.
bool IsLegalHalfFromSingle(const Variant& v) {
  return IsHalf(v.types[0]) && v.types[1] == Type::kF32 &&
         HasAny(v, {Modifier::kRn, Modifier::kRz}) && !HasAny(v, {Modifier::kSat, Modifier::kFtz});
}

bool IsLegalFloatCvt(const Variant& v) {
  const Type to = v.types[0];
  const Type from = v.types[1];
  if (HasAny(v, {Modifier::kRelu, Modifier::kSatfinite})) {
    return IsLegalHalfFromSingle(v);
  }
  if (!BrainFits(v)) {
    return false;
  }
  if (to == from) {
    return !HasRounding(v);
  }
  const bool narrows = ptx::BitsOf(to) < ptx::BitsOf(from) || (IsHalf(to) && IsHalf(from));
  // Widening a bf16 takes a rounding that changes nothing.
  return !HasIntegralRounding(v) && (HasRounding(v) == narrows || (IsBrain(from) && !narrows));
}

bool IsSmall(Type type) {
  const Type element = PackingOf(type).element;
  return ptx::InfoOf(element).type_class == ptx::TypeClass::kSmallFloat;
}

bool IsLegalPairCvt(const Variant& v) {
  const Type to = v.types[0];
  const Type from = v.types[1];
  if (!IsSmall(to) && !IsSmall(from)) {
    return true;
  }
  if (!IsSmall(to)) {
    return to == Type::kF16x2;
  }
  const bool is_six_bits = to == Type::kE3m2x2 || to == Type::kE2m3x2;
  return v.Has(Modifier::kRn) && v.Has(Modifier::kSatfinite) &&
         (from == Type::kF32 || (from == Type::kF16x2 && !is_six_bits));
}

bool IsLegalCvt(const Variant& v) {
  if (v.Has(Modifier::kPack)) {
    return true;
  }
  if (v.type() == Type::kTf32) {
    return !v.Has(Modifier::kRna) || !v.Has(Modifier::kRelu);
  }
  if (PackingOf(v.types[0]).count == 2 || PackingOf(v.types[1]).count == 2) {
    return IsLegalPairCvt(v);
  }
  if (!FlushFits(v)) {
    return false;
  }
  return ptx::IsFloat(v.types[0]) && ptx::IsFloat(v.types[1]) ? IsLegalFloatCvt(v)
                                                              : IsLegalIntegerCvt(v);
}

// A second operation needs the operand c, and without one there is none.
bool IsLegalVideo(const Variant& v) {
  const bool has_second = HasAny(v, {Modifier::kAdd, Modifier::kMin, Modifier::kMax});
  const bool is_packed = !v.form->operands.back().is_optional;
  return is_packed ? !(v.Has(Modifier::kSat) && v.Has(Modifier::kAdd))
                   : has_second == (v.operands.size() == 4);
}

bool IsVideo(const Variant& v) {
  return ptx::NameOf(v.opcode).front() == 'v' && v.opcode != Opcode::kVmad &&
         v.opcode != Opcode::kVote;
}

}  // namespace

bool IsLegal(const Variant& v, const Row& row) {
  if (!OperandsFit(v, row)) {
    return false;
  }
  switch (v.opcode) {
    case Opcode::kMin:
    case Opcode::kMax:
      return v.operands.size() == 4 || v.Has(Modifier::kAbs) == v.Has(Modifier::kXorsign);
    case Opcode::kMad:
      return v.type() != Type::kF32 || HasRounding(v);
    case Opcode::kLop3:
      return v.is_pair == (row.results.size() == 2);
    case Opcode::kSlct:
      return !v.Has(Modifier::kFtz) || v.types[1] == Type::kF32;
    case Opcode::kSetp:
      return IsLegalSetp(v);
    case Opcode::kSet:
      return IsLegalSet(v);
    case Opcode::kCvt:
      return IsLegalCvt(v);
    default:
      return !IsVideo(v) || IsLegalVideo(v);
  }
}

}  // namespace farlane::soft::isa
