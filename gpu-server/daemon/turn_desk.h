// SPDX-License-Identifier: Apache-2.0
// TurnDesk gives each worker that serves a client the pages by which turns are given and taken, and
// a bell to be rung when there is something new in them. What is decided is the arbiter's.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include <sys/types.h>

#include "gpu-server/arbiter/turns.h"
#include "gpu-server/daemon/control_record.h"
#include "gpu-server/memory/ledger.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class TurnDesk {
 public:
  // Tells a worker something, with a descriptor that stays the caller's.
  using Tell = std::function<void(pid_t worker, const ControlRecord& record, int descriptor)>;

  // `divides`: see Turns.
  TurnDesk(size_t devices_count, bool divides, Tell tell, PolicySeat policy = PolicySeat());

  // A worker serves a client of a session from now on. One that can be given no pages is not held
  // back by anybody.
  void Enter(pid_t worker,
             Ledger::Session session,
             const SliceRequest& slice,
             const std::vector<size_t>& devices,
             uint64_t now_ns);
  void Leave(pid_t worker, uint64_t now_ns);

  void Resize(Ledger::Session session, const SliceRequest& slice, uint64_t now_ns) {
    turns_.Resize(session, slice, now_ns);
  }

  void Look(uint64_t now_ns) { turns_.Look(now_ns); }

  uint64_t NextTime() const { return turns_.NextTime(); }

  TurnFigures FiguresOf(Ledger::Session session, size_t device) const {
    return turns_.FiguresOf(session, device);
  }

 private:
  Status TryToEnter(pid_t worker,
                    Ledger::Session session,
                    const SliceRequest& slice,
                    const std::vector<size_t>& devices,
                    uint64_t now_ns);

  const size_t devices_count_;
  const Tell tell_;
  std::map<pid_t, Fd> bells_;  // by worker
  Turns turns_;
};

}  // namespace farlane::server
