// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/turn_page.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace farlane::server {
namespace {

constexpr size_t kPageBytes = 4096;

size_t BytesFor(size_t devices_count) {
  constexpr size_t kSlotBytes = std::max(sizeof(GrantSlot), sizeof(UseSlot));
  return (devices_count * kSlotBytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

Result<void*> Map(const Fd& descriptor, size_t bytes, bool writable) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
                            descriptor.get(), 0);
  if (memory == MAP_FAILED) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot map a page of turns", errno);
  }
  return memory;
}

}  // namespace

void WriteTurn(GrantSlot& slot, const TurnLimits& limits) {
  slot.turn.store(limits.turn, std::memory_order_relaxed);
  slot.until_ns.store(limits.until_ns, std::memory_order_relaxed);
  slot.window_ns.store(limits.window_ns, std::memory_order_relaxed);
  slot.others.store(limits.others ? 1 : 0, std::memory_order_relaxed);
  slot.mode.store(TurnMode::kRun, std::memory_order_release);
}

Result<TurnMemory> TurnMemory::Make(size_t devices_count, bool others_may_write) {
  const size_t bytes = BytesFor(devices_count);
  Fd descriptor(memfd_create("farlane-turns", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!descriptor.valid() || ftruncate(descriptor.get(), static_cast<off_t>(bytes)) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "no memory for turns", errno);
  }
  FARLANE_ASSIGN(void* const memory, Map(descriptor, bytes, true));
  TurnMemory made(std::move(descriptor), memory, bytes);
  // Workers are forked later: none of them is to find another's page in its memory.
  const int seals =
      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | (others_may_write ? 0 : F_SEAL_FUTURE_WRITE);
  if (madvise(memory, bytes, MADV_DONTFORK) != 0 ||
      fcntl(made.descriptor_.get(), F_ADD_SEALS, seals) != 0) {
    return Status::FromErrno(StatusCode::kInternal, "cannot seal a page of turns", errno);
  }
  return made;
}

Result<TurnMemory> TurnMemory::Take(const Fd& descriptor,
                                    size_t devices_count,
                                    bool writable,
                                    size_t first) {
  const size_t bytes = BytesFor(first + devices_count);

  struct stat found {};

  if (fstat(descriptor.get(), &found) != 0 || found.st_size < static_cast<off_t>(bytes)) {
    return Status(StatusCode::kCorrupt, "a page of turns is too small");
  }
  FARLANE_ASSIGN(void* const memory, Map(descriptor, bytes, writable));
  TurnMemory taken(Fd(), memory, bytes);
  taken.first_ = first;
  return taken;
}

TurnMemory::TurnMemory(TurnMemory&& other) noexcept
    : descriptor_(std::move(other.descriptor_)),
      memory_(std::exchange(other.memory_, nullptr)),
      bytes_(other.bytes_),
      first_(other.first_) {}

TurnMemory& TurnMemory::operator=(TurnMemory&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  std::swap(first_, other.first_);
  return *this;
}

TurnMemory::~TurnMemory() {
  if (memory_ != nullptr) {
    munmap(memory_, bytes_);
  }
}

}  // namespace farlane::server
