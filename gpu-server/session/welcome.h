// SPDX-License-Identifier: Apache-2.0
// What a worker says first: everything about its devices, so that no client ever asks.
#pragma once

#include <string>
#include <vector>

#include "gpu-server/driver/driver.h"
#include "gpu-server/session/client_session.h"
#include "protocol/nvml/report.h"

namespace farlane::server {

// What is the same for every client.
struct DeviceFacts {
  int32_t priority_least = 0;
  int32_t priority_greatest = 0;
  uint64_t total_bytes = 0;
  CUuuid uuid{};
  std::vector<int32_t> attributes;  // by number; 0 where the driver knows none
  std::string name;
  std::string pci_bus_id;
  uint64_t peers = 0;  // bit i: can reach the memory of device i
};

// Asks the driver. Leaves no context behind.
Result<std::vector<DeviceFacts>> CollectFacts(const DriverTable& driver);

// The same for those who only ask what there is.
nvml::Report ReportOf(const DriverTable& driver, const std::vector<DeviceFacts>& facts);

// One Device message for each that is the client's, then Welcome. `memories` has each device's
// size, arena and credit, and null for the others'.
void AppendWelcome(Outbox& outbox,
                   const Driver& driver,
                   const std::vector<DeviceFacts>& facts,
                   const std::vector<const DeviceMemory*>& memories);

}  // namespace farlane::server
