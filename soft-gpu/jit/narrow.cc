// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/narrow.h"

#include <algorithm>
#include <cmath>

namespace farlane::soft::jit {
namespace {

using ptx::Type;

// What the largest exponent means.
enum class Top : uint8_t {
  kIeee,     // infinity and NaNs
  kOneNan,   // numbers, and one NaN: all ones
  kNumbers,  // numbers only
};

struct Format {
  int exponent_bits = 0;
  int fraction_bits = 0;
  Top top = Top::kIeee;

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }

  uint32_t sign() const { return 1u << (exponent_bits + fraction_bits); }

  uint32_t ones() const { return sign() - 1; }

  uint32_t infinity() const { return ones() >> fraction_bits << fraction_bits; }

  uint32_t largest() const {
    return top == Top::kIeee ? infinity() - 1 : top == Top::kOneNan ? ones() - 1 : ones();
  }
};

Format FormatOf(Type type) {
  switch (type) {
    case Type::kF16:
      return {5, 10, Top::kIeee};
    case Type::kBf16:
      return {8, 7, Top::kIeee};
    case Type::kTf32:
      return {8, 10, Top::kIeee};
    case Type::kE5m2:
      return {5, 2, Top::kIeee};
    case Type::kE4m3:
      return {4, 3, Top::kOneNan};
    case Type::kE3m2:
      return {3, 2, Top::kNumbers};
    case Type::kE2m3:
      return {2, 3, Top::kNumbers};
    default:
      return {2, 1, Top::kNumbers};  // e2m1
  }
}

// Whether what was cut off makes the last place one larger; `half` is half of that place.
bool RoundsUp(Narrowing direction, bool is_negative, uint64_t kept, uint64_t cut, uint64_t half) {
  switch (direction) {
    case Narrowing::kNearest:
      return cut > half || (cut == half && (kept & 1) != 0);
    case Narrowing::kNearestAway:
      return cut >= half;
    case Narrowing::kUp:
      return cut != 0 && !is_negative;
    case Narrowing::kDown:
      return cut != 0 && is_negative;
    case Narrowing::kZero:
      return false;
  }
  return false;
}

// The size of a finite number other than zero, rounded; past the largest if it is too large.
uint64_t RoundedSize(double size, const Format& format, Narrowing direction, bool is_negative) {
  int exponent = 0;
  // size = fraction * 2^exponent with a fraction in [2^52, 2^53).
  const auto fraction = static_cast<uint64_t>(std::ldexp(std::frexp(size, &exponent), 53));
  exponent -= 53;
  const int leading = exponent + 52;
  const int smallest = 1 - format.bias();  // exponent of the normal numbers
  const int last_place = std::max(leading, smallest) - format.fraction_bits;
  const int shift = last_place - exponent;  // > 0: every format is shorter than a double
  constexpr int kFar = 60;  // more than a fraction has bits: all of it is cut off, below a half
  const uint64_t kept = shift > kFar ? 0 : fraction >> shift;
  const uint64_t cut = shift > kFar ? 1 : fraction & ((uint64_t{1} << shift) - 1);
  const uint64_t half = shift > kFar ? 2 : uint64_t{1} << (shift - 1);
  const uint64_t rounded = kept + (RoundsUp(direction, is_negative, kept, cut, half) ? 1 : 0);
  // The leading one of a normal number adds one to the exponent field.
  return leading < smallest
             ? rounded
             : (static_cast<uint64_t>(leading - smallest) << format.fraction_bits) + rounded;
}

uint32_t TooLarge(const Format& format, Narrowing direction, bool satfinite, bool is_negative) {
  const bool stays = direction == Narrowing::kZero ||
                     (direction == Narrowing::kUp && is_negative) ||
                     (direction == Narrowing::kDown && !is_negative);
  if (satfinite || stays || format.top == Top::kNumbers) {
    return format.largest();
  }
  return format.top == Top::kIeee ? format.infinity() : format.ones();
}

// ue8m0 is a power of two without a sign: 2^(bits - 127), all ones for NaN.
uint32_t NarrowToPower(double value, Narrowing direction, bool satfinite) {
  constexpr uint32_t kNan = 0xff;
  constexpr int kBias = 127;
  const double size = std::fabs(value);
  if (std::isnan(value) || size == 0) {
    return std::isnan(value) ? kNan : 0;
  }
  if (std::isinf(size)) {
    return satfinite ? kNan - 1 : kNan;
  }
  int exponent = 0;
  const bool is_power = std::frexp(size, &exponent) == 0.5;
  exponent += direction == Narrowing::kUp && !is_power ? 0 : -1;
  const int biased = std::max(exponent + kBias, 0);
  if (biased >= static_cast<int>(kNan)) {
    return satfinite || direction == Narrowing::kZero ? kNan - 1 : kNan;
  }
  return static_cast<uint32_t>(biased);
}

template <typename F>
void* Address(F* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

bool IsSmallFloat(Type type) {
  return type == Type::kE5m2 || type == Type::kE4m3 || type == Type::kE3m2 || type == Type::kE2m3 ||
         type == Type::kE2m1 || type == Type::kUe8m0;
}

uint32_t Narrow(double value, uint32_t form) {
  const auto type = static_cast<Type>(form & 0xff);
  const auto direction = static_cast<Narrowing>(form >> 8 & 0xff);
  const bool satfinite = (form >> 16 & 1) != 0;
  if (type == Type::kUe8m0) {
    return NarrowToPower(value, direction, satfinite);
  }
  const Format format = FormatOf(type);
  const bool is_negative = std::signbit(value);
  const uint32_t sign = is_negative ? format.sign() : 0;
  if (std::isnan(value)) {
    return format.ones();  // where there is no NaN this is the largest number
  }
  if (value == 0) {
    return sign;
  }
  if (std::isinf(value)) {
    return sign | TooLarge(format, Narrowing::kNearest, satfinite, is_negative);
  }
  const uint64_t size = RoundedSize(std::fabs(value), format, direction, is_negative);
  return sign | (size > format.largest() ? TooLarge(format, direction, satfinite, is_negative)
                                         : static_cast<uint32_t>(size));
}

float Widen(uint32_t bits, uint32_t type) {
  if (static_cast<Type>(type) == Type::kUe8m0) {
    return (bits & 0xff) == 0xff ? NAN : std::ldexp(1.0f, static_cast<int>(bits & 0xff) - 127);
  }
  const Format format = FormatOf(static_cast<Type>(type));
  const uint32_t size = bits & format.ones();
  const uint32_t exponent = size >> format.fraction_bits;
  const uint32_t fraction = size & ((1u << format.fraction_bits) - 1);
  const bool is_special = size > format.largest();
  const int last_place =
      static_cast<int>(std::max(exponent, 1u)) - format.bias() - format.fraction_bits;
  const uint32_t leading = exponent == 0 ? 0 : 1u << format.fraction_bits;
  float value = std::ldexp(static_cast<float>(leading | fraction), last_place);
  if (is_special) {
    value = format.top == Top::kIeee && fraction == 0 ? INFINITY : NAN;
  }
  return (bits & format.sign()) != 0 ? -value : value;
}

std::span<const RuntimeFunction> NarrowFunctions() {
  static const RuntimeFunction functions[] = {
      {kNarrowFunction, Address(&Narrow)},
      {kWidenFunction, Address(&Widen)},
  };
  return functions;
}

}  // namespace farlane::soft::jit
