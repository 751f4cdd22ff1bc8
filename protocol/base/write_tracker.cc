// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/write_tracker.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol/base/log.h"
#include "protocol/base/standard_descriptors.h"

namespace farlane {
namespace {

// Newer than the headers that this is built with:
// Documentation/admin-guide/mm/{userfaultfd,pagemap} of Linux 6.7.
constexpr uint64_t kFeatureUnpopulated = 1 << 13;  // pages that are not there yet are noted, too
constexpr uint64_t kFeatureAsync = 1 << 15;        // the kernel resolves the fault and takes note
constexpr uint64_t kPageIsWritten = 1 << 1;
constexpr uint64_t kScanProtects = 1 << 0;    // what is reported counts as not written from then on
constexpr uint64_t kScanNeedsAsync = 1 << 1;  // fails where writes are not tracked

struct ScanArgument {
  uint64_t size;
  uint64_t flags;
  uint64_t start;
  uint64_t end;
  uint64_t walk_end;
  uint64_t ranges;
  uint64_t ranges_count;
  uint64_t pages_max;
  uint64_t inverted;
  uint64_t all_of;
  uint64_t any_of;
  uint64_t reported;
};

struct ScanRange {
  uint64_t start;
  uint64_t end;
  uint64_t categories;
};

constexpr size_t kRangesAtOnce = 256;

unsigned long ScanRequest() {
  return _IOWR('f', 16, ScanArgument);
}

}  // namespace

WriteTracker::~WriteTracker() {
  if (faults_ >= 0) {
    close(faults_);
  }
  if (pagemap_ >= 0) {
    close(pagemap_);
  }
}

bool WriteTracker::Open() {
  if (state_ != State::kUntried) {
    return state_ == State::kOpen;
  }
  state_ = State::kMissing;
  const StandardDescriptors kept_clear;
  faults_ =
      static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  pagemap_ = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (faults_ < 0 || pagemap_ < 0) {
    return false;
  }
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = kFeatureUnpopulated | kFeatureAsync;
  if (ioctl(faults_, UFFDIO_API, &api) != 0) {
    return false;
  }
  state_ = State::kOpen;
  return true;
}

bool WriteTracker::Track(uint64_t address, uint64_t bytes) {
  if (!Open()) {
    return false;
  }
  uffdio_register range{};
  range.range = {.start = address, .len = bytes};
  range.mode = UFFDIO_REGISTER_MODE_WP;
  if (ioctl(faults_, UFFDIO_REGISTER, &range) != 0) {
    return false;
  }
  uffdio_writeprotect protect{};
  protect.range = range.range;
  protect.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  if (ioctl(faults_, UFFDIO_WRITEPROTECT, &protect) == 0) {
    return true;
  }
  ioctl(faults_, UFFDIO_UNREGISTER, &range.range);
  return false;
}

std::vector<WrittenRange> WriteTracker::Take(uint64_t address, uint64_t bytes) {
  std::vector<WrittenRange> written;
  const uint64_t end = address + bytes;
  for (uint64_t at = address; at < end;) {
    ScanRange ranges[kRangesAtOnce];
    ScanArgument scan{};
    scan.size = sizeof scan;
    scan.flags = kScanProtects | kScanNeedsAsync;
    scan.start = at;
    scan.end = end;
    scan.ranges = reinterpret_cast<uint64_t>(ranges);
    scan.ranges_count = kRangesAtOnce;
    scan.all_of = kPageIsWritten;
    scan.reported = kPageIsWritten;
    const int count = ioctl(pagemap_, ScanRequest(), &scan);
    if (count < 0 || scan.walk_end <= at) {
      LogDebug("writes are not tracked any more: errno %d", errno);
      written.push_back({at, end - at});
      return written;
    }
    for (int i = 0; i < count; ++i) {
      written.push_back({ranges[i].start, ranges[i].end - ranges[i].start});
    }
    at = scan.walk_end;
  }
  return written;
}

bool CanTrackWrites() {
  constexpr uint64_t kProbeBytes = 4096;
  void* page =
      mmap(nullptr, kProbeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return false;
  }
  WriteTracker tracker;
  const auto address = reinterpret_cast<uint64_t>(page);
  const bool can =
      tracker.Track(address, kProbeBytes) && tracker.Take(address, kProbeBytes).empty();
  munmap(page, kProbeBytes);
  return can;
}

}  // namespace farlane
