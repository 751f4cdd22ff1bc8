// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <cstring>

#include <strings.h>

#include "protocol/nvml/answers/about.h"
#include "protocol/nvml/answers/look.h"
#include "protocol/nvml/bodies.h"

namespace farlane::nvml {
namespace {

// The device that `is` says yes to, or the instance.
template <typename Is>
nvmlReturn_t FindDevice(nvmlDevice_t* device, const Is& is) {
  const Look look;
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (device == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const std::vector<Gpu>& gpus = look.report().gpus;
  for (size_t i = 0; i < gpus.size(); ++i) {
    if (is(gpus[i])) {
      *device = HandleOf(i);
      return NVML_SUCCESS;
    }
    const auto found = std::find_if(gpus[i].instances.begin(), gpus[i].instances.end(), is);
    if (found != gpus[i].instances.end()) {
      *device = HandleOf(i, static_cast<size_t>(found - gpus[i].instances.begin()));
      return NVML_SUCCESS;
    }
  }
  return NVML_ERROR_NOT_FOUND;
}

// Of both devices, or why not.
struct Pair {
  Look first;
  Look second;

  Pair(nvmlDevice_t one, nvmlDevice_t other) : first(one), second(other) {}

  nvmlReturn_t result() const {
    return first.result() != NVML_SUCCESS ? first.result() : second.result();
  }
};

}  // namespace

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t* device) {
  const Look look;
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (device == nullptr || index >= look.report().gpus.size()) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  *device = HandleOf(index);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char* uuid, nvmlDevice_t* device) {
  if (uuid == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return FindDevice(
      device, [uuid](const Gpu& gpu) { return strcasecmp(uuid, UuidText(gpu).c_str()) == 0; });
}

nvmlReturn_t nvmlDeviceGetHandleByUUIDV(const nvmlUUID_t* uuid, nvmlDevice_t* device) {
  constexpr unsigned int kText = 1;
  constexpr unsigned int kBytes = 2;
  if (uuid == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (uuid->version != StructVersion<nvmlUUID_t>(1)) {
    return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  }
  if (uuid->type != kText && uuid->type != kBytes) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return FindDevice(device, [uuid](const Gpu& gpu) {
    if (uuid->type == kBytes) {
      return memcmp(uuid->value.bytes, gpu.uuid, sizeof gpu.uuid) == 0;
    }
    return strncasecmp(uuid->value.str, UuidText(gpu).c_str(), sizeof uuid->value.str) == 0;
  });
}

// "domain:bus:device.function", or without the domain, which is 0 then.
nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char* pciBusId, nvmlDevice_t* device) {
  unsigned int domain = 0;
  unsigned int bus = 0;
  unsigned int place = 0;
  if (pciBusId == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (sscanf(pciBusId, "%8x:%4x:%4x", &domain, &bus, &place) != 3) {
    domain = 0;
    if (sscanf(pciBusId, "%4x:%4x", &bus, &place) != 2) {
      return NVML_ERROR_INVALID_ARGUMENT;
    }
  }
  return FindDevice(device, [&](const Gpu& gpu) {
    return gpu.pci_domain == domain && gpu.pci_bus == bus && gpu.pci_device == place;
  });
}

nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_t* pci) {
  // A display controller that programs compute with.
  constexpr unsigned int kBaseClass = 3;
  constexpr unsigned int kSubClass = 2;
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (pci == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (pci->version != StructVersion<nvmlPciInfoExt_t>(1)) {
    return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  }
  const nvmlPciInfo_t info = PciInfoOf(look.gpu());
  pci->domain = info.domain;
  pci->bus = info.bus;
  pci->device = info.device;
  pci->pciDeviceId = info.pciDeviceId;
  pci->pciSubSystemId = info.pciSubSystemId;
  pci->baseClass = kBaseClass;
  pci->subClass = kSubClass;
  memcpy(pci->busId, info.busId, sizeof pci->busId);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t device1, nvmlDevice_t device2, int* onSameBoard) {
  const Pair pair(device1, device2);
  if (pair.result() != NVML_SUCCESS) {
    return pair.result();
  }
  if (onSameBoard == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  *onSameBoard = pair.first.device_index() == pair.second.device_index() ? 1 : 0;
  return NVML_SUCCESS;
}

// What the server's driver says of reading and writing; over which wires is not known here.
nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device1,
                                    nvmlDevice_t device2,
                                    nvmlGpuP2PCapsIndex_t p2pIndex,
                                    nvmlGpuP2PStatus_t* p2pStatus) {
  const Pair pair(device1, device2);
  if (pair.result() != NVML_SUCCESS) {
    return pair.result();
  }
  if (p2pStatus == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const size_t other = pair.second.index();
  const bool instances = pair.first.is_instance() || pair.second.is_instance();
  const bool reaches = !instances && other < 64 && (pair.first.gpu().peers >> other & 1) != 0;
  switch (p2pIndex) {
    case NVML_P2P_CAPS_INDEX_READ:
    case NVML_P2P_CAPS_INDEX_WRITE:
      *p2pStatus = reaches ? NVML_P2P_STATUS_OK : NVML_P2P_STATUS_NOT_SUPPORTED;
      return NVML_SUCCESS;
    case NVML_P2P_CAPS_INDEX_NVLINK:
    case NVML_P2P_CAPS_INDEX_ATOMICS:
    case NVML_P2P_CAPS_INDEX_PCI:
      *p2pStatus = NVML_P2P_STATUS_NOT_SUPPORTED;
      return NVML_SUCCESS;
    default:
      return NVML_ERROR_INVALID_ARGUMENT;
  }
}

}  // namespace farlane::nvml
