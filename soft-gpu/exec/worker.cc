// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/worker.h"

#include <algorithm>
#include <cstdio>

#include "protocol/base/bytes.h"
#include "soft-gpu/exec/fault_guard.h"
#include "soft-gpu/exec/frame_rights.h"
#include "soft-gpu/exec/window.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kParameterBytesMax = 32_KiB;
constexpr uint64_t kRegionAlignBytes = 4_KiB;
constexpr uint64_t kLocalAlignBytes = 32;  // the widest access
constexpr uint32_t kNoThread = 0xffffffff;

thread_local Worker* current_worker __attribute__((tls_model("initial-exec"))) = nullptr;

std::string NameOf(Fault fault) {
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
    case Fault::kStopped:
      return "an interruption";
    case Fault::kInvalidCall:
      return "a call through a pointer to no function that fits it";
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
  faulting_place_ = 0;
  const GuardedEnd end = RunInterruptible();
  current_worker = nullptr;
  grid.Print(text_.Take());
  if (end.fault != Fault::kNone) {
    Report(end);
    // Others may be waiting for what will not come now.
    grid.AwaitLeaving();
  }
  grid_ = nullptr;
}

GuardedEnd Worker::RunInterruptible() {
  const Grid::Presence presence(*grid_);
  const Interruption interruption{grid_->failed(), grid_->code().routine.code};
  return RunGuarded([](void* self) { static_cast<Worker*>(self)->RunBlocks(); }, this,
                    interruption);
}

Status Worker::Prepare(Grid& grid) {
  const KernelCode& code = grid.code();
  const LaunchShape& shape = grid.shape();
  const uint64_t shared_bytes = code.static_shared_bytes + shape.dynamic_shared_bytes;
  const uint64_t shared_offset = kParameterBytesMax;
  const uint64_t local_offset = shared_offset + RoundUp(shared_bytes, kRegionAlignBytes);
  // Threads that run one after another share one piece of local memory.
  const uint32_t threads = shape.block[0] * shape.block[1] * shape.block[2];
  const bool can_wait = code.routine.can_wait();
  const uint64_t stack_bytes = code.needs_stack ? shape.stack_bytes : 0;
  const uint64_t thread_bytes = code.local_bytes + stack_bytes;
  const uint64_t local_stride = can_wait ? RoundUp(thread_bytes, kLocalAlignBytes) : 0;
  const uint64_t local_bytes = can_wait ? local_stride * threads : thread_bytes;
  const uint64_t bytes = local_offset + RoundUp(local_bytes, kRegionAlignBytes);
  if (code.parameter_bytes > kParameterBytesMax) {
    return {StatusCode::kExhausted, "the kernel has more than 32 KiB of parameters"};
  }
  FARLANE_TRY(arena_.Reserve(bytes));
  if (can_wait) {
    FARLANE_TRY(threads_.Reserve(code.routine, threads, FiberStacks::BytesFor(stack_bytes)));
  }
  const DeviceWindow window = CurrentDeviceWindow();
  frame_ = {};
  frame_.parameters = reinterpret_cast<const std::byte*>(arena_.base());
  frame_.symbols = code.symbols;
  frame_.functions_base = code.functions_base;
  frame_.window_base = window.base;
  frame_.window_bytes = window.size_bytes;
  frame_.frame_rights = FrameRights::TableOrNull();
  frame_.rights = shape.rights;
  frame_.arena_base = arena_.base();
  frame_.arena_bytes = bytes;
  frame_.shared_base = arena_.base() + shared_offset;
  frame_.shared_bytes = shared_bytes;
  frame_.local_base = arena_.base() + local_offset;
  frame_.local_bytes = thread_bytes;
  frame_.local_stride = local_stride;
  frame_.threads = &threads_;
  frame_.results = threads_.results();
  frame_.dynamic_shared_bytes = shape.dynamic_shared_bytes;
  frame_.grid_id = grid.grid_id();
  frame_.grid_workspace = grid.workspace();
  frame_.worker = number_;
  frame_.workers_count = workers_count_;
  std::copy_n(shape.block, 3, frame_.ntid);
  std::copy_n(shape.grid, 3, frame_.nctaid);
  // SAFE: the arena starts with room for any parameters, and both sizes were compared.
  std::copy_n(grid.parameters().begin(),
              std::min<uint64_t>(grid.parameters().size(), kParameterBytesMax),
              reinterpret_cast<std::byte*>(arena_.base()));
  return Status::Ok();
}

