// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/float_format.h"

namespace farlane::soft::isa {

using ptx::Type;

bool FloatFormat::is_nan(uint64_t bits) const {
  const uint64_t size = bits & (exponent_mask() | fraction_mask());
  switch (top) {
    case TopExponent::kIeee:
      return size > exponent_mask();
    case TopExponent::kOneNan:
      return size == canonical_nan();
    default:
      return false;
  }
}

FloatFormat FormatOf(Type type) {
  switch (type) {
    case Type::kF16:
      return {5, 10, TopExponent::kIeee};
    case Type::kBf16:
      return {8, 7, TopExponent::kIeee};
    case Type::kTf32:
      return {8, 10, TopExponent::kIeee};
    case Type::kF32:
      return {8, 23, TopExponent::kIeee};
    case Type::kF64:
      return {11, 52, TopExponent::kIeee};
    case Type::kE5m2:
      return {5, 2, TopExponent::kIeee};
    case Type::kE4m3:
      return {4, 3, TopExponent::kOneNan};
    case Type::kE3m2:
      return {3, 2, TopExponent::kNumbers};
    case Type::kE2m3:
      return {2, 3, TopExponent::kNumbers};
    case Type::kE2m1:
      return {2, 1, TopExponent::kNumbers};
    default:
      return {};
  }
}

}  // namespace farlane::soft::isa
