// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/page_guard.h"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol/base/log.h"
#include "protocol/base/standard_descriptors.h"

namespace farlane {
namespace {

// Newer than the headers that this is built with.
constexpr int kKeepOldMapping = 4;                      // MREMAP_DONTUNMAP, Linux 5.7
constexpr unsigned long kNewFromDevice = _IO(0xAA, 0);  // USERFAULTFD_IOC_NEW, Linux 6.1
constexpr int kStopMs = 1000;
constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;

void* At(uint64_t address) {
  return reinterpret_cast<void*>(address);
}

// One that sees the faults of system calls; not valid if we may not have it.
Fd OpenFaults() {
  const StandardDescriptors kept_clear;
  Fd faults(static_cast<int>(syscall(SYS_userfaultfd, kFlags)));
  if (!faults.valid()) {
    const Fd device(open("/dev/userfaultfd", O_RDWR | O_CLOEXEC));
    faults = Fd(device.valid() ? ioctl(device.get(), kNewFromDevice, kFlags) : -1);
  }
  uffdio_api api{};
  api.api = UFFD_API;
  return faults.valid() && ioctl(faults.get(), UFFDIO_API, &api) == 0 ? std::move(faults) : Fd();
}

bool Watch(const Fd& faults, uint64_t address, uint64_t bytes) {
  uffdio_register range{};
  range.range = {.start = address, .len = bytes};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  return ioctl(faults.get(), UFFDIO_REGISTER, &range) == 0;
}

void Unwatch(const Fd& faults, uint64_t address, uint64_t bytes) {
  uffdio_range range{.start = address, .len = bytes};
  ioctl(faults.get(), UFFDIO_UNREGISTER, &range);  // wakes, too
}

}  // namespace

void PageGuard::Stop() {
  if (std::unique_lock lock(mutex_, std::try_to_lock); lock.owns_lock()) {
    state_ = State::kMissing;
  }
  if (!thread_.joinable()) {
    return;
  }
  const uint64_t one = 1;
  static_cast<void>(!write(stop_.get(), &one, sizeof one));  // an eventfd takes it
  for (int i = 0; i < kStopMs && !ended_.load(); ++i) {
    usleep(1000);
  }
  ended_.load() ? thread_.join() : thread_.detach();
  PutAllBack();
}

bool PageGuard::works() {
  const std::lock_guard lock(mutex_);
  return Start();
}

bool PageGuard::Start() {
  if (state_ != State::kUntried) {
    return state_ == State::kWorks;
  }
  state_ = State::kMissing;
  faults_ = OpenFaults();
  const StandardDescriptors kept_clear;
  stop_ = Fd(eventfd(0, EFD_CLOEXEC));
  if (!faults_.valid() || !stop_.valid()) {
    return false;
  }
  // The program's signals are for its own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Loop(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  state_ = State::kWorks;
  return true;
}

void PageGuard::Loop() {
  prctl(PR_SET_NAME, "farlane-pages");
  for (;;) {
    pollfd wanted[] = {{.fd = faults_.get(), .events = POLLIN, .revents = 0},
                       {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    const int ready = poll(wanted, 2, -1);
    if ((ready < 0 && errno != EINTR) || (ready > 0 && wanted[1].revents != 0)) {
      break;
    }
    uffd_msg message;
    if (read(faults_.get(), &message, sizeof message) == sizeof message && any()) {
      on_touch_();
    }
  }
  ended_.store(true);
}

bool PageGuard::Take(uint64_t address, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!Start() || held_.count(address) != 0 || !Watch(faults_, address, bytes)) {
    return false;
  }
  // From here on pages that are not there are waited for; now none is.
  void* const contents =
      mremap(At(address), bytes, bytes, MREMAP_MAYMOVE | kKeepOldMapping, nullptr);
  if (contents == MAP_FAILED) {
    LogDebug("pages cannot be taken away: errno %d", errno);
    Unwatch(faults_, address, bytes);
    return false;
  }
  held_[address] = {.bytes = bytes,
                    .contents = reinterpret_cast<uint64_t>(contents),
                    .number = takes_.fetch_add(1, std::memory_order_acq_rel) + 1};
  count_.fetch_add(1, std::memory_order_release);
  return true;
}

uint64_t PageGuard::ContentsOf(uint64_t address) const {
  if (!any()) {
    return 0;
  }
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(address);
  return found == held_.end() ? 0 : found->second.contents;
}

void PageGuard::PutBackLocked(uint64_t address, const Held& held) {
  // One step, for whoever touches them meanwhile: they are away, or all there.
  void* const got =
      mremap(At(held.contents), held.bytes, held.bytes, MREMAP_MAYMOVE | MREMAP_FIXED, At(address));
  if (got == MAP_FAILED) {
    uffdio_copy copy{};
    copy.dst = address;
    copy.src = held.contents;
    copy.len = held.bytes;
    if (ioctl(faults_.get(), UFFDIO_COPY, &copy) != 0) {
      LogError("memory at %#llx cannot be put back: errno %d",
               static_cast<unsigned long long>(address), errno);
    }
    Unwatch(faults_, address, held.bytes);
    munmap(At(held.contents), held.bytes);
    return;
  }
  uffdio_range range{.start = address, .len = held.bytes};
  ioctl(faults_.get(), UFFDIO_WAKE, &range);
}

void PageGuard::PutBack(uint64_t address) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(address);
  if (found != held_.end()) {
    PutBackLocked(address, found->second);
    held_.erase(found);
    count_.fetch_sub(1, std::memory_order_release);
  }
}

bool PageGuard::PutBackUntil(uint64_t takes) {
  const std::lock_guard lock(mutex_);
  if (uses_ != 0) {
    return false;
  }
  for (auto held = held_.begin(); held != held_.end();) {
    if (held->second.number <= takes) {
      PutBackLocked(held->first, held->second);
      held = held_.erase(held);
    } else {
      ++held;
    }
  }
  count_.store(held_.size(), std::memory_order_release);
  return true;
}

void PageGuard::AfterFork() {
  if (thread_.joinable()) {
    thread_.detach();  // it is the parent's
  }
  if (mutex_.try_lock()) {
    for (const auto& [address, held] : held_) {
      mremap(At(held.contents), held.bytes, held.bytes, MREMAP_MAYMOVE | MREMAP_FIXED, At(address));
    }
    held_.clear();
    count_.store(0);
    state_ = State::kMissing;
    mutex_.unlock();
  }
}

PageGuard::Use::Use(PageGuard& guard) : guard_(guard) {
  const std::lock_guard lock(guard_.mutex_);
  ++guard_.uses_;
}

PageGuard::Use::~Use() {
  const std::lock_guard lock(guard_.mutex_);
  --guard_.uses_;
}

bool CanGuardPages() {
  return OpenFaults().valid();
}

}  // namespace farlane
