// SPDX-License-Identifier: Apache-2.0
// Device memory: arenas, credit, and what backs which address.
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {

using wire::WireError;

namespace {

// The bytes are granted, or not: makes them physical, so that backing an address with them cannot
// fail for want of memory.
void MakeCredit(ClientSession& session,
                const wire::MessageView& view,
                DeviceMemory* memory,
                const std::shared_ptr<Reservation>& reservation) {
  const uint64_t bytes = reservation->bytes();
  if (bytes == 0) {
    session.Answer(view, CUDA_ERROR_OUT_OF_MEMORY);
    return;
  }
  session.DeferIn(nullptr, view, [&session, view, memory, reservation, bytes] {
    std::vector<ChunkHandle> chunks;
    const CUresult result = memory->CreateClean(bytes / kChunkBytes, &chunks);
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
}

// What the client has let go of, and the driver not yet, comes back first: else it would be nowhere
// for whoever waits for it.
void FinishRecall(ClientSession& session, uint64_t recall, uint64_t bytes, uint32_t frees) {
  if (recall != 0) {
    session.releases().Await([&source = session.source(), recall, bytes, frees] {
      source.FinishRecall(recall, bytes, frees);
    });
  }
}

// As ReturnCredit, for memory that is zeroed before anybody else can have it: that may wait for the
// device.
WireError ReturnZeroed(ClientSession& session,
                       const wire::MessageView& view,
                       DeviceMemory* memory,
                       const wire::CreditReturn& message) {
  std::vector<ChunkHandle> chunks;
  if (message.bytes != 0 && !memory->TakeChunks(message.bytes, &chunks)) {
    return WireError::kBadValue;
  }
  session.DeferIn(nullptr, view,
                  [&session, memory, recall = message.recall, frees = message.frees,
                   chunks = std::move(chunks)] {
                    static_cast<void>(memory->scrubber()->Zero(chunks));
                    session.Return([&session, memory, recall, frees, chunks] {
                      memory->Forfeit(chunks);
                      FinishRecall(session, recall, chunks.size() * kChunkBytes, frees);
                    });
                  });
  return WireError::kNone;
}

}  // namespace

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
                  const wire::SpaceRequest& message) {
  DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  CUresult result = CUDA_SUCCESS;
  AddressRange space;
  FARLANE_WIRE_TRY(memory->AddSpace(message.attempt, message.bytes, &result, &space));
  session.Answer(view, result,
                 wire::SpaceRequestReply{.address = space.address, .bytes = space.bytes});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::CreditRequest& message) {
  DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  if (message.bytes > UINT64_MAX - kChunkBytes) {
    return session.Refuse(view, CUDA_ERROR_OUT_OF_MEMORY);
  }
  // The ledger first: what would pass a limit has no side effect at all.
  session.AskForMemory(
      memory->ordinal(), RoundUp(message.bytes, kChunkBytes),
      message.spare != 0 ? CreditSource::Purpose::kSpare : CreditSource::Purpose::kCredit,
      [&session, view, memory](Reservation granted) {
        // Shared because a letter must be copyable; in truth it passes it on.
        const auto reservation = std::make_shared<Reservation>(std::move(granted));
        session.Return([&session, view, memory, reservation] {
          MakeCredit(session, view, memory, reservation);
        });
      });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::CreditReturn& message) {
  DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return WireError::kBadValue;
  }
  if (memory->scrubs_after()) {
    return ReturnZeroed(session, view, memory, message);
  }
  FARLANE_WIRE_TRY(memory->ReturnCredit(message.bytes));
  FinishRecall(session, message.recall, message.bytes, message.frees);
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
  session.source().AskFigures(memory->ordinal(), [&session, view](MemoryFigures figures) {
    session.Return([&session, view, figures] {
      session.Answer(view, CUDA_SUCCESS,
                     wire::MemoryInfoReply{.free_bytes = figures.free_bytes,
                                           .total_bytes = figures.total_bytes});
    });
  });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::DeviceQuiesce& message) {
  const DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  // All of them: work of any device may copy from or to one's memory.
  session.WaitForContexts(view, session.AllContexts(), [&session, view](CUresult result) {
    session.AnswerWaited(view, result);
  });
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::MemoryFence& message) {
  if (session.memory(message.device) == nullptr) {
    return WireError::kBadValue;
  }
  session.WaitForContexts(view, session.AllContexts(), [&session, message](CUresult /*result*/) {
    // A context that has failed has no work left either, and says so to whoever uses it.
    session.outbox().Append(wire::FenceReached{.device = message.device, .fence = message.fence});
    session.outbox().FlushOrWake();
  });
  return WireError::kNone;
}

}  // namespace farlane::server
