// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/private_server.h"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "protocol/base/clock.h"
#include "protocol/base/environment.h"
#include "tools/farlane/child_process.h"

namespace farlane::cli {
namespace {

// Loading a real driver on a machine with many GPUs takes seconds; more than this is a hang.
constexpr uint64_t kReadyTimeoutNs = 60'000'000'000;
// A server that is told to end has nothing to write back.
constexpr uint64_t kEndTimeoutNs = 3'000'000'000;
constexpr size_t kAddressBytesMax = 256;  // of the line that says "ready"

// In the abstract name space: no file is left behind, whatever happens. The name cannot be guessed,
// and the server checks the user besides.
Result<std::string> FreshAddress() {
  unsigned char noise[16];
  if (getrandom(noise, sizeof noise, 0) != static_cast<ssize_t>(sizeof noise)) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string address = "unix:@farlane-";
  for (const unsigned char byte : noise) {
    address += kDigits[byte >> 4];
    address += kDigits[byte & 15];
  }
  return address;
}

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

}  // namespace

Result<PrivateServer> PrivateServer::Start(const Installation& installation,
                                           const PrivateServerOptions& options,
                                           SignalInbox* inbox,
                                           int* interrupted_by) {
  FARLANE_ASSIGN(const std::string address, FreshAddress());
  FARLANE_ASSIGN(Pipe ready, MakePipe());
  FARLANE_ASSIGN(Pipe watch, MakePipe());
  ChildPlan plan;
  plan.arguments = {installation.ServerProgram(),
                    "--listen",
                    address,
                    "--ready-fd",
                    std::to_string(ready.write.get()),
                    "--grace",
                    "0",  // a debugger may stop its one program for as long as it likes
                    "--watch-fd",
                    std::to_string(watch.read.get()),
                    "--log-level",
                    Environment("FARLANE_LOG").value_or("warn")};
  if (options.memory_bytes) {
    plan.arguments.insert(plan.arguments.end(), {"--mem", std::to_string(*options.memory_bytes)});
  }
  plan.death_signal = SIGTERM;
  plan.mask = inbox != nullptr ? &inbox->mask_before() : nullptr;
  plan.background = true;
  plan.inherited = {ready.write.get(), watch.read.get()};
  FARLANE_ASSIGN(const Started started, StartChild(plan));
  if (started.pid < 0) {
    return Status::FromErrno(StatusCode::kNotFound,
                             "cannot execute " + installation.ServerProgram(), started.exec_error);
  }
  ready.write.Reset();
  PrivateServer server(started.pid, std::move(watch.write));
  FARLANE_TRY(server.AwaitReady(ready.read.get(), inbox, interrupted_by));
  return server;
}

PrivateServer::PrivateServer(PrivateServer&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      watch_(std::move(other.watch_)),
      address_(std::move(other.address_)) {}

PrivateServer::~PrivateServer() {
  watch_.Reset();
  if (pid_ > 0 && !GoneWithin(kEndTimeoutNs)) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

Status PrivateServer::AwaitReady(int ready, SignalInbox* inbox, int* interrupted_by) {
  const uint64_t deadline = NowNs() + kReadyTimeoutNs;
  while (address_.empty() || address_.back() != '\n') {
    const uint64_t now = NowNs();
    if (now >= deadline) {
      return Status(StatusCode::kTimeout, "the private server is not ready after 60 s");
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
    char text[kAddressBytesMax];
    const ssize_t got = read(ready, text, sizeof text);
    if (got <= 0 || address_.size() + static_cast<size_t>(got) > kAddressBytesMax) {
      return Status(StatusCode::kUnavailable,
                    "the private server did not start; it said why above this line");
    }
    address_.append(text, static_cast<size_t>(got));
  }
  address_.pop_back();
  return Status::Ok();
}

bool PrivateServer::GoneWithin(uint64_t timeout_ns) {
  const uint64_t deadline = NowNs() + timeout_ns;
  do {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) {
      return true;
    }
    poll(nullptr, 0, 1);
  } while (NowNs() < deadline);
  return false;
}

std::optional<std::string> PrivateServer::TakeEnd() {
  int status = 0;
  if (pid_ <= 0 || waitpid(pid_, &status, WNOHANG) != pid_) {
    return std::nullopt;
  }
  pid_ = -1;
  return DescribeEnd(status);
}

}  // namespace farlane::cli
