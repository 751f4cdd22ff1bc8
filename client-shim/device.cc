// SPDX-License-Identifier: Apache-2.0
#include "client-shim/device.h"

#include <algorithm>
#include <cstring>

#include "protocol/abi/device_choice.h"

namespace farlane::shim {
namespace {

// More than any driver knows; bounds what the server can make us hold.
constexpr size_t kAttributesMax = 4096;

// What the shim does not offer, whatever the GPU can do: programs ask these before they use the
// feature.
constexpr CUdevice_attribute kNotOffered[] = {
    CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS,
    CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS,
    CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES,
    CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST,
    CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM,
    CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR_V1,
    CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS_V1,
    CU_DEVICE_ATTRIBUTE_DEFERRED_MAPPING_CUDA_ARRAY_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_SPARSE_CUDA_ARRAY_SUPPORTED,
    CU_DEVICE_ATTRIBUTE_UNIFIED_FUNCTION_POINTERS,
};

std::vector<abi::DeviceName> NamesOf(const std::vector<Device>& devices) {
  std::vector<abi::DeviceName> names;
  for (const Device& device : devices) {
    names.push_back({.uuid = device.uuid, .bus_id = device.pci_bus_id});
  }
  return names;
}

LaunchLimits LaunchLimitsOf(const Device& device) {
  const auto limit = [&device](CUdevice_attribute id) {
    return static_cast<unsigned>(std::max(device.attribute(id), 0));
  };
  return {
      .grid = {limit(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X), limit(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y),
               limit(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z)},
      .block = {limit(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X),
                limit(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y),
                limit(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z)},
      .threads = limit(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)};
}

}  // namespace

int Device::capability() const {
  return attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) * 10 +
         attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
}

Result<Device> Device::FromWire(const wire::Device& message) {
  if (message.attributes.size() != message.attributes_count * sizeof(int32_t) ||
      message.attributes_count > kAttributesMax) {
    return Status(StatusCode::kCorrupt, "the server describes a device in a way that cannot be");
  }
  Device device;
  device.server_ordinal = message.ordinal;
  device.name = message.name;
  device.pci_bus_id = message.pci_bus_id;
  memcpy(device.uuid.bytes, &message.uuid_low, 8);
  memcpy(device.uuid.bytes + 8, &message.uuid_high, 8);
  device.total_bytes = message.total_bytes;
  device.priority_least = message.priority_least;
  device.priority_greatest = message.priority_greatest;
  device.arena_address = message.arena_address;
  device.arena_bytes = message.arena_bytes;
  device.credit_bytes = message.credit_bytes;
  device.attributes.resize(message.attributes_count);
  if (!message.attributes.empty()) {
    memcpy(device.attributes.data(), message.attributes.data(), message.attributes.size());
  }
  for (const CUdevice_attribute id : kNotOffered) {
    if (static_cast<size_t>(id) < device.attributes.size()) {
      device.attributes[id] = 0;
    }
  }
  device.launch_limits = LaunchLimitsOf(device);
  return device;
}

std::vector<Device> VisibleDevices(std::vector<Device> all, const std::string& list) {
  std::vector<Device> visible;
  for (const size_t place : abi::VisibleDevices(NamesOf(all), list)) {
    visible.push_back(all[place]);
  }
  return visible;
}

}  // namespace farlane::shim
