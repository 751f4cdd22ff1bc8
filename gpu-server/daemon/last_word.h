// SPDX-License-Identifier: Apache-2.0
// The last word is what a worker tells its client before it ends itself because of a command that
// takes too long: a driver cannot end a command, but with its process. Every call of the program
// returns that from then on, as it would on a GPU with such a limit.
#pragma once

#include "gpu-server/session/command_watch.h"
#include "gpu-server/session/outbox.h"

namespace farlane::server {

// A client that does not take it is not waited for longer: others wait for the device.
inline constexpr uint64_t kLastWordNs = 100'000'000;

// Says so, waits until the client's machine has it, and ends the process. Any thread.
[[noreturn]] void EndWithLastWord(Outbox& outbox, int socket, const CommandWatch& watch);

// Starts a thread that does so if the dispatch thread has stopped looking. All of them must stay
// for as long as the process lives.
void WatchDispatch(Outbox& outbox, int socket, const CommandWatch& watch);

}  // namespace farlane::server
