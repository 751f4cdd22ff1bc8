// SPDX-License-Identifier: Apache-2.0
// LaunchDrafts gathers what a program says about a function's next launch in the calls from before
// cuLaunchKernel: block shape, shared memory and arguments are set one after the other and stay
// until they are set anew.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"

namespace farlane::abi {

// The functions have been proved by the caller.
// Thread: any, guarded.
class LaunchDrafts {
 public:
  static LaunchDrafts& Get();

  CUresult SetBlock(CUfunction function, int x, int y, int z);
  CUresult SetShared(CUfunction function, unsigned int bytes);
  CUresult SetArgumentBytes(CUfunction function, unsigned int bytes);
  // Bytes of an argument, where they lie among all of them.
  CUresult SetArgument(CUfunction function, int offset, const void* from, unsigned int bytes);

  // cuLaunchKernel of whoever keeps the drafts.
  using LaunchCall = CUresult (*)(CUfunction,
                                  unsigned int,
                                  unsigned int,
                                  unsigned int,
                                  unsigned int,
                                  unsigned int,
                                  unsigned int,
                                  unsigned int,
                                  CUstream,
                                  void**,
                                  void**);

  // A grid of `width` times `height` blocks.
  CUresult Launch(
      CUfunction function, int width, int height, CUstream stream, LaunchCall launch) const;

 private:
  struct Draft {
    unsigned int block[3] = {1, 1, 1};
    unsigned int shared_bytes = 0;
    std::vector<std::byte> arguments;
  };

  Guarded<std::map<CUfunction, Draft>> drafts_;
};

}  // namespace farlane::abi
