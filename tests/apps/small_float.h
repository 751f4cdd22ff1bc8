// SPDX-License-Identifier: Apache-2.0
// Half precision on the CPU, bit by bit, from the definition of the formats alone: what the
// device's arithmetic is compared with. Nothing here uses the conversions of the CUDA headers.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace apps {

// How many bits of the 16 hold the fraction and the exponent.
struct SmallFormat {
  int fraction_bits;
  int exponent_bits;
};

constexpr SmallFormat kHalf = {10, 5};
constexpr SmallFormat kBrain = {7, 8};

enum class Towards { kNearest, kZero, kUp, kDown };

inline double DecodeSmall(SmallFormat format, uint16_t bits) {
  int bias = (1 << (format.exponent_bits - 1)) - 1;
  int fraction = bits & ((1 << format.fraction_bits) - 1);
  int exponent = (bits >> format.fraction_bits) & ((1 << format.exponent_bits) - 1);
  double magnitude = 0;
  if (exponent == (1 << format.exponent_bits) - 1) {
    magnitude = fraction == 0 ? std::numeric_limits<double>::infinity()
                              : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(fraction, 1 - bias - format.fraction_bits);
  } else {
    magnitude =
        std::ldexp(fraction + (1 << format.fraction_bits), exponent - bias - format.fraction_bits);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// To an integer, as a number that is scaled so that its last bit counts one.
inline double RoundScaled(double scaled, Towards towards) {
  switch (towards) {
    case Towards::kNearest:
      return std::nearbyint(scaled);
    case Towards::kZero:
      return std::trunc(scaled);
    case Towards::kUp:
      return std::ceil(scaled);
    case Towards::kDown:
      return std::floor(scaled);
  }
  return scaled;
}

// A NaN becomes 0x7fff, as on the device. The value must be exact or already correctly rounded to
// a double for which a second rounding does no harm; sums and products of small floats are.
inline uint16_t EncodeSmall(SmallFormat format, double value, Towards towards = Towards::kNearest) {
  if (std::isnan(value)) {
    return 0x7fff;
  }
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  int bias = (1 << (format.exponent_bits - 1)) - 1;
  int infinity = ((1 << format.exponent_bits) - 1) << format.fraction_bits;
  if (value == 0 || std::isinf(value)) {
    return static_cast<uint16_t>(sign | (value == 0 ? 0 : infinity));
  }
  int exponent = std::ilogb(value);
  exponent = exponent < 1 - bias ? 1 - bias : exponent;
  double last_bit = std::ldexp(1.0, exponent - format.fraction_bits);
  int scaled = static_cast<int>(std::fabs(RoundScaled(value / last_bit, towards)));
  // A carry out of the fraction raises the exponent field by itself.
  int bits = ((exponent + bias - 1) << format.fraction_bits) + scaled;
  if (bits >= infinity) {
    bool outwards = towards == Towards::kNearest || (towards == Towards::kUp && value > 0) ||
                    (towards == Towards::kDown && value < 0);
    bits = outwards ? infinity : infinity - 1;
  }
  return static_cast<uint16_t>(sign | bits);
}

}  // namespace apps
