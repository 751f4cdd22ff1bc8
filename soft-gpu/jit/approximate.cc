// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/approximate.h"

#include <cmath>

namespace farlane::soft::jit {
namespace {

float Sin(float x) {
  return std::sin(x);
}

float Cos(float x) {
  return std::cos(x);
}

float Ex2(float x) {
  return std::exp2(x);
}

float Lg2(float x) {
  return std::log2(x);
}

float Tanh(float x) {
  return std::tanh(x);
}

void* Address(float (*function)(float)) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

std::span<const RuntimeFunction> ApproximateFunctions() {
  static const RuntimeFunction functions[] = {
      {kSinFunction, Address(&Sin)}, {kCosFunction, Address(&Cos)},   {kEx2Function, Address(&Ex2)},
      {kLg2Function, Address(&Lg2)}, {kTanhFunction, Address(&Tanh)},
  };
  return functions;
}

}  // namespace farlane::soft::jit
