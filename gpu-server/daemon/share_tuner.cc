// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/share_tuner.h"

#include <algorithm>

namespace farlane::server {
namespace {

constexpr uint64_t kPercent = 100;
// A step up is a quarter of what there is, and at least a hundredth of the GPU; a step down leaves
// a quarter more than was used, and three quarters of what there was.
constexpr uint32_t kStepParts = 4;
constexpr uint32_t kStepMin = kWholeShare / 100;

using Promised = std::map<size_t, uint64_t>;  // of each device

Promised Sum(const std::vector<ShareTuner::View>& views) {
  Promised promised;
  for (const ShareTuner::View& view : views) {
    for (const ShareTuner::Use& use : view.uses) {
      promised[use.device] += view.now;
    }
  }
  return promised;
}

bool IsOn(const ShareTuner::View& view, size_t device) {
  return std::any_of(view.uses.begin(), view.uses.end(),
                     [device](const ShareTuner::Use& use) { return use.device == device; });
}

// Those who have more than they were promised give it up where all together is too much, each the
// same part of it.
void GiveWay(std::vector<ShareTuner::View>* views) {
  for (const auto& [device, sum] : Sum(*views)) {
    uint64_t promised = 0;
    uint64_t extra = 0;
    for (const ShareTuner::View& view : *views) {
      const bool here = IsOn(view, device);
      promised += here ? view.now : 0;
      extra += here && view.now > view.least ? view.now - view.least : 0;
    }
    const uint64_t over = promised - std::min<uint64_t>(promised, kWholeShare);
    for (ShareTuner::View& view : *views) {
      if (over != 0 && extra != 0 && IsOn(view, device) && view.now > view.least) {
        const uint64_t more = view.now - view.least;
        const uint64_t cut = std::min(more, (more * over + extra - 1) / extra);
        view.now -= static_cast<uint32_t>(cut);
      }
    }
  }
}

// What nobody is promised of any of its devices.
uint32_t SpareFor(const ShareTuner::View& view, const Promised& promised) {
  uint64_t spare = kWholeShare;
  for (const ShareTuner::Use& use : view.uses) {
    spare = std::min(spare, kWholeShare - std::min<uint64_t>(kWholeShare, promised.at(use.device)));
  }
  return static_cast<uint32_t>(spare);
}

}  // namespace

// Of the device that it uses most.
ShareTuner::Part ShareTuner::PartOf(const View& view, Record* record) {
  Part part;
  for (const Use& use : view.uses) {
    const Use before = record->before[use.device];
    record->before[use.device] = use;
    const uint64_t clock_ns = use.clock_ns - std::min(use.clock_ns, before.clock_ns);
    // Most of a period, or it says little.
    if (clock_ns < kPeriodNs / 2) {
      continue;
    }
    const uint64_t used_ns = use.used_ns - std::min(use.used_ns, before.used_ns);
    const uint64_t held_ns = use.held_ns - std::min(use.held_ns, before.held_ns);
    part.known = true;
    part.used = std::max(part.used, used_ns * kWholeShare / clock_ns);
    part.held = std::max(part.held, held_ns * kWholeShare / clock_ns);
  }
  return part;
}

// The share that it is to have.
uint32_t ShareTuner::Judge(const View& view, const Part& part, uint32_t spare, Record* record) {
  const bool waits = part.held * kPercent >= kWaitsPercent * kWholeShare;
  const bool busy = part.known && waits && part.used * kPercent >= kShortPercent * view.now;
  const bool idle = part.known && part.used * kPercent < kSparePercent * view.now;
  record->busy = busy ? record->busy + 1 : 0;
  record->idle = idle ? record->idle + 1 : 0;
  if (record->busy >= kBusyPeriods) {
    const uint32_t step = std::max(view.now / kStepParts, kStepMin);
    return view.now + std::min({step, spare, view.most - view.now});
  }
  if (record->idle >= kIdlePeriods) {
    const uint64_t enough = part.used + part.used / kStepParts;
    const uint64_t step = view.now - view.now / kStepParts;
    return static_cast<uint32_t>(std::max({enough, step, uint64_t{view.least}}));
  }
  return view.now;
}

std::map<ShareTuner::Session, uint32_t> ShareTuner::Look(uint64_t now_ns, std::vector<View> views) {
  std::map<Session, uint32_t> was;
  for (const View& view : views) {
    was[view.session] = view.now;
  }
  std::erase_if(records_, [&was](const auto& one) { return !was.contains(one.first); });
  GiveWay(&views);
  if (now_ns - judged_ns_ >= kPeriodNs) {
    judged_ns_ = now_ns;
    Promised promised = Sum(views);
    for (View& view : views) {
      if (view.most == 0) {
        continue;
      }
      Record& record = records_[view.session];
      const uint32_t share = Judge(view, PartOf(view, &record), SpareFor(view, promised), &record);
      for (const Use& use : view.uses) {
        promised[use.device] += share;
        promised[use.device] -= view.now;
      }
      view.now = share;
    }
  }
  std::map<Session, uint32_t> changes;
  for (const View& view : views) {
    if (view.now != was[view.session]) {
      changes[view.session] = view.now;
    }
  }
  return changes;
}

}  // namespace farlane::server
