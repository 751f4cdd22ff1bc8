// SPDX-License-Identifier: Apache-2.0
// HealthWatch makes events that people can read of what NVML says of the devices, and says which of
// them are sick: those get no new sessions. What a driver does not tell is not guessed. Pure: the
// time is told to it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "protocol/control/session_service.h"
#include "protocol/nvml/report.h"

namespace farlane::server {

struct HealthEvent {
  uint64_t number = 0;  // from 1
  uint64_t at_ms = 0;   // since 1970, by the machine's clock
  size_t device = 0;
  control::Severity severity = control::Severity::kInfo;
  std::string reason{};
};

// Thread: the daemon's main thread.
class HealthWatch {
 public:
  // The oldest are forgotten.
  static constexpr size_t kEventsMax = 512;
  // A device that was too hot is well again when it is so much below the threshold.
  static constexpr uint64_t kCooledBy = 5;
  // More than its limit by this, in percent, is worth an event: limits hold on average.
  static constexpr uint64_t kPowerOver = 10;

  using Counts = std::array<uint64_t, control::kSeveritiesCount>;

  explicit HealthWatch(std::vector<nvml::Gpu> devices);

  // What is so now. Without devices nothing is known, and nothing changes.
  void Look(const nvml::Report& health, uint64_t at_ms);

  const std::deque<HealthEvent>& events() const { return events_; }

  // Why a device gets no new sessions; nothing where it does.
  std::optional<std::string> WhySick(size_t device) const;

  // How many events there were, by severity.
  const Counts& counts(size_t device) const { return states_[device].counts; }

  const std::vector<nvml::Gpu>& devices() const { return devices_; }

 private:
  struct State {
    bool was_there = false;
    bool lost = false;
    uint64_t xids = 0;
    std::optional<uint64_t> bad_xid{};  // after which the device must be reset
    uint64_t bad_bits = 0;              // memory errors that could not be corrected
    bool hot = false;
    bool over_power = false;
    Counts counts{};
  };

  void LookAt(size_t device, const nvml::Gauges& gauges, uint64_t at_ms);
  void LookAtXid(size_t device, const nvml::Gauges& gauges, uint64_t at_ms);
  void LookAtMemory(size_t device, const nvml::Gauges& gauges, uint64_t at_ms);
  void LookAtHeat(size_t device, const nvml::Gauges& gauges, uint64_t at_ms);
  void LookAtPower(size_t device, const nvml::Gauges& gauges, uint64_t at_ms);
  void Add(size_t device, control::Severity severity, uint64_t at_ms, std::string reason);

  const std::vector<nvml::Gpu> devices_;
  std::vector<State> states_;
  std::deque<HealthEvent> events_;
  uint64_t number_ = 0;
};

}  // namespace farlane::server
