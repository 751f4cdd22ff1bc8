// SPDX-License-Identifier: Apache-2.0
// ServiceDesk answers the server's operator: who is served, and the end of a session. Nobody else
// is answered, and nobody can make the daemon wait.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <poll.h>

#include "gpu-server/daemon/client_register.h"
#include "gpu-server/daemon/health_watch.h"
#include "gpu-server/daemon/net_desk.h"
#include "gpu-server/daemon/turn_desk.h"
#include "protocol/base/fd.h"
#include "protocol/control/session_service.h"
#include "protocol/nvml/report.h"
#include "protocol/transport/address.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class ServiceDesk {
 public:
  // An operator asks at once, and reads what it gets.
  static constexpr uint64_t kPatienceNs = 5'000'000'000;
  static constexpr size_t kVisitorsMax = 16;

  // The records that answer a request, up to the one that ends them.
  using Answer = std::function<std::string(const control::ServiceRequest& request)>;

  // Opens the address, which must be a Unix socket; empty: there is no service.
  Status Open(const std::string& text);

  void AppendPolls(std::vector<pollfd>* polls) const;
  uint64_t NextTime() const;
  // Looks at everything again.
  void Look(uint64_t now_ns, const Answer& answer);

 private:
  struct Visitor {
    Fd socket;
    uint64_t until_ns = 0;
    std::string asked{};
    std::string unsent{};
    bool done = false;
  };

  void Accept(uint64_t now_ns);
  void LookAt(Visitor& visitor, const Answer& answer);

  Fd listener_;
  std::vector<Visitor> visitors_;
};

// What kList answers.
std::string ListSessions(const ClientRegister& clients,
                         const TurnDesk& turns,
                         NetDesk& net,
                         uint64_t now_ns);

// What kDevices answers.
std::string DescribeDevices(const nvml::Report& report);

// What kEvents answers.
std::string ListEvents(const HealthWatch& watch);

// The record that ends an answer.
std::string EndOfService(uint32_t number, const std::string& text);

// Whether the other end of a Unix socket is this process's user, or root.
bool IsOwnUser(int socket);

}  // namespace farlane::server
