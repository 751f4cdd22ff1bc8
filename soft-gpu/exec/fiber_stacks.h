// SPDX-License-Identifier: Apache-2.0
// FiberStacks are the processor stacks of a block's threads, one each, with an unmapped page below
// so that an overflow faults instead of reaching a neighbour. Kernels cannot address them.
#pragma once

#include <cstdint>

#include "protocol/base/result.h"
#include "soft-gpu/exec/stack_switch.h"

namespace farlane::soft {

// Thread: the worker that owns it.
class FiberStacks {
 public:
  FiberStacks() = default;
  FiberStacks(const FiberStacks&) = delete;
  FiberStacks& operator=(const FiberStacks&) = delete;
  ~FiberStacks();

  Status Reserve(uint32_t count);

  // The first address above the stack.
  uint64_t top(uint32_t index) const;

  // All of the stack, without the page below it.
  StackExtent extent(uint32_t index) const;

 private:
  uint64_t base_ = 0;
  uint32_t count_ = 0;
};

}  // namespace farlane::soft
