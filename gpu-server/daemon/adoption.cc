// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/adoption.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "gpu-server/daemon/control_record.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::server {

void Adoption::Begin(const StateDir& state_dir) {
  for (const pid_t worker : state_dir.Doors()) {
    Result<Fd> control = state_dir.Knock(worker);
    // The connection stands, so that the number is still the worker's.
    Fd process(control.ok() ? static_cast<int>(syscall(SYS_pidfd_open, worker, 0)) : -1);
    if (!process.valid()) {
      state_dir.Remove(worker);
      continue;
    }
    silent_.push_back(
        {.worker = worker, .control = std::move(control).value(), .process = std::move(process)});
  }
  const uint64_t until_ns = NowNs() + kPatienceNs;
  for (uint64_t now_ns = NowNs(); !silent_.empty() && now_ns < until_ns; now_ns = NowNs()) {
    std::vector<pollfd> polls;
    AppendPolls(&polls);
    poll(polls.data(), polls.size(), static_cast<int>((until_ns - now_ns) / 1'000'000) + 1);
    Look(state_dir);
  }
  for (const Silent& one : silent_) {
    LogWarn(
        "worker %d of a former daemon does not answer; what it holds is not counted until it "
        "does",
        one.worker);
  }
}

void Adoption::AppendPolls(std::vector<pollfd>* polls) const {
  for (const Silent& one : silent_) {
    polls->push_back({.fd = one.control.get(), .events = POLLIN, .revents = 0});
  }
}

void Adoption::Look(const StateDir& state_dir) {
  std::erase_if(silent_, [&](Silent& one) { return Hear(one, state_dir); });
}

// True when it is not silent any more.
bool Adoption::Hear(Silent& one, const StateDir& state_dir) {
  ControlRecord record;
  Fd share;
  const Received received = ReceiveRecord(one.control.get(), &record, false, &share);
  if (received == Received::kNothing) {
    return false;
  }
  Foundling found{.worker = one.worker,
                  .control = std::move(one.control),
                  .process = std::move(one.process),
                  .account = {}};
  if (received == Received::kGone) {
    state_dir.Remove(one.worker);
    return true;
  }
  if (record.kind != ControlRecord::Kind::kAccount || !UnpackAccount(record.tail, &found.account)) {
    LogWarn(
        "worker %d of a former daemon is of another build; it is left alone until its client "
        "ends",
        one.worker);
    return true;
  }
  if (!share_.valid()) {
    share_ = std::move(share);
  }
  const uint8_t(&boot)[16] = found.account.seat.boot;
  boot_.emplace(std::begin(boot), std::end(boot));
  told_.push_back(std::move(found));
  return true;
}

Result<Heritage> Heritage::Claim(const std::string& path) {
  Heritage heritage;
  if (!path.empty()) {
    FARLANE_ASSIGN(StateDir state_dir, StateDir::Open(path));
    heritage.adoption.Begin(state_dir);
    heritage.state_dir.emplace(std::move(state_dir));
  }
  return heritage;
}

}  // namespace farlane::server
