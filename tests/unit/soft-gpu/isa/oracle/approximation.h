// SPDX-License-Identifier: Apache-2.0
// Approximation is one approximate function of f32: what it is in mathematics and how far from it
// the ISA lets a result be. The same table serves the test of variants and the measurement over all
// inputs.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "soft-gpu/ptx/opcode.h"

namespace farlane::soft::isa {

// Thread: immutable.
struct Approximation {
  ptx::Opcode opcode;
  std::string_view name;   // as PTX writes it, without .ftz
  std::string_view bound;  // the ISA's words for it, short
  // The function in long double, which is wide enough to call exact here.
  long double (*exact)(long double x);
  // The same in double: quicker, and still much closer than any bound.
  double (*quick)(double x);
  // The largest error for an input and its exact result, both finite; nothing where the ISA
  // promises nothing.
  std::optional<double> (*allowed)(double x, double result);
};

std::span<const Approximation> Approximations();

const Approximation* FindApproximationOrNull(ptx::Opcode opcode);

}  // namespace farlane::soft::isa
