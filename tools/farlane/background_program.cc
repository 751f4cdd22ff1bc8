// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/background_program.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "protocol/base/clock.h"
#include "tools/farlane/child_process.h"

namespace farlane::cli {
namespace {

// Loading a real driver on a machine with many GPUs takes seconds; more than this is a hang.
constexpr uint64_t kReadyTimeoutNs = 60'000'000'000;
// A program that is told to end has nothing to write back.
constexpr uint64_t kEndTimeoutNs = 3'000'000'000;
constexpr size_t kReadyBytesMax = 4096;  // of the lines that say "ready"

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot make a pipe", errno);
  }
  return Pipe{.read = Fd(ends[0]), .write = Fd(ends[1])};
}

// A signal that asks this process to end; other signals are taken and dropped.
bool TakeEnding(SignalInbox* inbox, int* number) {
  while (const std::optional<signalfd_siginfo> signal = inbox->Take()) {
    const int came = static_cast<int>(signal->ssi_signo);
    if (came == SIGTSTP) {
      raise(SIGSTOP);
    } else if (came == SIGINT || came == SIGTERM || came == SIGHUP || came == SIGQUIT) {
      *number = came;
      return true;
    }
  }
  return false;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    if (end == std::string::npos) {
      break;
    }
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

}  // namespace

Result<BackgroundProgram> BackgroundProgram::Start(const BackgroundPlan& wanted,
                                                   SignalInbox* inbox,
                                                   int* interrupted_by) {
  FARLANE_ASSIGN(Pipe ready, MakePipe());
  FARLANE_ASSIGN(Pipe watch, MakePipe());
  ChildPlan plan;
  plan.arguments = wanted.arguments;
  plan.arguments.insert(plan.arguments.end(), {"--ready-fd", std::to_string(ready.write.get()),
                                               "--watch-fd", std::to_string(watch.read.get())});
  plan.death_signal = SIGTERM;
  plan.mask = inbox != nullptr ? &inbox->mask_before() : nullptr;
  plan.background = true;
  plan.inherited = {ready.write.get(), watch.read.get()};
  FARLANE_ASSIGN(const Started started, StartChild(plan));
  if (started.pid < 0) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot execute " + wanted.arguments[0],
                             started.exec_error);
  }
  ready.write.Reset();
  BackgroundProgram program(started.pid, std::move(watch.write));
  FARLANE_TRY(program.AwaitReady(wanted, ready.read.get(), inbox, interrupted_by));
  return program;
}

BackgroundProgram::BackgroundProgram(BackgroundProgram&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      watch_(std::move(other.watch_)),
      lines_(std::move(other.lines_)) {}

BackgroundProgram::~BackgroundProgram() {
  watch_.Reset();
  if (pid_ > 0 && !GoneWithin(kEndTimeoutNs)) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

Status BackgroundProgram::AwaitReady(const BackgroundPlan& plan,
                                     int ready,
                                     SignalInbox* inbox,
                                     int* interrupted_by) {
  const uint64_t deadline = NowNs() + kReadyTimeoutNs;
  std::string said;
  while (lines_.size() < plan.lines_count) {
    const uint64_t now = NowNs();
    if (now >= deadline) {
      return Status(StatusCode::kTimeout, plan.name + " is not ready after 60 s");
    }
    pollfd waiting[2] = {
        {.fd = ready, .events = POLLIN, .revents = 0},
        {.fd = inbox != nullptr ? inbox->fd() : -1, .events = POLLIN, .revents = 0}};
    poll(waiting, 2, static_cast<int>((deadline - now) / 1'000'000) + 1);
    if (waiting[1].revents != 0 && TakeEnding(inbox, interrupted_by)) {
      return Status(StatusCode::kRefused, "interrupted");
    }
    if (waiting[0].revents == 0) {
      continue;
    }
    char text[kReadyBytesMax];
    const ssize_t got = read(ready, text, sizeof text);
    if (got <= 0 || said.size() + static_cast<size_t>(got) > kReadyBytesMax) {
      return Status(StatusCode::kUnavailable,
                    plan.name + " did not start; it said why above this line");
    }
    said.append(text, static_cast<size_t>(got));
    lines_ = LinesOf(said);
  }
  return Status::Ok();
}

bool BackgroundProgram::GoneWithin(uint64_t timeout_ns) {
  const uint64_t deadline = NowNs() + timeout_ns;
  do {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) {
      return true;
    }
    poll(nullptr, 0, 1);
  } while (NowNs() < deadline);
  return false;
}

std::optional<std::string> BackgroundProgram::TakeEnd() {
  int status = 0;
  if (pid_ <= 0 || waitpid(pid_, &status, WNOHANG) != pid_) {
    return std::nullopt;
  }
  pid_ = -1;
  return DescribeEnd(status);
}

}  // namespace farlane::cli
