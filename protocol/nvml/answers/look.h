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

  const Gpu& gpu() const { return report_->gpus[index_]; }

  size_t index() const { return index_; }

 private:
  ReportPtr report_;  // before what asks for it
  nvmlReturn_t result_;
  size_t index_ = 0;
};

// Handles are addresses in a table of this library; nothing of a device lies there.
nvmlDevice_t HandleOf(size_t index);
// False for what was never given out.
bool IndexOf(nvmlDevice_t device, size_t* index);

}  // namespace farlane::nvml
