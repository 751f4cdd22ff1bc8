// SPDX-License-Identifier: Apache-2.0
// HostCalls does the program's part of what streams and graphs come to: functions of the program,
// and copies of memory that has its value only then. One thread does them in the order in which the
// server says that they are due; it starts with the first, and reads while any is to come, so that
// a program which waits for such a function by itself gets it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "client-shim/transfers.h"

namespace farlane::shim {

class Session;

// Thread: immutable.
struct HostCall {
  enum class Kind { kFunction, kCallback, kFetch, kStore, kMove, kBridge };

  uint64_t number = 0;
  Kind kind = Kind::kFunction;
  wire::Handle context = 0;  // of the stream or graph that a function belongs to
  CUhostFn function = nullptr;
  CUstreamCallback callback = nullptr;
  CUstream stream = nullptr;  // what the callback is told
  void* data = nullptr;
  std::byte* host = nullptr;
  const std::byte* from = nullptr;  // of a move, whose rows are `device_pitch` apart there
  RowShape shape{};
  std::function<CUresult()> bridge{};  // to another server; see client-shim/across.h
};

using HostCallPtr = std::shared_ptr<const HostCall>;  // shared by graphs and what is under way

// Thread: any, guarded.
class HostCalls {
 public:
  explicit HostCalls(Session& session) : session_(session) {}

  // Gives the call its number.
  HostCallPtr Make(HostCall call);
  // Before the message that may make it due once.
  void Expect(const HostCallPtr& call);

  // Whether anything is to come that may use the program's memory.
  bool any() const { return expected_count_.load(std::memory_order_acquire) != 0; }

  // The program has its memory back, after a wait for all work: what is still to be fetched from
  // there or stored in it is not expected any more, whatever the server says later. Waits for what
  // is at it.
  void LetGo(const void* host, uint64_t bytes);

  // With the reading thread.
  wire::WireError OnDue(const wire::MessageView& message);
  wire::WireError OnStored(const wire::MessageView& message);

  // The session ends, so the thread does.
  void Close();

 private:
  struct Expected {
    HostCallPtr call;
    uint64_t times = 0;
  };

  struct Due {
    HostCallPtr call;
    uint64_t turn = 0;
    CUresult result = CUDA_SUCCESS;
  };

  void Loop();
  bool WaitForWork();
  bool Take(Due* due);
  void Do(const Due& due);
  void Run(const Due& due);
  void Cross(const Due& due);
  void Done(const Due& due);
  void Send(const HostCall& call, uint64_t turn);
  void DoneMoving();

  Session& session_;
  std::atomic<uint64_t> next_number_{1};
  std::atomic<uint64_t> expected_count_{0};
  std::atomic<size_t> due_count_{0};
  std::mutex mutex_;  // not Guarded: the thread sleeps with it
  std::condition_variable changed_;
  std::map<uint64_t, Expected> expected_;
  std::deque<Due> due_;
  HostCallPtr moving_;  // whose memory is being read, or written
  bool running_ = false;
  bool closed_ = false;
};

}  // namespace farlane::shim
