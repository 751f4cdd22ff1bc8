// SPDX-License-Identifier: Apache-2.0
// WorkerPool makes workers, keeps some of them warm and gives each client one of its own.
// Workers are forked by the thread that calls Keep: it must be the daemon's main thread and its
// only one, since a worker dies with the thread that made it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "gpu-server/daemon/worker.h"
#include "protocol/base/fd.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class WorkerPool {
 public:
  // More clients than a GPU host serves well; beyond them newcomers are told so.
  static constexpr size_t kWorkersMax = 512;

  WorkerPool(WorkerConfig config, uint32_t warm);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  // Ends all workers and waits until they are gone.
  ~WorkerPool();

  // Sees to it that there are enough workers for so many clients that wait, and the warm ones.
  void Keep(size_t waiting, uint64_t now_ns);

  // Gives a connection to a ready worker; false when none is ready. `probe`: the worker comes back.
  bool Assign(const Fd& connection, bool probe);

  bool is_full() const { return workers_.size() >= kWorkersMax; }

  // For poll(): the descriptors on which a worker reports or disappears.
  void AppendControls(std::vector<int>* controls) const;
  // One of them has something.
  void Hear(int control);
  // Some child has ended.
  void Reap(uint64_t now_ns);

  // A worker has been ready at least once.
  bool was_ready() const { return was_ready_; }

  const std::string& driver_path() const { return driver_path_; }

  // Why the last worker could not start; empty once one could.
  const std::string& failure() const { return failure_; }

 private:
  enum class State : uint8_t { kStarting, kReady, kProbing, kServing, kLost };

  struct Worker {
    pid_t pid = 0;
    Fd control;  // until it serves
    State state = State::kStarting;
  };

  void Fork();
  size_t CountSpare() const;

  WorkerConfig config_;
  const uint32_t warm_;
  std::vector<Worker> workers_;
  bool was_ready_ = false;
  std::string driver_path_;
  std::string failure_;
  uint64_t not_before_ns_ = 0;  // after a failure, for a while, no worker is made
};

}  // namespace farlane::server
