// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/gate.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <thread>
#include <utility>

#include <unistd.h>

#include "gpu-server/session/client_session.h"
#include "protocol/base/clock.h"

namespace farlane::server {
namespace {

using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

// How much of a turn's window one run may take: the next is given while this one is worked on.
constexpr uint64_t kRunParts = 2;
// Where nobody waits, runs may be long: they are not waited for.
constexpr uint64_t kRunNsMax = 1'000'000;
// It is looked again whether something is done when half of the time is over until it should be.
constexpr uint64_t kPollParts = 2;
// What has only this part of the window left to be done is followed by the next at once: a device
// that waits to be looked at does nothing.
constexpr uint64_t kEarlyParts = 4;

}  // namespace

Gate::Gate(ClientSession& session) : session_(session) {}

bool Gate::IsWork(uint16_t op) {
  switch (static_cast<wire::Op>(op)) {
    case wire::Op::kArrayCopyIn:
    case wire::Op::kArrayCopyOut:
    case wire::Op::kArrayCopyShape:
    case wire::Op::kCopyIn:
    case wire::Op::kCopyOut:
    case wire::Op::kCopyShape:
    case wire::Op::kGraphLaunch:
    case wire::Op::kLaunch:
    case wire::Op::kMemcpyDtoDAsync:
    case wire::Op::kMemsetD16Async:
    case wire::Op::kMemsetD2D16Async:
    case wire::Op::kMemsetD2D32Async:
    case wire::Op::kMemsetD2D8Async:
    case wire::Op::kMemsetD32Async:
    case wire::Op::kMemsetD8Async:
    case wire::Op::kMirrorIn:
    case wire::Op::kMirrorOut:
      return true;
    default:
      return false;
  }
}

bool Gate::MayMakeWait(uint16_t op) {
  switch (static_cast<wire::Op>(op)) {
    case wire::Op::kArrayFetch:
    case wire::Op::kContextWait:
    case wire::Op::kHostFetch:
    case wire::Op::kHostFunction:
    case wire::Op::kStreamFence:
    case wire::Op::kStreamWaitEvent:
    case wire::Op::kStreamWaitValue32:
    case wire::Op::kStreamWaitValue64:
      return true;
    default:
      return false;
  }
}

bool Gate::IsAnswer(uint16_t op) {
  switch (static_cast<wire::Op>(op)) {
    case wire::Op::kHostDone:
    case wire::Op::kHostFetched:
    case wire::Op::kImagePiece:
      return true;
    default:
      return false;
  }
}

void Gate::Attach(TurnMemory grants, TurnMemory uses, Fd bell, Ring ring) {
  auto pages = std::make_unique<Pages>(Pages{.grants = std::move(grants),
                                             .uses = std::move(uses),
                                             .bell = std::move(bell),
                                             .ring = std::move(ring)});
  kept_.With([&](auto& kept) {
    kept.push_back(std::move(pages));
    pages_.store(kept.back().get(), memory_order_release);
  });
  session_.Return([] {});  // it may sleep, without this bell
}

bool Gate::AwaitPages(uint64_t patience_ns) const {
  const uint64_t until_ns = NowNs() + patience_ns;
  while (pages_.load(memory_order_acquire) == nullptr) {
    if (NowNs() > until_ns) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::nanoseconds(kPollNsMin));
  }
  return true;
}

void Gate::Detach() {
  pages_.store(nullptr, memory_order_release);
  session_.Return([] {});
}

int Gate::bell() const {
  const Pages* const pages = pages_.load(memory_order_acquire);
  return pages == nullptr ? -1 : pages->bell.get();
}

void Gate::ClearBell() const {
  uint64_t count = 0;
  static_cast<void>(!read(bell(), &count, sizeof count));
}

// New pages count from nothing, as the daemon that has made them does.
void Gate::TakeUp(Pages* pages) {
  if (pages == followed_) {
    return;
  }
  CloseRuns();
  followed_ = pages;
  kept_.With([&](auto& kept) {
    const Pages* const latest = pages_.load(memory_order_acquire);
    std::erase_if(kept, [&](const auto& one) { return one.get() != pages && one.get() != latest; });
  });
  devices_.clear();
  NoteOldest(NowNs());  // what was under way is not looked at any more
  for (size_t i = 0; i < session_.devices_count(); ++i) {
    devices_.push_back(std::make_unique<Device>(session_.driver()));
  }
}

