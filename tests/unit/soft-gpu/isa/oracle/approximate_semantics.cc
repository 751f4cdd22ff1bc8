// SPDX-License-Identifier: Apache-2.0
// Operations whose error the ISA only bounds. Special cases (zeros, infinities, NaN) are exact.
#include <cmath>

#include "tests/unit/soft-gpu/isa/oracle/approximation.h"
#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

// Exact for every format up to f64: long double has 64 bits of significand.
ExactNumber FromLong(long double value) {
  if (std::isnan(value)) {
    return ExactNumber::Nan();
  }
  const bool negative = std::signbit(value);
  if (std::isinf(value)) {
    return ExactNumber::Infinity(negative);
  }
  int exponent = 0;
  const long double fraction = std::frexp(std::fabs(value), &exponent);
  return ExactNumber::Make(negative, static_cast<uint64_t>(std::ldexp(fraction, 64)), exponent - 64,
                           false);
}

// A number of a format as long double.
long double ToLong(const ExactNumber& number) {
  const FloatFormat f64 = FormatOf(Type::kF64);
  const uint64_t bits = number.ToBits(f64, Rounding::kNearestEven);
  const uint64_t fraction = bits & f64.fraction_mask();
  const auto field = static_cast<int>((bits & f64.exponent_mask()) >> f64.fraction_bits);
  const long double sign = (bits & f64.sign_bit()) != 0 ? -1 : 1;
  if (number.is_nan()) {
    return NAN;
  }
  if (number.kind() == ExactNumber::Kind::kInfinite) {
    return sign * INFINITY;
  }
  const uint64_t leading = field == 0 ? 0 : uint64_t{1} << 52;
  return sign *
         std::ldexp(static_cast<long double>(leading | fraction), (field == 0 ? 1 : field) - 1075);
}

// What lies between the step from one number of a format to the next around a value.
long double StepOf(long double value, Type type) {
  const FloatFormat format = FormatOf(type);
  const int least = 2 - format.bias();
  int exponent = least;
  if (value != 0) {
    std::frexp(value, &exponent);
  }
  return std::ldexp(1.0L, std::max(exponent, least) - static_cast<int>(format.bits()) +
                              static_cast<int>(format.exponent_bits));
}

void GiveNear(Call& call, long double value, double allowed) {
  call.out[0] = Result(call, FromLong(value), call.type);
  call.out[0].number = static_cast<double>(value);
  call.out[0].allowed = std::isfinite(value) ? allowed : 0;
}

void Function(Call& call) {
  const Approximation& function = *FindApproximationOrNull(call.variant.opcode);
  const long double x = ToLong(Operand(call, call.in[0], call.type));
  const long double y = function.exact(x);
  const std::optional<double> allowed =
      std::isfinite(x) && std::isfinite(y)
          ? function.allowed(static_cast<double>(x), static_cast<double>(y))
          : std::optional(0.0);
  GiveNear(call, y, allowed.value_or(0));
  call.out[0].is_open = !allowed.has_value();
}

// ex2 of halves: 2^-9.9 and 2^-7 of the result; tanh: 2^-10.987 and 2^-8. A result is rounded to
// the format once more.
void FunctionOfHalf(Call& call) {
  const bool is_f16 = call.type == Type::kF16;
  const long double x = ToLong(Operand(call, call.in[0], call.type));
  const bool is_exponential = call.variant.opcode == Opcode::kEx2;
  const long double y = is_exponential ? std::exp2(x) : std::tanh(x);
  const double factor = is_exponential ? (is_f16 ? 1.047e-3 : 0x1p-7) : is_f16 ? 4.928e-4 : 0x1p-8;
  const double size = is_exponential ? static_cast<double>(std::fabs(y)) : 1;
  GiveNear(call, y, factor * size + static_cast<double>(StepOf(y, call.type) / 2));
}

