// SPDX-License-Identifier: Apache-2.0
// Device memory: arenas, credit, and what backs which address.
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {

using wire::WireError;

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ArenaDecline& message) {
  DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  CUresult result = CUDA_SUCCESS;
  FARLANE_WIRE_TRY(memory->MoveArena(message.attempt, &result));
  const AddressRange arena = memory->arena();
  session.Answer(view, result,
                 wire::ArenaDeclineReply{.address = arena.address, .bytes = arena.bytes});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::CreditRequest& message) {
  DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  // The ledger first: what would pass the limit has no side effect at all.
  std::optional<Reservation> reserved = memory->ReserveCredit(message.bytes);
  if (!reserved.has_value()) {
    return session.Refuse(view, CUDA_ERROR_OUT_OF_MEMORY);
  }
  // Shared because a job must be copyable; in truth the job passes it on.
  const auto reservation = std::make_shared<Reservation>(std::move(*reserved));
  session.Defer(view, [&session, view, memory, reservation] {
    std::vector<ChunkHandle> chunks;
    const uint64_t bytes = reservation->bytes();
    const CUresult result =
        CreateChunks(session.driver(), memory->device(), bytes / kChunkBytes, &chunks);
    session.Return(
        [&session, view, memory, reservation, chunks = std::move(chunks), result, bytes] {
          if (result == CUDA_SUCCESS) {
            memory->AddCredit(std::move(*reservation), chunks);
          } else {
            *reservation = Reservation();  // before the answer: the client may ask for less at once
          }
          session.Answer(view, result, wire::CreditRequestReply{.granted_bytes = bytes});
        });
  });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::MemoryMap& message) {
  DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return WireError::kBadValue;
  }
  CUresult result = CUDA_SUCCESS;
  FARLANE_WIRE_TRY(memory->Map({.address = message.address, .bytes = message.bytes}, &result));
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::MemoryUnmap& message) {
  DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return WireError::kBadValue;
  }
  CUresult result = CUDA_SUCCESS;
  FARLANE_WIRE_TRY(memory->Unmap({.address = message.address, .bytes = message.bytes}, &result));
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::MemoryInfo& message) {
  const DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  // The client's whole credit counts as taken; it knows itself what of it is in use.
  session.Answer(view, CUDA_SUCCESS,
                 wire::MemoryInfoReply{.free_bytes = memory->free_bytes(),
                                       .total_bytes = memory->total_bytes()});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::DeviceQuiesce& message) {
  const DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  // Work of any device may copy from or to this one's memory.
  session.Defer(view, [&session, view, contexts = session.AllContexts()] {
    CUresult result = CUDA_SUCCESS;
    for (const ContextPtr& context : contexts) {
      CUresult one = session.driver().cuCtxSetCurrent(context->context);
      if (one == CUDA_SUCCESS) {
        one = session.driver().cuCtxSynchronize();
      }
      result = result == CUDA_SUCCESS ? one : result;
    }
    session.AnswerWaited(view, result);
  });
  return WireError::kNone;
}

}  // namespace farlane::server
