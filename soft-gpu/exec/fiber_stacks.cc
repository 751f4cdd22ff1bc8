// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/fiber_stacks.h"

#include <algorithm>
#include <cerrno>

#include <sys/mman.h>

#include "protocol/base/bytes.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kStackBytes = 64_KiB;
constexpr uint64_t kGuardBytes = 4_KiB;
constexpr uint64_t kUnitBytes = kStackBytes + kGuardBytes;
constexpr uint32_t kGrowCount = 128;

}  // namespace

FiberStacks::~FiberStacks() {
  if (base_ != 0) {
    munmap(reinterpret_cast<void*>(base_), count_ * kUnitBytes);
  }
}

Status FiberStacks::Reserve(uint32_t count) {
  if (count <= count_) {
    return Status::Ok();
  }
  const uint32_t wanted = static_cast<uint32_t>(RoundUp(count, kGrowCount));
  void* const range = mmap(nullptr, wanted * kUnitBytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (range == MAP_FAILED) {
    return Status::FromErrno(StatusCode::kExhausted, "reserving stacks of threads", errno);
  }
  const auto base = reinterpret_cast<uint64_t>(range);
  for (uint32_t i = 0; i < wanted; ++i) {
    if (mprotect(reinterpret_cast<void*>(base + i * kUnitBytes), kGuardBytes, PROT_NONE) != 0) {
      const int error = errno;
      munmap(range, wanted * kUnitBytes);
      return Status::FromErrno(StatusCode::kExhausted, "guarding stacks of threads", error);
    }
  }
  if (base_ != 0) {
    munmap(reinterpret_cast<void*>(base_), count_ * kUnitBytes);
  }
  base_ = base;
  count_ = wanted;
  return Status::Ok();
}

uint64_t FiberStacks::top(uint32_t index) const {
  // Stacks that all start at the same place of a page would share one set of the cache.
  const uint64_t stagger = index % 61 * 64;
  return base_ + (index + 1) * kUnitBytes - stagger;
}

StackExtent FiberStacks::extent(uint32_t index) const {
  return {reinterpret_cast<const void*>(base_ + index * kUnitBytes + kGuardBytes), kStackBytes};
}

}  // namespace farlane::soft
