// SPDX-License-Identifier: Apache-2.0
// WorkMeter measures how long one device works for the client: runs of commands on a stream stand
// between two events, and what the events say is charged when the device is done with them. Work of
// several streams at a time is charged once. Until then it counts as what such commands took
// before.
//
// A stream may have to wait before it comes to a run: for the program, for a word, for another
// stream. Such a run is not under way, and is no reason to hold back what it may be waiting for.
//
// A run that follows another begins where that one ended, or when its first command was given if
// that was later: a driver may be late to tell of an end, and what a device does not do in between
// is not charged.
//
// Between the commands of a run nothing of another stream reaches the driver, so the events order
// nothing that is not ordered without them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "gpu-server/session/context_state.h"
#include "gpu-server/session/device_clock.h"
#include "protocol/base/clock.h"

namespace farlane::server {

// Thread: the dispatch thread.
class WorkMeter {
 public:
  // What a command takes that was never seen: so much that none is given ahead of it.
  static constexpr uint64_t kUnknownNs = 1'000'000;
  // A stream that waits for nothing comes to what it is given within so long.
  static constexpr uint64_t kBeginNs = 1'000'000;

  // What time it is, in nanoseconds.
  using Clock = uint64_t (*)();

  explicit WorkMeter(const DriverTable& driver, Clock clock = NowNs)
      : driver_(driver), clock_(clock) {}

  WorkMeter(const WorkMeter&) = delete;
  WorkMeter& operator=(const WorkMeter&) = delete;

  // A command is about to be given to a stream; the context is current.
  void Begin(const ContextPtr& context, CUstream stream);
  // It has been. Commands of one key take about the same time. A run ends when it takes longer than
  // `run_ns`. `graph`: it may wait while it is worked on, see Look.
  void End(uint64_t key, uint64_t run_ns, bool graph = false);
  // Ends the run that is open, before anything else reaches the driver. `current` is the current
  // context, or null.
  void Close(const ContextState* current);
  // As Close. What reaches the driver may make a stream wait, and that is not measured: the next
  // run begins with an event of its own.
  void Part(const ContextState* current);

  // What the caller knows of waits.
  struct Waits {
    uint64_t now_ns = 0;
    bool streams = false;  // a stream may have been made to wait
    bool graphs = false;   // a graph waits for the program now
  };

  // Charges what is done, and finds out what waits. True when anything was done, or has begun.
  bool Look(const ContextState* current, const Waits& waits);
  // A context is about to go, with what is under way in it.
  void Forget(const ContextPtr& context);

  // Commands that the device may be working on, and what they are expected to take.
  uint32_t in_flight() const { return in_flight_; }

  uint64_t expected_ns() const { return expected_ns_; }

  // Whether the driver has anything that is not known to be done, waiting or not.
  bool any() const { return open_.has_value() || !runs_.empty(); }

  // What is expected of the oldest run that is under way.
  uint64_t oldest_ns() const { return runs_.empty() ? 0 : runs_.front().expected_ns; }

  // Since when the oldest run that is under way was seen to be worked on, with no older one beside
  // it, which might have held it up; 0: none is.
  uint64_t begun_ns() const { return begun_ns_; }

  uint64_t used_ns() const { return used_ns_; }

  // Of that, what such commands take when nothing else is on the device: no more than they were
  // seen to take, and less where others' work has made them look long.
  uint64_t asked_ns() const { return asked_ns_; }

  uint64_t commands() const { return commands_; }

 private:
  // More kinds of commands than a program has; beyond them all are forgotten.
  static constexpr size_t kKeysMax = 4096;
  static constexpr size_t kRunCommandsMax = 64;
  // Events tell times in milliseconds as a float: after so long another one is the beginning.
  static constexpr int64_t kBaseNsMax = 500'000'000;

  struct Command {
    uint64_t key = 0;
    uint64_t expected_ns = 0;
  };

  struct Run {
    ContextPtr context;
    CUstream stream = nullptr;
    std::shared_ptr<PooledEvent> begin;  // shared with the run before it, which ended there
    std::shared_ptr<PooledEvent> end;
    std::vector<Command> commands;
    uint64_t expected_ns = 0;
    bool begin_is_own = false;  // ... or was recorded for this one
    uint64_t given_ns = 0;      // when its first command came
    uint64_t seen_ns = 0;       // when a Look saw it first; 0: none has
    bool graph = false;
    uint64_t begun_ns = 0;  // since when it was seen to be worked on as the oldest; 0: it was not
    bool begun = false;     // the stream has come to it
    bool waits = false;     // ... or waits for something before it, or in it
  };

  // When a run was worked on, in nanoseconds from the base.
  struct Times {
    int64_t begin_ns = 0;
    int64_t end_ns = 0;
  };

  // A stream whose first run of those that are not done has been looked at.
  struct Lane {
    const ContextState* context = nullptr;
    CUstream stream = nullptr;
    bool waits = false;
  };

  bool FollowsTheLast(const ContextPtr& context, CUstream stream) const;
  bool IsDone(const ContextState* current, const Run& run);
  bool IsWaiting(const ContextState* current, Run& run, const Waits& waits, bool* any);
  void NoteOldest(uint64_t now_ns);
  bool IsBehindAWait(const ContextState* context, CUstream stream) const;
  void Count();
  uint64_t Expected(uint64_t key) const;
  void Charge(const Run& run);
  uint64_t Measure(const Run& run);
  std::optional<Times> TimesOf(const Run& run);
  void Learn(const Run& run, uint64_t took_ns);

  const DriverTable& driver_;
  const Clock clock_;
  DeviceClock device_clock_;  // from the base
  std::optional<Run> open_;
  bool begun_ = false;  // a command is between Begin and End
  bool apart_ = false;  // something else has come after the last run
  std::deque<Run> runs_;
  std::vector<Lane> lanes_;                         // of one Look
  std::unordered_map<uint64_t, uint64_t> took_ns_;  // by key
  ContextPtr base_context_;
  std::shared_ptr<PooledEvent> base_;  // from which times are counted
  int64_t covered_ns_ = 0;             // up to there all is charged
  uint64_t begun_ns_ = 0;
  uint32_t in_flight_ = 0;
  uint64_t expected_ns_ = 0;
  uint64_t used_ns_ = 0;
  uint64_t asked_ns_ = 0;
  uint64_t commands_ = 0;
};

}  // namespace farlane::server