// Runs guarded: owns nothing.
void Worker::RunBlocks() {
  uint64_t first = 0;
  uint64_t end = 0;
  while (grid_->Take(&first, &end)) {
    for (uint64_t block = first; block < end; ++block) {
      PlaceBlock(block);
      RunBlock();
    }
  }
}

void Worker::RunBlock() {
  const jit::Routine& routine = grid_->code().routine;
  if (routine.can_wait()) {
    threads_.Run(routine, frame_, grid_->failed());
  } else {
    routine.run_block(&frame_);
  }
}

void Worker::PlaceBlock(uint64_t number) {
  const uint32_t* grid = grid_->shape().grid;
  frame_.ctaid[0] = static_cast<uint32_t>(number % grid[0]);
  frame_.ctaid[1] = static_cast<uint32_t>(number / grid[0] % grid[1]);
  frame_.ctaid[2] = static_cast<uint32_t>(number / grid[0] / grid[1]);
}

void Worker::NoteAssertion(const jit::BlockFrame& block,
                           uint32_t linear,
                           const Assertion& assertion) {
  faulting_thread_ = linear;
  text_.CopyString(block, assertion.message, &words_[0]);
  text_.CopyString(block, assertion.file, &words_[1]);
  text_.CopyString(block, assertion.function, &words_[2]);
  assertion_ = words_[1] + ":" + std::to_string(assertion.line) + ": " + words_[2] +
               ": assertion `" + words_[0] + "` failed in ";
}

std::string Worker::Place() const {
  const auto triple = [](uint32_t x, uint32_t y, uint32_t z) {
    return "[" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + "]";
  };
  std::string place = "block: " + triple(frame_.ctaid[0], frame_.ctaid[1], frame_.ctaid[2]);
  if (faulting_thread_ != kNoThread) {
    place += ", thread: " + triple(faulting_thread_ % frame_.ntid[0],
                                   faulting_thread_ / frame_.ntid[0] % frame_.ntid[1],
                                   faulting_thread_ / frame_.ntid[0] / frame_.ntid[1]);
  }
  return place;
}

// What was accessed, as far as a check or the processor can tell.
std::string Worker::Access(const GuardedEnd& end) const {
  char text[96];
  const auto address = static_cast<unsigned long long>(end.address);
  if (end.by_signal || faulting_place_ == 0) {
    std::snprintf(text, sizeof(text), "0x%llx", address);
    return text + PlaceAmongAllocations(end.address);
  }
  const unsigned bytes = 1u << (faulting_cause_ >> 8 & 0xff);
  switch (static_cast<jit::FaultCause>(faulting_cause_ & 0xff)) {
    case jit::FaultCause::kAccess:
      std::snprintf(text, sizeof(text), "%u bytes at 0x%llx", bytes, address);
      return text + PlaceAmongAllocations(end.address);
    case jit::FaultCause::kShared:
      std::snprintf(text, sizeof(text), "%u bytes at 0x%llx of %llu bytes of shared memory", bytes,
                    address, static_cast<unsigned long long>(frame_.shared_bytes));
      return text;
    case jit::FaultCause::kLocal:
      std::snprintf(text, sizeof(text), "%u bytes at 0x%llx of %llu bytes of local memory", bytes,
                    address, static_cast<unsigned long long>(frame_.local_bytes));
      return text;
    case jit::FaultCause::kTexture:
      std::snprintf(text, sizeof(text), "the texture or surface 0x%llx, which there is not",
                    address);
      return text;
    default:
      return "";
  }
}

void Worker::Report(const GuardedEnd& end) {
  if (end.fault == Fault::kAssert) {
    grid_->Fail({end.fault, assertion_ + Place()});
    return;
  }
  const std::string access = Access(end);
  grid_->Fail({end.fault,
               NameOf(end.fault) + (access.empty() ? "" : " (" + access + ")") + ", " + Place(),
               end.by_signal ? 0 : faulting_place_});
}

}  // namespace farlane::soft
