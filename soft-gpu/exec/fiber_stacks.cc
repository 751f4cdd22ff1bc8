// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/fiber_stacks.h"

#include <algorithm>
#include <cerrno>

#include <sys/mman.h>

#include "protocol/base/bytes.h"
#include "soft-gpu/exec/launch.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kStackBytesMin = 64_KiB;
constexpr uint64_t kGuardBytes = 4_KiB;
constexpr uint32_t kGrowCount = 128;
// Return addresses and saved registers of a call that itself declares little.
constexpr uint64_t kHiddenFactor = 4;

}  // namespace

FiberStacks::~FiberStacks() {
  Unmap();
}

void FiberStacks::Unmap() {
  if (base_ != 0) {
    // Whatever is mapped here next is no stack.
    for (uint32_t i = 0; i < count_; ++i) {
      ForgetStack([this, i] { return extent(i); });
    }
    munmap(reinterpret_cast<void*>(base_), count_ * (stack_bytes_ + kGuardBytes));
  }
}

uint64_t FiberStacks::BytesFor(uint64_t local_bytes) {
  // Up to the default the least is enough, so that most kernels share one size.
  return local_bytes <= kStackBytesDefault
             ? kStackBytesMin
             : RoundUp(std::max(local_bytes * kHiddenFactor, kStackBytesMin), kGuardBytes);
}

Status FiberStacks::Reserve(uint32_t count, uint64_t stack_bytes) {
  if (count <= count_ && stack_bytes <= stack_bytes_) {
    return Status::Ok();
  }
  const auto wanted = static_cast<uint32_t>(RoundUp(std::max(count, count_), kGrowCount));
  const uint64_t unit = std::max(stack_bytes, stack_bytes_) + kGuardBytes;
  void* const range = mmap(nullptr, wanted * unit, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (range == MAP_FAILED) {
    return Status::FromErrno(StatusCode::kExhausted, "reserving stacks of threads", errno);
  }
  const auto base = reinterpret_cast<uint64_t>(range);
  for (uint32_t i = 0; i < wanted; ++i) {
    if (mprotect(reinterpret_cast<void*>(base + i * unit), kGuardBytes, PROT_NONE) != 0) {
      const int error = errno;
      munmap(range, wanted * unit);
      return Status::FromErrno(StatusCode::kExhausted, "guarding stacks of threads", error);
    }
  }
  Unmap();
  base_ = base;
  count_ = wanted;
  stack_bytes_ = unit - kGuardBytes;
  return Status::Ok();
}

uint64_t FiberStacks::top(uint32_t index) const {
  // Stacks that all start at the same place of a page would share one set of the cache.
  const uint64_t stagger = index % 61 * 64;
  return base_ + (index + 1) * (stack_bytes_ + kGuardBytes) - stagger;
}

StackExtent FiberStacks::extent(uint32_t index) const {
  return {reinterpret_cast<const void*>(base_ + index * (stack_bytes_ + kGuardBytes) + kGuardBytes),
          stack_bytes_};
}

}  // namespace farlane::soft
