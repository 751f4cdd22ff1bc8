// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/approximation.h"

#include <algorithm>
#include <cmath>

namespace farlane::soft::isa {
namespace {

using ptx::Opcode;

constexpr double kPi = 3.14159265358979323846;

// The distance of f32 numbers around a result.
double UlpOf(double result) {
  int exponent = 0;
  std::frexp(result, &exponent);
  return std::ldexp(1.0, std::max(exponent - 24, -149));
}

// Results below the normal range are as far apart as the smallest number.
double Relative(double result, double factor) {
  return std::max(std::fabs(result) * factor, std::ldexp(1.0, -149));
}

std::optional<double> OneUlp(double, double result) {
  return UlpOf(result);
}

std::optional<double> OfSquareRoot(double, double result) {
  return Relative(result, 0x1p-23);
}

// 2^-22.9
std::optional<double> OfReciprocalRoot(double, double result) {
  return Relative(result, 1.2775e-7);
}

std::optional<double> OfExponential(double, double result) {
  return Relative(result, 0x1p-22);
}

std::optional<double> OfLogarithm(double x, double result) {
  return x > 0.5 && x < 2 ? 0x1p-22 : Relative(result, 0x1p-22);
}

// 2^-20.5 in one turn, 2^-14.7 in a hundred half turns.
std::optional<double> OfAngle(double x, double) {
  if (std::fabs(x) <= 2 * kPi) {
    return 6.7435e-7;
  }
  return std::fabs(x) <= 100 * kPi ? std::optional(3.757e-5) : std::nullopt;
}

std::optional<double> OfTangent(double, double result) {
  return Relative(result, 0x1p-11);
}

constexpr Approximation kApproximations[] = {
    {Opcode::kRcp, "rcp.approx.f32", "1 ulp", [](long double x) { return 1 / x; },
     [](double x) { return 1 / x; }, OneUlp},
    {Opcode::kSqrt, "sqrt.approx.f32", "2^-23 of the result",
     [](long double x) { return std::sqrt(x); }, [](double x) { return std::sqrt(x); },
     OfSquareRoot},
    {Opcode::kRsqrt, "rsqrt.approx.f32", "2^-22.9 of the result",
     [](long double x) { return 1 / std::sqrt(x); }, [](double x) { return 1 / std::sqrt(x); },
     OfReciprocalRoot},
    {Opcode::kEx2, "ex2.approx.f32", "2^-22 of the result",
     [](long double x) { return std::exp2(x); }, [](double x) { return std::exp2(x); },
     OfExponential},
    {Opcode::kLg2, "lg2.approx.f32", "2^-22, between 1/2 and 2 absolutely, else of the result",
     [](long double x) { return std::log2(x); }, [](double x) { return std::log2(x); },
     OfLogarithm},
    {Opcode::kSin, "sin.approx.f32", "2^-20.5 up to 2 pi, 2^-14.7 up to 100 pi",
     [](long double x) { return std::sin(x); }, [](double x) { return std::sin(x); }, OfAngle},
    {Opcode::kCos, "cos.approx.f32", "2^-20.5 up to 2 pi, 2^-14.7 up to 100 pi",
     [](long double x) { return std::cos(x); }, [](double x) { return std::cos(x); }, OfAngle},
    {Opcode::kTanh, "tanh.approx.f32", "2^-11 of the result",
     [](long double x) { return std::tanh(x); }, [](double x) { return std::tanh(x); }, OfTangent},
};

}  // namespace

std::span<const Approximation> Approximations() {
  return kApproximations;
}

const Approximation* FindApproximationOrNull(Opcode opcode) {
  for (const Approximation& approximation : kApproximations) {
    if (approximation.opcode == opcode) {
      return &approximation;
    }
  }
  return nullptr;
}

}  // namespace farlane::soft::isa
