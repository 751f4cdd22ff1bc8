// SPDX-License-Identifier: Apache-2.0
// Gate lets the client's commands through to the device when it is this worker's turn, and no more
// at a time than the turn allows. What it does not let through stays in front of it, in the order
// in which it came: nothing that the driver has is ever taken back.
//
// Whoever is alone on a GPU passes by one look at a page of memory, and is not measured.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "gpu-server/arbiter/turn_page.h"
#include "gpu-server/session/command_watch.h"
#include "gpu-server/session/work_meter.h"
#include "protocol/base/guarded.h"
#include "protocol/wire/messages.h"

namespace farlane::server {

class ClientSession;

// Thread: the dispatch thread, except where a function says otherwise.
class Gate {
 public:
  // Makes the daemon look at this worker's page. Any thread.
  using Ring = std::function<void()>;

  // Without work and with others waiting, a turn is kept for so long: the client may just be
  // thinking.
  static constexpr uint64_t kLingerNs = 250'000;
  // The device is taken to wait for something that is held when nothing ends for so long, and for
  // several times longer than expected; but not for ever, since what waited before is expected to
  // wait again. Each time twice as much is let through, and no more than this at once.
  static constexpr uint64_t kStuckNs = 50'000'000;
  static constexpr uint64_t kStuckNsMax = 500'000'000;
  static constexpr uint64_t kStuckFactor = 8;
  static constexpr uint32_t kStuckCommandsMax = 1024;
  // More is waiting than a program sends that waits for its end at once, if so much was done while
  // something always waited.
  static constexpr uint64_t kDeepNs = 1'000'000;
  // How often to look for what is not told.
  static constexpr uint64_t kPollNsMin = 50'000;
  static constexpr uint64_t kPollNsMax = 500'000;
  static constexpr uint64_t kPollUnawaitedNs = 5'000'000;
  static constexpr uint64_t kPollWaitingNs = 20'000'000;
  static constexpr uint64_t kAskAgainNs = 100'000'000;
  // Of whoever is alone, the device is given so much ahead where commands are watched: a launch
  // must not have to wait in the driver for room.
  static constexpr uint64_t kWatchedWindowNs = 1'000'000;

  explicit Gate(ClientSession& session);

  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // The pages to follow from now on. Any thread.
  void Attach(TurnMemory grants, TurnMemory uses, Fd bell, Ring ring);
  // Waits until there are pages; false where none come in so long. Before anything is admitted.
  bool AwaitPages(uint64_t patience_ns) const;
  // There is nobody any more who would give turns: all pass. Any thread.
  void Detach();

  // Measures each command by itself from now on, also of whoever is alone, and tells the watch,
  // which outlives the gate. Before anything is admitted.
  void Watch(CommandWatch* watch) { watch_or_null_ = watch; }

  // For a dispatch thread that has much to do: tells the watch if that is due.
  void TellWatch();

  // Whether a command has taken longer than the watch allows.
  bool is_overdue() const { return watch_or_null_ != nullptr && watch_or_null_->WasOverdue(); }

  // Whether a message gives the device work.
  static bool IsWork(uint16_t op);
  // Whether a message may make a stream wait for something else than what it has been given.
  static bool MayMakeWait(uint16_t op);
  // Whether a message only says that the client has done what it was asked for. Nobody who waits
  // for it waits for what was sent before it, and it is never held.
  static bool IsAnswer(uint16_t op);

  // Whether the message may be carried out now. One that may not is to be asked about again.
  bool Admit(const wire::MessageView& view) {
    if (pages_.load(std::memory_order_acquire) == nullptr && !measuring_) {
      return true;
    }
    return AdmitByPage(view);
  }

  // The message that was admitted is about to give this stream work; the context is current.
  void NoteStream(CUstream stream) {
    if (command_) {
      BeginCommand(stream);
    }
  }

  // ... and other messages with this key take as long.
  void NoteKey(uint64_t key) { key_ = key; }

  // A stream has been made to wait for another one.
  void NoteWait() { may_wait_ = true; }

