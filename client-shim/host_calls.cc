// SPDX-License-Identifier: Apache-2.0
#include "client-shim/host_calls.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sys/prctl.h>

#include "client-shim/current_context.h"
#include "client-shim/session.h"

namespace farlane::shim {
namespace {

uint64_t BytesOf(const RowShape& shape) {
  return shape.width * shape.rows;
}

// Copies between a run of packed bytes, which starts at `offset` of the rows, and the rows.
template <typename Move>
void ForRows(const HostCall& call, uint64_t offset, uint64_t bytes, Move&& move) {
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t row = (offset + at) / call.shape.width;
    const uint64_t column = (offset + at) % call.shape.width;
    const uint64_t part = std::min(bytes - at, call.shape.width - column);
    move(call.host + row * call.shape.host_pitch + column, at, part);
    at += part;
  }
}

// Whether a call reads or writes memory of the program in this range.
bool Uses(const HostCall& call, const std::byte* host, uint64_t bytes) {
  const auto overlaps = [&](const std::byte* from, uint64_t pitch) {
    return from < host + bytes && host < from + pitch * (call.shape.rows - 1) + call.shape.width;
  };
  switch (call.kind) {
    case HostCall::Kind::kFetch:
    case HostCall::Kind::kStore:
      return overlaps(call.host, call.shape.host_pitch);
    case HostCall::Kind::kMove:
      return overlaps(call.host, call.shape.host_pitch) ||
             overlaps(call.from, call.shape.device_pitch);
    default:
      return false;
  }
}

}  // namespace

HostCallPtr HostCalls::Make(HostCall call) {
  call.number = next_number_.fetch_add(1, std::memory_order_relaxed);
  return std::make_shared<const HostCall>(std::move(call));
}

void HostCalls::Expect(const HostCallPtr& call) {
  std::lock_guard<std::mutex> lock(mutex_);
  Expected& expected = expected_[call->number];
  expected.call = call;
  ++expected.times;
  expected_count_.fetch_add(1, std::memory_order_release);
  if (!running_ && !closed_) {
    running_ = true;
    // Detached: it waits for the server, and the process does not wait for it.
    std::thread([this] { Loop(); }).detach();
  }
  changed_.notify_one();
}

void HostCalls::LetGo(const void* host, uint64_t bytes) {
  const auto uses = [from = static_cast<const std::byte*>(host), bytes](const HostCallPtr& call) {
    return call != nullptr && Uses(*call, from, bytes);
  };
  std::unique_lock<std::mutex> lock(mutex_);
  std::erase_if(expected_, [&](const auto& entry) {
    const bool gone = uses(entry.second.call);
    expected_count_.fetch_sub(gone ? entry.second.times : 0, std::memory_order_release);
    return gone;
  });
  const size_t forgotten = std::erase_if(due_, [&](const Due& due) { return uses(due.call); });
  due_count_.store(due_.size(), std::memory_order_release);
  expected_count_.fetch_sub(forgotten, std::memory_order_release);
  changed_.wait(lock, [&] { return !uses(moving_); });
}

wire::WireError HostCalls::OnDue(const wire::MessageView& message) {
  wire::HostDue due;
  FARLANE_WIRE_TRY(Decode(message.body, &due));
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = expected_.find(due.call);
  if (found == expected_.end()) {
    return wire::WireError::kBadReference;
  }
  const HostCallPtr call = found->second.call;
  if (--found->second.times == 0) {
    expected_.erase(found);
  }
  if (call->kind == HostCall::Kind::kStore) {
    expected_count_.fetch_sub(1, std::memory_order_release);
    return wire::WireError::kNone;  // its bytes came before this
  }
  due_.push_back({.call = call, .turn = due.turn, .result = static_cast<CUresult>(due.result)});
  due_count_.store(due_.size(), std::memory_order_release);
  changed_.notify_one();
  return wire::WireError::kNone;
}

