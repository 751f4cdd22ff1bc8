// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/turn_desk.h"

#include <cerrno>

#include <sys/eventfd.h>
#include <unistd.h>

#include "protocol/base/log.h"

namespace farlane::server {

TurnDesk::TurnDesk(size_t devices_count, bool divides, Tell tell, PolicySeat policy)
    : devices_count_(devices_count),
      tell_(std::move(tell)),
      turns_(
          devices_count,
          divides,
          [this](Turns::Worker worker) {
            const auto found = bells_.find(static_cast<pid_t>(worker));
            const uint64_t one = 1;
            // A bell that rings already need not be rung.
            if (found != bells_.end()) {
              static_cast<void>(!write(found->second.get(), &one, sizeof one));
            }
          },
          std::move(policy)) {}

Status TurnDesk::TryToEnter(pid_t worker,
                            Ledger::Session session,
                            const SliceRequest& slice,
                            const std::vector<size_t>& devices,
                            uint64_t now_ns) {
  FARLANE_ASSIGN(TurnMemory grants, TurnMemory::Make(devices_count_, false));
  FARLANE_ASSIGN(TurnMemory uses, TurnMemory::Make(devices_count_, true));
  Fd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) {
    return Status::FromErrno(StatusCode::kExhausted, "no bell for a worker", errno);
  }
  uint64_t part = 0;
  for (const int descriptor : {grants.descriptor().get(), uses.descriptor().get(), bell.get()}) {
    tell_(worker, {.kind = ControlRecord::Kind::kTurnPart, .id = part++}, descriptor);
  }
  bells_[worker] = std::move(bell);
  turns_.Enter(static_cast<Turns::Worker>(worker), session, slice, std::move(grants),
               std::move(uses), now_ns, devices);
  return Status::Ok();
}

void TurnDesk::Enter(pid_t worker,
                     Ledger::Session session,
                     const SliceRequest& slice,
                     const std::vector<size_t>& devices,
                     uint64_t now_ns) {
  const Status status = TryToEnter(worker, session, slice, devices, now_ns);
  if (!status.ok()) {
    LogWarn("worker %d takes no turns: %s", worker, status.message().c_str());
  }
}

void TurnDesk::Leave(pid_t worker, uint64_t now_ns) {
  turns_.Leave(static_cast<Turns::Worker>(worker), now_ns);
  bells_.erase(worker);
}

}  // namespace farlane::server
