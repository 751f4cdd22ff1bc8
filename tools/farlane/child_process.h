// SPDX-License-Identifier: Apache-2.0
// Starts another program in such a way that it cannot outlive this process, and says for certain
// whether the program was executed: an exit code alone could be the program's own.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>
#include <sys/types.h>

#include "protocol/base/result.h"

namespace farlane::cli {

// A variable and its value in the child; no value takes the variable away.
using Setting = std::pair<std::string, std::optional<std::string>>;

struct ChildPlan {
  std::vector<std::string> arguments;  // the first one is looked up in PATH
  std::vector<Setting> settings;
  int death_signal = SIGKILL;      // what the kernel sends it when this process dies
  const sigset_t* mask = nullptr;  // signals blocked in the child; null: as here
  bool background = false;         // away from the terminal, without our stdin and stdout
  std::vector<int> inherited;      // descriptors that a background child keeps
  int output = -1;                 // what its standard output is; -1: ours
};

// One of both: the child runs, or `exec_error` says why its program could not be executed.
struct Started {
  pid_t pid = -1;
  int exec_error = 0;
};

// Must be called in a process of one thread.
Result<Started> StartChild(const ChildPlan& plan);

// "exit code 3" or "signal 9 (Killed)", from what waitpid gave.
std::string DescribeEnd(int wait_status);

}  // namespace farlane::cli
