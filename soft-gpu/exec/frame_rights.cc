// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/frame_rights.h"

#include <atomic>
#include <cerrno>

#include <sys/mman.h>

#include "soft-gpu/exec/window.h"
#include "soft-gpu/jit/block_frame.h"

namespace farlane::soft {
namespace {

std::atomic<uint32_t*> the_table{nullptr};

}  // namespace

Status FrameRights::Open() {
  const uint64_t frames = CurrentDeviceWindow().size_bytes >> jit::kFrameShift;
  // Never unmapped: grids may run until the very end of the process.
  void* const pages = mmap(nullptr, frames * sizeof(uint32_t), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) {
    return Status::FromErrno(StatusCode::kExhausted, "making the table of rights", errno);
  }
  the_table.store(static_cast<uint32_t*>(pages), std::memory_order_release);
  return Status::Ok();
}

const uint32_t* FrameRights::TableOrNull() {
  return the_table.load(std::memory_order_acquire);
}

void FrameRights::Set(uint64_t base, uint64_t size_bytes, uint32_t rights) {
  uint32_t* const table = the_table.load(std::memory_order_acquire);
  if (table == nullptr) {
    return;
  }
  const uint64_t offset = base - CurrentDeviceWindow().base;
  const uint64_t end = offset + size_bytes;
  for (uint64_t frame = offset >> jit::kFrameShift; frame << jit::kFrameShift < end; ++frame) {
    std::atomic_ref(table[frame]).store(rights, std::memory_order_release);
  }
}

}  // namespace farlane::soft
