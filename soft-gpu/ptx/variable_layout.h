// SPDX-License-Identifier: Apache-2.0
// VariableLayout gives each variable of one space the next offset that suits its alignment: what a
// launch's parameters, a function's local memory and a block's shared memory have in common.
#pragma once

#include <algorithm>
#include <cstdint>

#include "protocol/base/bytes.h"
#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::ptx {

// Thread: caller's.
class VariableLayout {
 public:
  uint64_t Place(const Variable& variable) { return Place(variable.SizeOf(), variable.AlignOf()); }

  uint64_t Place(uint64_t size_bytes, uint64_t align_bytes) {
    Align(align_bytes);
    const uint64_t offset = bytes_;
    bytes_ += size_bytes;
    return offset;
  }

  // What comes next begins at a multiple of this.
  void Align(uint64_t align_bytes) {
    const uint64_t align = std::max<uint64_t>(align_bytes, 1);
    align_bytes_ = std::max(align_bytes_, align);
    bytes_ = RoundUp(bytes_, align);
  }

  uint64_t bytes() const { return bytes_; }

  // The greatest alignment of them all.
  uint64_t align_bytes() const { return align_bytes_; }

 private:
  uint64_t bytes_ = 0;
  uint64_t align_bytes_ = 1;
};

}  // namespace farlane::soft::ptx
