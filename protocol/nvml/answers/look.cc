// SPDX-License-Identifier: Apache-2.0
#include "protocol/nvml/answers/look.h"

namespace farlane::nvml {
namespace {

// One byte for each device that there can be, and behind all of them one for each instance.
char handles[kReportGpusMax * (1 + kInstancesMax)];

// False for what was never given out.
bool PlaceOf(nvmlDevice_t device, size_t* place) {
  *place = reinterpret_cast<uintptr_t>(device) - reinterpret_cast<uintptr_t>(&handles[0]);
  return *place < sizeof handles;
}

}  // namespace

nvmlDevice_t HandleOf(size_t index) {
  return reinterpret_cast<nvmlDevice_t>(&handles[index]);
}

nvmlDevice_t HandleOf(size_t index, size_t instance) {
  return HandleOf(kReportGpusMax + index * kInstancesMax + instance);
}

bool IndexOf(nvmlDevice_t device, size_t* index) {
  return PlaceOf(device, index) && *index < kReportGpusMax;
}

Look::Look() : result_(Library::Get().Look(&report_)) {}

Look::Look(nvmlDevice_t device) : Look() {
  if (result_ != NVML_SUCCESS) {
    return;
  }
  size_t place = 0;
  if (!PlaceOf(device, &place)) {
    result_ = NVML_ERROR_INVALID_ARGUMENT;
    return;
  }
  is_instance_ = place >= kReportGpusMax;
  device_ = is_instance_ ? (place - kReportGpusMax) / kInstancesMax : place;
  instance_ = is_instance_ ? (place - kReportGpusMax) % kInstancesMax : 0;
  if (device_ >= report_->gpus.size() ||
      (is_instance_ && instance_ >= report_->gpus[device_].instances.size())) {
    result_ = NVML_ERROR_GPU_IS_LOST;  // it was there once
  }
}

}  // namespace farlane::nvml
