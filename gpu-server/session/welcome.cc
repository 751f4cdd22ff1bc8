// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/welcome.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// The range of priorities can only be asked inside a context.
void AskPriorities(const DriverTable& driver, CUdevice device, DeviceFacts* facts) {
  CUcontext context = nullptr;
  if (driver.cuDevicePrimaryCtxRetain(&context, device) != CUDA_SUCCESS) {
    LogWarn("device %d gives no context; its stream priorities are taken to be all the same",
            device);
    return;
  }
  static_cast<void>(driver.cuCtxSetCurrent(context));
  static_cast<void>(
      driver.cuCtxGetStreamPriorityRange(&facts->priority_least, &facts->priority_greatest));
  static_cast<void>(driver.cuCtxSetCurrent(nullptr));
  static_cast<void>(driver.cuDevicePrimaryCtxRelease_v2(device));
}

CUresult AskIdentity(const DriverTable& driver, CUdevice device, DeviceFacts* facts) {
  char name[256] = {};
  CUresult result = driver.cuDeviceGetName(name, sizeof name - 1, device);
  facts->name = name;
  char pci[64] = {};
  if (result == CUDA_SUCCESS) {
    result = driver.cuDeviceGetPCIBusId(pci, sizeof pci - 1, device);
    facts->pci_bus_id = pci;
  }
  if (result == CUDA_SUCCESS) {
    result = driver.cuDeviceGetUuid_v2(&facts->uuid, device);
    result = result == CUDA_ERROR_NOT_FOUND ? driver.cuDeviceGetUuid(&facts->uuid, device) : result;
  }
  size_t total_bytes = 0;
  if (result == CUDA_SUCCESS) {
    result = driver.cuDeviceTotalMem_v2(&total_bytes, device);
    facts->total_bytes = total_bytes;
  }
  return result;
}

uint64_t AskPeers(const DriverTable& driver, CUdevice device, int count) {
  constexpr int kBits = 64;
  uint64_t peers = 0;
  for (int ordinal = 0; ordinal < count && ordinal < kBits; ++ordinal) {
    CUdevice other = 0;
    int can = 0;
    if (driver.cuDeviceGet(&other, ordinal) == CUDA_SUCCESS && other != device &&
        driver.cuDeviceCanAccessPeer(&can, device, other) == CUDA_SUCCESS && can != 0) {
      peers |= uint64_t{1} << ordinal;
    }
  }
  return peers;
}

// A driver tells clocks in kHz, and 0 of what it does not know.
std::optional<uint64_t> MegahertzOf(int32_t kilohertz) {
  return kilohertz > 0 ? std::optional<uint64_t>(kilohertz / 1000) : std::nullopt;
}

nvml::Gpu GpuOf(const DeviceFacts& facts) {
  const auto number = [&facts](CUdevice_attribute attribute) {
    return facts.attributes[static_cast<size_t>(attribute)];
  };
  const auto natural = [&number](CUdevice_attribute attribute) {
    return static_cast<uint32_t>(std::max(number(attribute), 0));
  };
  nvml::Gpu gpu{.name = facts.name,
                .pci_domain = natural(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID),
                .pci_bus = natural(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID),
                .pci_device = natural(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID),
                .compute_major = number(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
                .compute_minor = number(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
                .compute_mode = natural(CU_DEVICE_ATTRIBUTE_COMPUTE_MODE),
                .processors = natural(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
                .memory_bus_bits = natural(CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH),
                .peers = facts.peers,
                .total_bytes = facts.total_bytes};
  memcpy(gpu.uuid, facts.uuid.bytes, sizeof gpu.uuid);
  const auto clock = MegahertzOf(number(CU_DEVICE_ATTRIBUTE_CLOCK_RATE));
  gpu.gauges.Set(nvml::Gauge::kGraphicsClockMax, clock);
  gpu.gauges.Set(nvml::Gauge::kSmClockMax, clock);
  gpu.gauges.Set(nvml::Gauge::kMemoryClockMax,
                 MegahertzOf(number(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)));
  return gpu;
}

}  // namespace

nvml::Report ReportOf(const DriverTable& driver, const std::vector<DeviceFacts>& facts) {
  nvml::Report report;
  static_cast<void>(driver.cuDriverGetVersion(&report.cuda_version));  // 0: it is unknown
  for (const DeviceFacts& device : facts) {
    report.gpus.push_back(GpuOf(device));
  }
  return report;
}

Result<std::vector<DeviceFacts>> CollectFacts(const DriverTable& driver) {
  int count = 0;
  CUresult result = driver.cuDeviceGetCount(&count);
  std::vector<DeviceFacts> all;
  for (int ordinal = 0; result == CUDA_SUCCESS && ordinal < count; ++ordinal) {
    CUdevice device = 0;
    DeviceFacts facts;
    result = driver.cuDeviceGet(&device, ordinal);
    if (result == CUDA_SUCCESS) {
      result = AskIdentity(driver, device, &facts);
    }
    facts.attributes.assign(CU_DEVICE_ATTRIBUTE_MAX, 0);
    for (int i = 1; i < CU_DEVICE_ATTRIBUTE_MAX; ++i) {
      int value = 0;
      if (driver.cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(i), device) ==
          CUDA_SUCCESS) {
        facts.attributes[static_cast<size_t>(i)] = value;
      }
    }
    AskPriorities(driver, device, &facts);
    facts.peers = AskPeers(driver, device, count);
    all.push_back(std::move(facts));
  }
  if (result != CUDA_SUCCESS) {
    return Status(StatusCode::kUnavailable,
                  "the driver does not describe its devices: " + DescribeResult(result));
  }
  if (all.empty()) {
    return Status(StatusCode::kNotFound, "the driver has no device");
  }
  return all;
}

void AppendWelcome(Outbox& outbox,
                   const Driver& driver,
                   const std::vector<DeviceFacts>& facts,
                   const std::vector<const DeviceMemory*>& memories) {
  int32_t count = 0;
  for (size_t i = 0; i < facts.size(); ++i) {
    if (memories[i] == nullptr) {
      continue;
    }
    ++count;
    const DeviceFacts& device = facts[i];
    const DeviceMemory& memory = *memories[i];
    wire::Device message{
        .ordinal = static_cast<int32_t>(i),
        .priority_least = device.priority_least,
        .priority_greatest = device.priority_greatest,
        .attributes_count = static_cast<uint32_t>(device.attributes.size()),
        .total_bytes = memory.total_bytes(),
        .arena_address = memory.arena().address,
        .arena_bytes = memory.arena().bytes,
        .credit_bytes = memory.credit_bytes(),
        .attributes = std::as_bytes(std::span(device.attributes)),
        .name = device.name,
        .pci_bus_id = device.pci_bus_id,
    };
    memcpy(&message.uuid_low, device.uuid.bytes, 8);
    memcpy(&message.uuid_high, device.uuid.bytes + 8, 8);
    outbox.Append(message);
  }
  int version = 0;
  static_cast<void>(driver.table().cuDriverGetVersion(&version));  // 0 says that it is unknown
  outbox.Append(wire::Welcome{
      .driver_version = version, .devices_count = count, .driver_path = driver.path()});
}

}  // namespace farlane::server
