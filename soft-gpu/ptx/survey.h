// SPDX-License-Identifier: Apache-2.0
// Survey is what a module's bodies say without being compiled: that they are PTX at all, which
// functions have their address taken, and what each body calls, declares and keeps alive. Every
// body is read once for it and forgotten again.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/call_shape.h"

namespace farlane::soft::ptx {

struct FunctionSurvey {
  uint32_t registers_live_max = 0;  // in units of 32 bits; predicates take none
  std::vector<uint32_t> callees;    // named in calls or their tables; Module::functions, sorted
  std::vector<uint32_t> shapes;     // of calls through pointers; Survey::shapes, sorted
  std::vector<uint32_t> shared_variables;  // of the module that it names; Module::variables, sorted
  uint64_t own_shared_bytes = 0;           // of variables that the body declares
  uint64_t own_shared_align_bytes = 1;
  uint64_t local_bytes = 0;  // of one call, what alloca takes aside
  bool uses_alloca = false;
  bool uses_reserved_shared = false;  // reads where the system's shared memory lies
};

// Thread: immutable once made.
struct Survey {
  std::vector<FunctionSurvey> functions;  // as in Module::functions
  std::vector<uint32_t> taken;            // functions whose address a body uses, sorted
  std::vector<PointerShape> shapes;       // of all calls through pointers, each once
};

// Fails with the first mistake in the text of any body: kInvalidArgument, "line L, column C: …". An
// opcode that is not known is none.
Result<Survey> SurveyModule(const Module& module);

// Where a body's own variables lie: by variable, in the local memory of a call or, from where the
// kernel's layout says, in shared memory; 0 for those of other spaces.
struct OwnLayout {
  std::vector<uint64_t> offsets;
  uint64_t local_bytes = 0;
  uint64_t shared_bytes = 0;
  uint64_t shared_align_bytes = 1;
};

OwnLayout LayoutOf(const Body& body);

// The most 32-bit registers whose values are wanted at the same time, following the text and taking
// a loop's registers as wanted throughout it: an estimate, never an allocation.
uint32_t LiveRegistersMax(const Body& body);

}  // namespace farlane::soft::ptx
