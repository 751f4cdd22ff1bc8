// SPDX-License-Identifier: Apache-2.0
// Questions about devices, all answered from the handshake.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <strings.h>

#include "client-shim/bodies.h"
#include "client-shim/device_scope.h"

namespace farlane::shim {
namespace {

struct PciAddress {
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned device = 0;

  bool operator==(const PciAddress&) const = default;
};

// "0000:41:00.0" and the shorter forms that the driver takes.
bool ParsePci(const char* text, PciAddress* address) {
  unsigned function = 0;
  if (sscanf(text, "%x:%x:%x.%x", &address->domain, &address->bus, &address->device, &function) >=
      3) {
    return true;
  }
  address->domain = 0;
  return sscanf(text, "%x:%x.%x", &address->bus, &address->device, &function) >= 2;
}

}  // namespace

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  const DeviceScope scope(ordinal);
  if (scope.result() == CUDA_SUCCESS && device == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (scope.result() == CUDA_SUCCESS) {
    *device = ordinal;
  }
  return scope.result();
}

CUresult cuDeviceGetAttribute(int* pi, CUdevice_attribute attrib, CUdevice dev) {
  const DeviceScope scope(dev);
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (pi == nullptr || attrib <= 0 ||
      static_cast<size_t>(attrib) >= scope.device().attributes.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pi = scope.device().attribute(attrib);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetProperties(CUdevprop* prop, CUdevice dev) {
  const DeviceScope scope(dev);
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (prop == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device& device = scope.device();
  prop->maxThreadsPerBlock = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  prop->maxThreadsDim[0] = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X);
  prop->maxThreadsDim[1] = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y);
  prop->maxThreadsDim[2] = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z);
  prop->maxGridSize[0] = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X);
  prop->maxGridSize[1] = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y);
  prop->maxGridSize[2] = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z);
  prop->sharedMemPerBlock = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  prop->totalConstantMemory = device.attribute(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY);
  prop->SIMDWidth = device.attribute(CU_DEVICE_ATTRIBUTE_WARP_SIZE);
  prop->memPitch = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_PITCH);
  prop->regsPerBlock = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
  prop->clockRate = device.attribute(CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
  prop->textureAlign = device.attribute(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetByPCIBusId(CUdevice* dev, const char* pciBusId) {
  const Servers* const servers = Process::Get().servers();
  if (servers == nullptr) {
    return Process::Get().Why();
  }
  PciAddress wanted;
  if (dev == nullptr || pciBusId == nullptr || !ParsePci(pciBusId, &wanted)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (CUdevice device = 0; device < servers->devices_count(); ++device) {
    const Device& described = servers->OfDevice(device)->device(device);
    PciAddress here;
    if (ParsePci(described.pci_bus_id.c_str(), &here) && here == wanted) {
      *dev = device;
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_INVALID_DEVICE;
}

}  // namespace farlane::shim
