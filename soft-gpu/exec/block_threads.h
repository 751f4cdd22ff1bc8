// SPDX-License-Identifier: Apache-2.0
// BlockThreads runs the threads of one block as fibers on one processor thread: a thread runs until
// it has to wait for another, then the next that can run does. There is no preemption, so what a
// thread does between two waits is atomic to the rest of its block. Everything here runs guarded:
// it is left by a jump when a thread faults, and starts afresh with the next block.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "protocol/base/result.h"
#include "soft-gpu/exec/fiber_stacks.h"
#include "soft-gpu/exec/warp_value.h"
#include "soft-gpu/jit/jit_engine.h"

namespace farlane::soft {

constexpr uint32_t kBlockThreadsMax = 1024;
constexpr uint32_t kBarriersCount = jit::kClusterBarrier + 1;

// A set of a block's threads.
// Thread: the worker that owns it.
class ThreadSet {
 public:
  void Clear() { words_.fill(0); }

  void Add(uint32_t thread) { words_[thread / 64] |= uint64_t{1} << thread % 64; }

  void Remove(uint32_t thread) { words_[thread / 64] &= ~(uint64_t{1} << thread % 64); }

  // Lanes of one warp.
  void AddWarp(uint32_t warp, uint32_t lanes) {
    words_[warp / 2] |= uint64_t{lanes} << warp % 2 * kWarpThreads;
  }

  void AddAll(const ThreadSet& other);

  // The first member after `thread`, going round; kBlockThreadsMax if the set is empty.
  uint32_t NextAfter(uint32_t thread) const {
    // Nearly always a neighbour.
    const uint64_t behind = words_[thread / 64] >> thread % 64 >> 1;
    return behind != 0 ? thread + 1 + static_cast<uint32_t>(std::countr_zero(behind))
                       : NextFromWord(thread / 64 + 1);
  }

  // Calls visit(thread) for each member.
  template <typename F>
  void ForEach(F&& visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t left = words_[i]; left != 0; left &= left - 1) {
        visit(static_cast<uint32_t>(i * 64 + static_cast<size_t>(std::countr_zero(left))));
      }
    }
  }

  // The members among a warp's threads, by lane.
  uint32_t LanesOf(uint32_t warp) const {
    return static_cast<uint32_t>(words_[warp / 2] >> warp % 2 * kWarpThreads);
  }

  bool Contains(uint32_t thread) const { return (words_[thread / 64] >> thread % 64 & 1) != 0; }

 private:
  // The first member from a word on, going round.
  uint32_t NextFromWord(uint32_t word) const;

  std::array<uint64_t, kBlockThreadsMax / 64> words_{};
};

// Thread: the worker that owns it.
class BlockThreads {
 public:
  // Makes room for blocks of that many threads with stacks of that size; not guarded.
  Status Reserve(uint32_t threads_count, uint64_t stack_bytes);

  // Runs all threads of a block to their end.
  void Run(jit::Routine::RunThread routine, const jit::BlockFrame& block);

  // What the threads call; see jit/runtime_function.h.
  uint32_t Barrier(jit::BarrierKind kind, uint32_t number, uint32_t count, uint32_t vote);
  uint64_t Warp(const LaneRequest& request);
  uint32_t Converge(uint64_t place);
  void Yield();
  [[noreturn]] void Exit();

  // The running thread.
  uint32_t current() const { return current_; }

 private:
  struct Waiting {
    ThreadSet threads;  // that wait in it
    uint32_t arrived = 0;
    uint32_t expected = 0;  // 0: all that have not ended
    uint32_t votes = 0;
    jit::BarrierKind kind = jit::BarrierKind::kSync;
  };

  struct WarpState {
    WarpRequests requests;
    uint32_t waiting = 0;
    uint32_t alive = 0;
    uint32_t converging = 0;  // lanes that wait in Converge
    uint32_t yielded = 0;     // lanes that could not get on since the last of those came
    std::array<uint64_t, kWarpThreads> places{};
  };

  static void Start(void* self);

  void Prepare(const jit::BlockFrame& block);
  void PrepareFiber(uint32_t thread);
  bool IsComplete(const Waiting& barrier) const;
  void Release(Waiting& barrier);
  void TryReleaseWarp(uint32_t warp, uint32_t members);
  void TryReleaseConverging(uint32_t warp);
  // Leaves the running thread for the next that can run.
  void SwitchAway();
  void SwitchTo(uint32_t thread);

  FiberStacks stacks_;
  jit::Routine::RunThread routine_ = nullptr;
  const jit::BlockFrame* block_ = nullptr;
  void* main_stack_ = nullptr;
  uint32_t current_ = 0;
  uint32_t threads_count_ = 0;
  uint32_t alive_count_ = 0;
  uint32_t idle_yields_ = 0;
  ThreadSet runnable_;
  std::array<void*, kBlockThreadsMax> stack_pointers_{};
  std::array<jit::ThreadFrame, kBlockThreadsMax> frames_{};
  std::array<uint64_t, kBlockThreadsMax> results_{};
  std::array<Waiting, kBarriersCount> barriers_{};
  std::array<WarpState, kBlockThreadsMax / kWarpThreads> warps_{};
};

}  // namespace farlane::soft
