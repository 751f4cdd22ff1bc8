// SPDX-License-Identifier: Apache-2.0
// Claims are device memory that a case has taken in one of the ways that there are, for tests that
// must not leave one out.
#pragma once

#include <map>
#include <string>

#include "tests/system/client/program/cuda.h"

namespace farlane::cases {

// What was taken, if it was, and how to let go of it.
struct Claim {
  CUresult result = CUDA_SUCCESS;
  CUdeviceptr address = 0;
  uint64_t bytes = 0;  // that can be reached by the address, or in the array
  CUarray array = nullptr;
  CUmipmappedArray mipmapped = nullptr;
  CUmemGenericAllocationHandle backing = 0;
  CUmodule module = nullptr;
  CUmemoryPool pool = nullptr;
  CUgraphExec exec = nullptr;
  bool pooled = false;
};

// Takes so many mebibytes, an even number. Thread: any with a context.
using Take = Claim (*)(size_t mebibytes, CUstream stream);

// All ways, by name.
const std::map<std::string, Take>& Takes();

void Drop(const Claim& claim, CUstream stream);

// What is in it, and other contents for all of it.
CUresult ReadAll(const Claim& claim, std::vector<unsigned char>* bytes);
CUresult WriteAll(const Claim& claim, const std::vector<unsigned char>& bytes);

}  // namespace farlane::cases
