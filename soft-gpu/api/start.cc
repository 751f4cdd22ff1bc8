// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/start.h"

#include "protocol/abi/driver_environment.h"

namespace farlane::soft {

CUresult Start(const ContextCall& call,
               const StreamUse& use,
               Work work,
               SharedCompletion* done_or_null) {
  SharedCompletion done;
  FARLANE_SOFT_TRY(Put(call, use, std::move(work), &done));
  const bool waits = abi::DriverEnvironment::OfProgram().launch_blocking;
  if (waits) {
    done->Wait();
  }
  if (done_or_null != nullptr) {
    *done_or_null = std::move(done);
  }
  return waits ? use.context->failed().get() : CUDA_SUCCESS;
}

}  // namespace farlane::soft
