// SPDX-License-Identifier: Apache-2.0
// What every process that the daemon forks does first.
#pragma once

#include <sys/types.h>

#include "protocol/base/fd.h"

namespace farlane::server {

// Nothing that earlier calls have left below the stack's end stays there: before a fork, so that
// the child does not get it, and behind secrets. What was wiped where it lay may still have been in
// a register that another call has put there.
void WipeUnusedStack();

// Leaves nothing of the daemon's in this process but its memory: other clients' sockets, the
// listener and everything else is closed, and the daemon's death is this process's. Returns the
// socket to the daemon, the only descriptor besides the standard ones. `name` is for lists of
// processes.
Fd BecomeChild(Fd control, pid_t daemon, const char* name);

// From now on the process outlives the daemon.
void OutliveDaemon();

}  // namespace farlane::server
