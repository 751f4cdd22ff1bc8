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

  // The size of a stack on which a kernel's thread may use `local_bytes` of the memory that the
  // kernel knows of for recursion. Here a call takes more than that, for what the kernel does not
  // know of.
  static uint64_t BytesFor(uint64_t local_bytes);

  // At least `count` stacks of at least `stack_bytes` each; what was on them before is lost.
  Status Reserve(uint32_t count, uint64_t stack_bytes);

  // The first address above the stack.
  uint64_t top(uint32_t index) const;

  // All of the stack, without the page below it.
  StackExtent extent(uint32_t index) const;

 private:
  void Unmap();

  uint64_t base_ = 0;
  uint32_t count_ = 0;
  uint64_t stack_bytes_ = 0;
};

}  // namespace farlane::soft
