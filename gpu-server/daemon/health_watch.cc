// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/health_watch.h"

#include <algorithm>
#include <cstring>

#include "protocol/base/log.h"
#include "protocol/nvml/xid.h"

namespace farlane::server {
namespace {

using control::Severity;
using nvml::Gauge;

constexpr uint64_t kWhole = 100;
constexpr uint64_t kMilliwatts = 1000;

std::string Text(uint64_t number) {
  return std::to_string(number);
}

}  // namespace

HealthWatch::HealthWatch(std::vector<nvml::Gpu> devices)
    : devices_(std::move(devices)), states_(devices_.size()) {}

void HealthWatch::Look(const nvml::Report& health, uint64_t at_ms) {
  if (health.gpus.empty()) {
    return;
  }
  for (size_t device = 0; device < devices_.size(); ++device) {
    const auto found =
        std::find_if(health.gpus.begin(), health.gpus.end(), [this, device](const nvml::Gpu& one) {
          return memcmp(one.uuid, devices_[device].uuid, sizeof one.uuid) == 0;
        });
    State& state = states_[device];
    if (found != health.gpus.end()) {
      if (state.lost) {
        Add(device, Severity::kInfo, at_ms, "the driver lists the device again");
        state = {.counts = state.counts};
      }
      state.was_there = true;
      LookAt(device, found->gauges, at_ms);
    } else if (state.was_there && !state.lost) {
      state.lost = true;
      Add(device, Severity::kCritical, at_ms, "the driver does not list the device any more");
    }
  }
}

void HealthWatch::LookAt(size_t device, const nvml::Gauges& gauges, uint64_t at_ms) {
  LookAtXid(device, gauges, at_ms);
  LookAtMemory(device, gauges, at_ms);
  LookAtHeat(device, gauges, at_ms);
  LookAtPower(device, gauges, at_ms);
}

void HealthWatch::LookAtXid(size_t device, const nvml::Gauges& gauges, uint64_t at_ms) {
  State& state = states_[device];
  const uint64_t count = gauges[Gauge::kXidCount].value_or(state.xids);
  const std::optional<uint64_t> xid = gauges[Gauge::kXid];
  if (count > state.xids && xid.has_value()) {
    const bool bad = nvml::XidNeedsReset(*xid);
    Add(device, bad ? Severity::kCritical : Severity::kWarning, at_ms,
        "XID " + Text(*xid) + ": " + nvml::XidMeaning(*xid));
    state.bad_xid = bad ? xid : state.bad_xid;
  }
  // Fewer than before: whoever counts has begun anew.
  state.xids = count;
}

// A driver counts from 0 again when the device was reset.
void HealthWatch::LookAtMemory(size_t device, const nvml::Gauges& gauges, uint64_t at_ms) {
  State& state = states_[device];
  const std::optional<uint64_t> count = gauges[Gauge::kEccUncorrected];
  if (!count.has_value()) {
    return;
  }
  if (*count > state.bad_bits) {
    Add(device, Severity::kCritical, at_ms, Text(*count) + " memory errors were not corrected");
  } else if (*count < state.bad_bits) {
    Add(device, Severity::kInfo, at_ms, "memory errors are counted anew: the device was reset");
    state.bad_xid.reset();
  }
  state.bad_bits = *count;
}

void HealthWatch::LookAtHeat(size_t device, const nvml::Gauges& gauges, uint64_t at_ms) {
  State& state = states_[device];
  const std::optional<uint64_t> now = gauges[Gauge::kTemperature];
  const std::optional<uint64_t> most = gauges[Gauge::kTemperatureSlowdown];
  if (!now.has_value() || !most.has_value() || *most == 0) {
    return;
  }
  if (!state.hot && *now >= *most) {
    state.hot = true;
    Add(device, Severity::kWarning, at_ms,
        Text(*now) + " degrees C; from " + Text(*most) + " on it slows down");
  } else if (state.hot && *now + kCooledBy <= *most) {
    state.hot = false;
    Add(device, Severity::kInfo, at_ms, "it has cooled down to " + Text(*now) + " degrees C");
  }
}

void HealthWatch::LookAtPower(size_t device, const nvml::Gauges& gauges, uint64_t at_ms) {
  State& state = states_[device];
  const std::optional<uint64_t> now = gauges[Gauge::kPower];
  const std::optional<uint64_t> limit = gauges[Gauge::kPowerLimit];
  if (!now.has_value() || !limit.has_value() || *limit == 0) {
    return;
  }
  const bool over = *now > *limit + *limit / kWhole * kPowerOver;
  if (over && !state.over_power) {
    Add(device, Severity::kWarning, at_ms,
        Text(*now / kMilliwatts) + " W; its limit is " + Text(*limit / kMilliwatts) + " W");
  }
  state.over_power = over;
}

std::optional<std::string> HealthWatch::WhySick(size_t device) const {
  const State& state = states_[device];
  if (state.lost) {
    return "the driver does not list it any more";
  }
  if (state.bad_xid.has_value()) {
    return "it had XID " + Text(*state.bad_xid) + " and was not reset since";
  }
  if (state.bad_bits != 0) {
    return Text(state.bad_bits) + " memory errors were not corrected since a reset";
  }
  return state.hot ? std::optional<std::string>("it is too hot") : std::nullopt;
}

void HealthWatch::Add(size_t device, Severity severity, uint64_t at_ms, std::string reason) {
  LogWarn("device %zu (%s): %s", device, UuidText(devices_[device]).c_str(), reason.c_str());
  ++states_[device].counts[static_cast<size_t>(severity)];
  events_.push_back({.number = ++number_,
                     .at_ms = at_ms,
                     .device = device,
                     .severity = severity,
                     .reason = std::move(reason)});
  if (events_.size() > kEventsMax) {
    events_.pop_front();
  }
}

}  // namespace farlane::server
