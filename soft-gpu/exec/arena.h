// SPDX-License-Identifier: Apache-2.0
// Arena is the memory of the block that a worker runs: a copy of the launch's parameters, shared
// memory and the threads' local memory, in one range so that a generic address into it takes one
// comparison. Unmapped pages lie before and behind it.
#pragma once

#include <cstdint>

#include "protocol/base/result.h"

namespace farlane::soft {

// Thread: the worker that owns it.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  // Makes room for at least `bytes`. What was in it is lost if it has to grow.
  Status Reserve(uint64_t bytes);

  uint64_t base() const { return base_; }

 private:
  void Unmap();

  uint64_t base_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace farlane::soft
