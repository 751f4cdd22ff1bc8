// SPDX-License-Identifier: Apache-2.0
// TlsPass is what a worker needs to serve a client that came under TLS: the keys of the connection
// as the doorman leaves it, and the hello that was read already. It goes from the doorman to the
// worker through a pipe; the daemon only lays the pipe, so that it never has anybody's keys and
// gives none to the workers it forks.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "protocol/transport/tls.h"
#include "protocol/wire/hello.h"

namespace farlane::server {

// Immutable once read.
struct TlsPass {
  transport::TlsState state;
  wire::ClientHello hello;
};

struct PassPipe {
  Fd worker;
  Fd doorman;
};

Result<PassPipe> MakePassPipe();

// Never waits: a new pipe has room.
bool GivePass(int pipe, const TlsPass& pass);
// Waits for the doorman, but not for long.
Status TakePass(int pipe, TlsPass* pass);

}  // namespace farlane::server
