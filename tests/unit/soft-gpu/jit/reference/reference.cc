// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/jit/reference/reference.h"

#include <bit>
#include <cfenv>
#include <cmath>

namespace farlane::soft::reference {

using ptx::Modifier;
using ptx::Type;

std::string Variant::text() const {
  std::string text(ptx::NameOf(opcode));
  for (const Modifier modifier : modifiers) {
    text += "." + std::string(ptx::NameOf(modifier));
  }
  return text;
}

const Row* FindRowOrNull(const Variant& variant) {
  const Type type = variant.opcode == ptx::Opcode::kSet ? variant.types.at(1) : variant.type();
  for (const std::span<const Row> rows : {IntegerReference(), BitReference(), FloatReference(),
                                          CompareReference(), ConvertReference()}) {
    for (const Row& row : rows) {
      if (row.opcode == variant.opcode && row.for_floats == ptx::IsFloat(type)) {
        return &row;
      }
    }
  }
  return nullptr;
}

Type TypeOfLetter(const Variant& variant, char letter) {
  switch (letter) {
    case 'w':
      if (!variant.Has(Modifier::kWide)) {
        return variant.type();
      }
      return ptx::BitsOf(variant.type()) == 16 ? Type::kB32 : Type::kB64;
    case 's':
      return variant.types.at(1);
    case '3':
      return Type::kB32;
    case 'p':
      return Type::kPred;
    default:
      return variant.type();
  }
}

int64_t AsSigned(uint64_t bits, unsigned width) {
  return static_cast<int64_t>(bits << (64 - width)) >> (64 - width);
}

uint64_t Truncate(uint64_t bits, unsigned width) {
  return width == 64 ? bits : bits & ((uint64_t{1} << width) - 1);
}

double AsFloat(uint64_t bits, Type type) {
  return type == Type::kF64 ? std::bit_cast<double>(bits)
                            : std::bit_cast<float>(static_cast<uint32_t>(bits));
}

uint64_t BitsOfFloat(double value, Type type) {
  return type == Type::kF64 ? std::bit_cast<uint64_t>(value)
                            : std::bit_cast<uint32_t>(static_cast<float>(value));
}

float Flushed(float value, const Variant& variant) {
  return variant.Has(Modifier::kFtz) && std::fpclassify(value) == FP_SUBNORMAL
             ? std::copysign(0.0f, value)
             : value;
}

Direction::Direction(const Variant& variant) : before_(std::fegetround()) {
  const int direction = variant.Has(Modifier::kRz)   ? FE_TOWARDZERO
                        : variant.Has(Modifier::kRm) ? FE_DOWNWARD
                        : variant.Has(Modifier::kRp) ? FE_UPWARD
                                                     : FE_TONEAREST;
  std::fesetround(direction);
}

Direction::~Direction() {
  std::fesetround(before_);
}

}  // namespace farlane::soft::reference
