// SPDX-License-Identifier: Apache-2.0
// Runs the user's command as if the wrapper were not there: signals reach it, it can be stopped and
// continued from the shell, its descriptors are untouched, and its exit code is handed on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/farlane/child_process.h"
#include "tools/farlane/signal_inbox.h"

namespace farlane::cli {

// Whether the command was told to end by a signal that came to this process.
struct CommandEnd {
  int code = 0;
  bool was_told = false;
};

// `on_child_change` is called when some other child of this process may have ended. Returns the
// exit code to end with.
int RunCommand(const std::vector<std::string>& command,
               const std::vector<Setting>& settings,
               SignalInbox& inbox,
               const std::function<void()>& on_child_change);

// The same, and who wanted it to end.
CommandEnd RunCommandOnce(const std::vector<std::string>& command,
                          const std::vector<Setting>& settings,
                          SignalInbox& inbox,
                          const std::function<void()>& on_child_change);

}  // namespace farlane::cli
