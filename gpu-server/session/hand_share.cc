// SPDX-License-Identifier: Apache-2.0
// Memory and events that processes of one session pass to each other.
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {

using wire::WireError;

namespace {

// An imported event, opened in the context that was current when the client asked.
CUresult OpenEvent(ClientSession& session,
                   const wire::EventImport& message,
                   const ContextPtr& context,
                   const SharedThing& thing) {
  if (session.CheckNew(message.event, wire::HandleKind::kEvent) != WireError::kNone) {
    return CUDA_ERROR_INVALID_HANDLE;  // given to something else meanwhile
  }
  const ContextScope scope(session.driver(), session.context().get(), *context);
  CUevent event = nullptr;
  const CUresult result = session.driver().cuIpcOpenEventHandle(&event, thing.event);
  if (result == CUDA_SUCCESS) {
    session.Bind(message.event, BoundEvent{.event = event, .context = context});
  }
  return result;
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::MemoryShare& message) {
  DeviceMemory* memory = session.memory(message.device);
  if (memory == nullptr) {
    return WireError::kBadValue;
  }
  const AddressRange range{.address = message.address, .bytes = message.bytes};
  SharedThing thing;
  thing.device = memory->ordinal();
  FARLANE_WIRE_TRY(memory->ListChunks(range, &thing.chunks));
  std::vector<ChunkHandle> chunks = thing.chunks;
  return session.shares().Offer(view, message.bytes, std::move(thing),
                                [memory, range, chunks = std::move(chunks)](const ShareToken&) {
                                  return memory->Pin(range, chunks);
                                });
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::PhysicalShare& message) {
  SharedThing thing;
  DeviceMemory* memory = nullptr;
  FARLANE_WIRE_TRY(session.virtual_memory().ListChunks(message.memory, &memory, &thing.chunks));
  thing.device = memory->ordinal();
  const uint64_t bytes = thing.chunks.size() * kChunkBytes;
  return session.shares().Offer(
      view, bytes, std::move(thing),
      [&session, memory, handle = message.memory](const ShareToken& token) {
        return session.virtual_memory().ReplaceEnd(
            handle, [&session, memory, token] { session.shares().Withdraw(token, memory); });
      });
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::PhysicalImport& message) {
  DeviceMemory* memory = session.memory(message.device);
  const bool whole = message.bytes != 0 && message.bytes % kChunkBytes == 0;
  if (memory == nullptr || !whole || message.bytes > memory->total_bytes()) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  const ShareToken token{.high = message.token_high, .low = message.token_low};
  return session.shares().Import(
      view, token, message.bytes / kChunkBytes,
      [&session, view, memory, token, handle = message.memory](CUresult result,
                                                               const SharedThing& thing) {
        if (result != CUDA_SUCCESS) {
          session.Answer(view, result);
          return;
        }
        const auto end = [&session, token, chunks = thing.chunks] {
          ReleaseChunks(session.driver(), chunks);
          session.shares().Close(token);
        };
        const bool taken = thing.device == memory->ordinal() &&
                           session.virtual_memory().Adopt(handle, memory, thing.chunks, end);
        if (!taken) {
          end();
        }
        session.Answer(view, taken ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE);
      });
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::EventShare& message) {
  CUevent event = nullptr;
  if (!session.Find(message.event, &event)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  SharedThing thing;
  const CUresult result = session.driver().cuIpcGetEventHandle(&thing.event, event);
  return result == CUDA_SUCCESS ? session.shares().Offer(view, 0, std::move(thing), nullptr)
                                : session.Refuse(view, result);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::EventImport& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.event, wire::HandleKind::kEvent));
  const ContextPtr context = session.context();
  if (context == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  const ShareToken token{.high = message.token_high, .low = message.token_low};
  return session.shares().Import(
      view, token, 0,
      [&session, view, token, message, context](CUresult result, const SharedThing& thing) {
        if (result == CUDA_SUCCESS) {
          result = OpenEvent(session, message, context, thing);
          session.shares().Close(token);  // the driver keeps an event for who has opened it
        }
        session.Answer(view, result);
      });
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::DeviceAccess& message) {
  DeviceMemory* memory = session.memory(message.device);
  const DeviceMemory* peer = session.memory(message.peer);
  if (memory == nullptr || peer == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  session.Answer(view, memory->SetPeerAccess(peer->device(), message.enable != 0));
  return WireError::kNone;
}

}  // namespace farlane::server
