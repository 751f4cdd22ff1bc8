// SPDX-License-Identifier: Apache-2.0
// Process is the client library's state in this process: before cuInit, with its sessions, after a
// fork, at the end. It is never destroyed, because exit handlers of other libraries call us until
// the last moment.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "client-shim/servers.h"

namespace farlane::shim {

// Thread: any.
class Process {
 public:
  static Process& Get();

  // cuInit: connects on the first call; a failure is remembered and given again.
  CUresult Init();

  // The session that the calling thread's call is about: with several servers the one of its Route,
  // or of its current context, or the first. Null unless calls can be served; Why says the result
  // then.
  Session* session() const {
    Session* const only = only_.load(std::memory_order_acquire);
    return only != nullptr ? only : SessionOfCall();
  }

  CUresult Why() const { return why_.load(std::memory_order_acquire); }

  // Null before cuInit, and at the end.
  const Servers* servers() const { return servers_.load(std::memory_order_acquire); }

  // The session whose handle this is, or could be; null for none.
  Session* SessionOf(wire::Handle handle) const;
  Session* SessionOfDevice(int32_t device) const;
  // As Session::IsPinned, of all of them.
  bool IsPinned(const void* host, uint64_t bytes) const;

  // The process ends, or the library is unloaded.
  void End();
  // In the child after a fork: the sessions stay the parent's.
  void Forked();

  // A session that somebody else has made, for who has several one after the other in one process.
  // It is taken out again when no thread calls any more.
  void Adopt(std::unique_ptr<Session> session);
  std::unique_ptr<Session> Release();

 private:
  Process() = default;
  CUresult Start();
  void Serve(Servers servers);
  // Nobody finds the sessions any more; those that there were.
  const Servers* Hide(CUresult why);
  Session* SessionOfCall() const;

  std::mutex starting_;  // not Guarded: what it makes is read without it
  bool started_ = false;
  std::unique_ptr<Servers> owned_;
  std::atomic<Session*> only_{nullptr};  // of a program with one server
  std::atomic<const Servers*> servers_{nullptr};
  std::atomic<CUresult> why_{CUDA_ERROR_NOT_INITIALIZED};
};

}  // namespace farlane::shim