Gate::Device* Gate::Current(size_t* index) {
  const ContextPtr& context = session_.context();
  if (context == nullptr || context->device < 0 ||
      static_cast<size_t>(context->device) >= devices_.size()) {
    return nullptr;
  }
  *index = static_cast<size_t>(context->device);
  return devices_[*index].get();
}

void Gate::CloseRuns() {
  for (const auto& device : devices_) {
    device->meter.Close(session_.context().get());
  }
}

bool Gate::AdmitByPage(const wire::MessageView& view) {
  Pages* const pages = pages_.load(memory_order_acquire);
  TakeUp(pages);
  if (!IsWork(view.op)) {
    NoteOther(view.op);
    return true;
  }
  size_t index = 0;
  if (pages == nullptr || Current(&index) == nullptr) {
    return true;  // without a context it will be refused
  }
  const GrantSlot& grant = pages->grants.grants()[index];
  const TurnMode mode = grant.mode.load(memory_order_acquire);
  const bool measured = mode != TurnMode::kOpen || watch_or_null_ != nullptr;
  const bool strict = mode != TurnMode::kOpen && grant.strict.load(memory_order_relaxed) != 0;
  if (measured && (!MayPass(*pages, index, mode) || (strict && !AnnounceStrict(*pages, index)))) {
    Hold(*pages, index, grant.mode.load(memory_order_relaxed));
    return false;
  }
  Release(*pages, index);
  command_ = measured;
  if (!measured) {
    devices_[index]->unmeasured = true;
    return true;
  }
  graph_ = view.op == static_cast<uint16_t>(wire::Op::kGraphLaunch);
  device_ = index;
  key_ = static_cast<uint64_t>(view.op) << 32 | std::bit_width(view.body.size());
  const uint64_t window_ns = grant.window_ns.load(memory_order_relaxed);
  run_ns_ = watch_or_null_ != nullptr ? 0 : std::min(window_ns / kRunParts, kRunNsMax);
  return true;
}

// Says that something is under way before it is, and looks again: the daemon says that the turn is
// over before it looks. So one of them sees the other.
bool Gate::AnnounceStrict(Pages& pages, size_t index) {
  Device& device = *devices_[index];
  const GrantSlot& grant = pages.grants.grants()[index];
  UseSlot& use = pages.uses.uses()[index];
  const uint32_t before = device.told_in_flight;
  device.told_in_flight = std::max(before, 1U);
  use.in_flight.store(device.told_in_flight, std::memory_order_seq_cst);
  if (grant.mode.load(std::memory_order_seq_cst) == TurnMode::kRun) {
    return true;
  }
  device.told_in_flight = before;
  use.in_flight.store(before, memory_order_release);
  if (before == 0) {
    pages.ring();  // the daemon may have seen it, and wait
  }
  return false;
}

// What the daemon has to wait for. Where nobody's work may be beside another's, that is also what a
// stream has not come to.
uint32_t Gate::InFlight(const Pages& pages, size_t index, const Device& device) {
  const bool strict = pages.grants.grants()[index].strict.load(memory_order_relaxed) != 0;
  const uint32_t in_flight = device.meter.in_flight();
  return strict && device.meter.any() ? std::max(in_flight, 1U) : in_flight;
}

// Tells the daemon when all that the device has is counted. In how long to look again.
uint64_t Gate::Settle(Pages& pages, size_t index) {
  Device& device = *devices_[index];
  const GrantSlot& grant = pages.grants.grants()[index];
  const uint32_t strict = grant.strict.load(memory_order_acquire);
  if (strict == device.settled) {
    return UINT64_MAX;
  }
  std::vector<DeviceActivity> activity;
  const bool open = grant.mode.load(memory_order_acquire) == TurnMode::kOpen;
  if (strict != 0 && open) {
    return kPollNsMax;  // it is about to be said that it has to wait
  }
  if (strict != 0 && device.unmeasured &&
      (!session_.LookAtActivity(&activity) || activity[index].busy)) {
    return kPollNsMax;
  }
  device.unmeasured = device.unmeasured && strict == 0;
  device.settled = strict;
  pages.uses.uses()[index].settled.store(strict, memory_order_release);
  pages.ring();
  return UINT64_MAX;
}

