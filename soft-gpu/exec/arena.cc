// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/arena.h"

#include <cerrno>

#include <sys/mman.h>

#include "protocol/base/bytes.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kGuardBytes = 64_KiB;  // more than any single access reaches

void* ToPointer(uint64_t address) {
  return reinterpret_cast<void*>(address);
}

}  // namespace

Arena::~Arena() {
  Unmap();
}

Status Arena::Reserve(uint64_t bytes) {
  if (bytes <= bytes_) {
    return Status::Ok();
  }
  Unmap();
  const uint64_t usable = RoundUp(bytes, 64_KiB);
  void* const range = mmap(nullptr, usable + 2 * kGuardBytes, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) {
    return Status::FromErrno(StatusCode::kExhausted, "reserving memory of a block", errno);
  }
  base_ = reinterpret_cast<uint64_t>(range) + kGuardBytes;
  bytes_ = usable;
  if (mprotect(ToPointer(base_), usable, PROT_READ | PROT_WRITE) != 0) {
    const int error = errno;
    Unmap();
    return Status::FromErrno(StatusCode::kExhausted, "opening memory of a block", error);
  }
  return Status::Ok();
}

void Arena::Unmap() {
  if (base_ != 0) {
    munmap(ToPointer(base_ - kGuardBytes), bytes_ + 2 * kGuardBytes);
    base_ = 0;
    bytes_ = 0;
  }
}

}  // namespace farlane::soft