  // The message has been carried out.
  void Done() {
    if (command_) {
      EndCommand();
    }
  }

  // Before the dispatch thread sleeps, and whenever it has nothing to do. In how many nanoseconds
  // this is to be called again; UINT64_MAX: whenever something happens.
  uint64_t Tend();

  // Rings when there is something new; -1: never.
  int bell() const;
  void ClearBell() const;

  void Forget(const ContextPtr& context);

 private:
  struct Pages {
    TurnMemory grants;
    TurnMemory uses;
    Fd bell;
    Ring ring;
  };

  struct Device {
    explicit Device(const DriverTable& driver) : meter(driver) {}

    WorkMeter meter;
    uint64_t progress_ns = 0;      // when something ended last, or began after nothing
    uint32_t stuck_times = 0;      // since then
    uint32_t stuck_room = 0;       // commands that are let through all the same
    uint64_t held_since_ns = 0;    // 0: nothing is held
    bool backlog = false;          // something has been held, and after it something else
    uint64_t backlog_from_ns = 0;  // what had been asked for when that began
    uint64_t deep_ns = 0;          // what was done of such backlogs as are over
    uint64_t asked_ns = 0;         // when the daemon was asked for a turn
    uint64_t idle_since_ns = 0;
    uint64_t over_turn = 0;
    uint32_t told_in_flight = 0;
    bool unmeasured = true;  // the device may have work that was let through without being counted
    uint32_t settled = 0;    // see UseSlot
  };

  // What a page allows.
  struct Bounds {
    uint64_t until_ns = UINT64_MAX;
    uint64_t window_ns = kWatchedWindowNs;
    bool is_over = false;  // the turn has been given back
  };

  static Bounds BoundsOf(const GrantSlot& grant, const Device& device, TurnMode mode);
  bool AdmitByPage(const wire::MessageView& view);
  bool MayPass(Pages& pages, size_t index, TurnMode mode);
  static bool HasRoom(const Bounds& bounds, Device& device, uint64_t now_ns);
  static uint64_t LeftOf(const Device& device, uint64_t now_ns);
  static uint64_t PollOf(const Device& device, uint64_t now_ns);
  static bool IsStuck(const Bounds& bounds, const Device& device, uint64_t now_ns);
  void Hold(Pages& pages, size_t index, TurnMode mode);
  void Release(Pages& pages, size_t index);
  static uint64_t DoneOfBacklog(const Device& device);
  static void EndBacklog(Device& device);
  bool Look(Device& device, uint64_t now_ns);
  bool AnnounceStrict(Pages& pages, size_t index);
  uint64_t Settle(Pages& pages, size_t index);
  static uint32_t InFlight(const Pages& pages, size_t index, const Device& device);
  void NoteOldest(uint64_t now_ns);
  void Publish(Pages& pages, size_t index);
  uint64_t TendDevice(Pages& pages, size_t index);
  uint64_t TendIdle(Pages& pages, size_t index, uint64_t now_ns);
  uint64_t TendHeld(Pages& pages, size_t index);
  void GiveBack(Pages& pages, size_t index);
  void TakeUp(Pages* pages);
  void CloseRuns();
  void NoteOther(uint16_t op);
  void BeginCommand(CUstream stream);
  void EndCommand();
  Device* Current(size_t* index);

  ClientSession& session_;
  std::atomic<Pages*> pages_ = nullptr;
  // The dispatch thread may still look at former ones.
  Guarded<std::vector<std::unique_ptr<Pages>>> kept_;
  Pages* followed_ = nullptr;
  std::vector<std::unique_ptr<Device>> devices_;
  CommandWatch* watch_or_null_ = nullptr;
  bool measuring_ = false;  // a device has runs that are to be looked at
  bool may_wait_ = false;   // streams may wait for something else than work
  bool command_ = false;    // the message that is carried out is measured
  bool graph_ = false;      // ... and is a graph
  bool begun_ = false;
  size_t device_ = 0;  // ... on this device
  uint64_t key_ = 0;
  uint64_t run_ns_ = 0;
};

}  // namespace farlane::server
