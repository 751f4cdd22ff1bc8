// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/rounding.h"

#include <cmath>

#include <immintrin.h>

#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {
namespace {

constexpr uint32_t kDirectionShift = 13;  // of MXCSR's rounding field
constexpr uint32_t kDirectionMask = 3u << kDirectionShift;

// Makes the compiler believe that `value` changes here, so that a computation on it can move
// neither before nor after the change of direction.
template <typename T>
void Pin(T& value) {
  asm volatile("" : "+m"(value) : : "memory");
}

// function(arguments…) computed in the given direction.
template <typename F, typename... T>
auto InDirection(uint32_t direction, F function, T... arguments) {
  const uint32_t before = _mm_getcsr();
  _mm_setcsr((before & ~kDirectionMask) | (direction << kDirectionShift & kDirectionMask));
  (Pin(arguments), ...);
  auto result = function(arguments...);
  Pin(result);
  _mm_setcsr(before);
  return result;
}

template <typename T>
T Add(T a, T b, uint32_t direction) {
  return InDirection(
      direction, [](T x, T y) { return x + y; }, a, b);
}

template <typename T>
T Mul(T a, T b, uint32_t direction) {
  return InDirection(
      direction, [](T x, T y) { return x * y; }, a, b);
}

template <typename T>
T Div(T a, T b, uint32_t direction) {
  return InDirection(
      direction, [](T x, T y) { return x / y; }, a, b);
}

template <typename T>
T Fma(T a, T b, T c, uint32_t direction) {
  return InDirection(
      direction, [](T x, T y, T z) { return std::fma(x, y, z); }, a, b, c);
}

float SquareRoot(float value) {
  return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(value)));
}

double SquareRoot(double value) {
  const __m128d x = _mm_set_sd(value);
  return _mm_cvtsd_f64(_mm_sqrt_sd(x, x));
}

template <typename T>
T Sqrt(T a, uint32_t direction) {
  return InDirection(
      direction, [](T x) { return SquareRoot(x); }, a);
}

template <typename T>
T FromSigned(int64_t a, uint32_t direction) {
  return InDirection(
      direction, [](int64_t x) { return static_cast<T>(x); }, a);
}

template <typename T>
T FromUnsigned(uint64_t a, uint32_t direction) {
  if (a >> 63 == 0) {
    return FromSigned<T>(static_cast<int64_t>(a), direction);
  }
  // The lowest bit only says "more than"; kept as a sticky bit it rounds like the whole number.
  const uint64_t half = a >> 1 | (a & 1);
  return FromSigned<T>(static_cast<int64_t>(half), direction) * 2;
}

float Narrow(double a, uint32_t direction) {
  return InDirection(
      direction, [](double x) { return static_cast<float>(x); }, a);
}

template <typename F>
void* Address(F* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

std::span<const RuntimeFunction> RoundingFunctions() {
  static const RuntimeFunction functions[] = {
      {kRoundedAdd[0], Address(&Add<float>)},
      {kRoundedAdd[1], Address(&Add<double>)},
      {kRoundedMul[0], Address(&Mul<float>)},
      {kRoundedMul[1], Address(&Mul<double>)},
      {kRoundedDiv[0], Address(&Div<float>)},
      {kRoundedDiv[1], Address(&Div<double>)},
      {kRoundedFma[0], Address(&Fma<float>)},
      {kRoundedFma[1], Address(&Fma<double>)},
      {kRoundedSqrt[0], Address(&Sqrt<float>)},
      {kRoundedSqrt[1], Address(&Sqrt<double>)},
      {kRoundedSigned[0], Address(&FromSigned<float>)},
      {kRoundedSigned[1], Address(&FromSigned<double>)},
      {kRoundedUnsigned[0], Address(&FromUnsigned<float>)},
      {kRoundedUnsigned[1], Address(&FromUnsigned<double>)},
      {kRoundedNarrow, Address(&Narrow)},
  };
  return functions;
}

}  // namespace farlane::soft::jit
