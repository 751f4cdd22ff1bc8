// SPDX-License-Identifier: Apache-2.0
// What the pool's manager is told of this server: made of what the server's session service says.
#pragma once

#include <set>

#include "gpu-server/agent/host_ports.h"
#include "gpu-server/agent/options.h"
#include "protocol/control/pool.pb.h"
#include "protocol/control/session_service.h"
#include "protocol/nvml/report.h"

namespace farlane::agent {

pool::v1::Inventory MakeInventory(const Options& options,
                                  const nvml::Report& devices,
                                  const HostPorts& ports);

// `sessions`: the records of ServiceVerb::kList.
pool::v1::Load MakeLoad(const nvml::Report& devices,
                        const std::vector<control::ServiceRecord>& sessions);

// Of those that have clients, or had some lately.
std::set<token::Id> SessionsIn(const pool::v1::Load& load);

}  // namespace farlane::agent
