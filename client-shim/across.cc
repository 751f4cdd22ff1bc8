// SPDX-License-Identifier: Apache-2.0
#include "client-shim/across.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "client-shim/bodies.h"
#include "client-shim/host_posts.h"
#include "client-shim/route.h"
#include "protocol/base/bytes.h"

namespace farlane::shim {
namespace {

// What of a copy is in the program at a time.
constexpr uint64_t kPieceBytes = 16_MiB;

// One end of a copy.
struct Side {
  uint64_t address = 0;
  Session* owner = nullptr;  // null: the program's own memory
  wire::Handle context = 0;
};

// Makes a context current for a while. Thread: the caller's, on its stack.
class Within {
 public:
  explicit Within(wire::Handle context) { ThreadState::Mine().Push(context); }

  ~Within() { ThreadState::Mine().Pop(); }

  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  const Route route_;  // first, so that the session is the context's and nobody else's
};

Side SideOf(const CallScope& scope, CUdeviceptr address) {
  Side side{.address = address};
  const Servers* const servers = Process::Get().servers();
  int32_t device = scope.session().DeviceOfAddress(address);
  if (device >= 0) {
    side.owner = &scope.session();
  }
  for (size_t i = 0; servers != nullptr && side.owner == nullptr && i < servers->sessions().size();
       ++i) {
    Session& session = *servers->sessions()[i];
    device = session.DeviceOfAddress(address);
    side.owner = device >= 0 ? &session : nullptr;
  }
  if (side.owner != nullptr) {
    side.context = side.owner == &scope.session() && scope.device() == device
                       ? scope.context()
                       : AnyContext(*side.owner, device);
  }
  return side;
}

Side SideOf(const CallScope&, const void* host) {
  return {.address = reinterpret_cast<uint64_t>(host)};
}

bool IsElsewhere(const CallScope& scope, const Side& side) {
  return side.owner != nullptr && side.owner != &scope.session();
}

// CUDA_SUCCESS if the range lies in one allocation, which a context reaches.
CUresult Prove(const Side& side, uint64_t bytes) {
  if (side.owner == nullptr) {
    return side.address != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }
  const Within within(side.context);
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  return scope.OwnsRows(side.address, bytes, 1, 0, 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult Fetch(void* to, const Side& from, uint64_t offset, uint64_t bytes, CUstream stream) {
  const Within within(from.context);
  return stream == nullptr ? cuMemcpyDtoH_v2(to, from.address + offset, bytes, nullptr)
                           : cuMemcpyDtoHAsync_v2(to, from.address + offset, bytes, stream);
}

// Until the bytes are there: streams that wait for nothing must find them, too.
CUresult Store(const Side& to, uint64_t offset, const void* from, uint64_t bytes, CUstream stream) {
  const Within within(to.context);
  const CUresult result = cuMemcpyHtoDAsync_v2(to.address + offset, from, bytes, stream);
  return result == CUDA_SUCCESS ? cuStreamSynchronize(stream) : result;
}

// The streams must be of the contexts of their sides; null for the legacy ones.
CUresult Move(
    const Side& to, const Side& from, uint64_t bytes, CUstream to_stream, CUstream from_stream) {
  if (from.owner == nullptr) {
    return Store(to, 0, reinterpret_cast<const void*>(from.address), bytes, to_stream);
  }
  if (to.owner == nullptr) {
    return Fetch(reinterpret_cast<void*>(to.address), from, 0, bytes, from_stream);
  }
  std::vector<std::byte> piece(std::min(bytes, kPieceBytes));
  CUresult result = CUDA_SUCCESS;
  for (uint64_t at = 0; at < bytes && result == CUDA_SUCCESS; at += piece.size()) {
    const uint64_t part = std::min<uint64_t>(piece.size(), bytes - at);
    result = Fetch(piece.data(), from, at, part, from_stream);
    result = result == CUDA_SUCCESS ? Store(to, at, piece.data(), part, to_stream) : result;
  }
  return result;
}

CUresult AwaitLegacy(const Side& side) {
  if (side.owner == nullptr) {
    return CUDA_SUCCESS;
  }
  const Within within(side.context);
  return cuStreamSynchronize(nullptr);
}

CUresult MoveNow(const Side& to, const Side& from, uint64_t bytes, CUstream stream) {
  CUresult result = cuStreamSynchronize(stream);
  result = result == CUDA_SUCCESS ? AwaitLegacy(from) : result;
  result = result == CUDA_SUCCESS ? AwaitLegacy(to) : result;
  return result == CUDA_SUCCESS ? Move(to, from, bytes, nullptr, nullptr) : result;
}

// A stream of its own, which waits for nothing that was not told to it. Thread: caller's.
class OwnStream {
 public:
  explicit OwnStream(wire::Handle context) : context_(context) {
    const Within within(context_);
    result_ = cuStreamCreateWithPriority(&stream_, CU_STREAM_NON_BLOCKING, 0);
  }

  ~OwnStream() { End(); }

  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;

  CUresult result() const { return result_; }

  CUstream get() const { return stream_; }

  // When everything on it is done. Not by a thread that may not call us.
  void AwaitAndEnd() {
    {
      const Within within(context_);
      static_cast<void>(cuStreamSynchronize(stream_));  // told by calls about its own server
    }
    End();
  }

  // It waits for the event as it is recorded now.
  CUresult WaitFor(CUevent event) const {
    const Within within(context_);
    return cuStreamWaitEvent(stream_, event, 0);
  }

 private:
  void End() {
    if (stream_ != nullptr) {
      const Within within(context_);
      cuStreamDestroy_v2(std::exchange(stream_, nullptr));
    }
  }

  const wire::Handle context_;
  CUstream stream_ = nullptr;
  CUresult result_ = CUDA_SUCCESS;
};

// When the stream has come to it. The legacy streams would wait for that stream themselves.
CUresult MoveWhenDue(const Side& to, const Side& from, uint64_t bytes) {
  const OwnStream to_stream(to.context);
  const OwnStream from_stream(from.context);
  if (to_stream.result() != CUDA_SUCCESS || from_stream.result() != CUDA_SUCCESS) {
    return to_stream.result() != CUDA_SUCCESS ? to_stream.result() : from_stream.result();
  }
  return Move(to, from, bytes, to_stream.get(), from_stream.get());
}

template <typename To, typename From>
bool Copy(To to_address,
          From from_address,
          uint64_t bytes,
          CUstream stream,
          Wait wait,
          CUresult* result) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS || !scope.KnowsOrNull(stream) || bytes == 0) {
    return false;  // says so itself
  }
  const Side to = SideOf(scope, to_address);
  const Side from = SideOf(scope, from_address);
  if (!IsElsewhere(scope, to) && !IsElsewhere(scope, from)) {
    return false;
  }
  if (scope.RefuseCaptured(stream) != CUDA_SUCCESS) {
    *result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return true;
  }
  *result = Prove(to, bytes);
  *result = *result == CUDA_SUCCESS ? Prove(from, bytes) : *result;
  if (*result != CUDA_SUCCESS) {
    return true;
  }
  const bool both = to.owner != nullptr && from.owner != nullptr;
  *result =
      both && wait == Wait::kNo
          ? LaunchBridge(scope, stream, [to, from, bytes] { return MoveWhenDue(to, from, bytes); })
          : MoveNow(to, from, bytes, stream);
  return true;
}

}  // namespace

bool CopyAcross(CUdeviceptr to,
                CUdeviceptr from,
                uint64_t bytes,
                CUstream stream,
                Wait wait,
                CUresult* result) {
  return Copy(to, from, bytes, stream, wait, result);
}

bool CopyAcross(CUdeviceptr to,
                const void* from,
                uint64_t bytes,
                CUstream stream,
                Wait wait,
                CUresult* result) {
  return Copy(to, from, bytes, stream, wait, result);
}

bool CopyAcross(
    void* to, CUdeviceptr from, uint64_t bytes, CUstream stream, Wait wait, CUresult* result) {
  return Copy(to, from, bytes, stream, wait, result);
}

bool AskPeersAcross(CUdevice device, CUdevice peer, int* answer, CUresult* result) {
  const Session* const one = Process::Get().SessionOfDevice(device);
  const Session* const other = Process::Get().SessionOfDevice(peer);
  if (one == nullptr || other == nullptr || one == other || answer == nullptr) {
    return false;
  }
  *answer = 0;
  *result = CUDA_SUCCESS;
  return true;
}

namespace {

bool IsPeerElsewhere(CUcontext peer) {
  const CallScope scope;
  Session* const owner = Process::Get().SessionOf(wire::ToWire(peer));
  return scope.result() == CUDA_SUCCESS && owner != nullptr && owner != &scope.session() &&
         owner->objects().contexts.Find(wire::ToWire(peer)) != nullptr;
}

}  // namespace

bool OpenPeerAcross(CUcontext peer, CUresult* result) {
  *result = CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
  return IsPeerElsewhere(peer);
}

bool ClosePeerAcross(CUcontext peer, CUresult* result) {
  *result = CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
  return IsPeerElsewhere(peer);
}

bool WaitAcross(CUstream stream, CUevent event, unsigned int flags, CUresult* result) {
  const CallScope scope;
  Session* const owner = Process::Get().SessionOf(wire::ToWire(event));
  if (scope.result() != CUDA_SUCCESS || !scope.KnowsOrNull(stream) || owner == nullptr ||
      owner == &scope.session()) {
    return false;
  }
  const Event* const found = owner->objects().events.Find(wire::ToWire(event));
  if (found == nullptr || (flags & ~static_cast<unsigned>(CU_EVENT_WAIT_EXTERNAL)) != 0) {
    return false;
  }
  if (scope.RefuseCaptured(stream) != CUDA_SUCCESS || owner->captures().has_events()) {
    *result = CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    return true;
  }
  const Question question =
      owner->completions().About(found->context, wire::EventQuery{.hEvent = wire::ToWire(event)});
  if (question.known == CUDA_SUCCESS) {
    *result = CUDA_SUCCESS;
    return true;
  }
  // A stream there waits for the event now, so that a later record of it changes nothing.
  const auto there = std::make_shared<OwnStream>(found->context);
  *result = there->result() == CUDA_SUCCESS ? there->WaitFor(event) : there->result();
  if (*result == CUDA_SUCCESS) {
    *result = LaunchBridge(scope, stream, [there] {
      there->AwaitAndEnd();
      return CUDA_SUCCESS;
    });
  }
  return true;
}

}  // namespace farlane::shim
