// SPDX-License-Identifier: Apache-2.0
// Engines are what a modelled device works with: one for kernels, one for copies in each direction.
// All processes that share the device share them. An engine has one piece of work at a time, and
// goes on with the one that has been ready for longest.
//
// Time here is the device's: an engine's clock says when it becomes free, to the nanosecond, and
// its next work begins there if it was ready then, whenever this machine has woken the thread that
// waits for it. So no time is lost or won by late threads, and nobody burns a processor.
//
// The clocks lie in the file of the devices' frames, beside what is about safety and apart from it:
// whoever spoils them spoils times. They are changed by system calls only, under a lock that the
// kernel takes from whoever dies; an engine that a dead process has is free at once.
#pragma once

#include <cstdint>
#include <memory>

#include "protocol/base/guarded.h"
#include "soft-gpu/device/busy_log.h"
#include "soft-gpu/device/device_model.h"
#include "soft-gpu/device/frame_file.h"

namespace farlane::soft {

// The engines of one device.
// Thread: any, guarded by a lock on the file, which other processes take as well.
class Engines {
 public:
  // `log_or_null` is shared with the other devices' engines.
  Engines(std::shared_ptr<FrameFile> file,
          uint32_t device,
          std::shared_ptr<const BusyLog> log_or_null)
      : device_(device), log_(std::move(log_or_null)), file_(std::move(file)) {}

  // Waits until an engine takes up work that has been ready since then, by the device's clock; when
  // it will be done with it.
  uint64_t Begin(const EngineLoad& load, uint64_t ready_ns);
  // Waits until that has come.
  void End(const EngineLoad& load, uint64_t end_ns);

 private:
  // More wait at the same time than are kept in order: the others come when they come.
  static constexpr uint32_t kWaitersMax = 128;

  struct Occupation;
  struct Waiter;
  struct State;
  struct Wish;
  struct Queue;
  class Turn;

  static const State& StateOf(const FrameFile& file, uint32_t device, Engine engine);
  // When to look again; 0: the engine has taken the work up.
  uint64_t TakeUp(FrameFile& file, const EngineLoad& load, Wish* wish) const;
  void FreeOfTheDead(FrameFile& file, Engine engine, uint64_t now_ns) const;
  static Queue QueueBefore(FrameFile& file, const State& state, const Wish& wish);
  static void Enter(FrameFile& file, const State& state, Wish* wish);
  void Note(FrameFile& file, Engine engine, const Occupation& occupation) const;

  const uint32_t device_;
  const std::shared_ptr<const BusyLog> log_;
  Guarded<std::shared_ptr<FrameFile>> file_;  // shared with the devices' frames; a lock on it is
                                              // all threads' of this process
};

}  // namespace farlane::soft
