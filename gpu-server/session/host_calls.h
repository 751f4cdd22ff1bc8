// SPDX-License-Identifier: Apache-2.0
// HostCalls stops a stream until the client's process has done its part: run a function of the
// program, given the bytes for a copy, or taken those of one. The driver calls us when the stream
// gets there, on a thread of its own which may not call the driver; that thread tells the dispatch
// thread and waits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "gpu-server/driver/driver_table.h"
#include "protocol/base/bytes.h"
#include "protocol/wire/messages.h"

namespace farlane::server {

class ClientSession;
class HostCalls;

// One place of a stream, or of a graph, where the client has a part. `bytes` is pinned memory
// between network and device. Thread: immutable.
struct HostWork {
  enum class Kind { kFunction, kFetch, kStore };

  std::shared_ptr<HostCalls> calls;  // outlives the session, as streams may
  uint64_t call = 0;
  Kind kind = Kind::kFunction;
  Bytes bytes;
  bool once = false;  // ends when it has run
};

// Thread: any, guarded; what says so: the dispatch thread.
class HostCalls {
 public:
  explicit HostCalls(ClientSession& session) : session_(&session) {}

  HostCalls(const HostCalls&) = delete;
  HostCalls& operator=(const HostCalls&) = delete;

  // What the driver calls; `work` is a HostWork.
  static void Reached(void* work);
  static void ReachedWith(CUstream stream, CUresult result, void* work);

  // What the client says; on the dispatch thread.
  wire::WireError Fetched(const wire::HostFetched& message);
  wire::WireError Done(uint64_t turn);

  // How many graphs wait for the client at this moment. Any thread.
  uint32_t graphs_waiting() const { return graphs_waiting_.load(std::memory_order_relaxed); }

  // The session ends: nobody waits any more, now or later.
  void Close();

 private:
  struct Waiting {
    const HostWork* work = nullptr;
    CUresult result = CUDA_SUCCESS;
    bool told = false;
    bool done = false;
  };

  void Meet(const HostWork& work, CUresult result);
  void Tell(uint64_t turn);
  void Store(const HostWork& work);

  std::mutex mutex_;  // not Guarded: the driver's threads wait with it
  std::condition_variable changed_;
  ClientSession* session_;  // null once closed
  uint64_t next_turn_ = 1;
  std::atomic<uint32_t> graphs_waiting_ = 0;
  std::map<uint64_t, Waiting> waiting_;  // by turn
};

}  // namespace farlane::server
