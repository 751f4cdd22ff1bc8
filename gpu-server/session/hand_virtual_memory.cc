// SPDX-License-Identifier: Apache-2.0
// The program's own virtual memory: physical memory, and where it is mapped.
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {

using wire::WireError;

WireError Execute(ClientSession& session,
                  const wire::MessageView&,
                  const wire::PhysicalCreate& message) {
  DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return WireError::kBadValue;
  }
  return session.virtual_memory().Create(message.memory, memory, message.bytes);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView&,
                  const wire::PhysicalRelease& message) {
  return session.virtual_memory().Release(message.memory);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::PhysicalMap& message) {
  CUresult result = CUDA_SUCCESS;
  FARLANE_WIRE_TRY(session.virtual_memory().Map(
      {.address = message.address, .bytes = message.bytes}, message.memory, &result));
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::PhysicalUnmap& message) {
  CUresult result = CUDA_SUCCESS;
  FARLANE_WIRE_TRY(session.virtual_memory().Unmap(
      {.address = message.address, .bytes = message.bytes}, &result));
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::PhysicalAccess& message) {
  const DeviceMemory* accessor = session.memory(message.device);
  if (accessor == nullptr) {
    return WireError::kBadValue;
  }
  CUresult result = CUDA_SUCCESS;
  FARLANE_WIRE_TRY(session.virtual_memory().SetAccess(
      {.address = message.address, .bytes = message.bytes}, accessor->device(),
      static_cast<CUmemAccess_flags>(message.access), &result));
  session.Finish(view, result);
  return WireError::kNone;
}

}  // namespace farlane::server
