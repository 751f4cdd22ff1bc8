// SPDX-License-Identifier: Apache-2.0
// What a program starts by a launch, of a kernel or of a graph; CUDA_LAUNCH_BLOCKING has the call
// wait for it.
#pragma once

#include "soft-gpu/api/call.h"

namespace farlane::soft {

// As Put; then waits, if that is asked, and tells how it went. What is captured is done at once.
CUresult Start(const ContextCall& call,
               const StreamUse& use,
               Work work,
               SharedCompletion* done_or_null = nullptr);

}  // namespace farlane::soft
