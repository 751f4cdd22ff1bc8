// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/busy_meter.h"

#include <chrono>
#include <thread>

#include "protocol/base/clock.h"

namespace farlane::server {
namespace {

constexpr uint32_t kLookEveryMs = 50;
// After a second without anything, so seldom.
constexpr uint32_t kIdleEveryMs = 250;
constexpr uint32_t kIdleLooks = 20;
constexpr uint64_t kTellEveryNs = 500'000'000;

}  // namespace

BusyMeter::BusyMeter(ClientSession& session, const Ears& ears, Tell tell, TellTotal tell_total)
    : session_(session),
      ears_(ears),
      tell_(std::move(tell)),
      tell_total_(std::move(tell_total)),
      devices_(std::vector<Device>(session.devices_count())) {}

void BusyMeter::Start() {
  std::thread([this] { Run(); }).detach();
}

void BusyMeter::Run() {
  uint64_t heard = 0;
  uint32_t quiet = 0;
  while (true) {
    const uint32_t pause_ms = quiet < kIdleLooks ? kLookEveryMs : kIdleEveryMs;
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
    const uint64_t hears = ears_.heard.load(std::memory_order_relaxed);
    if (hears == heard && idle_.load(std::memory_order_acquire)) {
      NoteIdle();
      ++quiet;
    } else if (!looking_.exchange(true, std::memory_order_acq_rel)) {
      heard = hears;
      quiet = 0;
      session_.Return([this] { Look(); });
    }
    TellTotalBusy();
    TellChanges(NowNs());
  }
}

// On the dispatch thread.
void BusyMeter::Look() {
  std::vector<DeviceActivity> found;
  if (session_.LookAtActivity(&found)) {
    const uint64_t now_ns = NowNs();
    bool idle = true;
    devices_.With([&](std::vector<Device>& devices) {
      for (size_t i = 0; i < devices.size(); ++i) {
        devices[i].busy.Note(now_ns, found[i].busy);
        devices[i].copies.Note(now_ns, found[i].copies);
        idle = idle && !found[i].busy && !found[i].copies;
      }
    });
    idle_.store(idle, std::memory_order_release);
  }
  looking_.store(false, std::memory_order_release);
}

void BusyMeter::NoteIdle() {
  const uint64_t now_ns = NowNs();
  devices_.With([now_ns](std::vector<Device>& devices) {
    for (Device& device : devices) {
      device.busy.Note(now_ns, false);
      device.copies.Note(now_ns, false);
    }
  });
}

void BusyMeter::TellTotalBusy() {
  tell_total_(devices_.With([](const std::vector<Device>& devices) {
    uint64_t busy_ns = 0;
    for (const Device& device : devices) {
      busy_ns += device.busy.total_ns();
    }
    return busy_ns;
  }));
}

void BusyMeter::TellChanges(uint64_t now_ns) {
  if (now_ns - told_ns_ < kTellEveryNs) {
    return;
  }

  struct Change {
    size_t device;
    uint32_t busy;
    uint32_t copies;
  };

  std::vector<Change> changes;
  devices_.With([&changes](std::vector<Device>& devices) {
    for (size_t i = 0; i < devices.size(); ++i) {
      Device& device = devices[i];
      const Change now{i, device.busy.percent(), device.copies.percent()};
      if (now.busy != device.told_busy || now.copies != device.told_copies) {
        device.told_busy = now.busy;
        device.told_copies = now.copies;
        changes.push_back(now);
      }
    }
  });
  for (const Change& change : changes) {
    tell_(change.device, change.busy, change.copies);
    told_ns_ = now_ns;
  }
}

}  // namespace farlane::server
