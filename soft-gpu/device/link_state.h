// SPDX-License-Identifier: Apache-2.0
// LinkState gathers device code that a program wants linked. What comes out is PTX, since this
// device has no machine code of its own; it loads like any other image and stays until the state is
// destroyed.
#pragma once

#include <string>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/bytes.h"
#include "protocol/base/guarded.h"
#include "soft-gpu/device/config.h"
#include "soft-gpu/device/kernel_program.h"
#include "soft-gpu/ptx/module_linker.h"

namespace farlane::soft {

// Shared by the handle table and by calls that use it.
// Thread: any, guarded.
class LinkState {
 public:
  LinkState(const std::vector<CUjit_option>& options, void** values)
      : options_(options), values_(values) {}

  // `type` is what the program says that it is.
  Outcome Add(const Config& config, CUjitInputType type, ConstBytes data, std::string name);
  // The linked image, with a NUL behind it; the same one when asked again.
  Outcome Complete(ConstBytes* image);

  // As the program gave them; the values are its own memory, which it keeps until the end.
  std::vector<CUjit_option>& options() { return options_; }

  void** values() const { return values_; }

 private:
  struct Contents {
    std::vector<ptx::LinkInput> inputs;
    std::string linked;
  };

  std::vector<CUjit_option> options_;
  void** values_;
  Guarded<Contents> contents_;
};

}  // namespace farlane::soft
