// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/host_calls.h"

#include <cstring>

#include "gpu-server/session/client_session.h"

namespace farlane::server {

void HostCalls::ReachedWith(CUstream /*stream*/, CUresult result, void* work) {
  auto* met = static_cast<HostWork*>(work);
  met->calls->Meet(*met, result);
  if (met->once) {
    delete met;
  }
}

void HostCalls::Reached(void* work) {
  ReachedWith(nullptr, CUDA_SUCCESS, work);
}

void HostCalls::Meet(const HostWork& work, CUresult result) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (session_ == nullptr) {
    return;
  }
  const uint64_t turn = next_turn_++;
  Waiting& waiting = waiting_[turn];
  waiting.work = &work;
  waiting.result = result;
  session_->Return([this, turn] { Tell(turn); });
  const uint32_t graphs = work.once ? 0 : 1;
  graphs_waiting_.fetch_add(graphs, std::memory_order_relaxed);
  changed_.wait(lock, [&] { return waiting.done || session_ == nullptr; });
  graphs_waiting_.fetch_sub(graphs, std::memory_order_relaxed);
  waiting_.erase(turn);
}

// On the dispatch thread: what the stream did before comes first.
void HostCalls::Tell(uint64_t turn) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto found = waiting_.find(turn);
  if (found == waiting_.end() || session_ == nullptr) {
    return;
  }
  Waiting& waiting = found->second;
  const HostWork work = *waiting.work;
  ClientSession& session = *session_;
  waiting.told = true;
  const bool stores = work.kind == HostWork::Kind::kStore;
  lock.unlock();
  session.output().Drain(session.outbox());
  session.transfers().SendAllCompleted(session.context().get());
  if (stores) {
    Store(work);
  }
  session.outbox().Append(
      wire::HostDue{.call = work.call, .turn = stores ? 0 : turn, .result = waiting.result});
  session.outbox().Flush();
  lock.lock();
  if (stores) {
    waiting.done = true;  // the bytes have been copied, so the next launch may write over them
    changed_.notify_all();
  }
}

void HostCalls::Store(const HostWork& work) {
  for (uint64_t at = 0; at < work.bytes.size();) {
    const uint64_t piece = std::min<uint64_t>(work.bytes.size() - at, wire::kPieceBytes);
    session_->outbox().Append(
        wire::HostStored{.call = work.call, .offset = at, .data = work.bytes.subspan(at, piece)});
    at += piece;
  }
}

wire::WireError HostCalls::Fetched(const wire::HostFetched& message) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = waiting_.find(message.turn);
  if (found == waiting_.end() || !found->second.told ||
      found->second.work->kind != HostWork::Kind::kFetch) {
    return wire::WireError::kBadReference;
  }
  const Bytes to = found->second.work->bytes;
  if (message.offset > to.size() || message.data.size() > to.size() - message.offset) {
    return wire::WireError::kBadValue;
  }
  if (!message.data.empty()) {
    memcpy(to.data() + message.offset, message.data.data(), message.data.size());
  }
  return wire::WireError::kNone;
}

wire::WireError HostCalls::Done(uint64_t turn) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = waiting_.find(turn);
  if (found == waiting_.end() || !found->second.told || found->second.done) {
    return wire::WireError::kBadReference;
  }
  found->second.done = true;
  changed_.notify_all();
  return wire::WireError::kNone;
}

void HostCalls::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  session_ = nullptr;
  changed_.notify_all();
}

}  // namespace farlane::server
