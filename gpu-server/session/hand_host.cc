// SPDX-License-Identifier: Apache-2.0
// Where streams and graphs wait for the client's process.
#include <thread>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "gpu-server/session/staged_copies.h"

namespace farlane::server {
namespace {

using wire::WireError;

// Pinned memory of a graph, for as long as the graph may run.
// Thread: one at a time.
class GraphBuffer {
 public:
  GraphBuffer(const DriverTable& driver, size_t bytes) : driver_(driver) {
    void* memory = nullptr;
    if (driver_.cuMemHostAlloc(&memory, bytes, CU_MEMHOSTALLOC_PORTABLE) == CUDA_SUCCESS) {
      bytes_ = Bytes(static_cast<std::byte*>(memory), bytes);
    }
  }

  // A driver waits for all work of the context before it frees. Some of that may wait for the
  // client, whom the dispatch thread must go on hearing, so a thread of its own waits, and ends
  // with the process if nothing else.
  ~GraphBuffer() {
    CUcontext context = nullptr;
    if (bytes_.empty() || driver_.cuCtxGetCurrent(&context) != CUDA_SUCCESS) {
      return;
    }
    std::thread([context, memory = bytes_.data(), enter = driver_.cuCtxSetCurrent,
                 free = driver_.cuMemFreeHost] {
      if (enter(context) == CUDA_SUCCESS) {
        static_cast<void>(free(memory));
      }
    }).detach();
  }

  GraphBuffer(const GraphBuffer&) = delete;
  GraphBuffer& operator=(const GraphBuffer&) = delete;

  Bytes bytes() const { return bytes_; }

