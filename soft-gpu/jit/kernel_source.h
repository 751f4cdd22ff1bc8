// SPDX-License-Identifier: Apache-2.0
// KernelSource is everything that must be known to compile one kernel: its parsed body, those of
// all functions it can call, and where their shared and local variables lie. It points into its
// Module, which must outlive it.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/survey.h"

namespace farlane::soft::jit {

// Where compilers look for a cooperative grid's workspace; 0 in any other grid.
constexpr ptx::SpecialRegister kGridWorkspaceHigh = ptx::SpecialRegister::kEnvreg1;
constexpr ptx::SpecialRegister kGridWorkspaceLow = ptx::SpecialRegister::kEnvreg2;

// Shared memory that belongs to the system, at %reserved_smem_offset_*: code of headers uses it.
constexpr uint64_t kReservedSharedBytes = 1024;

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
  std::vector<uint32_t>
      callees;  // definitions it may call, through pointers too; Module::functions
  // By instruction of a call through a pointer: what the pointer may hold.
  std::unordered_map<uint32_t, std::vector<uint32_t>> targets;
};

// Thread: immutable once collected.
struct KernelSource {
  const ptx::Module* module = nullptr;
  uint32_t entry = 0;                                     // into Module::functions
  std::vector<SourceFunction> functions;                  // the entry comes first
  std::unordered_map<uint32_t, uint64_t> shared_offsets;  // Module::variables -> offset
  std::set<uint32_t> global_variables;      // Module::variables in global and constant memory
  std::vector<uint64_t> parameter_offsets;  // of the entry
  uint64_t parameter_bytes = 0;
  uint64_t static_shared_bytes = 0;
  uint64_t reserved_shared_offset = 0;  // of the system's part, where the kernel uses it
  uint64_t local_bytes = 0;             // one thread's, over its deepest chain of calls
  bool suspends = false;                // some thread may have to wait for another one
  bool uses_grid_workspace = false;     // reads where a cooperative grid's barrier lies
  bool uses_heap = false;               // calls malloc or free
};

// Parses the entry and all it can reach, and lays out their variables. `taken`: the functions whose
// address is somewhere in the module; a call through a pointer may reach those of its prototype.
Result<KernelSource> CollectKernel(const ptx::Module& module,
                                   uint32_t entry,
                                   std::span<const uint32_t> taken);

// The parameters and results of a call's target as the call itself declares them: the named
// function's or the prototype's. Null if it declares none.
struct CallShape {
  const std::vector<ptx::Variable>* results = nullptr;
  const std::vector<ptx::Variable>* parameters = nullptr;
};

CallShape ShapeOfCall(const ptx::Module& module,
                      const ptx::Body& body,
                      const ptx::Instruction& call);

// Offsets of parameters in a launch's buffer, and its size as the last element.
std::vector<uint64_t> LayoutParameters(const ptx::Function& function);

// The line of the module's text that an instruction stands in.
uint32_t LineOf(const ptx::Module& module, const ptx::Instruction& instruction);

}  // namespace farlane::soft::jit
