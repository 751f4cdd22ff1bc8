// SPDX-License-Identifier: Apache-2.0
// KeptChild is a process that the daemon starts for one purpose, talks with over a socket, and
// starts again should it end. What the two say to each other is its owner's.
#pragma once

#include <cstdint>
#include <functional>

#include <sys/types.h>

#include "gpu-server/daemon/control_record.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace farlane::server {

// Thread: the daemon's main thread, which must be the process's only one.
class KeptChild {
 public:
  // Runs in the child, with its end of the socket, and does not return.
  using Life = std::function<void(Fd link, pid_t daemon)>;

  // `what`: for the log, "the agent that speaks with the pool". One that has ended is not started
  // again before `pause_ns`: what has ended at its start will do so again.
  KeptChild(const char* what, uint64_t pause_ns) : what_(what), pause_ns_(pause_ns) {}

  KeptChild(const KeptChild&) = delete;
  KeptChild& operator=(const KeptChild&) = delete;
  // Ends it and waits until it is gone.
  ~KeptChild();

  // Once. Without this there is none. Does not wait for anything that it does.
  Status Start(Life life);

  // The socket, for poll() and for saying something; -1 while there is none.
  int link() const { return link_.get(); }

  // `take` gets each record that is there; its tail is wiped afterwards, for it may hold a secret.
  // `lost`: it has ended, and knows of nothing that was said to it. Starts another when it is time.
  void Hear(const std::function<void(ControlRecord& record)>& take,
            const std::function<void()>& lost,
            uint64_t now_ns);

  // It is of no use, and another would be of none either.
  void GiveUp();

 private:
  Status Fork();
  void Bury();

  const char* const what_;
  const uint64_t pause_ns_;
  Life life_;
  pid_t pid_ = 0;
  Fd link_;
  uint64_t not_before_ns_ = UINT64_MAX;  // while there is none: when to start one
};

}  // namespace farlane::server
