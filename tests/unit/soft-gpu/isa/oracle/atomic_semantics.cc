// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/atomic_semantics.h"

#include <algorithm>
#include <set>
#include <string>

namespace farlane::soft::isa {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

namespace {

// The sum of f32 is rounded to the nearest. In global memory a GPU may flush subnormals there,
// which the ISA leaves to the implementation.
Expected FloatSum(const Variant& variant, Type type, uint64_t old, uint64_t b) {
  const FloatFormat format = FormatOf(type);
  const ExactNumber sum = ExactNumber::Add(
      ExactNumber::FromBits(old, format), ExactNumber::FromBits(b, format), Rounding::kNearestEven);
  Expected expected;
  expected.bits = sum.ToBits(format, Rounding::kNearestEven);
  expected.is_open = variant.type() == Type::kF32 &&
                     (format.is_subnormal_or_zero(old) || format.is_subnormal_or_zero(b) ||
                      format.is_subnormal_or_zero(expected.bits));
  return expected;
}

Expected FloatResult(const Variant& variant, uint64_t old, uint64_t b) {
  const Packing packing = PackingOf(variant.type());
  const unsigned width = ptx::BitsOf(packing.element);
  Expected joined;
  for (unsigned lane = 0; lane < packing.count; ++lane) {
    const auto part = [&](uint64_t bits) { return Truncate(bits >> (lane * width), width); };
    const Expected one = FloatSum(variant, packing.element, part(old), part(b));
    joined.bits |= one.bits << (lane * width);
    joined.is_open = joined.is_open || one.is_open;
  }
  return joined;
}

bool IsLess(uint64_t a, uint64_t b, Type type) {
  const unsigned bits = ptx::BitsOf(type);
  return ptx::IsSigned(type) ? SignExtend(a, bits) < SignExtend(b, bits) : a < b;
}

uint64_t IntegerResult(const Variant& v, uint64_t old, uint64_t b, uint64_t c) {
  if (v.Has(Modifier::kCas)) {
    return old == b ? c : old;
  }
  if (v.Has(Modifier::kExch)) {
    return b;
  }
  if (v.Has(Modifier::kInc)) {
    return old >= b ? 0 : old + 1;
  }
  if (v.Has(Modifier::kDec)) {
    return old == 0 || old > b ? b : old - 1;
  }
  if (v.Has(Modifier::kMin) || v.Has(Modifier::kMax)) {
    return IsLess(old, b, v.type()) == v.Has(Modifier::kMin) ? old : b;
  }
  return v.Has(Modifier::kAnd)   ? old & b
         : v.Has(Modifier::kOr)  ? old | b
         : v.Has(Modifier::kXor) ? old ^ b
                                 : old + b;
}

bool HasAny(const Variant& variant, std::initializer_list<Modifier> modifiers) {
  return std::any_of(modifiers.begin(), modifiers.end(),
                     [&](Modifier modifier) { return variant.Has(modifier); });
}

// At most one of: a space, an order, a scope beside the default, a hint with its operand. Additions
// are the only operations on halves that are not of vectors.
bool IsChosen(const Variant& v) {
  const bool has_space = HasAny(
      v, {Modifier::kGlobal, Modifier::kShared, Modifier::kSharedCta, Modifier::kSharedCluster});
  const bool has_order =
      HasAny(v, {Modifier::kRelaxed, Modifier::kAcquire, Modifier::kRelease, Modifier::kAcqRel});
  const bool has_scope =
      HasAny(v, {Modifier::kCta, Modifier::kCluster, Modifier::kGpu, Modifier::kSys});
  const bool has_hint = v.Has(Modifier::kL2CacheHint);
  const bool takes_policy = v.operands.size() == v.form->operands.size();
  const bool is_half = ptx::BitsOf(PackingOf(v.type()).element) == 16 && !ptx::IsInteger(v.type());
  const int count = int{has_space} + int{has_hint} + int{has_order} + int{has_scope && !has_order};
  return count <= 1 && has_hint == takes_policy && (has_order == has_scope || !has_order) &&
         (!is_half || v.Has(Modifier::kAdd)) &&
         // red gives nothing back, so it can acquire nothing.
         (v.opcode == Opcode::kAtom || !HasAny(v, {Modifier::kAcquire, Modifier::kAcqRel}));
}

}  // namespace

Expected AtomicResult(const Variant& variant, uint64_t old, uint64_t b, uint64_t c) {
  if (OfFloats(variant)) {
    return FloatResult(variant, old, b);
  }
  Expected expected;
  expected.bits = Truncate(IntegerResult(variant, old, b, c), ptx::BitsOf(variant.type()));
  return expected;
}

std::vector<Variant> AtomicVariants() {
  std::vector<Variant> variants;
  std::set<std::string> seen;
  for (const Opcode opcode : {Opcode::kAtom, Opcode::kRed}) {
    for (const ptx::Form& form : ptx::FormsOf(opcode)) {
      if (form.stage > ptx::Stage::kS2) {
        continue;
      }
      for (const Variant& variant : VariantsOf(form)) {
        if (IsChosen(variant) && seen.insert(variant.title()).second) {
          variants.push_back(variant);
        }
      }
    }
  }
  return variants;
}

}  // namespace farlane::soft::isa
