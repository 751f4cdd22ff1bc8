// SPDX-License-Identifier: Apache-2.0
// Facts about devices.
#include <cstring>

#include "protocol/abi/atomic_capabilities.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

// As much of a text as fits, always ended.
void CopyText(const char* text, char* to, int length) {
  const size_t room = static_cast<size_t>(length) - 1;
  const size_t bytes = std::min(strlen(text), room);
  std::memcpy(to, text, bytes);
  to[bytes] = '\0';
}

// Compares without regard to case and to a short domain ("65:00.0" is "0000:65:00.0").
bool SameBusId(const std::string& id, const char* asked) {
  return strcasecmp(id.c_str(), asked) == 0 || strcasecmp(id.c_str() + 5, asked) == 0 ||
         strcasecmp(("0000" + id).c_str(), asked) == 0;
}

int AttributeOf(const Device& device, CUdevice_attribute attribute) {
  int value = 0;
  return device.Attribute(attribute, &value) == CUDA_SUCCESS ? value : 0;
}

}  // namespace

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (device == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* found = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, ordinal, &found));
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (count == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *count = static_cast<int>(call.driver->devices().size());
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char* name, int len, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (name == nullptr || len <= 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  CopyText(device->Name().c_str(), name, len);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (uuid == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  *uuid = device->Uuid();
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (bytes == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  *bytes = device->memory_bytes();
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* pi, CUdevice_attribute attrib, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pi == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  return device->Attribute(attrib, pi);
}

CUresult cuDeviceGetTexture1DLinearMaxWidth(size_t* maxWidthInElements,
                                            CUarray_format format,
                                            unsigned int numChannels,
                                            CUdevice dev) {
  static_cast<void>(format);  // the limit is in elements, of whatever format
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (maxWidthInElements == nullptr || numChannels == 0 || numChannels > 4) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  *maxWidthInElements =
      static_cast<size_t>(AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetProperties(CUdevprop* prop, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (prop == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  prop->maxThreadsPerBlock = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  prop->maxThreadsDim[0] = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X);
  prop->maxThreadsDim[1] = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y);
  prop->maxThreadsDim[2] = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z);
  prop->maxGridSize[0] = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X);
  prop->maxGridSize[1] = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y);
  prop->maxGridSize[2] = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z);
  prop->sharedMemPerBlock = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  prop->totalConstantMemory = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY);
  prop->SIMDWidth = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_WARP_SIZE);
  prop->memPitch = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_PITCH);
  prop->regsPerBlock = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
  prop->clockRate = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
  prop->textureAlign = AttributeOf(*device, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
  return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (major == nullptr || minor == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  *major = device->cc_major();
  *minor = device->cc_minor();
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetByPCIBusId(CUdevice* dev, const char* pciBusId) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (dev == nullptr || pciBusId == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (const Device& device : call.driver->devices()) {
    if (SameBusId(device.PciBusId(), pciBusId)) {
      *dev = device.ordinal();
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetPCIBusId(char* pciBusId, int len, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pciBusId == nullptr || len <= 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  CopyText(device->PciBusId().c_str(), pciBusId, len);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetHostAtomicCapabilities(unsigned int* capabilities,
                                           const CUatomicOperation* operations,
                                           unsigned int count,
                                           CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  return abi::TellNoAtomics(operations, count, capabilities);
}

CUresult cuDeviceGetExecAffinitySupport(int* pi, CUexecAffinityType type, CUdevice dev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pi == nullptr || type != CU_EXEC_AFFINITY_TYPE_SM_COUNT) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  *pi = 0;
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
