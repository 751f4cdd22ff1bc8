// SPDX-License-Identifier: Apache-2.0
// Device is one GPU of the server as the handshake described it; every question about it is
// answered from here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/result.h"
#include "protocol/wire/messages.h"

namespace farlane::shim {

// What every launch is checked against, in one place: looking through the attributes took a tenth
// of a launch.
struct LaunchLimits {
  unsigned grid[3] = {};
  unsigned block[3] = {};
  uint64_t threads = 0;  // of a block
};

// Immutable after the handshake.
struct Device {
  int32_t server_ordinal = 0;
  uint32_t server = 0;  // of a program with several, the one that has it
  std::string name;
  std::string pci_bus_id;
  CUuuid uuid{};
  uint64_t total_bytes = 0;
  int32_t priority_least = 0;
  int32_t priority_greatest = 0;
  uint64_t arena_address = 0;
  uint64_t arena_bytes = 0;
  uint64_t credit_bytes = 0;
  std::vector<int32_t> attributes;  // by CUdevice_attribute
  LaunchLimits launch_limits;       // of them

  // From the server's message, with what cannot work over a network taken out of the attributes.
  static Result<Device> FromWire(const wire::Device& message);

  int32_t attribute(int id) const {
    return id >= 0 && static_cast<size_t>(id) < attributes.size()
               ? attributes[static_cast<size_t>(id)]
               : 0;
  }

  // 121 for compute capability 12.1.
  int capability() const;
};

// The devices that CUDA_VISIBLE_DEVICES lets the program see, in its order. As with the driver, the
// list ends at the first entry that names no device.
std::vector<Device> VisibleDevices(std::vector<Device> all, const std::string& list);

}  // namespace farlane::shim
