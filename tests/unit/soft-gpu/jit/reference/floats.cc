// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "tests/unit/soft-gpu/jit/reference/reference.h"

namespace farlane::soft::reference {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double In(const Variant& v, uint64_t bits) {
  const double value = AsFloat(bits, v.type());
  return v.type() == Type::kF64 ? value : Flushed(static_cast<float>(value), v);
}

// .ftz and .sat of a result.
Expected Out(const Variant& v, double value, double tolerance = 0) {
  if (v.type() != Type::kF64) {
    value = Flushed(static_cast<float>(value), v);
  }
  if (v.Has(Modifier::kSat)) {
    value = std::isnan(value) || value <= 0 ? 0 : value > 1 ? 1 : value;
  }
  return {BitsOfFloat(value, v.type()), tolerance};
}

// function(a, b, c) computed in the type's own precision and the variant's direction; volatile
// keeps the compiler from moving it out of the direction's scope.
template <typename F>
Expected Compute(const Variant& v, Inputs in, F function, double tolerance = 0) {
  const double a = In(v, in[0]);
  const double b = In(v, in[1]);
  const double c = In(v, in[2]);
  if (v.type() == Type::kF64) {
    volatile double x = a, y = b, z = c;
    volatile double result = 0;
    {
      Direction direction(v);
      result = function(double{x}, double{y}, double{z});
    }
    return Out(v, result, tolerance);
  }
  volatile float x = static_cast<float>(a), y = static_cast<float>(b), z = static_cast<float>(c);
  volatile float result = 0;
  {
    Direction direction(v);
    result = function(float{x}, float{y}, float{z});
  }
  return Out(v, result, tolerance);
}

Expected Add(const Variant& v, Inputs in) {
  return Compute(v, in, [](auto a, auto b, auto) { return a + b; });
}

Expected Sub(const Variant& v, Inputs in) {
  return Compute(v, in, [](auto a, auto b, auto) { return a - b; });
}

Expected Mul(const Variant& v, Inputs in) {
  return Compute(v, in, [](auto a, auto b, auto) { return a * b; });
}

Expected Fma(const Variant& v, Inputs in) {
  return Compute(v, in, [](auto a, auto b, auto c) { return std::fma(a, b, c); });
}

// The documented corner of div.approx: divisors above 2^126 give 0, or NaN for an infinite
// dividend.
Expected Div(const Variant& v, Inputs in) {
  const double divisor = std::fabs(In(v, in[1]));
  if (v.Has(Modifier::kApprox) && divisor > 0x1p126 && divisor < kInfinity) {
    const double dividend = In(v, in[0]);
    const double sign = std::copysign(1.0, dividend);
    return Out(v, std::isinf(dividend) || std::isnan(dividend) ? kNan : sign * 0.0);
  }
  const double tolerance = v.Has(Modifier::kApprox) || v.Has(Modifier::kFull) ? 0x1p-22 : 0;
  return Compute(
      v, in, [](auto a, auto b, auto) { return a / b; }, tolerance);
}

bool IsCoarse(const Variant& v) {
  return v.type() == Type::kF64 && v.Has(Modifier::kFtz);
}

double FlushedDouble(double value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0, value) : value;
}

Expected Rcp(const Variant& v, Inputs in) {
  if (IsCoarse(v)) {
    const double result = FlushedDouble(1 / FlushedDouble(AsFloat(in[0], v.type())));
    return {BitsOfFloat(result, v.type()), 0x1p-18};
  }
  return Compute(
      v, in, [](auto a, auto, auto) { return decltype(a){1} / a; },
      v.Has(Modifier::kApprox) ? 0x1p-23 : 0);
}

Expected Sqrt(const Variant& v, Inputs in) {
  return Compute(
      v, in, [](auto a, auto, auto) { return std::sqrt(a); },
      v.Has(Modifier::kApprox) ? 0x1p-23 : 0);
}

Expected Rsqrt(const Variant& v, Inputs in) {
  if (IsCoarse(v)) {
    const double result = FlushedDouble(1 / std::sqrt(FlushedDouble(AsFloat(in[0], v.type()))));
    return {BitsOfFloat(result, v.type()), 0x1p-18};
  }
  return Compute(
      v, in, [](auto a, auto, auto) { return decltype(a){1} / std::sqrt(a); },
      v.type() == Type::kF64 ? 0x1p-30 : 0x1p-22);
}

Expected Ex2(const Variant& v, Inputs in) {
  return Out(v, std::exp2(In(v, in[0])), 0x1p-22);
}

