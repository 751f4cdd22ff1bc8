// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/variant.h"

#include <algorithm>

namespace farlane::soft::isa {

using ptx::Modifier;
using ptx::OperandRole;
using ptx::Type;

namespace {

bool HasRole(const Variant& variant, std::initializer_list<OperandRole> roles) {
  return std::any_of(roles.begin(), roles.end(), [&](OperandRole role) {
    return std::find(variant.operands.begin(), variant.operands.end(), role) !=
           variant.operands.end();
  });
}

// The lists of operands a form allows: with and without each optional one.
std::vector<std::vector<OperandRole>> OperandLists(const ptx::Form& form) {
  std::vector<std::vector<OperandRole>> lists(1);
  for (const ptx::OperandSlot& slot : form.operands) {
    const size_t count = lists.size();
    for (size_t i = 0; i < count; ++i) {
      if (slot.is_optional) {
        lists.push_back(lists[i]);
      }
      lists[i].push_back(slot.role);
    }
  }
  return lists;
}

Variant Start(const ptx::Form& form, std::span<const Modifier> modifiers) {
  Variant variant;
  variant.form = &form;
  variant.opcode = form.opcode;
  variant.modifiers.assign(modifiers.begin(), modifiers.end());
  for (const Modifier modifier : modifiers) {
    if (ptx::TypeOf(modifier) != Type::kNone) {
      variant.types.push_back(ptx::TypeOf(modifier));
    }
  }
  return variant;
}

}  // namespace

bool Variant::Has(Modifier modifier) const {
  return std::find(modifiers.begin(), modifiers.end(), modifier) != modifiers.end();
}

std::string Variant::name() const {
  std::string text(ptx::NameOf(opcode));
  for (const Modifier modifier : modifiers) {
    text += "." + std::string(ptx::NameOf(modifier));
  }
  return text;
}

std::string Variant::title() const {
  std::string text = name();
  if (operands.size() != form->operands.size()) {
    text += " of " + std::to_string(operands.size());
  }
  return text + (is_pair ? " d|p" : "") + (negates ? " !p" : "") +
         (immediate < 0 ? "" : " " + std::to_string(immediate));
}

std::vector<Variant> VariantsOf(const ptx::Form& form) {
  std::vector<Variant> variants;
  const std::vector<std::vector<OperandRole>> lists = OperandLists(form);
  ptx::ForEachVariant(form, [&](std::span<const Modifier> modifiers) {
    Variant variant = Start(form, modifiers);
    for (const std::vector<OperandRole>& operands : lists) {
      variant.operands = operands;
      const bool can_pair =
          HasRole(variant, {OperandRole::kDestinationPair, OperandRole::kPredicatePair});
      const bool can_negate = HasRole(variant, {OperandRole::kPredicate});
      for (const bool pair : {false, true}) {
        for (const bool negated : {false, true}) {
          if ((can_pair || !pair) && (can_negate || !negated)) {
            variant.is_pair = pair;
            variant.negates = negated;
            variants.push_back(variant);
          }
        }
      }
    }
  });
  return variants;
}

Packing PackingOf(Type type) {
  switch (type) {
    case Type::kF16x2:
      return {Type::kF16, 2};
    case Type::kBf16x2:
      return {Type::kBf16, 2};
    case Type::kF32x2:
      return {Type::kF32, 2};
    case Type::kU16x2:
      return {Type::kU16, 2};
    case Type::kS16x2:
      return {Type::kS16, 2};
    case Type::kE4m3x2:
      return {Type::kE4m3, 2};
    case Type::kE5m2x2:
      return {Type::kE5m2, 2};
    case Type::kE3m2x2:
      return {Type::kE3m2, 2};
    case Type::kE2m3x2:
      return {Type::kE2m3, 2};
    case Type::kE2m1x2:
      return {Type::kE2m1, 2};
    case Type::kUe8m0x2:
      return {Type::kUe8m0, 2};
    default:
      return {type, 1};
  }
}

}  // namespace farlane::soft::isa
