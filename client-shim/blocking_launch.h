// SPDX-License-Identifier: Apache-2.0
// Launches that wait for their own end, as CUDA_LAUNCH_BLOCKING asks: so a fault is told by the
// call that has started the work.
#pragma once

#include "client-shim/call_scope.h"

namespace farlane::shim {

// Starts work on a stream; then waits, if that is asked. For no other stream, since one may wait
// for what this thread does next. What is captured only becomes a node.
template <typename Start>
CUresult StartOrDo(const CallScope& scope, CUstream stream, const Start& start) {
  Session& session = scope.session();
  if (!session.config().launch_blocking) {
    return start();
  }
  CUresult result = CUDA_SUCCESS;
  const bool captured =
      session.captures().busy() &&
      session.captures().StandingOf(session.TraitsOf(scope.context(), ToWire(stream)), &result) ==
          graph::Standing::kCaptured;
  result = start();
  if (result != CUDA_SUCCESS || captured) {
    return result;
  }
  result = scope.Call(wire::StreamSynchronize{.hStream = ToWire(stream)});
  const CUresult earlier = session.TakeOwnError();
  return result != CUDA_SUCCESS ? result : earlier;
}

}  // namespace farlane::shim