// What is not work may end a stream, be meant for another one, or make one wait.
void Gate::NoteOther(uint16_t op) {
  const bool may_make_wait = MayMakeWait(op);
  may_wait_ = may_wait_ || may_make_wait;
  if (!measuring_) {
    return;
  }
  for (const auto& device : devices_) {
    if (may_make_wait) {
      device->meter.Part(session_.context().get());
    } else {
      device->meter.Close(session_.context().get());
    }
  }
}

// Whoever is alone, and watched, has no end and a window all the same.
Gate::Bounds Gate::BoundsOf(const GrantSlot& grant, const Device& device, TurnMode mode) {
  if (mode == TurnMode::kOpen) {
    return {};
  }
  return {.until_ns = grant.until_ns.load(memory_order_relaxed),
          .window_ns = grant.window_ns.load(memory_order_relaxed),
          .is_over = grant.turn.load(memory_order_relaxed) == device.over_turn};
}

bool Gate::MayPass(Pages& pages, size_t index, TurnMode mode) {
  Device& device = *devices_[index];
  UseSlot& use = pages.uses.uses()[index];
  if (use.wants.load(memory_order_relaxed) == 0) {
    use.wants.store(1, memory_order_release);
  }
  device.idle_since_ns = 0;
  const Bounds bounds = BoundsOf(pages.grants.grants()[index], device, mode);
  if (mode == TurnMode::kHold || bounds.is_over) {
    return false;
  }
  const WorkMeter& meter = device.meter;
  const auto is_in_turn = [&] {
    return bounds.until_ns == UINT64_MAX || meter.used_ns() + meter.expected_ns() < bounds.until_ns;
  };
  const auto has_room = [&] { return meter.expected_ns() < bounds.window_ns && is_in_turn(); };
  if (has_room()) {
    return true;
  }
  const uint64_t now_ns = NowNs();
  device.meter.Close(session_.context().get());
  if (Look(device, now_ns)) {
    Publish(pages, index);
  }
  if (has_room() || (LeftOf(device, now_ns) < bounds.window_ns / kEarlyParts && is_in_turn())) {
    return true;
  }
  // What was measured is used up for good. What is expected may never come, or wait for this.
  return meter.used_ns() < bounds.until_ns && HasRoom(bounds, device, now_ns);
}

// What the device has still to do: it has worked on the oldest since something ended last. Of what
// is overdue nobody knows.
uint64_t Gate::LeftOf(const Device& device, uint64_t now_ns) {
  const uint64_t worked_ns = now_ns - device.progress_ns;
  const uint64_t expected_ns = device.meter.expected_ns();
  const bool is_overdue = worked_ns >= device.meter.oldest_ns();
  return is_overdue ? expected_ns : expected_ns - std::min(worked_ns, expected_ns);
}

// When to look at the oldest again, whose end is near or overdue.
uint64_t Gate::PollOf(const Device& device, uint64_t now_ns) {
  const uint64_t worked_ns = now_ns - device.progress_ns;
  const uint64_t should_ns = device.meter.oldest_ns();
  const uint64_t away_ns = worked_ns < should_ns ? should_ns - worked_ns : worked_ns - should_ns;
  return std::clamp(away_ns / kPollParts, kPollNsMin, kPollNsMax);
}

bool Gate::IsStuck(const Bounds& bounds, const Device& device, uint64_t now_ns) {
  const uint64_t expected_ns = std::max(device.meter.expected_ns(), bounds.window_ns);
  const uint64_t patience_ns = std::clamp(kStuckFactor * expected_ns, kStuckNs, kStuckNsMax);
  return device.meter.in_flight() != 0 && now_ns - device.progress_ns >= patience_ns;
}

// Something under way may wait for what is held: another stream's work, or a word that a copy
// brings. So what makes no progress is given more.
bool Gate::HasRoom(const Bounds& bounds, Device& device, uint64_t now_ns) {
  if (device.meter.in_flight() == 0) {
    return true;
  }
  if (IsStuck(bounds, device, now_ns)) {
    device.progress_ns = now_ns;
    device.stuck_room = std::min(1U << std::min(device.stuck_times++, 31U), kStuckCommandsMax);
  }
  if (device.stuck_room == 0) {
    return false;
  }
  --device.stuck_room;
  return true;
}

