// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/device_model.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <span>
#include <string>

namespace farlane::soft {
namespace {

constexpr double kSecondNs = 1e9;

struct Unit {
  std::string_view name;
  double factor = 0;
};

constexpr Unit kTimes[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", kSecondNs}};
constexpr Unit kSpeeds[] = {{"KB/s", 1e3}, {"MB/s", 1e6}, {"GB/s", 1e9}, {"TB/s", 1e12}};

constexpr double kSpeedMax = 1e15;

Status Refuse(std::string_view rule, const char* wanted) {
  return {StatusCode::kInvalidArgument, "'" + std::string(rule) + "' is not " + wanted};
}

// A positive number with one of the units; false if it is none, or more than `max`.
bool ReadAmount(std::string_view text, std::span<const Unit> units, double max, uint64_t* amount) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const std::string_view name = text.substr(static_cast<size_t>(end - text.data()));
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [name](const Unit& one) { return one.name == name; });
  if (error != std::errc() || unit == units.end()) {
    return false;
  }
  value *= unit->factor;
  if (!(value >= 1 && value <= max)) {
    return false;
  }
  *amount = static_cast<uint64_t>(value);
  return true;
}

uint64_t Saturated(unsigned __int128 ns) {
  return static_cast<uint64_t>(std::min<unsigned __int128>(ns, DeviceModel::kLoadNsMax));
}

}  // namespace

Result<DeviceModel> DeviceModel::Parse(std::string_view text) {
  DeviceModel model;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    FARLANE_TRY(model.ReadRule(text.substr(start, end - start)));
    start = end + 1;
  }
  return model;
}

Status DeviceModel::ReadRule(std::string_view rule) {
  const size_t equals = std::min(rule.find('='), rule.size());
  const std::string_view name = rule.substr(0, equals);
  const std::string_view amount = rule.substr(std::min(equals + 1, rule.size()));
  if (name == "kernel" || name == "block") {
    uint64_t& ns = name == "kernel" ? kernel_ns_ : block_ns_;
    return ReadAmount(amount, kTimes, static_cast<double>(kLoadNsMax), &ns)
               ? Status::Ok()
               : Refuse(rule, "a time from 1ns to an hour, such as kernel=20us");
  }
  constexpr std::pair<std::string_view, Engine> kCopies[] = {
      {"copy_in", Engine::kCopyIn}, {"copy_out", Engine::kCopyOut}, {"memory", Engine::kCompute}};
  for (const auto& [known, engine] : kCopies) {
    if (name == known) {
      return ReadAmount(amount, kSpeeds, kSpeedMax, &bytes_per_second_[static_cast<size_t>(engine)])
                 ? Status::Ok()
                 : Refuse(rule, "a speed up to 1000TB/s, such as copy_in=12GB/s");
    }
  }
  return Refuse(rule,
                "one of kernel=TIME, block=TIME, copy_in=SPEED, copy_out=SPEED, memory=SPEED");
}

EngineLoad DeviceModel::OfKernel(const uint32_t (&grid)[3]) const {
  const unsigned __int128 blocks =
      static_cast<unsigned __int128>(grid[0]) * grid[1] * grid[2];  // less than 2^96
  const uint64_t count = blocks > kLoadNsMax ? kLoadNsMax : static_cast<uint64_t>(blocks);
  return {Engine::kCompute,
          Saturated(static_cast<unsigned __int128>(block_ns_) * count + kernel_ns_)};
}

EngineLoad DeviceModel::OfCopy(Engine engine, uint64_t bytes) const {
  const uint64_t speed = bytes_per_second_[static_cast<size_t>(engine)];
  if (speed == 0) {
    return {engine, 0};
  }
  constexpr uint64_t kNs = 1'000'000'000;
  return {engine, Saturated((static_cast<unsigned __int128>(bytes) * kNs + speed - 1) / speed)};
}

}  // namespace farlane::soft
