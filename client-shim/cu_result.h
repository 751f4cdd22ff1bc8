// SPDX-License-Identifier: Apache-2.0
// The one place where a failure of our own machinery becomes a result that a CUDA program
// understands.
#pragma once

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/status.h"

namespace farlane::shim {

// For cuInit: why there is no session.
CUresult ResultOfConnecting(const Status& status);

}  // namespace farlane::shim
