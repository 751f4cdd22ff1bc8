// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/small_float.h"

#include <bit>
#include <cmath>
#include <limits>

namespace farlane::soft::ptx {

namespace {

// Rounds a double once to a float of 16 bits with this many bits of exponent and mantissa.
uint16_t Round(double value, int exponent_bits, int mantissa_bits) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto infinity = static_cast<uint16_t>(((1 << exponent_bits) - 1) << mantissa_bits);
  if (std::isnan(value)) {
    return static_cast<uint16_t>(sign | infinity | (1 << (mantissa_bits - 1)));
  }
  const double magnitude = std::fabs(value);
  if (std::isinf(magnitude) || magnitude == 0) {
    return static_cast<uint16_t>(sign | (magnitude == 0 ? 0 : infinity));
  }
  int exponent = std::ilogb(magnitude);
  exponent = exponent < 1 - bias ? 1 - bias : exponent;  // denormals share the smallest exponent
  // A whole number of units in the last place; nearbyint rounds ties to even.
  const auto units =
      static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, mantissa_bits - exponent)));
  // The hidden bit of a normal number adds one to the exponent field, and so does a carry.
  const uint32_t field = static_cast<uint32_t>(exponent + bias - 1) << mantissa_bits;
  const uint32_t encoded = field + units;
  return static_cast<uint16_t>(sign | (encoded < infinity ? encoded : infinity));
}

}  // namespace

uint16_t RoundToHalf(double value) {
  return Round(value, 5, 10);
}

double HalfToDouble(uint16_t half) {
  const double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
  const int exponent = (half >> 10) & 0x1f;
  const int mantissa = half & 0x3ff;
  if (exponent == 0x1f) {
    return mantissa != 0 ? std::copysign(std::numeric_limits<double>::quiet_NaN(), sign)
                         : sign * std::numeric_limits<double>::infinity();
  }
  const bool is_normal = exponent != 0;
  return sign * std::ldexp(mantissa + (is_normal ? 0x400 : 0), (is_normal ? exponent : 1) - 25);
}

uint16_t RoundToBrainFloat(double value) {
  return Round(value, 8, 7);
}

}  // namespace farlane::soft::ptx
