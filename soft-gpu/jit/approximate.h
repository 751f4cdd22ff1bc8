// SPDX-License-Identifier: Apache-2.0
// The functions that PTX calls approximate, computed better than its bounds ask for.
#pragma once

#include <span>

#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {

constexpr const char* kSinFunction = "farlane_soft_sin_f32";
constexpr const char* kCosFunction = "farlane_soft_cos_f32";
constexpr const char* kEx2Function = "farlane_soft_ex2_f32";
constexpr const char* kLg2Function = "farlane_soft_lg2_f32";
constexpr const char* kTanhFunction = "farlane_soft_tanh_f32";

std::span<const RuntimeFunction> ApproximateFunctions();

}  // namespace farlane::soft::jit
