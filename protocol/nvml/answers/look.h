// SPDX-License-Identifier: Apache-2.0
// Look is what every answered function begins with: is the library initialised, which report is the
// answer in, and about which of its devices is the question?
#pragma once

#include "protocol/nvml/answers/library.h"

namespace farlane::nvml {

// Thread: caller's.
class Look {
 public:
  // At the report as a whole.
  Look();
  // At one device of it.
  explicit Look(nvmlDevice_t device);

  // What else there is only with success.
  nvmlReturn_t result() const { return result_; }

  const Report& report() const { return *report_; }

  // The device, or the MIG instance.
  const Gpu& gpu() const { return is_instance_ ? device().instances[instance_] : device(); }

  // The device itself, or the one that the instance is a part of.
  const Gpu& device() const { return report_->gpus[device_]; }

  size_t device_index() const { return device_; }

  // Of a device among all, of an instance among those of its device.
  size_t index() const { return is_instance_ ? instance_ : device_; }

  bool is_instance() const { return is_instance_; }

 private:
  ReportPtr report_;  // before what asks for it
  nvmlReturn_t result_;
  size_t device_ = 0;
  size_t instance_ = 0;
  bool is_instance_ = false;
};

// Handles are addresses in a table of this library; nothing of a device lies there.
nvmlDevice_t HandleOf(size_t index);
// Of a MIG instance.
nvmlDevice_t HandleOf(size_t index, size_t instance);
// False for what was never given out, and for an instance.
bool IndexOf(nvmlDevice_t device, size_t* index);

}  // namespace farlane::nvml
