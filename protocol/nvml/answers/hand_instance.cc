// SPDX-License-Identifier: Apache-2.0
// From a device to the MIG instances that it is divided into, and back.
#include "protocol/nvml/answers/look.h"
#include "protocol/nvml/bodies.h"

namespace farlane::nvml {

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device,
                                                 unsigned int index,
                                                 nvmlDevice_t* migDevice) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (migDevice == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (look.gpu().instances.empty()) {
    return NVML_ERROR_NOT_SUPPORTED;  // it is not divided
  }
  if (index >= look.gpu().instances.size()) {
    return index < kInstancesMax ? NVML_ERROR_NOT_FOUND : NVML_ERROR_INVALID_ARGUMENT;
  }
  *migDevice = HandleOf(look.device_index(), index);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t migDevice,
                                                          nvmlDevice_t* device) {
  const Look look(migDevice);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (device == nullptr || !look.is_instance()) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  *device = HandleOf(look.device_index());
  return NVML_SUCCESS;
}

}  // namespace farlane::nvml
