// SPDX-License-Identifier: Apache-2.0
// Survey is what a module's bodies say without being compiled: that they are PTX at all, which
// functions have their address taken, and how many registers each body keeps alive. Every body is
// read once for it and forgotten again.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::ptx {

struct FunctionSurvey {
  uint32_t registers_live_max = 0;  // in units of 32 bits; predicates take none
  std::vector<uint32_t> callees;    // named in calls; Module::functions, sorted
  bool calls_through_pointers = false;
};

// Thread: immutable once made.
struct Survey {
  std::vector<FunctionSurvey> functions;  // as in Module::functions
  std::vector<uint32_t> taken;            // functions whose address a body uses, sorted
};

// Fails with the first mistake in the text of any body: kInvalidArgument, "line L, column C: …". An
// opcode that is not known is none, nor are modifiers in a text of a later PTX than this one.
Result<Survey> SurveyModule(const Module& module);

// The most 32-bit registers whose values are wanted at the same time, following the text and taking
// a loop's registers as wanted throughout it: an estimate, never an allocation.
uint32_t LiveRegistersMax(const Body& body);

}  // namespace farlane::soft::ptx
