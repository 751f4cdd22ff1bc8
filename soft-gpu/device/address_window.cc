// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/address_window.h"

#include <cerrno>

#include <sys/mman.h>

#include "protocol/base/bytes.h"
#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace farlane::soft {
namespace {

struct Place {
  uint64_t base;
  uint64_t size_bytes;
};

#if defined(__SANITIZE_THREAD__)
// What the thread sanitizer leaves to programs; it ends a process that asks for anything else.
constexpr Place kPlaces[] = {
    {0x0040'0000'0000, 256_GiB},
    {0x0020'0000'0000, 128_GiB},
    {0x0010'0000'0000, 64_GiB},
};
#else
// The first is free in ordinary processes and under the address sanitizer. The rest serve a process
// that has something there already, or the thread sanitizer, which leaves the second to programs.
constexpr Place kPlaces[] = {
    {0x2000'0000'0000, 1024_GiB}, {0x0040'0000'0000, 256_GiB}, {0x2400'0000'0000, 1024_GiB},
    {0x3000'0000'0000, 1024_GiB}, {0x4000'0000'0000, 256_GiB},
};
#endif

void* AsPointer(uint64_t address) {
  return reinterpret_cast<void*>(address);
}

bool ReservePlace(const Place& place) {
  void* wanted = AsPointer(place.base);
  void* got = mmap(wanted, place.size_bytes, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == MAP_FAILED) {
    return false;
  }
  if (got != wanted) {  // an old kernel takes the address as a hint
    munmap(got, place.size_bytes);
    return false;
  }
  madvise(got, place.size_bytes, MADV_DONTDUMP);
  return true;
}

}  // namespace

Result<std::unique_ptr<AddressWindow>> AddressWindow::Create() {
  for (const Place& place : kPlaces) {
    if (ReservePlace(place)) {
      return std::unique_ptr<AddressWindow>(new AddressWindow(place.base, place.size_bytes));
    }
  }
  return Status::FromErrno(StatusCode::kExhausted, "no address range is free for device memory",
                           errno);
}

AddressWindow::AddressWindow(uint64_t base, uint64_t size_bytes)
    : base_(base), size_bytes_(size_bytes), free_(FreeRanges{{base, size_bytes}}) {}

AddressWindow::~AddressWindow() {
  munmap(AsPointer(base_), size_bytes_);
}

bool AddressWindow::TakeAt(FreeRanges* free, uint64_t base, uint64_t size_bytes) {
  auto range = free->upper_bound(base);
  if (range == free->begin()) {
    return false;
  }
  --range;
  const uint64_t range_base = range->first;
  const uint64_t range_end = range->first + range->second;
  if (base >= range_end || size_bytes > range_end - base) {
    return false;
  }
  free->erase(range);
  if (base > range_base) {
    free->emplace(range_base, base - range_base);
  }
  if (base + size_bytes < range_end) {
    free->emplace(base + size_bytes, range_end - base - size_bytes);
  }
  return true;
}

std::optional<uint64_t> AddressWindow::Reserve(uint64_t size_bytes,
                                               uint64_t align_bytes,
                                               uint64_t hint) {
  if (size_bytes == 0 || size_bytes > size_bytes_ || align_bytes > size_bytes_) {
    return std::nullopt;
  }
  return free_.With([&](FreeRanges& free) -> std::optional<uint64_t> {
    if (hint != 0 && hint % align_bytes == 0 && Contains(hint, size_bytes) &&
        TakeAt(&free, hint, size_bytes)) {
      return hint;
    }
    for (const auto& [base, range_bytes] : free) {
      const uint64_t start = RoundUp(base, align_bytes);
      if (start - base < range_bytes && size_bytes <= range_bytes - (start - base)) {
        FARLANE_CHECK(TakeAt(&free, start, size_bytes));
        return start;
      }
    }
    return std::nullopt;
  });
}

void AddressWindow::Release(uint64_t base, uint64_t size_bytes) {
  Unmap(base, size_bytes);
  free_.With([&](FreeRanges& free) {
    auto [here, inserted] = free.emplace(base, size_bytes);
    FARLANE_CHECK(inserted);
    const auto next = std::next(here);
    if (next != free.end() && here->first + here->second == next->first) {
      here->second += next->second;
      free.erase(next);
    }
    if (here != free.begin()) {
      const auto before = std::prev(here);
      if (before->first + before->second == here->first) {
        before->second += here->second;
        free.erase(here);
      }
    }
  });
}

Status AddressWindow::Map(
    uint64_t base, uint64_t size_bytes, int fd, uint64_t offset_bytes, bool writable) {
  FARLANE_CHECK(Contains(base, size_bytes));
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  if (mmap(AsPointer(base), size_bytes, protection, MAP_SHARED | MAP_FIXED, fd,
           static_cast<off_t>(offset_bytes)) == MAP_FAILED) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot map device memory", errno);
  }
  return Status::Ok();
}

Status AddressWindow::MapPrivate(uint64_t base, uint64_t size_bytes) {
  FARLANE_CHECK(Contains(base, size_bytes));
  if (mmap(AsPointer(base), size_bytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot map host memory", errno);
  }
  return Status::Ok();
}

Status AddressWindow::MapTwice(uint64_t base, uint64_t size_bytes, uint64_t address) {
  FARLANE_CHECK(Contains(base, size_bytes));
  // A size of nothing leaves the old one where it is.
  if (mremap(AsPointer(address), 0, size_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, AsPointer(base)) ==
      MAP_FAILED) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot show memory of the program", errno);
  }
  return Status::Ok();
}

void AddressWindow::Unmap(uint64_t base, uint64_t size_bytes) {
  FARLANE_CHECK(Contains(base, size_bytes));
  // Over the old pages in one step: there is no moment in which another mapping could slip in.
  if (mmap(AsPointer(base), size_bytes, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
    LogError("soft-gpu: %llu bytes of device memory stay mapped: errno %d",
             static_cast<unsigned long long>(size_bytes), errno);
    return;
  }
  madvise(AsPointer(base), size_bytes, MADV_DONTDUMP);
}

}  // namespace farlane::soft
