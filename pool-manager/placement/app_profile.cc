// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/app_profile.h"

#include <algorithm>
#include <cmath>

namespace farlane::pool {
namespace {

constexpr double kWeightLeast =
    0.2;  // so that a program that has changed is known after a few sessions
constexpr double kOthersLeast = 0.05;  // whoever was nearly alone does not know what company costs
constexpr double kSwitchingMost = 3;
constexpr double kBusyLeastS = 0.05;  // below this the counters are mostly start-up

bool IsCount(double value) {
  return std::isfinite(value) && value >= 0;
}

}  // namespace

void Trait::Learn(double value, double weight) {
  const double off = value - mean;
  mean += weight * off;
  variance = (1 - weight) * (variance + weight * off * off);
}

AppClass AppClassOf(const std::string& word) {
  if (word == "train") {
    return AppClass::kTrain;
  }
  return word == "infer" ? AppClass::kInfer : AppClass::kInteractive;
}

const char* AppClassName(AppClass app_class) {
  switch (app_class) {
    case AppClass::kTrain:
      return "train";
    case AppClass::kInfer:
      return "infer";
    case AppClass::kInteractive:
      return "interactive";
  }
  return "interactive";
}

AppProfile AppProfile::OfClass(AppClass app_class) {
  AppProfile profile;
  switch (app_class) {
    case AppClass::kTrain:
      profile.calls_per_gpu_s.mean = 20;
      profile.bytes_per_gpu_s.mean = 50e6;
      profile.busy.mean = 0.6;
      break;
    case AppClass::kInfer:
      profile.calls_per_gpu_s.mean = 1500;
      profile.bytes_per_gpu_s.mean = 100e6;
      profile.busy.mean = 0.25;
      break;
    case AppClass::kInteractive:
      profile.calls_per_gpu_s.mean = 8000;
      profile.bytes_per_gpu_s.mean = 20e6;
      profile.busy.mean = 0.1;
      break;
  }
  return profile;
}

void AppProfile::Learn(const SessionFacts& facts) {
  const bool sane = IsCount(facts.wall_s) && IsCount(facts.busy_gpu_s) &&
                    IsCount(facts.blocking_calls) && IsCount(facts.bytes_moved) &&
                    IsCount(facts.working_set_bytes) && IsCount(facts.contention_s) &&
                    IsCount(facts.others_busy);
  if (!sane || facts.busy_gpu_s < kBusyLeastS || facts.wall_s <= 0) {
    return;
  }
  const double weight = std::max(kWeightLeast, 1.0 / (1.0 + sessions));
  const double devices = std::max<uint32_t>(facts.devices, 1);
  // A call that waits holds up all the devices of a session: what counts is the work of one.
  const double busy_s = facts.busy_gpu_s / devices;
  calls_per_gpu_s.Learn(facts.blocking_calls / busy_s, weight);
  bytes_per_gpu_s.Learn(facts.bytes_moved / busy_s, weight);
  const double busy_part = std::min(1.0, busy_s / facts.wall_s);
  busy.Learn(busy_part, weight);
  if (facts.others_busy >= kOthersLeast) {
    const double too_much = std::max(0.0, facts.others_busy + busy_part - 1);
    const double beyond = facts.contention_s / busy_s - too_much;
    switching.Learn(std::clamp(beyond / (facts.others_busy * busy_part), 0.0, kSwitchingMost),
                    weight);
  }
  working_set_bytes.Learn(facts.working_set_bytes, weight);
  if (sessions < UINT32_MAX) {
    ++sessions;
  }
}

}  // namespace farlane::pool
