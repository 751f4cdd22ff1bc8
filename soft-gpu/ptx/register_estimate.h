// SPDX-License-Identifier: Apache-2.0
// RegisterEstimate says how many registers a GPU's compiler would give a kernel, roughly: programs
// size their grids by that number, and a processor has none to offer. Nothing here runs by it.
#pragma once

#include <cstdint>
#include <vector>

#include "soft-gpu/ptx/call_graph.h"
#include "soft-gpu/ptx/survey.h"

namespace farlane::soft::ptx {

struct RegisterNeed {
  uint32_t registers = 0;  // of a thread
  uint32_t spilled_bytes = 0;
};

// Thread: immutable once made.
class RegisterEstimate {
 public:
  RegisterEstimate(const Module& module, const Survey& survey, const CallGraph& graph);

  // The most that the kernel or anything it calls keeps alive, plus what every kernel needs, in the
  // steps in which registers are dealt out; no more than its directives allow, the rest is spilled.
  RegisterNeed Of(uint32_t kernel) const;

 private:
  const Module& module_;
  const CallGraph& graph_;
  std::vector<uint32_t> live_;  // by component of the graph, callees included
};

}  // namespace farlane::soft::ptx