 private:
  const DriverTable& driver_;
  Bytes bytes_;
};

// Where rows of the client's memory go or come from.
DeviceRows RowsOf(const wire::HostFetch& message) {
  return {.address = message.address,
          .width = message.width,
          .pitch = message.pitch,
          .rows = message.rows};
}

DeviceRows RowsOf(const wire::HostStore& message) {
  return {.address = message.address,
          .width = message.width,
          .pitch = message.pitch,
          .rows = message.rows};
}

CUresult Prove(const ClientSession& session, const DeviceRows& rows) {
  return session.OwnsRows(rows.address, rows.width, rows.pitch, rows.rows)
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

// What a message about rows of the client's memory says.
// Thread: caller's.
struct HostRows {
  wire::Handle stream = 0;
  uint64_t call = 0;
  DeviceRows place;
};

// Whether a message about rows, whose place has been `proved`, may be carried out.
CUresult ProveRows(ClientSession& session,
                   wire::Handle stream_handle,
                   const DeviceRows& rows,
                   CUresult proved,
                   CUstream* stream) {
  if (!session.FindOrNull(stream_handle, stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (session.context() == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  uint64_t bytes = 0;
  const bool fits = !__builtin_mul_overflow(rows.width, rows.rows, &bytes) && bytes != 0 &&
                    bytes <= kTransferWindowBytes;
  return fits ? proved : CUDA_ERROR_INVALID_VALUE;
}

// Puts the work into a stream. What a graph records stays with the graph.
CUresult Enqueue(ClientSession& session, HostWork work, bool always, CUstream stream) {
  const DriverTable& driver = session.driver();
  const GraphPtr graph = session.RecordingOn(stream);
  if (graph != nullptr) {
    auto kept = std::make_shared<HostWork>(std::move(work));
    graph->Keep(kept);
    return driver.cuLaunchHostFunc(stream, &HostCalls::Reached, kept.get());
  }
  work.once = true;
  auto owned = std::make_unique<HostWork>(std::move(work));
  const CUresult result =
      always ? driver.cuStreamAddCallback(stream, &HostCalls::ReachedWith, owned.get(), 0)
             : driver.cuLaunchHostFunc(stream, &HostCalls::Reached, owned.get());
  if (result == CUDA_SUCCESS) {
    static_cast<void>(owned.release());  // it deletes itself when it has run
  }
  return result;
}

HostWork WorkOf(ClientSession& session, uint64_t call, HostWork::Kind kind, Bytes bytes) {
  return {.calls = session.host_calls(), .call = call, .kind = kind, .bytes = bytes};
}

// A fetch outside of graphs: its memory is lent, and goes back when the copy is done.
CUresult FetchOnce(ClientSession& session, uint64_t call, const DeviceRows& to, CUstream stream) {
  const uint64_t bytes = to.bytes();
  StagingBlock block = session.context()->staging.Take(bytes);
  if (block.bytes().empty()) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const Bytes lent = block.bytes().first(bytes);
  CUresult result =
      Enqueue(session, WorkOf(session, call, HostWork::Kind::kFetch, lent), false, stream);
  if (result == CUDA_SUCCESS) {
    result = CopyToDevice(session.driver(), to, lent.data(), stream);
  }
  session.transfers().AddIn(session.context(), stream, std::move(block), bytes, result);
  return result;
}

// A copy to the device whose bytes the client is asked for.
WireError Fetch(ClientSession& session,
                const wire::MessageView& view,
                const HostRows& rows,
                CUresult proved) {
  CUstream stream = nullptr;
  CUresult result = ProveRows(session, rows.stream, rows.place, proved, &stream);
  if (result != CUDA_SUCCESS) {
    return session.Refuse(view, result);
  }
  const GraphPtr graph = session.RecordingOn(stream);
  const uint64_t bytes = rows.place.bytes();
  if (graph == nullptr) {
    if (bytes > kStagingLargeBytes || !session.transfers().HasRoomIn(bytes)) {
      return WireError::kBadValue;
    }
    session.Finish(view, FetchOnce(session, rows.call, rows.place, stream));
    return WireError::kNone;
  }
  const auto buffer = std::make_shared<GraphBuffer>(session.driver(), bytes);
  if (buffer->bytes().empty()) {
    return session.Refuse(view, CUDA_ERROR_OUT_OF_MEMORY);
  }
  graph->Keep(buffer);
  result = Enqueue(session, WorkOf(session, rows.call, HostWork::Kind::kFetch, buffer->bytes()),
                   false, stream);
  if (result == CUDA_SUCCESS) {
    result = CopyToDevice(session.driver(), rows.place, buffer->bytes().data(), stream);
  }
  session.Finish(view, result);
  return WireError::kNone;
}

// A graph's copy from the device, whose bytes the client gets.
WireError Store(ClientSession& session,
                const wire::MessageView& view,
                const HostRows& rows,
                CUresult proved) {
  CUstream stream = nullptr;
  CUresult result = ProveRows(session, rows.stream, rows.place, proved, &stream);
  if (result != CUDA_SUCCESS) {
    return session.Refuse(view, result);
  }
  const GraphPtr graph = session.RecordingOn(stream);
  if (graph == nullptr) {
    return WireError::kBadValue;  // outside of graphs there is CopyOut
  }
  const auto buffer = std::make_shared<GraphBuffer>(session.driver(), rows.place.bytes());
  if (buffer->bytes().empty()) {
    return session.Refuse(view, CUDA_ERROR_OUT_OF_MEMORY);
  }
  graph->Keep(buffer);
  result = CopyFromDevice(session.driver(), buffer->bytes().data(), rows.place, stream);
  if (result == CUDA_SUCCESS) {
    result = Enqueue(session, WorkOf(session, rows.call, HostWork::Kind::kStore, buffer->bytes()),
                     false, stream);
  }
  session.Finish(view, result);
  return WireError::kNone;
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::HostFunction& message) {
  CUstream stream = nullptr;
  if (!session.FindOrNull(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  session.Finish(view,
                 Enqueue(session, WorkOf(session, message.call, HostWork::Kind::kFunction, {}),
                         message.always != 0, stream));
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::HostFetch& message) {
  const DeviceRows rows = RowsOf(message);
  return Fetch(session, view, {message.stream, message.call, rows}, Prove(session, rows));
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::HostStore& message) {
  const DeviceRows rows = RowsOf(message);
  return Store(session, view, {message.stream, message.call, rows}, Prove(session, rows));
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ArrayFetch& message) {
  CUresult proved = CUDA_SUCCESS;
  const DeviceRows rows = RowsInArray(session, message, &proved);
  return Fetch(session, view, {message.stream, message.call, rows}, proved);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ArrayStore& message) {
  CUresult proved = CUDA_SUCCESS;
  const DeviceRows rows = RowsInArray(session, message, &proved);
  return Store(session, view, {message.stream, message.call, rows}, proved);
}

WireError Execute(ClientSession& session,
                  [[maybe_unused]] const wire::MessageView& view,
                  const wire::HostFetched& message) {
  return session.host_calls()->Fetched(message);
}

WireError Execute(ClientSession& session,
                  [[maybe_unused]] const wire::MessageView& view,
                  const wire::HostDone& message) {
  return session.host_calls()->Done(message.turn);
}

}  // namespace farlane::server
