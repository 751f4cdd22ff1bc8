// SPDX-License-Identifier: Apache-2.0
// Where the software GPU's libnvidia-ml has its reports from: what the environment makes of the
// devices, and a health that tests invent.
#include <algorithm>
#include <cstring>

#include "protocol/base/log.h"
#include "protocol/nvml/answers/source.h"
#include "soft-gpu/device/config.h"
#include "soft-gpu/device/device.h"
#include "soft-gpu/device/frame_file.h"
#include "soft-gpu/nvml/injected_health.h"

namespace farlane::soft {
namespace {

// Thread: one at a time.
class SoftSource final : public nvml::Source {
 public:
  SoftSource(Config config, std::unique_ptr<FrameFile> frames_or_null)
      : config_(std::move(config)), frames_or_null_(std::move(frames_or_null)) {}

  nvmlReturn_t Look(nvml::Report* report) override;

 private:
  nvml::Gpu GpuAt(int ordinal) const;
  nvml::Gpu InstanceAt(uint32_t place) const;

  const Config config_;
  // Of instances, so that it can be said how much of their memory is in use: the file in which all
  // processes that share the devices have it. Null without one.
  const std::unique_ptr<FrameFile> frames_or_null_;
};

int NumberOf(const Device& device, CUdevice_attribute attribute) {
  int value = 0;
  static_cast<void>(device.Attribute(attribute, &value));
  return value;
}

nvml::Gpu GpuOf(const Device& device) {
  const auto natural = [&device](CUdevice_attribute attribute) {
    return static_cast<uint32_t>(NumberOf(device, attribute));
  };
  nvml::Gpu gpu{.name = device.Name(),
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
  return gpu;
}

nvml::Gpu SoftSource::InstanceAt(uint32_t place) const {
  Config config = config_;
  config.instance = place;
  config.device_count = 1;
  const Device device(config, 0);
  nvml::Gpu gpu = GpuOf(device);
  gpu.instance_id = static_cast<uint32_t>(device.instance()) + 1;
  gpu.slices = static_cast<uint32_t>(device.slices());
  gpu.total_bytes = device.memory_bytes();
  gpu.used_bytes = frames_or_null_ == nullptr ? 0 : frames_or_null_->used_bytes(place);
  gpu.free_bytes = gpu.total_bytes - std::min(gpu.used_bytes, gpu.total_bytes);
  return gpu;
}

// What is in use of a whole device's memory is known to the processes that use it, so nothing is
// said of it.
nvml::Gpu SoftSource::GpuAt(int ordinal) const {
  nvml::Gpu gpu = GpuOf(Device(config_, ordinal));
  for (uint32_t i = 0; i < config_.instances; ++i) {
    gpu.instances.push_back(InstanceAt(static_cast<uint32_t>(ordinal) * config_.instances + i));
  }
  // All of them, but not to itself; and where there are instances, none.
  if (config_.instances == 0) {
    gpu.peers = ((uint64_t{1} << config_.device_count) - 1) & ~(uint64_t{1} << ordinal);
  }
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

// Null where nothing is divided, or where each process has devices of its own.
Result<std::unique_ptr<FrameFile>> OpenFrames(const Config& config) {
  if (config.instances == 0 || config.shared_path.empty()) {
    return std::unique_ptr<FrameFile>();
  }
  return FrameFile::Open({config.gpu_count * config.instances, config.memory_bytes},
                         config.shared_path);
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
  Result<std::unique_ptr<soft::FrameFile>> frames = soft::OpenFrames(*config);
  if (!frames.ok()) {
    LogError("%s", frames.error().message().c_str());
    *why = NVML_ERROR_DRIVER_NOT_LOADED;
    return nullptr;
  }
  return std::make_unique<soft::SoftSource>(std::move(*config), std::move(*frames));
}

}  // namespace farlane::nvml
