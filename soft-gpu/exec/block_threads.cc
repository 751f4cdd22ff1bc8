// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/block_threads.h"

#include <algorithm>
#include <bit>
#include <utility>

#include <sched.h>

#include "protocol/base/bytes.h"
#include "soft-gpu/exec/fault_guard.h"
#include "soft-gpu/exec/stack_switch.h"

extern "C" void farlane_soft_fiber_start();

namespace farlane::soft {
namespace {

using jit::BarrierKind;

constexpr uint32_t kSavedRegisters = 6;
constexpr uint64_t kLineBytes = 64;
constexpr uint64_t kLongFrameBytes = 512;
constexpr uint32_t kIdleYieldsBeforeSleep = 64;

}  // namespace

Status BlockThreads::Reserve(const jit::Routine& routine,
                             uint32_t threads_count,
                             uint64_t stack_bytes) {
  if (routine.start_thread == nullptr) {
    return stacks_.Reserve(threads_count, stack_bytes);
  }
  coroutine_stride_ = RoundUp(routine.frame_bytes, routine.frame_align_bytes);
  // Of long frames not all is in use at a time: an odd number of lines spreads what is.
  if (coroutine_stride_ >= kLongFrameBytes && coroutine_stride_ / kLineBytes % 2 == 0 &&
      routine.frame_align_bytes == kLineBytes) {
    coroutine_stride_ += kLineBytes;
  }
  return coroutine_frames_.Reserve(coroutine_stride_ * threads_count);
}

void BlockThreads::Run(const jit::Routine& routine,
                       const jit::BlockFrame& block,
                       const std::atomic<bool>& gives_up) {
  gives_up_ = &gives_up;
  Prepare(block);
  if (routine.start_thread != nullptr) {
    RunCoroutines(routine.start_thread);
  } else {
    routine_ = routine.run_thread;
    RunFibers();
  }
}

void BlockThreads::Prepare(const jit::BlockFrame& block) {
  block_ = &block;
  threads_count_ = block.ntid[0] * block.ntid[1] * block.ntid[2];
  alive_count_ = threads_count_;
  idle_yields_ = 0;
  runnable_.Clear();
  for (; barriers_in_use_ != 0; barriers_in_use_ &= barriers_in_use_ - 1) {
    barriers_[static_cast<uint32_t>(std::countr_zero(barriers_in_use_))] = {};
  }
  for (WarpState& warp : warps_) {
    warp.waiting = 0;
    warp.alive = 0;
    warp.converging = 0;
    warp.yielded = 0;
  }
  uint32_t tid[3] = {0, 0, 0};
  for (uint32_t thread = 0; thread < threads_count_; ++thread) {
    jit::ThreadFrame& frame = frames_[thread];
    frame.local_base = block.local_base + thread * block.local_stride;
    frame.local_top = 0;
    frame.linear = thread;
    std::copy_n(tid, 3, frame.tid);
    for (uint32_t i = 0; i < 3 && ++tid[i] == block.ntid[i]; ++i) {
      tid[i] = 0;
    }
    runnable_.Add(thread);
    warps_[thread / kWarpThreads].alive |= 1u << thread % kWarpThreads;
  }
}

uint32_t BlockThreads::Next() const {
  const uint32_t next = runnable_.NextAfter(current_);
  if (next == kBlockThreadsMax) {
    // All that are left wait for each other; a device would hang here.
    LeaveGuarded(Fault::kTrap, 0);
  }
  return next;
}

void BlockThreads::LeaveIfGivenUp() const {
  if (gives_up_->load(std::memory_order_relaxed)) {
    LeaveGuarded(Fault::kStopped, 0);
  }
}

// Of the running thread. Those who waited for it among others need not any more.
void BlockThreads::End() {
  const uint32_t thread = current_;
  runnable_.Remove(thread);
  alive_count_ -= 1;
  WarpState& warp = warps_[thread / kWarpThreads];
  warp.alive &= ~(1u << thread % kWarpThreads);
  if (alive_count_ == 0) {
    return;
  }
  for (uint32_t left = barriers_in_use_; left != 0; left &= left - 1) {
    const auto number = static_cast<uint32_t>(std::countr_zero(left));
    if (IsComplete(barriers_[number])) {
      Release(number);
    }
  }
  for (uint32_t lanes = warp.waiting; lanes != 0; lanes &= warp.waiting) {
    const uint32_t lane = static_cast<uint32_t>(std::countr_zero(lanes));
    TryReleaseWarp(thread / kWarpThreads, warp.requests[lane].members);
    lanes &= ~(1u << lane);
  }
  TryReleaseConverging(thread / kWarpThreads);
}

// -------------------------------------------------------------------------------------- coroutines

void* BlockThreads::FrameOf(uint32_t thread) const {
  return reinterpret_cast<void*>(coroutine_frames_.base() + thread * coroutine_stride_);
}

// Up to where the running thread really waits, or to its end.
void BlockThreads::Resume(void* frame) {
  const auto go_on = *static_cast<void (**)(void*)>(frame);
  do {
    goes_on_ = false;
    go_on(frame);
  } while (goes_on_);
}

void BlockThreads::RunCoroutines(jit::Routine::StartThread start) {
  // In the order in which Next() would find them: nobody who waits comes before one that is new.
  for (uint32_t thread = 0; thread < threads_count_; ++thread) {
    current_ = thread;
    goes_on_ = false;
    start(block_, &frames_[thread], FrameOf(thread));
    if (goes_on_) {
      Resume(FrameOf(thread));
    }
  }
  uint32_t thread = threads_count_ - 1;
  while (alive_count_ != 0) {
    // Nearly always the neighbour: a guess of the processor's, so that it needs not wait for what
    // the last thread has just written into the set.
    thread = thread + 1 < threads_count_ && runnable_.Contains(thread + 1) ? thread + 1 : Next();
    current_ = thread;
    Resume(FrameOf(thread));
  }
}

// ------------------------------------------------------------------------------------------ fibers

void BlockThreads::RunFibers() {
  for (uint32_t thread = 0; thread < threads_count_; ++thread) {
    PrepareFiber(thread);
  }
  current_ = 0;
  RunOnOtherStacks([this] {
    SwitchStack(&main_stack_, stack_pointers_[0], [this] { return stacks_.extent(0); });
  });
}

void BlockThreads::PrepareFiber(uint32_t thread) {
  ForgetStack([this, thread] { return stacks_.extent(thread); });
  // What the first switch to it finds: the saved registers, then where to go. The call made there
  // needs the stack at a multiple of 16.
  auto* const top = reinterpret_cast<uint64_t*>(stacks_.top(thread) & ~uint64_t{63});
  uint64_t* const saved = top - kSavedRegisters - 3;
  std::fill(saved, top, 0);
  saved[2] = reinterpret_cast<uint64_t>(&BlockThreads::Start);  // r13
  saved[3] = reinterpret_cast<uint64_t>(this);                  // r12
  saved[kSavedRegisters] = reinterpret_cast<uint64_t>(&farlane_soft_fiber_start);
  stack_pointers_[thread] = saved;
}

void BlockThreads::Start(void* self) {
  EnterNewStack();
  auto* const threads = static_cast<BlockThreads*>(self);
  threads->routine_(threads->block_, &threads->frames_[threads->current_]);
  threads->Exit();
}

void BlockThreads::SwitchTo(uint32_t thread) {
  const uint32_t from = current_;
  if (thread != from) {
    current_ = thread;
    // Threads run in order, mostly: what the one after next left on its stack is wanted soon.
    __builtin_prefetch(stack_pointers_[(thread + 1) % kBlockThreadsMax]);
    SwitchStack(&stack_pointers_[from], stack_pointers_[thread],
                [this, thread] { return stacks_.extent(thread); });
  }
}

void BlockThreads::SwitchAway() {
  SwitchTo(Next());
}

uint32_t BlockThreads::Barrier(BarrierKind kind, uint32_t number, uint32_t count, uint32_t vote) {
  if (!ArriveAtBarrier(kind, number, count, vote)) {
    SwitchAway();
  }
  return static_cast<uint32_t>(results_[current_]);
}

uint64_t BlockThreads::Warp(
    jit::WarpKind kind, uint32_t members, uint64_t value, uint32_t first, uint32_t second) {
  if (!ArriveInWarp(kind, members, value, first, second)) {
    SwitchAway();
  }
  return results_[current_];
}

uint32_t BlockThreads::Converge(uint64_t place) {
  if (!ArriveToConverge(place)) {
    SwitchAway();
  }
  return static_cast<uint32_t>(results_[current_]);
}

void BlockThreads::Yield() {
  if (!ArriveToYield()) {
    SwitchAway();
  }
}

void BlockThreads::Exit() {
  End();
  if (alive_count_ == 0) {
    void* unused = nullptr;
    SwitchStack(&unused, main_stack_, OwnStack);
  }
  SwitchAway();
  __builtin_unreachable();
}

// ---------------------------------------------------------------------------------------- barriers

bool BlockThreads::IsComplete(const Waiting& barrier) const {
  const uint32_t expected =
      barrier.expected == 0 ? alive_count_ : std::min(barrier.expected, alive_count_);
  return barrier.arrived >= expected;
}

void BlockThreads::Release(uint32_t number) {
  Waiting& barrier = barriers_[number];
  if (barrier.kind != BarrierKind::kSync) {
    const uint64_t result =
        barrier.kind == BarrierKind::kAnd ? barrier.votes == barrier.arrived : barrier.votes;
    barrier.threads.ForEach([&](uint32_t thread) { results_[thread] = result; });
  }
  runnable_.AddAll(barrier.threads);
  barrier = {};
  barriers_in_use_ &= ~(1u << number);
}

bool BlockThreads::ArriveAtBarrier(BarrierKind kind,
                                   uint32_t number,
                                   uint32_t count,
                                   uint32_t vote) {
  LeaveIfGivenUp();
  if (number >= kBarriersCount) {
    LeaveGuarded(Fault::kTrap, 0);
  }
  Waiting& barrier = barriers_[number];
  barriers_in_use_ |= 1u << number;
  barrier.arrived += 1;
  barrier.votes += vote;
  barrier.expected = count;
  if (kind != BarrierKind::kArrive) {
    barrier.kind = kind;
    barrier.threads.Add(current_);
    runnable_.Remove(current_);
  }
  if (IsComplete(barrier)) {
    Release(number);
    return true;
  }
  if (kind == BarrierKind::kArrive) {
    return true;
  }
  TryReleaseConverging(current_ / kWarpThreads);
  return false;
}

// ------------------------------------------------------------------------------------------- warps

bool BlockThreads::ArriveInWarp(
    jit::WarpKind kind, uint32_t members, uint64_t value, uint32_t first, uint32_t second) {
  LeaveIfGivenUp();
  const uint32_t thread = current_;
  const uint32_t lane = thread % kWarpThreads;
  WarpState& warp = warps_[thread / kWarpThreads];
  const uint32_t all = members | 1u << lane;
  // Field by field: a copy of the whole would wait for its parts to be written.
  LaneRequest& request = warp.requests[lane];
  request.kind = kind;
  request.members = all;
  request.value = value;
  request.first = first;
  request.second = second;
  warp.waiting |= 1u << lane;
  if ((warp.waiting & all & warp.alive) == (all & warp.alive)) {
    ReleaseWarp(thread / kWarpThreads, all & warp.alive);
    return true;
  }
  runnable_.Remove(thread);
  TryReleaseConverging(thread / kWarpThreads);
  return false;
}

bool BlockThreads::ArriveToConverge(uint64_t place) {
  const uint32_t thread = current_;
  const uint32_t lane = thread % kWarpThreads;
  WarpState& warp = warps_[thread / kWarpThreads];
  warp.places[lane] = place;
  warp.converging |= 1u << lane;
  warp.yielded = 0;
  runnable_.Remove(thread);
  TryReleaseConverging(thread / kWarpThreads);
  return runnable_.Contains(thread);
}

bool BlockThreads::ArriveToYield() {
  LeaveIfGivenUp();
  const uint32_t own_warp = current_ / kWarpThreads;
  warps_[own_warp].yielded |= 1u << current_ % kWarpThreads;
  TryReleaseConverging(own_warp);
  if (runnable_.NextAfter(current_) != current_) {
    return false;
  }
  // Nobody of this block can help; maybe another block on another processor thread.
  if (++idle_yields_ % kIdleYieldsBeforeSleep == 0) {
    sched_yield();
  }
  return true;
}

// Lanes go on together with those at the same place once nobody else of the warp can get there:
// each other lane waits somewhere, has ended, or turns in a loop that looks at memory.
void BlockThreads::ReleaseConvergingIfAlone(uint32_t number) {
  WarpState& warp = warps_[number];
  if ((runnable_.LanesOf(number) & ~warp.yielded) != 0) {
    return;
  }
  const uint32_t converging = std::exchange(warp.converging, 0);
  for (uint32_t lanes = converging; lanes != 0; lanes &= lanes - 1) {
    const uint32_t lane = static_cast<uint32_t>(std::countr_zero(lanes));
    uint32_t together = 0;
    for (uint32_t others = converging; others != 0; others &= others - 1) {
      const uint32_t other = static_cast<uint32_t>(std::countr_zero(others));
      together |= uint32_t{warp.places[other] == warp.places[lane]} << other;
    }
    results_[number * kWarpThreads + lane] = together;
    runnable_.Add(number * kWarpThreads + lane);
  }
}

void BlockThreads::TryReleaseWarp(uint32_t number, uint32_t members) {
  const WarpState& warp = warps_[number];
  const uint32_t present = members & warp.alive;
  if ((warp.waiting & present) == present) {
    ReleaseWarp(number, present);
  }
}

void BlockThreads::ReleaseWarp(uint32_t number, uint32_t present) {
  WarpState& warp = warps_[number];
  WarpResults(warp.requests, present, &results_[number * kWarpThreads]);
  runnable_.AddWarp(number, present);
  warp.waiting &= ~present;
}

}  // namespace farlane::soft
