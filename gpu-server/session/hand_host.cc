// SPDX-License-Identifier: Apache-2.0
// Where streams and graphs wait for the client's process.
#include <thread>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

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

CUDA_MEMCPY2D ShapeOf(uint64_t width, uint64_t rows) {
  CUDA_MEMCPY2D shape{};
  shape.WidthInBytes = width;
  shape.Height = rows;
  return shape;
}

template <typename Message>
CUresult CopyToDevice(const DriverTable& driver, const Message& to, Bytes from, CUstream stream) {
  if (to.rows == 1 || to.pitch == to.width) {
    return driver.cuMemcpyHtoDAsync_v2(to.address, from.data(), to.width * to.rows, stream);
  }
  CUDA_MEMCPY2D shape = ShapeOf(to.width, to.rows);
  shape.srcMemoryType = CU_MEMORYTYPE_HOST;
  shape.srcHost = from.data();
  shape.srcPitch = to.width;
  shape.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.dstDevice = to.address;
  shape.dstPitch = to.pitch;
  return driver.cuMemcpy2DAsync_v2(&shape, stream);
}

template <typename Message>
CUresult CopyFromDevice(const DriverTable& driver, Bytes to, const Message& from, CUstream stream) {
  if (from.rows == 1 || from.pitch == from.width) {
    return driver.cuMemcpyDtoHAsync_v2(to.data(), from.address, from.width * from.rows, stream);
  }
  CUDA_MEMCPY2D shape = ShapeOf(from.width, from.rows);
  shape.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.srcDevice = from.address;
  shape.srcPitch = from.pitch;
  shape.dstMemoryType = CU_MEMORYTYPE_HOST;
  shape.dstHost = to.data();
  shape.dstPitch = from.width;
  return driver.cuMemcpy2DAsync_v2(&shape, stream);
}

// What a message about rows of the client's memory asks for; `bytes` is 0 if it may not.
template <typename Message>
CUresult ProveRows(ClientSession& session, const Message& message, CUstream* stream) {
  if (!session.FindOrNull(message.stream, stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (session.context() == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  uint64_t bytes = 0;
  const bool fits = !__builtin_mul_overflow(message.width, message.rows, &bytes) && bytes != 0 &&
                    bytes <= kTransferWindowBytes;
  return fits && session.OwnsRows(message.address, message.width, message.pitch, message.rows)
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
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
CUresult FetchOnce(ClientSession& session, const wire::HostFetch& message, CUstream stream) {
  const uint64_t bytes = message.width * message.rows;
  StagingBlock block = session.context()->staging.Take(bytes);
  if (block.bytes().empty()) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const Bytes lent = block.bytes().first(bytes);
  CUresult result =
      Enqueue(session, WorkOf(session, message.call, HostWork::Kind::kFetch, lent), false, stream);
  if (result == CUDA_SUCCESS) {
    result = CopyToDevice(session.driver(), message, lent, stream);
  }
  session.transfers().AddIn(session.context(), stream, std::move(block), bytes, result);
  return result;
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
  CUstream stream = nullptr;
  CUresult result = ProveRows(session, message, &stream);
  if (result != CUDA_SUCCESS) {
    return session.Refuse(view, result);
  }
  const GraphPtr graph = session.RecordingOn(stream);
  const uint64_t bytes = message.width * message.rows;
  if (graph == nullptr) {
    if (bytes > kStagingLargeBytes || !session.transfers().HasRoomIn(bytes)) {
      return WireError::kBadValue;
    }
    session.Finish(view, FetchOnce(session, message, stream));
    return WireError::kNone;
  }
  const auto buffer = std::make_shared<GraphBuffer>(session.driver(), bytes);
  if (buffer->bytes().empty()) {
    return session.Refuse(view, CUDA_ERROR_OUT_OF_MEMORY);
  }
  graph->Keep(buffer);
  result = Enqueue(session, WorkOf(session, message.call, HostWork::Kind::kFetch, buffer->bytes()),
                   false, stream);
  if (result == CUDA_SUCCESS) {
    result = CopyToDevice(session.driver(), message, buffer->bytes(), stream);
  }
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::HostStore& message) {
  CUstream stream = nullptr;
  CUresult result = ProveRows(session, message, &stream);
  if (result != CUDA_SUCCESS) {
    return session.Refuse(view, result);
  }
  const GraphPtr graph = session.RecordingOn(stream);
  if (graph == nullptr) {
    return WireError::kBadValue;  // outside of graphs there is CopyOut
  }
  const auto buffer = std::make_shared<GraphBuffer>(session.driver(), message.width * message.rows);
  if (buffer->bytes().empty()) {
    return session.Refuse(view, CUDA_ERROR_OUT_OF_MEMORY);
  }
  graph->Keep(buffer);
  result = CopyFromDevice(session.driver(), buffer->bytes(), message, stream);
  if (result == CUDA_SUCCESS) {
    result =
        Enqueue(session, WorkOf(session, message.call, HostWork::Kind::kStore, buffer->bytes()),
                false, stream);
  }
  session.Finish(view, result);
  return WireError::kNone;
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
