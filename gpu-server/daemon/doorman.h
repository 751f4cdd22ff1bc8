// SPDX-License-Identifier: Apache-2.0
// The doorman is a process beside the daemon that has the private key of the server: it meets
// clients that come under TLS, proves who the server is, reads their hellos and hands each over,
// with the keys of its connection, to the worker that the daemon has chosen. Workers execute
// clients' commands, so they must not have the server's key; and what a stranger does in a
// handshake costs no worker.
#pragma once

#include <sys/types.h>

#include "protocol/base/fd.h"
#include "protocol/transport/tls.h"

namespace farlane::server {

// The life of the doorman, in the process that was forked for it. `inherited` leads to the daemon.
[[noreturn]] void RunDoorman(Fd inherited,
                             pid_t daemon,
                             const transport::TlsServerSettings& settings);

}  // namespace farlane::server