void Gate::Hold(Pages& pages, size_t index, TurnMode mode) {
  Device& device = *devices_[index];
  const uint64_t now_ns = NowNs();
  if (device.held_since_ns == 0) {
    device.held_since_ns = now_ns;
    device.asked_ns = 0;
    if (!std::exchange(device.backlog, true)) {
      device.backlog_from_ns = device.meter.asked_ns();
    }
    UseSlot& use = pages.uses.uses()[index];
    use.holds.store(use.holds.load(memory_order_relaxed) + 1, memory_order_relaxed);
  }
  // The daemon finds out what is wanted when it looks, and it looks when it is told to.
  if (mode == TurnMode::kHold && now_ns - device.asked_ns >= kAskAgainNs) {
    device.asked_ns = now_ns;
    pages.ring();
  }
}

void Gate::Release(Pages& pages, size_t index) {
  Device& device = *devices_[index];
  if (device.held_since_ns == 0) {
    return;
  }
  UseSlot& use = pages.uses.uses()[index];
  use.held_ns.store(use.held_ns.load(memory_order_relaxed) + NowNs() - device.held_since_ns,
                    memory_order_relaxed);
  device.held_since_ns = 0;
}

uint64_t Gate::DoneOfBacklog(const Device& device) {
  const uint64_t done_ns = device.backlog ? device.meter.asked_ns() - device.backlog_from_ns : 0;
  return done_ns < kDeepNs ? 0 : done_ns;
}

void Gate::EndBacklog(Device& device) {
  device.deep_ns += DoneOfBacklog(device);
  device.backlog = false;
}

bool Gate::Look(Device& device, uint64_t now_ns) {
  const bool any = device.meter.Look(session_.context().get(),
                                     {.now_ns = now_ns,
                                      .streams = may_wait_,
                                      .graphs = session_.host_calls()->graphs_waiting() != 0});
  if (any) {
    device.progress_ns = now_ns;
    device.stuck_times = 0;
    device.stuck_room = 0;
  }
  NoteOldest(now_ns);
  return any;
}

void Gate::NoteOldest(uint64_t now_ns) {
  if (watch_or_null_ == nullptr) {
    return;
  }
  uint64_t oldest_ns = UINT64_MAX;
  bool given = false;
  for (const auto& device : devices_) {
    const uint64_t begun_ns = device->meter.begun_ns();
    oldest_ns = begun_ns == 0 ? oldest_ns : std::min(oldest_ns, begun_ns);
    given = given || device->meter.in_flight() != 0;
  }
  watch_or_null_->Note(oldest_ns == UINT64_MAX ? 0 : oldest_ns, now_ns, given);
}

void Gate::TellWatch() {
  if (measuring_ && watch_or_null_ != nullptr && watch_or_null_->IsDue(NowNs())) {
    Tend();
  }
}

void Gate::BeginCommand(CUstream stream) {
  if (begun_ || session_.RecordingOn(stream) != nullptr) {
    return;
  }
  Device& device = *devices_[device_];
  if (device.meter.in_flight() == 0) {
    device.progress_ns = NowNs();
  }
  begun_ = true;
  device.meter.Begin(session_.context(), stream);
}

void Gate::EndCommand() {
  command_ = false;
  if (!std::exchange(begun_, false)) {
    return;
  }
  Device& device = *devices_[device_];
  device.meter.End(key_, run_ns_, graph_);
  measuring_ = true;
  if (watch_or_null_ != nullptr) {
    watch_or_null_->NoteGiven(NowNs());
  }
  // The daemon must not believe that a device is free which is not.
  device.told_in_flight = device.meter.in_flight();
  if (followed_ != nullptr) {
    device.told_in_flight = InFlight(*followed_, device_, device);
    followed_->uses.uses()[device_].in_flight.store(device.told_in_flight, memory_order_release);
  }
}

void Gate::Publish(Pages& pages, size_t index) {
  Device& device = *devices_[index];
  UseSlot& use = pages.uses.uses()[index];
  use.commands.store(device.meter.commands(), memory_order_relaxed);
  use.deep_ns.store(device.deep_ns + DoneOfBacklog(device), memory_order_relaxed);
  use.asked_ns.store(device.meter.asked_ns(), memory_order_relaxed);
  use.used_ns.store(device.meter.used_ns(), memory_order_release);
  device.told_in_flight = InFlight(pages, index, device);
  use.in_flight.store(device.told_in_flight, memory_order_release);
}

