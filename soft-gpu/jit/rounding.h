// SPDX-License-Identifier: Apache-2.0
// The four rounding directions of PTX, numbered as MXCSR and AVX-512 number them, and the names of
// the functions that compute in one of them.
#pragma once

#include <cstdint>
#include <span>

#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {

enum class Rounding : uint32_t { kNearest = 0, kDown = 1, kUp = 2, kZero = 3 };

// Operations that exist in every direction. Each has a function farlane_soft_<name>_<f32|f64> whose
// last argument is the direction; conversions are farlane_soft_<from>_to_<to>.
constexpr const char* kRoundedAdd[] = {"farlane_soft_add_f32", "farlane_soft_add_f64"};
constexpr const char* kRoundedMul[] = {"farlane_soft_mul_f32", "farlane_soft_mul_f64"};
constexpr const char* kRoundedDiv[] = {"farlane_soft_div_f32", "farlane_soft_div_f64"};
constexpr const char* kRoundedFma[] = {"farlane_soft_fma_f32", "farlane_soft_fma_f64"};
constexpr const char* kRoundedSqrt[] = {"farlane_soft_sqrt_f32", "farlane_soft_sqrt_f64"};
constexpr const char* kRoundedSigned[] = {"farlane_soft_s64_to_f32", "farlane_soft_s64_to_f64"};
constexpr const char* kRoundedUnsigned[] = {"farlane_soft_u64_to_f32", "farlane_soft_u64_to_f64"};
constexpr const char* kRoundedNarrow = "farlane_soft_f64_to_f32";

std::span<const RuntimeFunction> RoundingFunctions();

}  // namespace farlane::soft::jit