Expected Lg2(const Variant& v, Inputs in) {
  return Out(v, std::log2(In(v, in[0])), 0x1p-22);
}

Expected Sin(const Variant& v, Inputs in) {
  return Out(v, std::sin(In(v, in[0])), 0x1p-20);
}

Expected Cos(const Variant& v, Inputs in) {
  return Out(v, std::cos(In(v, in[0])), 0x1p-20);
}

Expected Tanh(const Variant& v, Inputs in) {
  return Out(v, std::tanh(In(v, in[0])), 0x1p-11);
}

Expected Abs(const Variant& v, Inputs in) {
  return Out(v, std::fabs(In(v, in[0])));
}

Expected Neg(const Variant& v, Inputs in) {
  return Out(v, -In(v, in[0]));
}

Expected Copysign(const Variant& v, Inputs in) {
  return Out(v, std::copysign(AsFloat(in[1], v.type()), AsFloat(in[0], v.type())));
}

// Minimum of two numbers in which -0 is less than +0.
double Smaller(double a, double b) {
  if (a == b) {
    return std::signbit(a) ? a : b;
  }
  return a < b ? a : b;
}

Expected Extremum(const Variant& v, Inputs in, bool wants_max) {
  double a = In(v, in[0]);
  double b = In(v, in[1]);
  if (std::isnan(a) || std::isnan(b)) {
    const double other = std::isnan(a) ? b : a;
    if (v.Has(Modifier::kNan) || std::isnan(other)) {
      return Out(v, kNan);
    }
    if (!v.Has(Modifier::kAbs)) {
      return Out(v, other);
    }
  }
  const bool is_negative = std::signbit(a) != std::signbit(b);
  if (v.Has(Modifier::kAbs)) {
    a = std::fabs(a);
    b = std::fabs(b);
  }
  double result = std::isnan(a)   ? b
                  : std::isnan(b) ? a
                  : wants_max     ? -Smaller(-a, -b)
                                  : Smaller(a, b);
  if (v.Has(Modifier::kXorsign)) {
    result = is_negative ? -result : result;
  }
  return Out(v, result);
}

Expected Min(const Variant& v, Inputs in) {
  return Extremum(v, in, false);
}

Expected Max(const Variant& v, Inputs in) {
  return Extremum(v, in, true);
}

Expected Testp(const Variant& v, Inputs in) {
  const int kind = std::fpclassify(AsFloat(in[0], v.type()));
  const bool is_single = v.type() == Type::kF32;
  const int own = is_single ? std::fpclassify(static_cast<float>(AsFloat(in[0], v.type()))) : kind;
  const bool result = v.Has(Modifier::kFinite)       ? own != FP_INFINITE && own != FP_NAN
                      : v.Has(Modifier::kInfinite)   ? own == FP_INFINITE
                      : v.Has(Modifier::kNumber)     ? own != FP_NAN
                      : v.Has(Modifier::kNotanumber) ? own == FP_NAN
                      : v.Has(Modifier::kNormal)     ? own == FP_NORMAL
                                                     : own == FP_SUBNORMAL;
  return {result};
}

constexpr Row kRows[] = {
    {Opcode::kAdd, true, "m", "mm", Add},
    {Opcode::kSub, true, "m", "mm", Sub},
    {Opcode::kMul, true, "m", "mm", Mul},
    {Opcode::kFma, true, "m", "mmm", Fma},
    {Opcode::kMad, true, "m", "mmm", Fma},
    {Opcode::kDiv, true, "m", "mm", Div},
    {Opcode::kRcp, true, "m", "m", Rcp},
    {Opcode::kSqrt, true, "m", "m", Sqrt},
    {Opcode::kRsqrt, true, "m", "m", Rsqrt},
    {Opcode::kEx2, true, "m", "m", Ex2},
    {Opcode::kLg2, true, "m", "m", Lg2},
    {Opcode::kSin, true, "m", "m", Sin},
    {Opcode::kCos, true, "m", "m", Cos},
    {Opcode::kTanh, true, "m", "m", Tanh},
    {Opcode::kAbs, true, "m", "m", Abs},
    {Opcode::kNeg, true, "m", "m", Neg},
    {Opcode::kCopysign, true, "m", "mm", Copysign},
    {Opcode::kMin, true, "m", "mm", Min},
    {Opcode::kMax, true, "m", "mm", Max},
    {Opcode::kTestp, true, "p", "m", Testp},
};

}  // namespace

std::span<const Row> FloatReference() {
  return kRows;
}

}  // namespace farlane::soft::reference
