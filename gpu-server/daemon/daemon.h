// SPDX-License-Identifier: Apache-2.0
// Daemon is the process that people start on a GPU host: it listens, checks who comes, and gives
// each client a worker. It loads no driver and executes nothing for anybody.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gpu-server/daemon/adoption.h"
#include "gpu-server/daemon/caretaker_link.h"
#include "gpu-server/daemon/client_register.h"
#include "gpu-server/daemon/doorman_link.h"
#include "gpu-server/daemon/greeter.h"
#include "gpu-server/daemon/health_watch.h"
#include "gpu-server/daemon/net_desk.h"
#include "gpu-server/daemon/options.h"
#include "gpu-server/daemon/pool_link.h"
#include "gpu-server/daemon/service_desk.h"
#include "gpu-server/daemon/share_tuner.h"
#include "gpu-server/daemon/survey.h"
#include "gpu-server/daemon/turn_desk.h"
#include "gpu-server/daemon/worker_pool.h"
#include "protocol/transport/address.h"

namespace farlane::server {

// Thread: the main thread, which must be the process's only one.
class Daemon {
 public:
  // Opens the addresses; nobody is answered before Run.
  static Result<std::unique_ptr<Daemon>> Create(const Options& options,
                                                std::vector<DriverCandidate> drivers,
                                                const Survey& survey,
                                                Heritage heritage,
                                                PolicySeat policy);

  // Serves until a signal, or the end of the watched descriptor, ends it. Fails if no driver
  // starts.
  Status Run();

 private:
  struct Listener {
    Fd socket;
    transport::Address address;
  };

  Daemon(const Options& options,
         const WorkerConfig& config,
         const std::vector<std::string>& views,
         Admission admission,
         Heritage heritage,
         PolicySeat policy);

  Status Listen(const Options& options);
  Status CatchSignals();
  Status Announce();
  void Wait(std::vector<pollfd>* polls);
  enum class Signal : uint8_t { kNone, kLeave, kEnd };
  Signal HandleSignals();
  bool IsToEnd();
  void BeginToServe(uint64_t now_ns);
  void AdoptWorkers(uint64_t now_ns);
  void TakeTurns(pid_t worker, const SessionId& session, uint64_t now_ns);
  std::string EndSession(const std::string& name);
  void LookAtHealth();
  void TuneShares(uint64_t now_ns);
  std::string ResizeSession(const control::ServiceRequest& request, uint64_t now_ns);
  bool WatchedIsGone() const;
  bool TakesClients() const;
  void AcceptAll();
  void ServeWaiting(uint64_t now_ns);
  Greeter::Placement Place(const Fd& connection,
                           const Newcomer& newcomer,
                           Greeter::Guest guest,
                           uint64_t now_ns);
  pid_t Assign(
      size_t view, const Fd& connection, Greeter::Guest guest, const Grant& grant, bool probe);
  bool Adopt(Adoption::Foundling& found, uint64_t now_ns);
  void HearDoorman();
  Status JoinPool();
  void HearAgent();
  std::string AnswerOperator(const control::ServiceRequest& request, uint64_t now_ns);
  void HearWorkers(const std::vector<pollfd>& polls);

  const int ready_fd_;
  const int watch_fd_;
  bool announced_ = false;
  Fd signals_;
  std::vector<Listener> listeners_;
  DoormanLink doorman_;
  PoolSettings pool_;
  std::string server_id_;
  std::string control_address_;
  PoolLink agent_;
  CaretakerLink caretaker_;
  Greeter greeter_;
  ServiceDesk service_;
  Heritage heritage_;
  WorkerPool workers_;
  const uint64_t limit_bytes_;
  uint8_t boot_[16]{};
  const bool divides_time_;
  const PolicySeat policy_;
  const NetRate net_rate_;
  const std::string zero_memory_;
  const SessionBook::Rules rules_;
  std::optional<ClientRegister> clients_;  // once a worker has found the devices
  std::optional<TurnDesk> turns_;          // the same
  std::optional<NetDesk> net_;             // the same
  std::optional<HealthWatch> health_;      // the same
  uint64_t health_looks_ = 0;
  ShareTuner tuner_;
};

}  // namespace farlane::server