wire::WireError HostCalls::OnStored(const wire::MessageView& message) {
  wire::HostStored piece;
  FARLANE_WIRE_TRY(Decode(message.body, &piece));
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = expected_.find(piece.call);
  if (found == expected_.end() || found->second.call->kind != HostCall::Kind::kStore) {
    return wire::WireError::kBadReference;
  }
  const HostCall& call = *found->second.call;
  const uint64_t bytes = BytesOf(call.shape);
  if (piece.offset > bytes || piece.data.size() > bytes - piece.offset) {
    return wire::WireError::kBadValue;
  }
  ForRows(call, piece.offset, piece.data.size(),
          [&piece](std::byte* host, uint64_t at, uint64_t part) {
            memcpy(host, piece.data.data() + at, part);
          });
  return wire::WireError::kNone;
}

void HostCalls::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

// ---- the thread

void HostCalls::Loop() {
  prctl(PR_SET_NAME, "farlane-host");
  sigset_t blocked;
  sigfillset(&blocked);
  pthread_sigmask(SIG_SETMASK, &blocked, nullptr);  // the program's signals are for its threads
  ThreadState::Mine().in_callback = true;
  while (WaitForWork()) {
    Due due;
    while (Take(&due)) {
      Do(due);
      due = Due();
    }
  }
}

bool HostCalls::Take(Due* due) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (due_.empty() || closed_) {
    return false;
  }
  *due = std::move(due_.front());
  due_.pop_front();
  moving_ = due->call;
  due_count_.store(due_.size(), std::memory_order_release);
  return true;
}

// False when the session is over.
bool HostCalls::WaitForWork() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || any() || !due_.empty(); });
    if (closed_) {
      return false;
    }
  }
  const Status status = session_.channel().WaitUntil(
      [this] { return due_count_.load(std::memory_order_acquire) != 0 || !any(); });
  return status.ok();
}

void HostCalls::Do(const Due& due) {
  if (due.call->kind == HostCall::Kind::kBridge) {
    DoneMoving();
    Cross(due);
    return;
  }
  if (due.call->kind == HostCall::Kind::kFetch) {
    Send(*due.call, due.turn);
  } else {
    Run(due);
  }
  DoneMoving();
  Done(due);
}

// What is awaited from another server may depend on any other call of ours, also one that is due
// behind this, so each such wait has a thread. There are as many as streams that stand at one.
void HostCalls::Cross(const Due& due) {
  std::thread([this, due] {
    prctl(PR_SET_NAME, "farlane-bridge");
    ThreadState::Mine().capture_mode = CU_STREAM_CAPTURE_MODE_RELAXED;  // captures are not about us
    session_.NoteFailure(due.call->bridge());
    Done(due);
  }).detach();
}

void HostCalls::Done(const Due& due) {
  session_.Post(0, wire::HostDone{.turn = due.turn});
  expected_count_.fetch_sub(1, std::memory_order_release);
  session_.channel().Poll();  // the stream waits for it
}

void HostCalls::DoneMoving() {
  std::lock_guard<std::mutex> lock(mutex_);
  moving_ = nullptr;
  changed_.notify_all();
}

// A function sees what the device did before it, and the device what the function did.
void HostCalls::Run(const Due& due) {
  const HostCall& call = *due.call;
  const bool mirrors = session_.mirrored().any();
  if (mirrors) {
    session_.mirrored().Fetch(call.context);  // a failure shows at the program's next call
  }
  if (call.kind == HostCall::Kind::kMove) {
    for (uint64_t row = 0; row < call.shape.rows; ++row) {
      memmove(call.host + row * call.shape.host_pitch, call.from + row * call.shape.device_pitch,
              call.shape.width);
    }
  } else if (call.kind == HostCall::Kind::kFunction) {
    call.function(call.data);
  } else {
    call.callback(call.stream, due.result, call.data);
  }
  if (mirrors) {
    session_.mirrored().SendAndWait(call.context);
  }
}

void HostCalls::Send(const HostCall& call, uint64_t turn) {
  const uint64_t bytes = BytesOf(call.shape);
  std::vector<std::byte> packed(std::min<uint64_t>(bytes, wire::kPieceBytes));
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t piece = std::min<uint64_t>(bytes - at, wire::kPieceBytes);
    ForRows(call, at, piece, [&packed](const std::byte* host, uint64_t to, uint64_t part) {
      memcpy(packed.data() + to, host, part);
    });
    session_.Post(
        0, wire::HostFetched{.turn = turn, .offset = at, .data = ConstBytes(packed.data(), piece)});
    at += piece;
  }
}

}  // namespace farlane::shim
