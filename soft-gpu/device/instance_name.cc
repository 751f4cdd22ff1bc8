// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/instance_name.h"

#include <charconv>
#include <vector>

#include <strings.h>

#include "protocol/abi/device_choice.h"
#include "soft-gpu/device/device.h"

namespace farlane::soft {
namespace {

constexpr char kGpuPrefix[] = "GPU-";
constexpr char kInstancePrefix[] = "MIG-";
constexpr size_t kPrefixSize = 4;

std::string FirstEntry(const std::string& list) {
  std::string entry = list.substr(0, list.find(','));
  entry.erase(0, entry.find_first_not_of(' '));
  entry.erase(entry.find_last_not_of(' ') + 1);
  return entry;
}

std::string InstanceUuidText(const Config& config, uint32_t part) {
  Config seen = config;
  seen.instance = part;
  return kInstancePrefix + abi::UuidText(Device(seen, 0).Uuid()).substr(kPrefixSize);
}

// A GPU's number, or what its UUID begins with; nothing for none.
std::optional<uint32_t> GpuNamed(const std::string& entry, const Config& config) {
  std::vector<abi::DeviceName> gpus;
  for (uint32_t gpu = 0; gpu < config.gpu_count; ++gpu) {
    gpus.push_back({.uuid = Device(config, static_cast<int>(gpu)).Uuid(), .bus_id = {}});
  }
  const std::vector<size_t> places = abi::VisibleDevices(gpus, entry);
  return places.empty() ? std::nullopt
                        : std::optional<uint32_t>(static_cast<uint32_t>(places.front()));
}

// All of the text.
bool ReadNumber(const std::string& text, uint32_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// "GPU-<UUID>/<GPU instance>/<compute instance>": those are counted from 1, these are always 0.
std::optional<uint32_t> InstanceOfGpu(const std::string& text, const Config& config) {
  const size_t first = text.find('/');
  const size_t second = first == std::string::npos ? first : text.find('/', first + 1);
  if (second == std::string::npos) {
    return std::nullopt;
  }
  const std::optional<uint32_t> gpu = GpuNamed(text.substr(0, first), config);
  uint32_t instance = 0;
  uint32_t compute = 0;
  if (!gpu.has_value() || !ReadNumber(text.substr(first + 1, second - first - 1), &instance) ||
      !ReadNumber(text.substr(second + 1), &compute) || compute != 0 || instance < 1 ||
      instance > config.instances) {
    return std::nullopt;
  }
  return *gpu * config.instances + instance - 1;
}

}  // namespace

std::optional<uint32_t> InstanceNamed(const std::optional<std::string>& visible,
                                      const Config& config) {
  if (!visible.has_value()) {
    return 0;
  }
  const std::string entry = FirstEntry(*visible);
  if (entry.rfind(kInstancePrefix, 0) != 0) {
    const std::optional<uint32_t> gpu = GpuNamed(entry, config);
    return gpu.has_value() ? std::optional<uint32_t>(*gpu * config.instances) : std::nullopt;
  }
  const std::string name = entry.substr(kPrefixSize);
  if (name.rfind(kGpuPrefix, 0) == 0) {
    return InstanceOfGpu(name, config);
  }
  for (uint32_t part = 0; part < config.gpu_count * config.instances; ++part) {
    if (strcasecmp(entry.c_str(), InstanceUuidText(config, part).c_str()) == 0) {
      return part;
    }
  }
  return std::nullopt;
}

}  // namespace farlane::soft
