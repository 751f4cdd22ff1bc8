// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/block_threads.h"

#include <algorithm>
#include <bit>
#include <utility>

#include <sched.h>

#include "soft-gpu/exec/fault_guard.h"
#include "soft-gpu/exec/stack_switch.h"

extern "C" void farlane_soft_fiber_start();

namespace farlane::soft {
namespace {

using jit::BarrierKind;

constexpr uint32_t kSavedRegisters = 6;
constexpr uint32_t kIdleYieldsBeforeSleep = 64;

}  // namespace

void ThreadSet::AddAll(const ThreadSet& other) {
  for (size_t i = 0; i < words_.size(); ++i) {
    words_[i] |= other.words_[i];
  }
}

uint32_t ThreadSet::NextFromWord(uint32_t word) const {
  for (uint32_t step = 0; step < words_.size(); ++step) {
    const uint32_t one = (word + step) % words_.size();
    if (words_[one] != 0) {
      return one * 64 + static_cast<uint32_t>(std::countr_zero(words_[one]));
    }
  }
  return kBlockThreadsMax;
}

Status BlockThreads::Reserve(uint32_t threads_count, uint64_t stack_bytes) {
  return stacks_.Reserve(threads_count, stack_bytes);
}

void BlockThreads::Run(jit::Routine::RunThread routine, const jit::BlockFrame& block) {
  routine_ = routine;
  Prepare(block);
  current_ = 0;
  RunOnOtherStacks([this] {
    SwitchStack(&main_stack_, stack_pointers_[0], [this] { return stacks_.extent(0); });
  });
}

void BlockThreads::Prepare(const jit::BlockFrame& block) {
  block_ = &block;
  threads_count_ = block.ntid[0] * block.ntid[1] * block.ntid[2];
  alive_count_ = threads_count_;
  idle_yields_ = 0;
  runnable_.Clear();
  barriers_.fill({});
  for (WarpState& warp : warps_) {
    warp.waiting = 0;
    warp.alive = 0;
    warp.converging = 0;
    warp.yielded = 0;
  }
  for (uint32_t thread = 0; thread < threads_count_; ++thread) {
    PrepareFiber(thread);
  }
}

void BlockThreads::PrepareFiber(uint32_t thread) {
  jit::ThreadFrame& frame = frames_[thread];
  frame.local_base = block_->local_base + thread * block_->local_stride;
  frame.local_top = 0;
  frame.linear = thread;
  frame.tid[0] = thread % block_->ntid[0];
  frame.tid[1] = thread / block_->ntid[0] % block_->ntid[1];
  frame.tid[2] = thread / block_->ntid[0] / block_->ntid[1];
  runnable_.Add(thread);
  warps_[thread / kWarpThreads].alive |= 1u << thread % kWarpThreads;
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
  const uint32_t next = runnable_.NextAfter(current_);
  if (next == kBlockThreadsMax) {
    // All that are left wait for each other; a device would hang here.
    LeaveGuarded(Fault::kTrap, 0);
  }
  SwitchTo(next);
}

void BlockThreads::Yield() {
  const uint32_t own_warp = current_ / kWarpThreads;
  warps_[own_warp].yielded |= 1u << current_ % kWarpThreads;
  TryReleaseConverging(own_warp);
  const uint32_t next = runnable_.NextAfter(current_);
  if (next != current_) {
    SwitchTo(next);
    return;
  }
  // Nobody of this block can help; maybe another block on another processor thread.
  if (++idle_yields_ % kIdleYieldsBeforeSleep == 0) {
    sched_yield();
  }
}

void BlockThreads::Exit() {
  const uint32_t thread = current_;
  runnable_.Remove(thread);
  alive_count_ -= 1;
  WarpState& warp = warps_[thread / kWarpThreads];
  warp.alive &= ~(1u << thread % kWarpThreads);
  if (alive_count_ == 0) {
    void* unused = nullptr;
    SwitchStack(&unused, main_stack_, OwnStack);
  }
  // Those who waited for this thread among others need not any more.
  for (Waiting& barrier : barriers_) {
    if (barrier.arrived != 0 && IsComplete(barrier)) {
      Release(barrier);
    }
  }
  for (uint32_t lanes = warp.waiting; lanes != 0; lanes &= warp.waiting) {
    const uint32_t lane = static_cast<uint32_t>(std::countr_zero(lanes));
    TryReleaseWarp(thread / kWarpThreads, warp.requests[lane].members);
    lanes &= ~(1u << lane);
  }
  TryReleaseConverging(thread / kWarpThreads);
  SwitchAway();
  __builtin_unreachable();
}

// ---------------------------------------------------------------------------------------- barriers

bool BlockThreads::IsComplete(const Waiting& barrier) const {
  const uint32_t expected =
      barrier.expected == 0 ? alive_count_ : std::min(barrier.expected, alive_count_);
  return barrier.arrived >= expected;
}

void BlockThreads::Release(Waiting& barrier) {
  if (barrier.kind != BarrierKind::kSync) {
    const uint64_t result =
        barrier.kind == BarrierKind::kAnd ? barrier.votes == barrier.arrived : barrier.votes;
    barrier.threads.ForEach([&](uint32_t thread) { results_[thread] = result; });
  }
  runnable_.AddAll(barrier.threads);
  barrier = {};
}

uint32_t BlockThreads::Barrier(BarrierKind kind, uint32_t number, uint32_t count, uint32_t vote) {
  if (number >= kBarriersCount) {
    LeaveGuarded(Fault::kTrap, 0);
  }
  Waiting& barrier = barriers_[number];
  barrier.arrived += 1;
  barrier.votes += vote;
  barrier.expected = count;
  if (kind != BarrierKind::kArrive) {
    barrier.kind = kind;
    barrier.threads.Add(current_);
    runnable_.Remove(current_);
  }
  if (IsComplete(barrier)) {
    Release(barrier);
  } else if (kind != BarrierKind::kArrive) {
    TryReleaseConverging(current_ / kWarpThreads);
    SwitchAway();
  }
  return static_cast<uint32_t>(results_[current_]);
}

// ------------------------------------------------------------------------------------------- warps

uint64_t BlockThreads::Warp(const LaneRequest& request) {
  const uint32_t thread = current_;
  const uint32_t lane = thread % kWarpThreads;
  WarpState& warp = warps_[thread / kWarpThreads];
  warp.requests[lane] = request;
  warp.requests[lane].members |= 1u << lane;
  warp.waiting |= 1u << lane;
  runnable_.Remove(thread);
  TryReleaseWarp(thread / kWarpThreads, warp.requests[lane].members);
  if (!runnable_.Contains(thread)) {
    TryReleaseConverging(thread / kWarpThreads);
    SwitchAway();
  }
  return results_[thread];
}

uint32_t BlockThreads::Converge(uint64_t place) {
  const uint32_t thread = current_;
  const uint32_t lane = thread % kWarpThreads;
  WarpState& warp = warps_[thread / kWarpThreads];
  warp.places[lane] = place;
  warp.converging |= 1u << lane;
  warp.yielded = 0;
  runnable_.Remove(thread);
  TryReleaseConverging(thread / kWarpThreads);
  if (!runnable_.Contains(thread)) {
    SwitchAway();
  }
  return static_cast<uint32_t>(results_[thread]);
}

// Lanes go on together with those at the same place once nobody else of the warp can get there:
// each other lane waits somewhere, has ended, or turns in a loop that looks at memory.
void BlockThreads::TryReleaseConverging(uint32_t number) {
  WarpState& warp = warps_[number];
  // Asked at every barrier and warp operation, and hardly ever does anybody converge.
  if (warp.converging == 0 || (runnable_.LanesOf(number) & ~warp.yielded) != 0) {
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
  WarpState& warp = warps_[number];
  const uint32_t present = members & warp.alive;
  if ((warp.waiting & present) != present) {
    return;
  }
  WarpResults(warp.requests, present, &results_[number * kWarpThreads]);
  runnable_.AddWarp(number, present);
  warp.waiting &= ~present;
}

}  // namespace farlane::soft
