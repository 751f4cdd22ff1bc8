// SPDX-License-Identifier: Apache-2.0
#include "protocol/nvml/answers/about.h"

#include <cstdio>

namespace farlane::nvml {
namespace {

// By compute capability; what is newer than the newest is not known by name.
struct Generation {
  int32_t major;
  int32_t minor;
  nvmlDeviceArchitecture_t number;
};

// The first that is not newer than the device.
constexpr Generation kGenerations[] = {
    {10, 0, 10}, {9, 0, 9}, {8, 9, 8}, {8, 0, 7}, {7, 5, 6},
    {7, 0, 5},   {6, 0, 4}, {5, 0, 3}, {3, 0, 2},
};
constexpr int32_t kNewestMajor = 12;
constexpr nvmlDeviceArchitecture_t kUnknownArchitecture = 0xffffffff;

}  // namespace

std::string NvmlVersion(const Report& report) {
  const std::string major = std::to_string(report.cuda_version / 1000);
  return report.driver_version.empty() ? major : major + "." + report.driver_version;
}

nvmlPciInfo_t PciInfoOf(const Gpu& gpu) {
  nvmlPciInfo_t info{};
  info.domain = gpu.pci_domain;
  info.bus = gpu.pci_bus;
  info.device = gpu.pci_device;
  info.pciDeviceId = static_cast<unsigned int>(gpu.gauges[Gauge::kPciDeviceId].value_or(0));
  info.pciSubSystemId = static_cast<unsigned int>(gpu.gauges[Gauge::kPciSubsystemId].value_or(0));
  snprintf(info.busIdLegacy, sizeof info.busIdLegacy, "%04X:%02X:%02X.0", info.domain & 0xffff,
           info.bus & 0xff, info.device & 0xff);
  snprintf(info.busId, sizeof info.busId, "%08X:%02X:%02X.0", info.domain, info.bus & 0xff,
           info.device & 0xff);
  return info;
}

nvmlDeviceArchitecture_t ArchitectureOf(const Gpu& gpu) {
  for (const Generation& one : kGenerations) {
    const bool reached = gpu.compute_major > one.major ||
                         (gpu.compute_major == one.major && gpu.compute_minor >= one.minor);
    if (reached && gpu.compute_major <= kNewestMajor) {
      return one.number;
    }
  }
  return kUnknownArchitecture;
}

// A library that cannot know what is in use says nothing of the memory.
std::optional<nvmlMemory_t> MemoryOf(const Gpu& gpu) {
  if (gpu.total_bytes == 0) {
    return std::nullopt;
  }
  return nvmlMemory_t{.total = gpu.total_bytes,
                      .free = gpu.free_bytes,
                      .used = gpu.reserved_bytes + gpu.used_bytes};
}

std::optional<nvmlUtilization_t> UtilizationOf(const Gpu& gpu) {
  if (gpu.total_bytes == 0) {
    return std::nullopt;
  }
  return nvmlUtilization_t{.gpu = gpu.busy_percent, .memory = gpu.copy_percent};
}

std::optional<unsigned int> MigModeOf(const Gpu& gpu) {
  constexpr unsigned int kEnabled = 1;
  return gpu.instances.empty() ? std::nullopt : std::optional<unsigned int>(kEnabled);
}

std::optional<unsigned int> ComputeInstanceOf(const Gpu& gpu) {
  return gpu.instance_id == 0 ? std::nullopt : std::optional<unsigned int>(0);
}

std::optional<nvmlDeviceAttributes_t> AttributesOf(const Gpu& gpu) {
  constexpr uint64_t kMebibyte = 1 << 20;
  if (gpu.instance_id == 0) {
    return std::nullopt;
  }
  nvmlDeviceAttributes_t attributes{};
  attributes.multiprocessorCount = gpu.processors;
  attributes.sharedCopyEngineCount = 1;
  attributes.gpuInstanceSliceCount = gpu.slices;
  attributes.computeInstanceSliceCount = gpu.slices;
  attributes.memorySizeMB = gpu.total_bytes / kMebibyte;
  return attributes;
}

std::optional<uint64_t> ClockOf(const Gpu& gpu, nvmlClockType_t type) {
  switch (type) {
    case NVML_CLOCK_GRAPHICS:
      return gpu.gauges[Gauge::kGraphicsClock];
    case NVML_CLOCK_SM:
      return gpu.gauges[Gauge::kSmClock];
    case NVML_CLOCK_MEM:
      return gpu.gauges[Gauge::kMemoryClock];
    case NVML_CLOCK_VIDEO:
      return gpu.gauges[Gauge::kVideoClock];
    default:
      return std::nullopt;
  }
}

std::optional<uint64_t> MaxClockOf(const Gpu& gpu, nvmlClockType_t type) {
  switch (type) {
    case NVML_CLOCK_GRAPHICS:
      return gpu.gauges[Gauge::kGraphicsClockMax];
    case NVML_CLOCK_SM:
      return gpu.gauges[Gauge::kSmClockMax];
    case NVML_CLOCK_MEM:
      return gpu.gauges[Gauge::kMemoryClockMax];
    case NVML_CLOCK_VIDEO:
      return gpu.gauges[Gauge::kVideoClockMax];
    default:
      return std::nullopt;
  }
}

std::optional<uint64_t> ThresholdOf(const Gpu& gpu, nvmlTemperatureThresholds_t type) {
  switch (type) {
    case NVML_TEMPERATURE_THRESHOLD_SHUTDOWN:
      return gpu.gauges[Gauge::kTemperatureShutdown];
    case NVML_TEMPERATURE_THRESHOLD_SLOWDOWN:
      return gpu.gauges[Gauge::kTemperatureSlowdown];
    default:
      return std::nullopt;
  }
}

std::optional<uint64_t> EccErrorsOf(const Gpu& gpu,
                                    nvmlMemoryErrorType_t error,
                                    nvmlEccCounterType_t counter) {
  const bool ever = counter == NVML_AGGREGATE_ECC;
  if (error == NVML_MEMORY_ERROR_TYPE_CORRECTED) {
    return gpu.gauges[ever ? Gauge::kEccCorrectedEver : Gauge::kEccCorrected];
  }
  return gpu.gauges[ever ? Gauge::kEccUncorrectedEver : Gauge::kEccUncorrected];
}

}  // namespace farlane::nvml
