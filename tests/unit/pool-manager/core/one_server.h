// SPDX-License-Identifier: Apache-2.0
// The smallest pool that can be tried: what its one server, with one GPU of 8 GiB, says it has.
#pragma once

#include <string>

#include "protocol/control/pool.pb.h"

namespace farlane::pool {

inline v1::Inventory OneServer() {
  v1::Inventory inventory;
  inventory.set_server_id(std::string(32, '1'));
  inventory.set_name("one");
  inventory.add_addresses("tcp://one:7450");
  v1::Device* const device = inventory.add_devices();
  device->set_uuid("GPU-0");
  device->set_memory_bytes(8ull << 30);
  return inventory;
}

}  // namespace farlane::pool
