// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/worker.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "protocol/base/bytes.h"
#include "soft-gpu/exec/fault_guard.h"
#include "soft-gpu/exec/window.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kParameterBytesMax = 32_KiB;
constexpr uint64_t kRegionAlignBytes = 4_KiB;
constexpr uint32_t kNoThread = 0xffffffff;

thread_local Worker* current_worker __attribute__((tls_model("initial-exec"))) = nullptr;

const char* NameOf(Fault fault) {
  switch (fault) {
    case Fault::kIllegalAddress:
      return "an illegal address";
    case Fault::kMisaligned:
      return "a misaligned address";
    case Fault::kTrap:
      return "a trap";
    case Fault::kStackOverflow:
      return "a stack overflow";
    case Fault::kIllegalInstruction:
      return "an illegal instruction";
    default:
      return "a fault";
  }
}

}  // namespace

Worker::Worker(uint32_t number, uint32_t workers_count)
    : number_(number), workers_count_(workers_count) {}

Worker* Worker::CurrentOrNull() {
  return current_worker;
}

void Worker::Work(Grid& grid) {
  if (Status status = Prepare(grid); !status.ok()) {
    grid.Fail({Fault::kUnsupported, status.message()});
    return;
  }
  grid_ = &grid;
  current_worker = this;
  faulting_thread_ = kNoThread;
  const GuardedEnd end =
      RunGuarded([](void* self) { static_cast<Worker*>(self)->RunBlocks(); }, this);
  current_worker = nullptr;
  if (end.fault != Fault::kNone) {
    Report(end);
  }
  grid_ = nullptr;
}

Status Worker::Prepare(Grid& grid) {
  const KernelCode& code = grid.code();
  const LaunchShape& shape = grid.shape();
  const uint64_t shared_bytes = code.static_shared_bytes + shape.dynamic_shared_bytes;
  const uint64_t shared_offset = kParameterBytesMax;
  const uint64_t local_offset = shared_offset + RoundUp(shared_bytes, kRegionAlignBytes);
  const uint64_t bytes = local_offset + RoundUp(code.local_bytes, kRegionAlignBytes);
  if (code.parameter_bytes > kParameterBytesMax) {
    return {StatusCode::kExhausted, "the kernel has more than 32 KiB of parameters"};
  }
  FARLANE_TRY(arena_.Reserve(bytes));
  const DeviceWindow window = CurrentDeviceWindow();
  frame_ = {};
  frame_.parameters = reinterpret_cast<const std::byte*>(arena_.base());
  frame_.symbols = code.symbols;
  frame_.window_base = window.base;
  frame_.window_bytes = window.size_bytes;
  frame_.arena_base = arena_.base();
  frame_.arena_bytes = bytes;
  frame_.shared_base = arena_.base() + shared_offset;
  frame_.shared_bytes = shared_bytes;
  frame_.local_base = arena_.base() + local_offset;
  frame_.local_bytes = code.local_bytes;
  frame_.dynamic_shared_bytes = shape.dynamic_shared_bytes;
  frame_.grid_id = grid.grid_id();
  frame_.worker = number_;
  frame_.workers_count = workers_count_;
  std::copy_n(shape.block, 3, frame_.ntid);
  std::copy_n(shape.grid, 3, frame_.nctaid);
  // SAFE: the arena starts with room for any parameters, and both sizes were compared.
  std::memcpy(reinterpret_cast<void*>(arena_.base()), grid.parameters().data(),
              std::min<uint64_t>(grid.parameters().size(), kParameterBytesMax));
  return Status::Ok();
}

// Runs guarded: owns nothing.
void Worker::RunBlocks() {
  uint64_t first = 0;
  uint64_t end = 0;
  while (grid_->Take(&first, &end)) {
    for (uint64_t block = first; block < end; ++block) {
      PlaceBlock(block);
      grid_->code().routine.run_block(&frame_);
    }
  }
}

void Worker::PlaceBlock(uint64_t number) {
  const uint32_t* grid = grid_->shape().grid;
  frame_.ctaid[0] = static_cast<uint32_t>(number % grid[0]);
  frame_.ctaid[1] = static_cast<uint32_t>(number / grid[0] % grid[1]);
  frame_.ctaid[2] = static_cast<uint32_t>(number / grid[0] / grid[1]);
}

void Worker::Report(const GuardedEnd& end) {
  char text[256];
  int length = std::snprintf(text, sizeof(text), "%s (0x%llx) in block (%u,%u,%u)",
                             NameOf(end.fault), static_cast<unsigned long long>(end.address),
                             frame_.ctaid[0], frame_.ctaid[1], frame_.ctaid[2]);
  if (faulting_thread_ != kNoThread) {
    const uint32_t x = faulting_thread_ % frame_.ntid[0];
    const uint32_t y = faulting_thread_ / frame_.ntid[0] % frame_.ntid[1];
    const uint32_t z = faulting_thread_ / frame_.ntid[0] / frame_.ntid[1];
    std::snprintf(text + length, sizeof(text) - length, ", thread (%u,%u,%u)", x, y, z);
  }
  grid_->Fail({end.fault, text});
}

}  // namespace farlane::soft
