// SPDX-License-Identifier: Apache-2.0
// How the environment wants kernels run; a part of Config.
#pragma once

#include "protocol/base/result.h"
#include "soft-gpu/exec/options.h"

namespace farlane::soft {

// FARLANE_SOFT_CHECK, FARLANE_SOFT_TIER, FARLANE_SOFT_TIMEOUT, FARLANE_SOFT_THREADS, and
// CUDA_CACHE_DISABLE, CUDA_CACHE_PATH, CUDA_CACHE_MAXSIZE.
Result<ExecutionOptions> ReadExecutionOptions();

}  // namespace farlane::soft
