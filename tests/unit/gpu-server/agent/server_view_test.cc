// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/server_view.h"

#include <map>

#include <gtest/gtest.h>

namespace farlane::agent {
namespace {

nvml::Report TwoGpus() {
  nvml::Report report;
  for (const int32_t major : {9, 8}) {
    nvml::Gpu gpu;
    gpu.name = "GPU";
    gpu.processors = 132;
    gpu.total_bytes = 20ull << 30;
    gpu.compute_major = major;
    gpu.compute_minor = 6;
    report.gpus.push_back(gpu);
  }
  return report;
}

TEST(ServerView, SaysHowItIsConnected) {
  Options options;
  options.addresses = {"tls://a:1", "tcp://b:2", "tcp://c:3", "d:4", "unix:/run/e"};
  HostPorts ports;
  ports.network = {{.name = "eth0", .speed_mbps = 25'000, .up = true},
                   {.name = "eth1", .speed_mbps = 10'000, .up = false}};
  ports.rdma = {
      {.device = "mlx5_0", .port = 1, .speed_mbps = 100'000, .link = "InfiniBand", .up = true}};
  const pool::v1::Inventory inventory = MakeInventory(options, TwoGpus(), ports);
  ASSERT_EQ(inventory.transports_size(), 3);
  EXPECT_EQ(inventory.transports(0), "tcp");
  EXPECT_EQ(inventory.transports(1), "tls");
  EXPECT_EQ(inventory.transports(2), "unix");
  ASSERT_EQ(inventory.network_ports_size(), 2);
  EXPECT_EQ(inventory.network_ports(1).name(), "eth1");
  EXPECT_FALSE(inventory.network_ports(1).up());
  ASSERT_EQ(inventory.rdma_ports_size(), 1);
  EXPECT_EQ(inventory.rdma_ports(0).link(), "InfiniBand");
  std::map<std::string, double> metrics;
  for (const auto& metric : inventory.capability().metrics()) {
    metrics[metric.name()] = metric.value();
  }
  EXPECT_EQ(inventory.capability().schema(), 1u);
  EXPECT_EQ(metrics["devices"], 2);
  EXPECT_EQ(metrics["processors"], 264);
  EXPECT_EQ(metrics["memory_bytes"], 40.0 * (1ull << 30));
  EXPECT_EQ(metrics["compute_capability_least"], 86);
  EXPECT_EQ(metrics["network_mbps"], 25'000) << "of those that are up";
  EXPECT_EQ(metrics["rdma_mbps"], 100'000);
  EXPECT_DOUBLE_EQ(metrics["composite"], 1) << "twice the root of a quarter";
  EXPECT_EQ(metrics.size(), 7u) << "version 1 has these, and docs/placement.md names them";
}

}  // namespace
}  // namespace farlane::agent
