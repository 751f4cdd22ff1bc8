// SPDX-License-Identifier: Apache-2.0
// The caretaker is a process that looks after the devices' health: it loads the NVML that belongs
// to the driver, asks it once a second, and tells the daemon what has changed. The daemon itself
// loads nothing of a driver, since its workers are forked from it.
#pragma once

#include <string>

#include <sys/types.h>

#include "protocol/base/fd.h"

namespace farlane::server {

// What a child process does instead of returning. `library` is the path of the NVML.
[[noreturn]] void RunCaretaker(Fd inherited, pid_t daemon, const std::string& library);

}  // namespace farlane::server
