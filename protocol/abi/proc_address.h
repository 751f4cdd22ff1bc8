// SPDX-License-Identifier: Apache-2.0
// cuGetProcAddress: which exported symbol a base name means for a CUDA version.
// The answer is the newest prototype that is not newer than the version asked for: a program
// compiled long ago gets the function it was compiled against.
#pragma once

#include <cstdint>
#include <span>

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {

// What cuGetProcAddress_v2 does. `functions` are the library's own, by the symbol index of
// proc_table.h; a null one counts as missing. With `status` the call succeeds even when nothing was
// found and says why there; without it, NOT_FOUND is returned.
CUresult FindProcAddress(std::span<void* const> functions,
                         const char* name,
                         void** function,
                         int cuda_version,
                         cuuint64_t flags,
                         CUdriverProcAddressQueryResult* status);

}  // namespace farlane::abi
