// SPDX-License-Identifier: Apache-2.0
// What somebody who asks is told of the devices: what they are and how they are, which is the same
// for all, and what of them the asker's own session has in use. Of other sessions it says nothing.
#pragma once

#include <string>

#include "gpu-server/daemon/client_register.h"
#include "protocol/nvml/report.h"

namespace farlane::server {

// `devices` is what a worker has found, `health` what the caretaker has.
nvml::Report MakeStatusReport(const nvml::Report& devices,
                              const nvml::Report& health,
                              const ClientRegister& clients,
                              const Newcomer& asker);

// What the server's operator is told: of the memory what all sessions together have, and no
// processes.
nvml::Report MakeOperatorReport(const nvml::Report& devices,
                                const std::vector<uint64_t>& device_bytes,
                                const nvml::Report& health,
                                const ClientRegister& clients);

// As it travels, with its head.
std::string PackStatus(const nvml::Report& report);

}  // namespace farlane::server
