// SPDX-License-Identifier: Apache-2.0
// WorkMeter measures how long one device works for the client: runs of commands on a stream stand
// between two events, and what the events say is charged when the device is done with them. Work of
// several streams at a time is charged once. Until then it counts as what such commands took
// before.
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

namespace farlane::server {

// Thread: the dispatch thread.
class WorkMeter {
 public:
  // What a command takes that was never seen: so much that none is given ahead of it.
  static constexpr uint64_t kUnknownNs = 1'000'000;

  explicit WorkMeter(const DriverTable& driver) : driver_(driver) {}

  WorkMeter(const WorkMeter&) = delete;
  WorkMeter& operator=(const WorkMeter&) = delete;

  // A command is about to be given to a stream; the context is current.
  void Begin(const ContextPtr& context, CUstream stream);
  // It has been. Commands of one key take about the same time. A run ends when it takes longer than
  // `run_ns`.
  void End(uint64_t key, uint64_t run_ns);
  // Ends the run that is open, before anything else reaches the driver. `current` is the current
  // context, or null.
  void Close(const ContextState* current);
  // Charges what is done. True when anything was.
  bool Look(const ContextState* current);
  // A context is about to go, with what is under way in it.
  void Forget(const ContextPtr& context);

  // Commands that are not known to be done, and what they are expected to take.
  uint32_t in_flight() const { return in_flight_; }

  uint64_t expected_ns() const { return expected_ns_; }

  // What is expected of the oldest run that is under way.
  uint64_t oldest_ns() const { return runs_.empty() ? 0 : runs_.front().expected_ns; }

  uint64_t used_ns() const { return used_ns_; }

  uint64_t commands() const { return commands_; }

 private:
  // More kinds of commands than a program has; beyond them all are forgotten.
  static constexpr size_t kKeysMax = 4096;
  static constexpr size_t kRunCommandsMax = 64;
  // Events tell times in milliseconds as a float: after so long another one is the beginning.
  static constexpr double kBaseMsMax = 500;

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
  };

  uint64_t Expected(uint64_t key) const;
  void Charge(const Run& run);
  uint64_t Measure(const Run& run);
  void Learn(const Run& run, uint64_t took_ns);

  const DriverTable& driver_;
  std::optional<Run> open_;
  bool begun_ = false;  // a command is between Begin and End
  std::deque<Run> runs_;
  std::unordered_map<uint64_t, uint64_t> took_ns_;  // by key
  ContextPtr base_context_;
  std::shared_ptr<PooledEvent> base_;  // from which times are counted
  double covered_ms_ = 0;              // up to there all is charged
  uint32_t in_flight_ = 0;
  uint64_t expected_ns_ = 0;
  uint64_t used_ns_ = 0;
  uint64_t commands_ = 0;
};

}  // namespace farlane::server
