// SPDX-License-Identifier: Apache-2.0
// Source is where a libnvidia-ml has its reports from: the client's asks a server, the software
// GPU's knows. Each of the two libraries defines MakeSource.
#pragma once

#include <memory>

#include "protocol/nvml/nvml_abi.h"
#include "protocol/nvml/report.h"

namespace farlane::nvml {

// Thread: one at a time.
class Source {
 public:
  virtual ~Source() = default;

  // What is so now, or why that cannot be said.
  virtual nvmlReturn_t Look(Report* report) = 0;
};

// A new one whenever the library is initialised by somebody, so that it sees the environment as it
// is then. Null where there cannot be one, and `why` says what is wrong.
std::unique_ptr<Source> MakeSource(nvmlReturn_t* why);

}  // namespace farlane::nvml
