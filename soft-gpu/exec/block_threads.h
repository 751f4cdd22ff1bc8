// SPDX-License-Identifier: Apache-2.0
// BlockThreads runs the threads of one block on one processor thread: a thread runs until it has to
// wait for another, then the next that can run does. There is no preemption, so what a thread does
// between two waits is atomic to the rest of its block. Threads are coroutines, which wait by
// returning, or fibers, which wait by going to another stack; who runs when is the same for both.
// Everything here runs guarded: it is left by a jump when a thread faults, and starts afresh with
// the next block.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "protocol/base/result.h"
#include "soft-gpu/exec/arena.h"
#include "soft-gpu/exec/fiber_stacks.h"
#include "soft-gpu/exec/thread_set.h"
#include "soft-gpu/exec/warp_value.h"
#include "soft-gpu/jit/jit_engine.h"

namespace farlane::soft {

constexpr uint32_t kBarriersCount = jit::kClusterBarrier + 1;

// Thread: the worker that owns it.
class BlockThreads {
 public:
  // Makes room for blocks of that many threads, which have stacks of that size if they are fibers;
  // not guarded.
  Status Reserve(const jit::Routine& routine, uint32_t threads_count, uint64_t stack_bytes);

  // Runs all threads of a block to their end, unless `gives_up` says meanwhile that what they wait
  // for may never come.
  void Run(const jit::Routine& routine,
           const jit::BlockFrame& block,
           const std::atomic<bool>& gives_up);

  // The running thread comes to where it may have to wait; see jit/runtime_function.h. False: it
  // waits, true: it goes on at once.
  bool ArriveAtBarrier(jit::BarrierKind kind, uint32_t number, uint32_t count, uint32_t vote);
  bool ArriveInWarp(
      jit::WarpKind kind, uint32_t members, uint64_t value, uint32_t first, uint32_t second);
  bool ArriveToConverge(uint64_t place);
  bool ArriveToYield();
  // It has done all its work.
  void End();

  // What has become of a coroutine that is about to suspend itself.
  void NoteArrival(bool goes_on) { goes_on_ = goes_on; }

  // The same for fibers, which come back from there when they go on.
  uint32_t Barrier(jit::BarrierKind kind, uint32_t number, uint32_t count, uint32_t vote);
  uint64_t Warp(
      jit::WarpKind kind, uint32_t members, uint64_t value, uint32_t first, uint32_t second);
  uint32_t Converge(uint64_t place);
  void Yield();
  [[noreturn]] void Exit();

  // By thread: what it waited for.
  const uint64_t* results() const { return results_.data(); }

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
  void RunFibers();
  void PrepareFiber(uint32_t thread);
  void RunCoroutines(jit::Routine::StartThread start);
  void* FrameOf(uint32_t thread) const;
  void Resume(void* frame);
  // Called by a thread that is about to wait.
  void LeaveIfGivenUp() const;
  bool IsComplete(const Waiting& barrier) const;
  void Release(uint32_t barrier);
  void TryReleaseWarp(uint32_t warp, uint32_t members);
  void ReleaseWarp(uint32_t warp, uint32_t present);

  // Asked at every barrier and warp operation, and hardly ever does anybody converge.
  void TryReleaseConverging(uint32_t warp) {
    if (warps_[warp].converging != 0) {
      ReleaseConvergingIfAlone(warp);
    }
  }

  void ReleaseConvergingIfAlone(uint32_t warp);
  // The next thread that can run after the running one.
  uint32_t Next() const;
  // Leaves the running fiber for it.
  void SwitchAway();
  void SwitchTo(uint32_t thread);

  FiberStacks stacks_;
  Arena coroutine_frames_;
  uint64_t coroutine_stride_ = 0;  // from one thread's frame to the next one's
  jit::Routine::RunThread routine_ = nullptr;
  const jit::BlockFrame* block_ = nullptr;
  const std::atomic<bool>* gives_up_ = nullptr;
  void* main_stack_ = nullptr;
  uint32_t current_ = 0;
  uint32_t threads_count_ = 0;
  uint32_t alive_count_ = 0;
  uint32_t idle_yields_ = 0;
  bool goes_on_ = false;  // the coroutine that suspended itself last
  ThreadSet runnable_;
  std::array<void*, kBlockThreadsMax> stack_pointers_{};
  std::array<jit::ThreadFrame, kBlockThreadsMax> frames_{};
  std::array<uint64_t, kBlockThreadsMax> results_{};
  std::array<Waiting, kBarriersCount> barriers_{};
  uint32_t barriers_in_use_ = 0;  // a bit for each at which somebody has arrived
  std::array<WarpState, kBlockThreadsMax / kWarpThreads> warps_{};
};

}  // namespace farlane::soft
