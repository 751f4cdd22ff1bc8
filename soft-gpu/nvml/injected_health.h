// SPDX-License-Identifier: Apache-2.0
// InjectedHealth is how the software GPU says that it is: a program has no temperature, so whoever
// tests what depends on one writes it into a file. FARLANE_SOFT_HEALTH names the file, and it is
// read anew at every look.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/nvml/gauges.h"

namespace farlane::soft {

// Immutable once read.
struct InjectedHealth {
  struct Value {
    uint32_t device = 0;
    bool all = true;  // it is so of every device
    nvml::Gauge gauge = nvml::Gauge::kTemperature;
    uint64_t value = 0;
  };

  std::string driver_version = "0.0";  // there is no driver behind it
  std::vector<Value> values{};

  void Apply(uint32_t device, nvml::Gauges* gauges) const;

  // Lines "temperature = 91", or "1.temperature = 91" of one device only, or "driver_version = …".
  // The later line holds. Empty lines, and what stands behind a #, say nothing.
  static Result<InjectedHealth> Parse(std::string_view text);
};

// Of the file that FARLANE_SOFT_HEALTH names; nothing is injected without.
Result<InjectedHealth> ReadInjectedHealth();

}  // namespace farlane::soft