// Two ulp. .approx promises that only for divisors from 2^-126 to 2^126; above, an infinite
// dividend gives NaN and others a zero, whose sign is open.
void DivideRoughly(Call& call) {
  const ExactNumber a = Operand(call, call.in[0], call.type);
  const ExactNumber b = Operand(call, call.in[1], call.type);
  const long double divisor = std::fabs(ToLong(b));
  const long double quotient = ToLong(a) / ToLong(b);
  GiveNear(call, quotient, static_cast<double>(2 * StepOf(quotient, call.type)));
  if (call.Has(Modifier::kFull)) {
    return;
  }
  call.out[0].is_open = divisor != 0 && divisor < 0x1p-126L;
  if (std::isfinite(divisor) && divisor > 0x1p126L) {
    const bool makes_nan = a.is_nan() || a.kind() == ExactNumber::Kind::kInfinite;
    GiveNear(call, makes_nan ? NAN : 0, 0);
    call.out[0].either_zero = true;
  }
}

// The rough f64 functions read and write the upper 32 bits only.
void RoughDouble(Call& call) {
  const FloatFormat format = FormatOf(Type::kF64);
  uint64_t bits = call.in[0] & 0xffffffff00000000;
  if (format.is_subnormal_or_zero(bits)) {
    bits &= format.sign_bit();
  }
  // A NaN whose upper half looks like an infinity: the ISA calls it a NaN and the half ignored.
  const bool was_nan = format.is_nan(call.in[0]);
  const ExactNumber x = was_nan ? ExactNumber::Nan() : ExactNumber::FromBits(bits, format);
  const long double value = ToLong(x);
  const long double y = call.variant.opcode == Opcode::kRcp ? 1 / value : 1 / std::sqrt(value);
  GiveNear(call, y, static_cast<double>(std::fabs(y)) * 0x1p-20);
  call.out[0].is_open = was_nan && !format.is_nan(bits);
}

void ReciprocalRootOfDouble(Call& call) {
  const long double y = 1 / std::sqrt(ToLong(Operand(call, call.in[0], call.type)));
  GiveNear(call, y, static_cast<double>(std::fabs(y)) * 0x1p-51);
}

bool OfSingle(const Variant& variant) {
  return variant.type() == Type::kF32 && variant.Has(Modifier::kApprox);
}

bool OfHalves(const Variant& variant) {
  return ptx::BitsOf(PackingOf(variant.type()).element) == 16;
}

bool IsRoughDouble(const Variant& variant) {
  return variant.type() == Type::kF64 && variant.Has(Modifier::kFtz);
}

bool IsDouble(const Variant& variant) {
  return variant.type() == Type::kF64;
}

bool IsRough(const Variant& variant) {
  return variant.Has(Modifier::kApprox) || variant.Has(Modifier::kFull);
}

constexpr Row kRows[] = {
    {Opcode::kDiv, IsRough, "m", "mm", false, DivideRoughly},
    {Opcode::kRcp, OfSingle, "m", "m", false, Function},
    {Opcode::kRcp, IsRoughDouble, "m", "m", false, RoughDouble},
    {Opcode::kSqrt, OfSingle, "m", "m", false, Function},
    {Opcode::kRsqrt, OfSingle, "m", "m", false, Function},
    {Opcode::kRsqrt, IsRoughDouble, "m", "m", false, RoughDouble},
    {Opcode::kRsqrt, IsDouble, "m", "m", false, ReciprocalRootOfDouble},
    {Opcode::kEx2, OfSingle, "m", "m", false, Function},
    {Opcode::kEx2, OfHalves, "m", "m", true, FunctionOfHalf},
    {Opcode::kLg2, OfSingle, "m", "m", false, Function},
    {Opcode::kSin, OfSingle, "m", "m", false, Function},
    {Opcode::kCos, OfSingle, "m", "m", false, Function},
    {Opcode::kTanh, OfSingle, "m", "m", false, Function},
    {Opcode::kTanh, OfHalves, "m", "m", true, FunctionOfHalf},
};

}  // namespace

std::span<const Row> ApproximateSemantics() {
  return kRows;
}

}  // namespace farlane::soft::isa
