// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/host_ports.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

namespace farlane::agent {
namespace {

namespace fs = std::filesystem;

// A machine's /sys, as far as this concerns it.
class HostPortsTest : public testing::Test {
 protected:
  HostPortsTest() : root_(testing::TempDir() + "/ports" + std::to_string(getpid())) {}

  ~HostPortsTest() override { fs::remove_all(root_); }

  void Say(const std::string& file, const std::string& line) {
    const fs::path path = root_ / "class" / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << line << "\n";
  }

  void Interface(const std::string& name, const char* type, const char* state, const char* speed) {
    Say("net/" + name + "/type", type);
    Say("net/" + name + "/operstate", state);
    Say("net/" + name + "/speed", speed);
  }

  fs::path root_;
};

TEST_F(HostPortsTest, InterfacesAreThereWithTheirSpeeds) {
  Interface("lo", "772", "up", "");
  Interface("eth1", "1", "up", "25000");
  Interface("eth0", "1", "down", "-1");
  Say("net/eth0/device/vendor", "0x15b3");
  Interface("dummy0", "1", "down", "-1");  // of software, and not in use
  Interface("veth3", "1", "up", "10000");
  Say("net/bonding_masters", "");  // a file among the folders
  const HostPorts ports = ReadHostPorts(root_);
  ASSERT_EQ(ports.network.size(), 3u);
  EXPECT_EQ(ports.network[0].name, "eth0");
  EXPECT_EQ(ports.network[0].speed_mbps, 0u);
  EXPECT_FALSE(ports.network[0].up);
  EXPECT_EQ(ports.network[1].name, "eth1");
  EXPECT_EQ(ports.network[1].speed_mbps, 25'000u);
  EXPECT_TRUE(ports.network[1].up);
  EXPECT_EQ(ports.network[2].name, "veth3");
}

TEST_F(HostPortsTest, RdmaPortsAreThereOneByOne) {
  Say("infiniband/mlx5_0/ports/1/rate", "100 Gb/sec (4X EDR)");
  Say("infiniband/mlx5_0/ports/1/state", "4: ACTIVE");
  Say("infiniband/mlx5_0/ports/1/link_layer", "InfiniBand");
  Say("infiniband/mlx5_0/ports/2/rate", "2.5 Gb/sec (1X SDR)");
  Say("infiniband/mlx5_0/ports/2/state", "1: DOWN");
  Say("infiniband/mlx5_0/ports/2/link_layer", "Ethernet");
  const HostPorts ports = ReadHostPorts(root_);
  ASSERT_EQ(ports.rdma.size(), 2u);
  EXPECT_EQ(ports.rdma[0].device, "mlx5_0");
  EXPECT_EQ(ports.rdma[0].port, 1u);
  EXPECT_EQ(ports.rdma[0].speed_mbps, 100'000u);
  EXPECT_EQ(ports.rdma[0].link, "InfiniBand");
  EXPECT_TRUE(ports.rdma[0].up);
  EXPECT_EQ(ports.rdma[1].port, 2u);
  EXPECT_EQ(ports.rdma[1].speed_mbps, 2'500u);
  EXPECT_FALSE(ports.rdma[1].up);
}

TEST_F(HostPortsTest, AMachineWithoutAnyHasNone) {
  EXPECT_TRUE(ReadHostPorts(root_).network.empty());
  EXPECT_TRUE(ReadHostPorts(root_).rdma.empty());
  Interface("eth0", "1", "up", "99999999999999999999");
  EXPECT_EQ(ReadHostPorts(root_).network.at(0).speed_mbps, 0u) << "no speed";
  for (int i = 0; i < 100; ++i) {
    Interface("many" + std::to_string(i), "1", "up", "10");
  }
  EXPECT_EQ(ReadHostPorts(root_).network.size(), HostPorts::kMost);
}

}  // namespace
}  // namespace farlane::agent
