// SPDX-License-Identifier: Apache-2.0
// Process is the client library's state in this process: before cuInit, with a session, after a
// fork, at the end. It is never destroyed, because exit handlers of other libraries call us until
// the last moment.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "client-shim/session.h"

namespace farlane::shim {

// Thread: any.
class Process {
 public:
  static Process& Get();

  // cuInit: connects on the first call; a failure is remembered and given again.
  CUresult Init();

  // Null unless calls can be served; Why says the result then.
  Session* session() const { return session_.load(std::memory_order_acquire); }

  CUresult Why() const { return why_.load(std::memory_order_acquire); }

  // The process ends, or the library is unloaded.
  void End();
  // In the child after a fork: the session stays the parent's.
  void Forked();

  // A session that somebody else has made, for who has several one after the other in one process.
  // It is taken out again when no thread calls any more.
  void Adopt(std::unique_ptr<Session> session);
  std::unique_ptr<Session> Release();

 private:
  Process() = default;
  CUresult Start();

  std::mutex starting_;  // not Guarded: what it makes is read without it
  bool started_ = false;
  std::unique_ptr<Session> owned_;
  std::atomic<Session*> session_{nullptr};
  std::atomic<CUresult> why_{CUDA_ERROR_NOT_INITIALIZED};
};

}  // namespace farlane::shim
