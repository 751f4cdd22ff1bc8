// SPDX-License-Identifier: Apache-2.0
// The exact arithmetic of the oracle against the processor's, where the processor has the format
// and the direction, and against a search through all numbers, where it has not.
#include "tests/unit/soft-gpu/isa/oracle/exact_number.h"

#include <bit>
#include <cfenv>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/isa/oracle/agreement.h"
#include "tests/unit/soft-gpu/isa/oracle/input_values.h"

namespace farlane::soft::isa {
namespace {

using ptx::Type;

constexpr uint64_t kSeed = 20260104;
constexpr int kRuns = 100000;

struct Direction {
  int processor;
  Rounding rounding;
};

constexpr Direction kDirections[] = {{FE_TONEAREST, Rounding::kNearestEven},
                                     {FE_TOWARDZERO, Rounding::kZero},
                                     {FE_DOWNWARD, Rounding::kDown},
                                     {FE_UPWARD, Rounding::kUp}};

template <typename T>
struct Processor;

template <>
struct Processor<float> {
  using Bits = uint32_t;
  static constexpr Type kType = Type::kF32;
};

template <>
struct Processor<double> {
  using Bits = uint64_t;
  static constexpr Type kType = Type::kF64;
};

// The five operations in the processor's current direction; volatile, so that they happen there.
template <typename T>
T Compute(int operation, T a, T b, T c) {
  const volatile T x = a;
  const volatile T y = b;
  switch (operation) {
    case 0:
      return x + y;
    case 1:
      return x * y;
    case 2:
      return x / y;
    case 3:
      return std::sqrt(x);
    default:
      return std::fma(x, y, c);
  }
}

ExactNumber ComputeExactly(int operation,
                           const ExactNumber& a,
                           const ExactNumber& b,
                           const ExactNumber& c,
                           Rounding rounding) {
  switch (operation) {
    case 0:
      return ExactNumber::Add(a, b, rounding);
    case 1:
      return ExactNumber::Multiply(a, b);
    case 2:
      return ExactNumber::Divide(a, b);
    case 3:
      return ExactNumber::SquareRoot(a);
    default:
      return ExactNumber::Add(ExactNumber::Multiply(a, b), c, rounding);
  }
}

template <typename T>
void CompareWithProcessor() {
  using Bits = typename Processor<T>::Bits;
  const FloatFormat format = FormatOf(Processor<T>::kType);
  std::mt19937_64 random(kSeed);
  for (int run = 0; run < kRuns; ++run) {
    Bits bits[3];
    for (Bits& one : bits) {
      one = static_cast<Bits>(RandomOf(Processor<T>::kType, random));
    }
    const int operation = run % 5;
    const Direction direction = kDirections[run / 5 % 4];
    std::fesetround(direction.processor);
    const T actual = Compute(operation, std::bit_cast<T>(bits[0]), std::bit_cast<T>(bits[1]),
                             std::bit_cast<T>(bits[2]));
    std::fesetround(FE_TONEAREST);
    const uint64_t exact =
        ComputeExactly(operation, ExactNumber::FromBits(bits[0], format),
                       ExactNumber::FromBits(bits[1], format),
                       ExactNumber::FromBits(bits[2], format), direction.rounding)
            .ToBits(format, direction.rounding);
    const bool both_nan = std::isnan(actual) && format.is_nan(exact);
    ASSERT_TRUE(both_nan || exact == std::bit_cast<Bits>(actual))
        << "operation " << operation << " of 0x" << std::hex << bits[0] << " 0x" << bits[1] << " 0x"
        << bits[2] << " direction " << direction.processor << ": 0x" << exact << ", not 0x"
        << std::bit_cast<Bits>(actual);
  }
}

TEST(ExactNumber, RoundsSinglesAsTheProcessorDoes) {
  CompareWithProcessor<float>();
}

TEST(ExactNumber, RoundsDoublesAsTheProcessorDoes) {
  CompareWithProcessor<double>();
}

// Products of two numbers of a small format are exact in f64, so all numbers can be asked which is
// the nearest.
TEST(ExactNumber, FindsTheNearestOfSmallFormats) {
  std::mt19937_64 random(kSeed);
  for (const Type type : {Type::kE4m3, Type::kE5m2, Type::kE3m2, Type::kE2m3, Type::kE2m1}) {
    const FloatFormat format = FormatOf(type);
    for (int run = 0; run < 2000; ++run) {
      const uint64_t a = Truncate(random(), format.bits() - 1);
      const uint64_t b = Truncate(random(), format.bits() - 1);
      if (a > format.max_finite() || b > format.max_finite()) {
        continue;
      }
      const double product = ToDouble(a, format) * ToDouble(b, format);
      if (product > ToDouble(format.max_finite(), format)) {
        continue;
      }
      const uint64_t rounded =
          ExactNumber::Multiply(ExactNumber::FromBits(a, format), ExactNumber::FromBits(b, format))
              .ToBits(format, Rounding::kNearestEven);
      const double error = std::fabs(ToDouble(rounded, format) - product);
      for (uint64_t other = 0; other <= format.max_finite(); ++other) {
        const double distance = std::fabs(ToDouble(other, format) - product);
        ASSERT_GE(distance, error) << std::hex << a << " " << b;
        ASSERT_TRUE(distance > error || other == rounded || (rounded & 1) == 0) << "no even tie";
      }
    }
  }
}

TEST(ExactNumber, ClampsToIntegers) {
  const FloatFormat format = FormatOf(Type::kF64);
  const auto number = [&](double value) {
    return ExactNumber::FromBits(std::bit_cast<uint64_t>(value), format)
        .ToIntegral(Rounding::kNearestEven);
  };

  EXPECT_EQ(number(2.5).ToSigned(32), 2u);
  EXPECT_EQ(number(3.5).ToUnsigned(8), 4u);
  EXPECT_EQ(static_cast<int64_t>(number(-1e300).ToSigned(16)), -32768);
  EXPECT_EQ(number(1e300).ToUnsigned(64), ~uint64_t{0});
  EXPECT_EQ(number(-0.4).ToUnsigned(32), 0u);
  EXPECT_EQ(number(-9223372036854775808.0).ToSigned(64), uint64_t{1} << 63);
}

}  // namespace
}  // namespace farlane::soft::isa
