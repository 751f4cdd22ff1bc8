// SPDX-License-Identifier: Apache-2.0
#include "protocol/nvml/answers/look.h"

namespace farlane::nvml {
namespace {

// One byte for each device that there can be.
char handles[kReportGpusMax];

}  // namespace

nvmlDevice_t HandleOf(size_t index) {
  return reinterpret_cast<nvmlDevice_t>(&handles[index]);
}

bool IndexOf(nvmlDevice_t device, size_t* index) {
  *index = reinterpret_cast<uintptr_t>(device) - reinterpret_cast<uintptr_t>(&handles[0]);
  return *index < kReportGpusMax;
}

Look::Look() : result_(Library::Get().Look(&report_)) {}

Look::Look(nvmlDevice_t device) : Look() {
  if (result_ != NVML_SUCCESS) {
    return;
  }
  if (!IndexOf(device, &index_)) {
    result_ = NVML_ERROR_INVALID_ARGUMENT;
  } else if (index_ >= report_->gpus.size()) {
    result_ = NVML_ERROR_GPU_IS_LOST;  // it was there once
  }
}

}  // namespace farlane::nvml
