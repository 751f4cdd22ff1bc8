// SPDX-License-Identifier: Apache-2.0
// A machine on which something is wrong: loaded before the C library's, by a program that a test
// has started. The file FARLANE_TEST_FAULTS, which the test writes, says what: eight bytes of
// seconds by which the wall clock is off, then eight that are not 0 while the disk is full, then
// eight of milliseconds by which descriptors come late from other processes.
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/environment.h"

namespace {

struct Faults {
  int64_t clock_seconds;
  int64_t disk_is_full;
  int64_t descriptors_late_ms;
};

constexpr Faults kNone = {0, 0, 0};

const volatile Faults& Now() {
  static const volatile Faults* const faults = [] {
    const auto path = farlane::Environment("FARLANE_TEST_FAULTS");
    const int file = path.has_value() ? open(path->c_str(), O_RDONLY | O_CLOEXEC) : -1;
    void* const bytes =
        file < 0 ? MAP_FAILED : mmap(nullptr, sizeof(Faults), PROT_READ, MAP_SHARED, file, 0);
    return bytes == MAP_FAILED ? &kNone : static_cast<const volatile Faults*>(bytes);
  }();
  return *faults;
}

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

// What is written to a file of the disk cannot be, while that is full.
bool IsRefused(int file) {
  struct stat what {};

  return Now().disk_is_full != 0 && fstat(file, &what) == 0 && S_ISREG(what.st_mode);
}

ssize_t NoSpace() {
  errno = ENOSPC;
  return -1;
}

}  // namespace

extern "C" {

[[gnu::visibility("default")]] int clock_gettime(clockid_t clock, timespec* time) {
  static const auto next = Next<int (*)(clockid_t, timespec*)>("clock_gettime");
  const int result = next(clock, time);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
    time->tv_sec += Now().clock_seconds;
  }
  return result;
}

[[gnu::visibility("default")]] ssize_t write(int file, const void* bytes, size_t size) {
  static const auto next = Next<ssize_t (*)(int, const void*, size_t)>("write");
  return IsRefused(file) ? NoSpace() : next(file, bytes, size);
}

[[gnu::visibility("default")]] ssize_t pwrite64(int file,
                                                const void* bytes,
                                                size_t size,
                                                off64_t offset) {
  static const auto next = Next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  return IsRefused(file) ? NoSpace() : next(file, bytes, size, offset);
}

[[gnu::visibility("default")]] int fallocate64(int file, int mode, off64_t offset, off64_t size) {
  static const auto next = Next<int (*)(int, int, off64_t, off64_t)>("fallocate64");
  return IsRefused(file) ? static_cast<int>(NoSpace()) : next(file, mode, offset, size);
}

[[gnu::visibility("default")]] ssize_t recvmsg(int socket, msghdr* message, int flags) {
  static const auto next = Next<ssize_t (*)(int, msghdr*, int)>("recvmsg");
  const ssize_t size = next(socket, message, flags);
  const cmsghdr* const extra = size > 0 ? CMSG_FIRSTHDR(message) : nullptr;
  if (extra != nullptr && extra->cmsg_type == SCM_RIGHTS) {
    usleep(static_cast<useconds_t>(Now().descriptors_late_ms * 1000));
  }
  return size;
}

}  // extern "C"
