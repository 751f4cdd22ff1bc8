// SPDX-License-Identifier: Apache-2.0
// HostPorts is how this machine is connected to others: its network interfaces and its ports for
// RDMA, as the kernel describes them in /sys. What it does not say is not known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace farlane::agent {

struct HostPorts {
  struct Network {
    std::string name;         // "eth0"
    uint64_t speed_mbps = 0;  // 0: not known
    bool up = false;
  };

  struct Rdma {
    std::string device;  // "mlx5_0"
    uint32_t port = 0;
    uint64_t speed_mbps = 0;  // 0: not known
    std::string link;         // "InfiniBand", "Ethernet"
    bool up = false;
  };

  // Sorted by name. No more than this of each.
  static constexpr size_t kMost = 64;
  std::vector<Network> network;
  std::vector<Rdma> rdma;
};

// `root`: "/sys".
HostPorts ReadHostPorts(const std::string& root);

}  // namespace farlane::agent
