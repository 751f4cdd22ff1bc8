// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/output_pipe.h"

#include <cstdio>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "protocol/base/log.h"
#include "protocol/wire/messages.h"

namespace farlane::server {
namespace {

constexpr size_t kReadBytes = 64_KiB;     // what a pipe holds by default
constexpr size_t kDrainBytesMax = 4_MiB;  // a kernel that prints for ever does not stop the others

}  // namespace

void OutputPipe::Catch() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    LogWarn("what kernels print will not reach their clients: no pipe");
    return;
  }
  const Fd writing(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  fflush(stdout);
  dup2(writing.get(), STDOUT_FILENO);
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  fd_ = ends[0];
  reading_.With([this](Fd& reading) { reading = Fd(fd_); });
}

void OutputPipe::Drain(Outbox& outbox) {
  if (fd_ < 0) {
    return;
  }
  fflush(stdout);  // a driver that uses our C library leaves its lines in there
  reading_.With([&outbox](Fd& reading) {
    std::vector<std::byte> text(kReadBytes);
    size_t total = 0;
    while (total < kDrainBytesMax) {
      const ssize_t got = read(reading.get(), text.data(), text.size());
      if (got <= 0) {
        return;
      }
      total += static_cast<size_t>(got);
      outbox.Append(wire::Output{.descriptor = STDOUT_FILENO,
                                 .data = ConstBytes(text.data(), static_cast<size_t>(got))});
    }
  });
}

}  // namespace farlane::server
