// SPDX-License-Identifier: Apache-2.0
#include "client-shim/device.h"

#include <cstdlib>
#include <cstring>

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

char HexDigit(unsigned value) {
  return static_cast<char>(value < 10 ? '0' + value : 'a' + value - 10);
}

// "GPU-" and the UUID in the usual groups.
std::string UuidText(const CUuuid& uuid) {
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text += '-';
    }
    const auto byte = static_cast<unsigned char>(uuid.bytes[i]);
    text += HexDigit(byte >> 4);
    text += HexDigit(byte & 15);
  }
  return text;
}

// The index of the only device whose UUID begins so; -1 for none, and for a prefix of two.
int IndexOfUuid(const std::vector<Device>& all, const std::string& prefix) {
  int found = -1;
  for (size_t i = 0; i < all.size(); ++i) {
    if (UuidText(all[i].uuid).rfind(prefix, 0) != 0) {
      continue;
    }
    if (found >= 0) {
      return -1;
    }
    found = static_cast<int>(i);
  }
  return found;
}

// The index in `all` that an entry of the list means; -1 for none.
int IndexOfEntry(const std::vector<Device>& all, const std::string& entry) {
  if (entry.rfind("GPU-", 0) == 0) {
    return IndexOfUuid(all, entry);
  }
  char* end = nullptr;
  const long index = strtol(entry.c_str(), &end, 10);
  const bool number = end != entry.c_str() && *end == '\0';
  return number && index >= 0 && index < static_cast<long>(all.size()) ? static_cast<int>(index)
                                                                       : -1;
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
  return device;
}

std::vector<Device> VisibleDevices(std::vector<Device> all, const std::string& list) {
  std::vector<Device> visible;
  std::vector<int> taken;
  size_t start = 0;
  while (start <= list.size()) {
    const size_t comma = std::min(list.find(',', start), list.size());
    std::string entry = list.substr(start, comma - start);
    entry.erase(0, entry.find_first_not_of(' '));
    entry.erase(entry.find_last_not_of(' ') + 1);
    const int index = IndexOfEntry(all, entry);
    if (index < 0) {
      break;
    }
    for (const int other : taken) {
      if (other == index) {
        return {};  // the same device twice: the driver shows none
      }
    }
    taken.push_back(index);
    visible.push_back(all[static_cast<size_t>(index)]);
    start = comma + 1;
  }
  return visible;
}

}  // namespace farlane::shim
