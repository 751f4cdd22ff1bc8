// SPDX-License-Identifier: Apache-2.0
// What the daemon does once it knows its devices, and whenever it hears how they are.
#include "gpu-server/daemon/daemon.h"
#include "gpu-server/driver/health_library.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::server {

// The devices are known.
void Daemon::BeginToServe(uint64_t now_ns) {
  const auto tell = [this](pid_t worker, const ControlRecord& record, int descriptor) {
    workers_.Tell(worker, record, descriptor);
  };
  SessionBook::Rules rules = rules_;
  for (const nvml::Gpu& gpu : workers_.devices().gpus) {
    rules.instances.push_back(nvml::IsInstance(gpu));
  }
  clients_.emplace(workers_.device_bytes(), limit_bytes_, tell, std::move(rules));
  turns_.emplace(workers_.device_bytes().size(), divides_time_, tell, policy_);
  net_.emplace(NetRateBytes(net_rate_), tell);
  health_.emplace(workers_.devices().gpus);
  caretaker_.Start(HealthLibrary::PathBeside(workers_.driver_path()), now_ns);
}

// Once the devices are known: who claims others is left alone.
void Daemon::AdoptWorkers(uint64_t now_ns) {
  if (!heritage_.state_dir.has_value() || !clients_.has_value()) {
    return;
  }
  heritage_.adoption.Look(*heritage_.state_dir);
  for (Adoption::Foundling& found : heritage_.adoption.Take()) {
    if (!Adopt(found, now_ns)) {
      LogWarn(
          "worker %d of a former daemon has other devices; it is left alone until its client "
          "ends",
          found.worker);
    }
  }
}

// False if it has devices that this server has not.
bool Daemon::Adopt(Adoption::Foundling& found, uint64_t now_ns) {
  const Newcomer who = found.account.seat.Who();
  const std::optional<size_t> view = workers_.ViewNamed(found.account.seat.instance);
  if (!view.has_value() || !workers_.SpreadOut(*view, &found.account.holdings) ||
      !clients_->Adopt(found.worker, found.account, now_ns)) {
    return false;
  }
  LogInfo("worker %d of a former daemon goes on serving %s (pid %u on %s)", found.worker,
          who.program.c_str(), who.process, who.host.c_str());
  workers_.Adopt(found.worker, *view, std::move(found.control), std::move(found.process));
  TakeTurns(found.worker, clients_->SessionOf(found.worker), now_ns);
  return true;
}

// Whenever the caretaker has said something new.
void Daemon::LookAtHealth() {
  if (!health_.has_value() || caretaker_.looks() == health_looks_) {
    return;
  }
  health_looks_ = caretaker_.looks();
  const timespec now = WallTime();
  health_->Look(caretaker_.health(), static_cast<uint64_t>(now.tv_sec) * 1000 +
                                         static_cast<uint64_t>(now.tv_nsec) / 1'000'000);
  for (size_t device = 0; device < workers_.device_bytes().size(); ++device) {
    clients_->SetSick(device, health_->WhySick(device));
  }
}

}  // namespace farlane::server
