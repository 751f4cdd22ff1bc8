// SPDX-License-Identifier: Apache-2.0
// Gauges are the numbers that say how a device is: its temperature, its power, its errors. Each is
// known or it is not; nobody makes one up.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace farlane::nvml {

// The order is that of a report: new ones come last.
enum class Gauge : uint8_t {
  kTemperature,          // °C
  kTemperatureSlowdown,  // °C, from which on it is slower
  kTemperatureShutdown,  // °C, from which on it is off
  kPower,                // mW
  kPowerLimit,
  kPowerLimitDefault,
  kPowerLimitMin,
  kPowerLimitMax,
  kEnergy,         // mJ, since the driver was loaded
  kGraphicsClock,  // MHz, now
  kSmClock,
  kMemoryClock,
  kVideoClock,
  kGraphicsClockMax,  // MHz
  kSmClockMax,
  kMemoryClockMax,
  kVideoClockMax,
  kFan,               // % of its full speed
  kPerformanceState,  // as NVML numbers them
  kClockReasons,      // bits of NVML: why the clocks are not higher
  kEccMode,           // 1: on
  kEccCorrected,      // since the driver was loaded
  kEccUncorrected,
  kEccCorrectedEver,
  kEccUncorrectedEver,
  kXid,       // the last error of the hardware
  kXidCount,  // how many there were since the server was started
  kBrand,     // as NVML numbers them
  kPciDeviceId,
  kPciSubsystemId,
};

inline constexpr size_t kGaugesCount = static_cast<size_t>(Gauge::kPciSubsystemId) + 1;

// As people write them: "temperature", "ecc_corrected".
std::string_view NameOf(Gauge gauge);
std::optional<Gauge> GaugeNamed(std::string_view name);

// Thread: caller's.
class Gauges {
 public:
  std::optional<uint64_t> operator[](Gauge gauge) const {
    return values_[static_cast<size_t>(gauge)];
  }

  void Set(Gauge gauge, std::optional<uint64_t> value) {
    values_[static_cast<size_t>(gauge)] = value;
  }

  bool operator==(const Gauges&) const = default;

 private:
  std::array<std::optional<uint64_t>, kGaugesCount> values_{};
};

}  // namespace farlane::nvml
