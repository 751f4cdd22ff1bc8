// SPDX-License-Identifier: Apache-2.0
// Where the software GPU's libnvidia-ml has its reports from: what the environment makes of the
// devices, and a health that tests invent.
#include <cstring>

#include "protocol/base/log.h"
#include "protocol/nvml/answers/source.h"
#include "soft-gpu/device/config.h"
#include "soft-gpu/device/device.h"
#include "soft-gpu/nvml/injected_health.h"

namespace farlane::soft {
namespace {

// Thread: one at a time.
class SoftSource final : public nvml::Source {
 public:
  explicit SoftSource(Config config) : config_(std::move(config)) {}

  nvmlReturn_t Look(nvml::Report* report) override;

 private:
  nvml::Gpu GpuAt(int ordinal) const;

  const Config config_;
};

int NumberOf(const Device& device, CUdevice_attribute attribute) {
  int value = 0;
  static_cast<void>(device.Attribute(attribute, &value));
  return value;
}

// What is in use of the memory is known to the processes that use it, so nothing is said of it.
nvml::Gpu SoftSource::GpuAt(int ordinal) const {
  const Device device(config_, ordinal);
  const auto natural = [&device](CUdevice_attribute attribute) {
    return static_cast<uint32_t>(NumberOf(device, attribute));
  };
  nvml::Gpu gpu{.name = kDeviceName,
                .pci_domain = natural(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID),
                .pci_bus = natural(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID),
                .pci_device = natural(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID),
                .compute_major = device.cc_major(),
                .compute_minor = device.cc_minor(),
                .compute_mode = natural(CU_DEVICE_ATTRIBUTE_COMPUTE_MODE),
                .processors = natural(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
                .memory_bus_bits = natural(CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)};
  const CUuuid uuid = device.Uuid();
  memcpy(gpu.uuid, uuid.bytes, sizeof gpu.uuid);
  // All of them, but not to itself.
  gpu.peers = ((uint64_t{1} << config_.device_count) - 1) & ~(uint64_t{1} << ordinal);
  gpu.gauges.Set(nvml::Gauge::kXidCount, 0);
  return gpu;
}

nvmlReturn_t SoftSource::Look(nvml::Report* report) {
  const Result<InjectedHealth> injected = ReadInjectedHealth();
  if (!injected.ok()) {
    LogError("%s", injected.error().message().c_str());
    return NVML_ERROR_UNKNOWN;
  }
  report->cuda_version = CUDA_VERSION;
  report->driver_version = injected->driver_version;
  for (uint32_t ordinal = 0; ordinal < config_.device_count; ++ordinal) {
    nvml::Gpu gpu = GpuAt(static_cast<int>(ordinal));
    injected->Apply(ordinal, &gpu.gauges);
    report->gpus.push_back(std::move(gpu));
  }
  return NVML_SUCCESS;
}

}  // namespace
}  // namespace farlane::soft

namespace farlane::nvml {

std::unique_ptr<Source> MakeSource(nvmlReturn_t* why) {
  Result<soft::Config> config = soft::ReadConfig();
  if (!config.ok()) {
    LogError("%s", config.error().message().c_str());
    *why = NVML_ERROR_DRIVER_NOT_LOADED;
    return nullptr;
  }
  return std::make_unique<soft::SoftSource>(std::move(*config));
}

}  // namespace farlane::nvml
