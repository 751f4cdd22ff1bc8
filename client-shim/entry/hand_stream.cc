// SPDX-License-Identifier: Apache-2.0
// Streams: made by the client, remembered by it, never asked about over the network.
#include <algorithm>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"

namespace farlane::shim {
namespace {

// What a call asks of a stream; null asks about the legacy stream of the current context.
template <typename Value, typename Answer>
CUresult Ask(CUstream stream, Value* value, Answer&& answer) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (!scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (value == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Stream* found = scope.session().objects().streams.Find(ToWire(stream));
  *value = answer(scope, found);
  return CUDA_SUCCESS;
}

CUresult NotCapturing(CUstream stream, CUstreamCaptureStatus* status) {
  return Ask(stream, status,
             [](const CallScope&, const Stream*) { return CU_STREAM_CAPTURE_STATUS_NONE; });
}

}  // namespace

CUresult cuStreamCreateWithPriority(CUstream* phStream, unsigned int flags, int priority) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (phStream == nullptr || (flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING)) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Session& session = scope.session();
  const Device& device = session.devices()[static_cast<size_t>(scope.device())];
  // The driver brings a priority outside the device's range to its nearest end; smaller numbers are
  // more urgent.
  priority = std::clamp(priority, device.priority_greatest,
                        std::max(device.priority_greatest, device.priority_least));
  const wire::Handle stream =
      session.objects().streams.Mint(Stream{.context = scope.context(),
                                            .flags = flags,
                                            .priority = priority,
                                            .id = session.objects().next_id.fetch_add(1)});
  if (stream == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = scope.Post(
      wire::StreamCreateWithPriority{.phStream = stream, .flags = flags, .priority = priority});
  *phStream = FromWire<CUstream>(stream);
  return result;
}

CUresult cuStreamCreate(CUstream* phStream, unsigned int Flags) {
  return cuStreamCreateWithPriority(phStream, Flags, 0);
}

CUresult cuStreamGetPriority(CUstream hStream, int* priority) {
  return Ask(hStream, priority, [](const CallScope&, const Stream* stream) {
    return stream == nullptr ? 0 : stream->priority;
  });
}

CUresult cuStreamGetDevice(CUstream hStream, CUdevice* device) {
  return Ask(hStream, device, [](const CallScope& scope, const Stream* stream) {
    return stream == nullptr ? scope.device()
                             : scope.session().objects().contexts.Find(stream->context)->device;
  });
}

CUresult cuStreamGetFlags(CUstream hStream, unsigned int* flags) {
  return Ask(hStream, flags, [](const CallScope&, const Stream* stream) {
    return stream == nullptr ? static_cast<uint32_t>(CU_STREAM_DEFAULT) : stream->flags;
  });
}

CUresult cuStreamGetId(CUstream hStream, unsigned long long* streamId) {
  return Ask(hStream, streamId, [](const CallScope& scope, const Stream* stream) {
    // The legacy stream is one per context, and contexts and streams share one count.
    return stream == nullptr ? scope.session().objects().contexts.Find(scope.context())->id
                             : stream->id;
  });
}

CUresult cuStreamGetCtx(CUstream hStream, CUcontext* pctx) {
  return Ask(hStream, pctx, [](const CallScope& scope, const Stream* stream) {
    return FromWire<CUcontext>(stream == nullptr ? scope.context() : stream->context);
  });
}

CUresult cuStreamGetCtx_v2(CUstream hStream, CUcontext* pCtx, CUgreenCtx* pGreenCtx) {
  const CUresult result = cuStreamGetCtx(hStream, pCtx);
  if (result == CUDA_SUCCESS && pGreenCtx != nullptr) {
    *pGreenCtx = nullptr;  // there are no green contexts, so no stream lives in one
  }
  return result;
}

// Streams cannot be captured yet (cuStreamBeginCapture says so), so none is ever capturing.

CUresult cuStreamIsCapturing(CUstream hStream, CUstreamCaptureStatus* captureStatus) {
  return NotCapturing(hStream, captureStatus);
}

CUresult cuStreamGetCaptureInfo(CUstream hStream,
                                CUstreamCaptureStatus* captureStatus_out,
                                cuuint64_t*) {
  return NotCapturing(hStream, captureStatus_out);
}

CUresult cuStreamGetCaptureInfo_v2(CUstream hStream,
                                   CUstreamCaptureStatus* captureStatus_out,
                                   cuuint64_t*,
                                   CUgraph*,
                                   const CUgraphNode**,
                                   size_t*) {
  return NotCapturing(hStream, captureStatus_out);
}

CUresult cuStreamGetCaptureInfo_v3(CUstream hStream,
                                   CUstreamCaptureStatus* captureStatus_out,
                                   cuuint64_t*,
                                   CUgraph*,
                                   const CUgraphNode**,
                                   const CUgraphEdgeData**,
                                   size_t*) {
  return NotCapturing(hStream, captureStatus_out);
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
