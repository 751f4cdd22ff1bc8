// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/output_pipe.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "protocol/base/log.h"
#include "protocol/wire/messages.h"

// The sanitizers' runtime, in builds that have one: its reports belong to the log, not to a client.
extern "C" [[gnu::weak]] void __sanitizer_set_report_fd(void* descriptor);

namespace farlane::server {
namespace {

constexpr size_t kReadBytes = 64_KiB;     // what a pipe holds by default
constexpr size_t kDrainBytesMax = 4_MiB;  // a kernel that prints for ever does not stop the others

constexpr int kStandard[OutputPipe::kDescriptors] = {STDOUT_FILENO, STDERR_FILENO};

// The log keeps a way to where standard error led.
void MoveLog() {
  const int log = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (log < 0) {
    return;
  }
  SetLogDescriptor(log);
  setenv("FARLANE_LOG_FD", std::to_string(log).c_str(), 1);  // for a driver that is ours
  if (__sanitizer_set_report_fd != nullptr) {
    __sanitizer_set_report_fd(reinterpret_cast<void*>(static_cast<intptr_t>(log)));
  }
}

// Calls `take` with each piece that can be read without waiting.
template <typename Take>
void ReadAll(const Fd& from, Take&& take) {
  std::vector<std::byte> text(kReadBytes);
  for (size_t total = 0; total < kDrainBytesMax;) {
    const ssize_t got = read(from.get(), text.data(), text.size());
    if (got <= 0) {
      return;
    }
    total += static_cast<size_t>(got);
    take(ConstBytes(text.data(), static_cast<size_t>(got)));
  }
}

}  // namespace

void OutputPipe::Catch() {
  MoveLog();
  fflush(stdout);
  for (size_t i = 0; i < kDescriptors; ++i) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      LogWarn("what kernels print will not reach their clients: no pipe");
      return;
    }
    const Fd writing(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    dup2(writing.get(), kStandard[i]);
    fds_[i] = ends[0];
    ends_.With([&](Ends& all) { all.reading[i] = Fd(ends[0]); });
  }
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
}

// One system call, since nearly every wait of a client asks and nearly no kernel prints.
bool OutputPipe::HasText() const {
  pollfd ends[kDescriptors] = {};
  for (size_t i = 0; i < kDescriptors; ++i) {
    ends[i] = {.fd = fds_[i], .events = POLLIN, .revents = 0};
  }
  return fds_[0] >= 0 && poll(ends, kDescriptors, 0) > 0;
}

void OutputPipe::DrainToLog() {
  fflush(stdout);
  ends_.With([](Ends& ends) {
    for (const Fd& reading : ends.reading) {
      std::string text;
      ReadAll(reading, [&text](ConstBytes piece) {
        text.append(reinterpret_cast<const char*>(piece.data()), piece.size());  // SAFE: bytes
      });
      if (!text.empty()) {
        LogInfo("the driver says: %s", text.c_str());
      }
    }
  });
}

void OutputPipe::Drain(Outbox& outbox) {
  fflush(stdout);  // a driver that uses our C library leaves its lines in there
  if (!HasText()) {
    return;
  }
  ends_.With([&outbox](Ends& ends) {
    for (size_t i = 0; i < kDescriptors; ++i) {
      ReadAll(ends.reading[i], [&outbox, i](ConstBytes piece) {
        outbox.Append(
            wire::Output{.descriptor = static_cast<uint32_t>(kStandard[i]), .data = piece});
      });
    }
  });
}

}  // namespace farlane::server
