// SPDX-License-Identifier: Apache-2.0
// KernelSource is everything that must be known to compile one kernel: its parsed body, those of
// all functions it can call, and where their shared and local variables lie. It points into its
// Module, which must outlive it.
#pragma once

#include <cstdint>
#include <set>
#include <unordered_map>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/kernel_layout.h"

namespace farlane::soft::jit {

// Where compilers look for a cooperative grid's workspace; 0 in any other grid.
constexpr ptx::SpecialRegister kGridWorkspaceHigh = ptx::SpecialRegister::kEnvreg1;
constexpr ptx::SpecialRegister kGridWorkspaceLow = ptx::SpecialRegister::kEnvreg2;

// One function of a kernel's call graph and the layout of its own variables.
// Thread: immutable once collected.
struct SourceFunction {
  uint32_t index = 0;  // into Module::functions
  ptx::Body body;
  std::vector<uint64_t> variable_offsets;  // of Body::variables, in their space
  uint64_t local_bytes = 0;                // of one call, what alloca takes aside
  bool uses_alloca = false;
  std::vector<bool> is_spin;  // by instruction: a branch back to a loop that may wait
                              // for another thread without saying so
  // By instruction of a call through a pointer: what the pointer may hold.
  std::unordered_map<uint32_t, std::vector<uint32_t>> targets;
};

// Thread: immutable once collected.
struct KernelSource {
  const ptx::Module* module = nullptr;
  uint32_t entry = 0;  // into Module::functions
  ptx::KernelLayout layout;
  std::vector<SourceFunction> functions;    // as in the layout
  std::set<uint32_t> global_variables;      // Module::variables in global and constant memory
  std::vector<uint64_t> parameter_offsets;  // of the entry
  uint64_t parameter_bytes = 0;
  bool suspends = false;             // some thread may have to wait for another one
  bool uses_grid_workspace = false;  // reads where a cooperative grid's barrier lies
  bool uses_heap = false;            // calls malloc or free
};

// Parses the entry and all it can reach. The layouts are those of this module.
Result<KernelSource> CollectKernel(const ptx::Module& module,
                                   const ptx::KernelLayouts& layouts,
                                   uint32_t entry);

// Offsets of parameters in a launch's buffer, and its size as the last element.
std::vector<uint64_t> LayoutParameters(const ptx::Function& function);

// The line of the module's text that an instruction stands in.
uint32_t LineOf(const ptx::Module& module, const ptx::Instruction& instruction);

}  // namespace farlane::soft::jit
