// SPDX-License-Identifier: Apache-2.0
#include "protocol/nvml/gauges.h"

#include <algorithm>

namespace farlane::nvml {
namespace {

constexpr std::string_view kNames[] = {
    "temperature",
    "temperature_slowdown",
    "temperature_shutdown",
    "power",
    "power_limit",
    "power_limit_default",
    "power_limit_min",
    "power_limit_max",
    "energy",
    "graphics_clock",
    "sm_clock",
    "memory_clock",
    "video_clock",
    "graphics_clock_max",
    "sm_clock_max",
    "memory_clock_max",
    "video_clock_max",
    "fan",
    "performance_state",
    "clock_reasons",
    "ecc_mode",
    "ecc_corrected",
    "ecc_uncorrected",
    "ecc_corrected_ever",
    "ecc_uncorrected_ever",
    "xid",
    "xid_count",
    "brand",
    "pci_device_id",
    "pci_subsystem_id",
};

static_assert(std::size(kNames) == kGaugesCount);

}  // namespace

std::string_view NameOf(Gauge gauge) {
  return kNames[static_cast<size_t>(gauge)];
}

std::optional<Gauge> GaugeNamed(std::string_view name) {
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) {
    return std::nullopt;
  }
  return static_cast<Gauge>(found - std::begin(kNames));
}

}  // namespace farlane::nvml
