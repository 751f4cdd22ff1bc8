// SPDX-License-Identifier: Apache-2.0
// The functions that compiled code calls when it needs more than arithmetic: faults, clocks,
// printf.
#pragma once

#include <span>

#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft {

std::span<const jit::RuntimeFunction> RuntimeFunctions();

}  // namespace farlane::soft
