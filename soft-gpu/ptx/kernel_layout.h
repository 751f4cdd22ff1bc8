// SPDX-License-Identifier: Apache-2.0
// KernelLayout is where a kernel's variables lie in shared memory, and how much local memory it
// needs, found from a survey of the module: no body is read again for it. Whoever compiles the
// kernel places its variables as said here, so that what was answered before is what will be.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/call_graph.h"
#include "soft-gpu/ptx/survey.h"

namespace farlane::soft::ptx {

// Shared memory that belongs to the system, at %reserved_smem_offset_*: code of headers uses it.
constexpr uint64_t kReservedSharedBytes = 1024;

// Thread: immutable once made.
struct KernelLayout {
  std::vector<uint32_t> functions;                        // that it can reach; the entry first
  std::vector<uint64_t> own_shared_offsets;               // by those: where its own variables begin
  std::unordered_map<uint32_t, uint64_t> shared_offsets;  // Module::variables -> offset
  uint64_t static_shared_bytes = 0;
  uint64_t reserved_shared_offset = 0;  // of the system's part, where the kernel uses it
  uint64_t local_bytes = 0;             // one thread's, over its deepest chain of calls
  bool needs_stack = false;  // and more, that the text does not tell: rings of calls, and alloca
};

// What a call needs of local memory, with all that it calls.
struct LocalNeed {
  uint64_t bytes = 0;
  bool needs_stack = false;
};

// The layouts of a module's kernels, and what they are found from.
// Thread: immutable once made.
class KernelLayouts {
 public:
  // `taken`: functions whose address a body or a variable holds. The module must outlive it.
  KernelLayouts(const Module& module, Survey survey, std::span<const uint32_t> taken);

  // kExhausted: the kernel needs more than any device has.
  Result<KernelLayout> Of(uint32_t entry) const;

  const Survey& survey() const { return survey_; }

  const CallGraph& graph() const { return graph_; }

  const PointerTargets& targets() const { return targets_; }

 private:
  Status PlaceShared(KernelLayout* layout) const;

  const Module& module_;
  Survey survey_;
  PointerTargets targets_;
  CallGraph graph_;
  std::vector<LocalNeed> needs_;  // by component of the graph, callees included
};

}  // namespace farlane::soft::ptx
