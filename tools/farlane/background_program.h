// SPDX-License-Identifier: Apache-2.0
// BackgroundProgram is one of our daemons that runs for as long as this process does, however that
// ends. It says when it is ready, and is told to end by the end of a pipe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "tools/farlane/signal_inbox.h"

namespace farlane::cli {

struct BackgroundPlan {
  std::string name;                    // for people: "the private server"
  std::vector<std::string> arguments;  // --ready-fd and --watch-fd come behind them
  size_t lines_count = 1;              // that say "ready"
};

// Thread: main.
class BackgroundProgram {
 public:
  // Returns when the program has said that it is ready. A signal that asks this process to end, if
  // there is an `inbox`, ends the waiting: `*interrupted_by` then holds its number.
  static Result<BackgroundProgram> Start(const BackgroundPlan& plan,
                                         SignalInbox* inbox,
                                         int* interrupted_by);

  BackgroundProgram(BackgroundProgram&& other) noexcept;
  BackgroundProgram& operator=(BackgroundProgram&&) = delete;
  ~BackgroundProgram();

  // What it has said when it was ready.
  const std::vector<std::string>& lines() const { return lines_; }

  // How it ended, the first time this is asked after that happened.
  std::optional<std::string> TakeEnd();

 private:
  BackgroundProgram(pid_t pid, Fd watch) : pid_(pid), watch_(std::move(watch)) {}

  Status AwaitReady(const BackgroundPlan& plan, int ready, SignalInbox* inbox, int* interrupted_by);
  bool GoneWithin(uint64_t timeout_ns);

  pid_t pid_ = -1;
  Fd watch_;  // the program ends when this closes
  std::vector<std::string> lines_;
};

}  // namespace farlane::cli
