// SPDX-License-Identifier: Apache-2.0
// Memory that the client's program and the device both use: what changes here is found by comparing
// with what the client was last known to have.
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "gpu-server/session/staged_copies.h"
#include "protocol/wire/packed_bytes.h"

namespace farlane::server {

using wire::WireError;

namespace {

DeviceRows RowOf(const ClientSession& session, uint64_t address, uint64_t bytes, CUresult* proved) {
  *proved = session.OwnsRows(address, bytes, bytes, 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  return {.address = address, .width = bytes, .pitch = bytes, .rows = 1};
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::MirrorBegin& message) {
  // Of memory of the client only, and of none twice: what is kept here has the same limit.
  if (message.bytes == 0 || !session.OwnsRows(message.address, message.bytes, message.bytes, 1)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  bool made = false;
  if (!session.mirrors().Begin(message.address, message.bytes, &made)) {
    return WireError::kBadValue;
  }
  session.Finish(view, made ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::MirrorEnd& message) {
  session.Finish(view,
                 session.mirrors().End(message.address) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::MirrorIn& message) {
  CUresult proved = CUDA_SUCCESS;
  const DeviceRows to = RowOf(session, message.address, message.bytes, &proved);
  FARLANE_WIRE_TRY(StageIn(session, view, to, {message.stream}, message.data, proved));
  // The client has it, whatever became of the copy: then the device's content differs, and shows.
  const MirrorPlace place = session.mirrors().Find(message.address, message.bytes);
  if (place.mirror != nullptr) {
    place.mirror->Note(place.at, message.data, message.bytes);
  }
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView&,
                  const wire::MirrorOut& message) {
  CUresult proved = CUDA_SUCCESS;
  const DeviceRows from = RowOf(session, message.address, message.bytes, &proved);
  MirrorPlace place = session.mirrors().Find(message.address, message.bytes);
  if (place.mirror == nullptr) {
    proved = CUDA_ERROR_INVALID_VALUE;
  }
  return StageOut(session, from, message.stream,
                  {.id = message.transfer, .known = std::move(place)}, proved);
}

}  // namespace farlane::server