uint64_t Gate::Tend() {
  Pages* const pages = pages_.load(memory_order_acquire);
  TakeUp(pages);
  if (pages == nullptr) {
    measuring_ = false;
    return UINT64_MAX;
  }
  uint64_t next_ns = UINT64_MAX;
  measuring_ = false;
  for (size_t index = 0; index < devices_.size(); ++index) {
    next_ns = std::min({next_ns, Settle(*pages, index), TendDevice(*pages, index)});
    measuring_ = measuring_ || devices_[index]->meter.any();
  }
  return next_ns;
}

uint64_t Gate::TendDevice(Pages& pages, size_t index) {
  Device& device = *devices_[index];
  const GrantSlot& grant = pages.grants.grants()[index];
  const UseSlot& use = pages.uses.uses()[index];
  const TurnMode mode = grant.mode.load(memory_order_acquire);
  const bool held = device.held_since_ns != 0;
  if (!held) {
    EndBacklog(device);
  }
  if (!device.meter.any() && !held && use.wants.load(memory_order_relaxed) == 0) {
    return UINT64_MAX;
  }
  const uint64_t now_ns = NowNs();
  device.meter.Close(session_.context().get());
  Look(device, now_ns);
  const bool was_told_of = device.told_in_flight != 0;
  Publish(pages, index);
  if (device.meter.in_flight() == 0) {
    if (mode == TurnMode::kHold && was_told_of && device.told_in_flight == 0) {
      pages.ring();  // it is waited for
    }
    const uint64_t idle_ns = held ? TendHeld(pages, index) : TendIdle(pages, index, now_ns);
    return device.meter.any() ? std::min(idle_ns, kPollWaitingNs) : idle_ns;
  }
  if (held && mode != TurnMode::kHold && IsStuck(BoundsOf(grant, device, mode), device, now_ns)) {
    TendHeld(pages, index);
  }
  const bool is_awaited =
      held || mode == TurnMode::kHold || grant.others.load(memory_order_relaxed) != 0;
  return is_awaited ? PollOf(device, now_ns) : kPollUnawaitedNs;
}

// Something is held, though the device does nothing of ours, or gets on with nothing.
uint64_t Gate::TendHeld(Pages& pages, size_t index) {
  const Device& device = *devices_[index];
  const GrantSlot& grant = pages.grants.grants()[index];
  const bool is_over = grant.turn.load(memory_order_relaxed) == device.over_turn;
  const TurnMode mode = grant.mode.load(memory_order_acquire);
  if (mode == TurnMode::kHold || (mode == TurnMode::kRun && is_over)) {
    return kAskAgainNs;
  }
  if (mode == TurnMode::kRun &&
      device.meter.used_ns() >= grant.until_ns.load(memory_order_relaxed)) {
    GiveBack(pages, index);
    return kAskAgainNs;
  }
  return 0;  // it may pass now
}

// The device has nothing of ours, and nothing is held.
uint64_t Gate::TendIdle(Pages& pages, size_t index, uint64_t now_ns) {
  Device& device = *devices_[index];
  const GrantSlot& grant = pages.grants.grants()[index];
  UseSlot& use = pages.uses.uses()[index];
  if (grant.mode.load(memory_order_acquire) == TurnMode::kRun &&
      grant.others.load(memory_order_relaxed) != 0) {
    if (device.idle_since_ns == 0) {
      device.idle_since_ns = now_ns;
    }
    if (now_ns - device.idle_since_ns < kLingerNs) {
      return kLingerNs - (now_ns - device.idle_since_ns);
    }
    use.wants.store(0, memory_order_release);
    GiveBack(pages, index);
    return UINT64_MAX;
  }
  use.wants.store(0, memory_order_release);
  return UINT64_MAX;
}

void Gate::GiveBack(Pages& pages, size_t index) {
  Device& device = *devices_[index];
  const uint64_t turn = pages.grants.grants()[index].turn.load(memory_order_relaxed);
  if (device.over_turn == turn) {
    return;
  }
  device.over_turn = turn;
  pages.uses.uses()[index].over_turn.store(turn, memory_order_release);
  pages.ring();
}

void Gate::Forget(const ContextPtr& context) {
  for (const auto& device : devices_) {
    device->meter.Forget(context);
  }
}

}  // namespace farlane::server
