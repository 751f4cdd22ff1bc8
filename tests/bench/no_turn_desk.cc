// SPDX-License-Identifier: Apache-2.0
// A desk that gives no worker the pages by which turns are given: sharing is off, and whoever
// compares sees what the gate costs. It takes the place of gpu-server/daemon/turn_desk.cc.
#include <utility>

#include "gpu-server/daemon/turn_desk.h"

namespace farlane::server {

TurnDesk::TurnDesk(size_t devices_count, bool divides, Tell tell, PolicySeat policy)
    : devices_count_(devices_count),
      tell_(std::move(tell)),
      turns_(
          devices_count, divides, [](Turns::Worker) {}, std::move(policy)) {}

Status TurnDesk::TryToEnter(pid_t /*worker*/,
                            Ledger::Session /*session*/,
                            const SliceRequest& /*slice*/,
                            const std::vector<size_t>& /*devices*/,
                            uint64_t /*now_ns*/) {
  return Status::Ok();
}

void TurnDesk::Enter(pid_t /*worker*/,
                     Ledger::Session /*session*/,
                     const SliceRequest& /*slice*/,
                     const std::vector<size_t>& /*devices*/,
                     uint64_t /*now_ns*/) {}

void TurnDesk::Leave(pid_t /*worker*/, uint64_t /*now_ns*/) {}

}  // namespace farlane::server
