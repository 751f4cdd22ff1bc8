// SPDX-License-Identifier: Apache-2.0
// Streams: made by the client, remembered by it, never asked about over the network.
#include <utility>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/stream_settings.h"

namespace farlane::shim {

CUresult cuStreamCreateWithPriority(CUstream* phStream, unsigned int flags, int priority) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (phStream == nullptr || (flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING)) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Session& session = scope.session();
  priority = InRange(scope, priority);
  const wire::Handle stream = session.objects().streams.Mint(
      Stream{.context = scope.context(),
             .flags = flags,
             .attributes = std::make_shared<abi::StreamAttributes>(priority),
             .id = session.objects().next_id.fetch_add(1)});
  if (stream == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = scope.Post(
      wire::StreamCreateWithPriority{.phStream = stream, .flags = flags, .priority = priority});
  *phStream = FromWire<CUstream>(stream);
  return result;
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  if (mode == nullptr || *mode < CU_STREAM_CAPTURE_MODE_GLOBAL ||
      *mode > CU_STREAM_CAPTURE_MODE_RELAXED) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::swap(*mode, ThreadState::Mine().capture_mode);
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
