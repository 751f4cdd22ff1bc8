// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "tests/unit/soft-gpu/jit/reference/reference.h"

namespace farlane::soft::reference {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;
using Wide = __int128;

Wide Lowest(Type type) {
  return ptx::IsSigned(type) ? -(Wide{1} << (ptx::BitsOf(type) - 1)) : 0;
}

Wide Highest(Type type) {
  return (Wide{1} << (ptx::BitsOf(type) - (ptx::IsSigned(type) ? 1 : 0))) - 1;
}

Expected IntegerToInteger(const Variant& v, Wide value) {
  if (v.Has(Modifier::kSat)) {
    value = std::clamp(value, Lowest(v.types[0]), Highest(v.types[0]));
  }
  return {Truncate(static_cast<uint64_t>(value), ptx::BitsOf(v.types[0]))};
}

Expected Finished(const Variant& v, double value) {
  if (v.types[0] == Type::kF32) {
    value = Flushed(static_cast<float>(value), v);
  }
  if (v.Has(Modifier::kSat)) {
    value = std::isnan(value) || value <= 0 ? 0 : value > 1 ? 1 : value;
  }
  return {BitsOfFloat(value, v.types[0])};
}

// Through the 64-bit significand of long double, which holds every 64-bit integer and every double:
// the only rounding is the last step's.
Expected Rounded(const Variant& v, long double value) {
  volatile long double exact = value;
  volatile double result = 0;
  {
    Direction direction(v);
    if (v.types[0] == Type::kF32) {
      volatile float single = static_cast<float>(exact);
      result = single;
    } else {
      result = static_cast<double>(exact);
    }
  }
  return Finished(v, result);
}

double Integral(const Variant& v, double value) {
  if (v.Has(Modifier::kRni)) {
    return std::nearbyint(value);
  }
  if (v.Has(Modifier::kRzi)) {
    return std::trunc(value);
  }
  if (v.Has(Modifier::kRmi)) {
    return std::floor(value);
  }
  return v.Has(Modifier::kRpi) ? std::ceil(value) : value;
}

Expected FloatToInteger(const Variant& v, double value) {
  const Type to = v.types[0];
  const unsigned bits = ptx::BitsOf(to);
  if (std::isnan(value)) {
    const bool is_top = v.types[1] == Type::kF64 || bits == 64;
    return {is_top ? uint64_t{1} << (bits - 1) : 0};
  }
  const double integral = Integral(v, value);
  if (integral <= static_cast<double>(Lowest(to))) {
    return {Truncate(static_cast<uint64_t>(Lowest(to)), bits)};
  }
  if (integral >= static_cast<double>(Highest(to))) {
    return {Truncate(static_cast<uint64_t>(Highest(to)), bits)};
  }
  return {Truncate(static_cast<uint64_t>(static_cast<Wide>(integral)), bits)};
}

Expected Cvt(const Variant& v, Inputs in) {
  const Type to = v.types[0];
  const Type from = v.types[1];
  if (!ptx::IsFloat(from)) {
    const unsigned bits = ptx::BitsOf(from);
    const Wide value =
        ptx::IsSigned(from) ? Wide{AsSigned(in[0], bits)} : Wide{Truncate(in[0], bits)};
    return ptx::IsFloat(to) ? Rounded(v, static_cast<long double>(value))
                            : IntegerToInteger(v, value);
  }
  double value = AsFloat(in[0], from);
  if (from == Type::kF32) {
    value = Flushed(static_cast<float>(value), v);
  }
  if (!ptx::IsFloat(to)) {
    return FloatToInteger(v, value);
  }
  return Rounded(v, Integral(v, value));
}

constexpr Row kRows[] = {
    {Opcode::kCvt, false, "m", "s", Cvt},
    {Opcode::kCvt, true, "m", "s", Cvt},
};

}  // namespace

std::span<const Row> ConvertReference() {
  return kRows;
}

}  // namespace farlane::soft::reference
