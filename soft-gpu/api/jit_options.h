// SPDX-License-Identifier: Apache-2.0
// JitOptions are the options of a module load that have an effect here: the logs. The rest are
// hints to a compiler for machine code that this device does not have.
#pragma once

#include <span>
#include <string>

#include "protocol/abi/cuda_abi.h"

namespace farlane::soft {

// Thread: caller's.
class JitOptions {
 public:
  // The program's arrays; they live as long as the call.
  JitOptions(CUjit_option* options, void** values, unsigned int count)
      : options_(options), values_(values), count_(count) {}

  // INVALID_VALUE for arrays that are missing or options that do not exist.
  CUresult Check() const;
  // Fills the log buffers, and says how much of them was used.
  void Report(const std::string& error) const;

 private:
  void Fill(CUjit_option buffer, CUjit_option size, const std::string& text) const;
  // The value's place, or null if the option was not given.
  void** Find(CUjit_option option) const;

  CUjit_option* options_;
  void** values_;
  unsigned int count_;
};

}  // namespace farlane::soft
