// SPDX-License-Identifier: Apache-2.0
// CodeImage is what is kept of a module image after it was handed in: the PTX that this GPU takes
// of it, and the list of what it offers. The program's own bytes are not needed afterwards.
#pragma once

#include <memory>
#include <string>

#include "protocol/abi/cuda_abi.h"
#include "protocol/abi/module_index.h"
#include "protocol/base/bytes.h"
#include "soft-gpu/device/config.h"
#include "soft-gpu/device/cubin_values.h"

namespace farlane::soft {

// Shared by a library and the modules made of it.
// Thread: immutable.
struct CodeImage {
  std::string ptx;  // empty if there is machine code only, which null mode takes
  abi::ModuleIndex index;
  InitialValues values;  // of machine code's variables
};

struct LoadedCode {
  CUresult result = CUDA_SUCCESS;
  std::string problem;  // a sentence for the JIT's error log
  std::shared_ptr<const CodeImage> code;
};

// One text of PTX, for the linker.
struct LoadedPtx {
  CUresult result = CUDA_SUCCESS;
  std::string problem;
  std::string text;
};

// The latest PTX that this GPU takes of a fatbin, or the PTX itself.
LoadedPtx FindPtx(const Config& config, ConstBytes image);

// `image` is a fatbin wrapper, a fatbin, a cubin or PTX, as in cuModuleLoadData.
LoadedCode LoadCode(const Config& config, const void* image);

}  // namespace farlane::soft
