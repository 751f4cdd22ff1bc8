// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/tls_pass.h"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>

#include "protocol/base/clock.h"

namespace farlane::server {
namespace {

// The doorman has it at hand; a machine may be busy.
constexpr uint64_t kPatienceNs = 5'000'000'000;

}  // namespace

Result<PassPipe> MakePassPipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "no pipe for the keys of a connection", errno);
  }
  return PassPipe{.worker = Fd(ends[0]), .doorman = Fd(ends[1])};
}

bool GivePass(int pipe, const TlsPass& pass) {
  return write(pipe, &pass, sizeof pass) == static_cast<ssize_t>(sizeof pass);
}

Status TakePass(int pipe, TlsPass* pass) {
  const uint64_t until = NowNs() + kPatienceNs;
  while (true) {
    const ssize_t got = read(pipe, pass, sizeof *pass);  // written at once, so it comes at once
    if (got == static_cast<ssize_t>(sizeof *pass)) {
      return Status::Ok();
    }
    const uint64_t now = NowNs();
    if (got >= 0 || (errno != EAGAIN && errno != EINTR) || now >= until) {
      return Status(StatusCode::kUnavailable, "the keys of a client's connection do not come");
    }
    pollfd waiting{.fd = pipe, .events = POLLIN, .revents = 0};
    poll(&waiting, 1, static_cast<int>((until - now) / 1'000'000) + 1);
  }
}

}  // namespace farlane::server
