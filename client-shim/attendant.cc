// SPDX-License-Identifier: Apache-2.0
#include "client-shim/attendant.h"

#include <csignal>
#include <ctime>
#include <system_error>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// While the program reads by itself, every answer of the server would wake this thread for nothing,
// so then it looks only so often whether that is still so.
constexpr int kBusyLookMs = 100;

// And at least so often whether the server is still there.
constexpr int kIdleLookMs = static_cast<int>(channel::kPulseNs / 1'000'000);

constexpr timespec kStopPause{.tv_sec = 0, .tv_nsec = 100'000};

}  // namespace

Attendant::Attendant(channel::CommandChannel& channel, std::function<bool()> work)
    : channel_(channel), work_(std::move(work)), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Attendant::Start() {
  if (!event_.valid()) {
    return;
  }
  // A thread of ours must not take the signals of the program that it lives in.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { Loop(); });
    // From here on the server may miss us: a program can be stopped before the thread's first look.
    channel_.Beat();
  } catch (const std::system_error&) {
    LogDebug("no thread can be started: memory that is not used cannot be asked back");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Attendant::Stop(uint64_t deadline) {
  if (!thread_.joinable()) {
    return;
  }
  stopping_.store(true, std::memory_order_release);
  Wake();
  while (!over_.load(std::memory_order_acquire)) {
    if (NowNs() >= deadline) {
      thread_.detach();
      return;
    }
    nanosleep(&kStopPause, nullptr);
  }
  thread_.join();
}

void Attendant::AbandonAfterFork() {
  if (thread_.joinable()) {
    thread_.detach();
  }
}

void Attendant::Wake() {
  const uint64_t one = 1;
  // Fails only when 2^64 calls were not yet seen.
  static_cast<void>(!write(event_.get(), &one, sizeof one));
}

void Attendant::Loop() {
  prctl(PR_SET_NAME, "farlane-attend");
  uint64_t received = 0;
  bool busy = false;
  while (!stopping_.load(std::memory_order_acquire) && !channel_.is_lost()) {
    const bool came = Sleep(!busy);
    if (stopping_.load(std::memory_order_acquire)) {
      break;
    }
    // What this thread reads by itself says nothing of the program.
    const auto& bytes = channel_.counters().received_bytes;
    const bool others_read = bytes.load(std::memory_order_relaxed) != received;
    if (came) {
      channel_.Listen();
    }
    const bool waits = work_();
    channel_.Beat();
    busy = !waits && others_read;
    received = bytes.load(std::memory_order_relaxed);
  }
  over_.store(true, std::memory_order_release);
}

// Until somebody wakes it, or for a while; `look`: or until the server says something, which is
// what true means.
bool Attendant::Sleep(bool look) {
  transport::Stream& stream = channel_.stream();
  if (look && !stream.BeginWait(transport::Interest::kRead)) {
    return true;
  }
  pollfd waiting[] = {
      {.fd = event_.get(), .events = POLLIN, .revents = 0},
      {.fd = stream.WaitFd(), .events = POLLIN, .revents = 0},
  };
  poll(waiting, look ? 2 : 1, look ? kIdleLookMs : kBusyLookMs);
  if (look) {
    stream.EndWait(transport::Interest::kRead);
  }
  if (waiting[0].revents != 0) {
    uint64_t count = 0;
    static_cast<void>(!read(event_.get(), &count, sizeof count));
  }
  return look && waiting[1].revents != 0;
}

}  // namespace farlane::shim
