// SPDX-License-Identifier: Apache-2.0
#include "client-shim/host_reads.h"

namespace farlane::shim {

CUresult ChooseHostRead(const CallScope& scope,
                        CUstream stream,
                        const void* host,
                        uint64_t bytes,
                        Wait wait,
                        bool* late) {
  *late = false;
  Session& session = scope.session();
  // Its functions, and graphs that copy into its memory; and whatever the program itself does until
  // it lets a stream go on.
  const bool may_change = session.host_calls().any() || session.stream_waits().any(scope.context());
  if (wait == Wait::kYes) {
    return may_change ? scope.Call(wire::StreamSynchronize{.hStream = ToWire(stream)})
                      : CUDA_SUCCESS;
  }
  *late =
      (may_change || session.transfers().IsAwaited(host, bytes)) && session.IsPinned(host, bytes);
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
