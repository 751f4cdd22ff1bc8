// SPDX-License-Identifier: Apache-2.0
// CallShape is what a call hands over and takes back, by size. A call through a pointer reaches the
// functions of its shape and no other.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::ptx {

// The parameters and results of a call's target as the call itself declares them: the named
// function's or the prototype's. Null if it declares none.
// Thread: immutable once made.
struct CallShape {
  const std::vector<Variable>* results = nullptr;
  const std::vector<Variable>* parameters = nullptr;
};

CallShape ShapeOfCall(const Module& module, const Body& body, const Instruction& call);

bool IsCallThroughPointer(const Instruction& instruction);

// A shape that outlives the body it stands in.
// Thread: immutable once made.
struct PointerShape {
  std::vector<uint64_t> result_bytes;
  std::vector<uint64_t> parameter_bytes;

  auto operator<=>(const PointerShape&) const = default;
};

PointerShape SizesOf(const CallShape& shape);
PointerShape SizesOf(const Function& function);

// Those of `choices` that have a body, are no kernels, and take and give what the shape says.
std::vector<uint32_t> FunctionsOf(const PointerShape& shape,
                                  const Module& module,
                                  std::span<const uint32_t> choices);

// The functions that a pointer may hold, by their shape.
// Thread: immutable once made.
class PointerTargets {
 public:
  // `taken`: functions whose address is somewhere in the module.
  PointerTargets(const Module& module, std::span<const uint32_t> taken);

  std::span<const uint32_t> Of(const PointerShape& shape) const;

 private:
  std::map<PointerShape, std::vector<uint32_t>> functions_;
};

}  // namespace farlane::soft::ptx
