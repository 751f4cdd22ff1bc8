// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/host_ports.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace farlane::agent {
namespace {

namespace fs = std::filesystem;

// By if_arp.h: what leads nowhere but back.
constexpr char kLoopback[] = "772";
constexpr uint64_t kMegabitsMost = 10'000'000;  // ten terabits: a larger number is no speed

// The first line; empty: there is none, or it cannot be read now, as the speed of a link that is
// down.
std::string LineOf(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) ? line : "";
}

std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    entries.push_back(at->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

// "25000", and -1 for what is not known.
uint64_t MegabitsIn(const std::string& line) {
  const double number = strtod(line.c_str(), nullptr);
  return number > 0 && number <= double{kMegabitsMost} ? static_cast<uint64_t>(number) : 0;
}

// "100 Gb/sec (4X EDR)".
uint64_t RateIn(const std::string& line) {
  constexpr double kMegabitsInGigabit = 1000;
  const double number = strtod(line.c_str(), nullptr) * kMegabitsInGigabit;
  return number > 0 && number <= double{kMegabitsMost} ? static_cast<uint64_t>(number) : 0;
}

void ReadRdmaDevice(const fs::path& device, std::vector<HostPorts::Rdma>* ports) {
  for (const fs::path& port : Entries(device / "ports")) {
    if (ports->size() == HostPorts::kMost) {
      return;
    }
    ports->push_back({.device = device.filename(),
                      .port = static_cast<uint32_t>(strtoul(port.filename().c_str(), nullptr, 10)),
                      .speed_mbps = RateIn(LineOf(port / "rate")),
                      .link = LineOf(port / "link_layer"),
                      .up = LineOf(port / "state").ends_with(": ACTIVE")});
  }
}

}  // namespace

HostPorts ReadHostPorts(const std::string& root) {
  HostPorts ports;
  for (const fs::path& one : Entries(fs::path(root) / "class/net")) {
    const bool up = LineOf(one / "operstate") == "up";
    std::error_code failed;
    // Of what software has made, only what is in use: bridges and tunnels that nobody has set up
    // lead nowhere.
    const bool counts = LineOf(one / "type") != kLoopback && fs::is_directory(one, failed) &&
                        (up || fs::exists(one / "device", failed));
    if (counts && ports.network.size() < HostPorts::kMost) {
      ports.network.push_back(
          {.name = one.filename(), .speed_mbps = MegabitsIn(LineOf(one / "speed")), .up = up});
    }
  }
  for (const fs::path& one : Entries(fs::path(root) / "class/infiniband")) {
    ReadRdmaDevice(one, &ports.rdma);
  }
  return ports;
}

}  // namespace farlane::agent
