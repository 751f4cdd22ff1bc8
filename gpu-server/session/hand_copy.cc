// SPDX-License-Identifier: Apache-2.0
// Copies. Between host and device they pass through staging memory, so that neither the device nor
// the network waits for the other.
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "gpu-server/session/staged_copies.h"

namespace farlane::server {

using wire::WireError;

namespace {

// Whether rows lie in memory of the client.
CUresult Prove(const ClientSession& session, const DeviceRows& rows) {
  return session.OwnsRows(rows.address, rows.width, rows.pitch, rows.rows)
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::CopyIn& message) {
  const DeviceRows to{.address = message.address,
                      .width = message.width,
                      .pitch = message.pitch,
                      .rows = message.rows};
  return StageIn(session, view, to, {message.stream, message.fence != 0}, message.data,
                 Prove(session, to));
}

WireError Execute(ClientSession& session, const wire::MessageView&, const wire::CopyOut& message) {
  const DeviceRows from{.address = message.address,
                        .width = message.width,
                        .pitch = message.pitch,
                        .rows = message.rows};
  return StageOut(session, from, message.stream, {.id = message.transfer}, Prove(session, from));
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::Watch& message) {
  const auto refuse = [&](CUresult result) {
    session.outbox().Append(wire::Reached{.watch = view.sequence, .result = result});
    return WireError::kNone;
  };
  CUstream stream = nullptr;
  if (!session.FindOrNull(message.stream, &stream)) {
    return refuse(CUDA_ERROR_INVALID_HANDLE);
  }
  if (session.context() == nullptr) {
    return refuse(CUDA_ERROR_INVALID_CONTEXT);
  }
  return session.transfers().AddWatch(session.context(), stream, view.sequence)
             ? WireError::kNone
             : WireError::kBadValue;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::CopyShape& message) {
  CUstream stream = nullptr;
  if (!session.FindOrNull(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  if (message.width == 0 || message.rows == 0 || message.slices == 0) {
    return WireError::kNone;
  }
  const auto owns = [&](uint64_t address, uint64_t pitch, uint64_t slice) {
    return OwnsBox(session, {.address = address,
                             .pitch = pitch,
                             .slice = slice,
                             .width = message.width,
                             .rows = message.rows,
                             .slices = message.slices});
  };
  if (!owns(message.to, message.to_pitch, message.to_slice) ||
      !owns(message.from, message.from_pitch, message.from_slice)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  CUDA_MEMCPY3D shape{};
  shape.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.srcDevice = message.from;
  shape.srcPitch = message.from_pitch;
  shape.srcHeight = message.slices > 1 ? message.from_slice / message.from_pitch : message.rows;
  shape.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.dstDevice = message.to;
  shape.dstPitch = message.to_pitch;
  shape.dstHeight = message.slices > 1 ? message.to_slice / message.to_pitch : message.rows;
  shape.WidthInBytes = message.width;
  shape.Height = message.rows;
  shape.Depth = message.slices;
  session.Finish(view, session.driver().cuMemcpy3DAsync_v2(&shape, stream));
  return WireError::kNone;
}

}  // namespace farlane::server
