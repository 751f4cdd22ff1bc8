// SPDX-License-Identifier: Apache-2.0
// Marks for a profiler. None ever listens, as with a driver that is not being profiled.
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {

CUresult cuProfilerStart(void) {
  const ContextCall call;
  return call.result;
}

CUresult cuProfilerStop(void) {
  const ContextCall call;
  return call.result;
}

}  // namespace farlane::soft
