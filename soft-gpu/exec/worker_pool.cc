// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/worker_pool.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <thread>

#include <pthread.h>

#include "protocol/base/wait_word.h"
#include "soft-gpu/exec/options.h"
#include "soft-gpu/exec/signals_blocked.h"

namespace farlane::soft {
namespace {

// Far more than fit on any device; each costs a thread.
constexpr uint64_t kBlocksTogetherMax = 4096;

// A grid that others may work on too, on the stack of the thread that launched it.
struct Call {
  Grid& grid;
  std::atomic<uint32_t> others{0};  // at work on it
};

// One block's worker and its thread.
struct Together {
  std::unique_ptr<Worker> worker;
  Grid* grid = nullptr;
  pthread_t thread{};

  static void* Run(void* self) {
    auto* const one = static_cast<Together*>(self);
    one->worker->Work(*one->grid);
    return nullptr;
  }
};

// Waits until there is one.
void TakeOne(WaitWord& entries) {
  uint32_t left = entries.load();
  while (left == 0 || !entries.word().compare_exchange_weak(left, left - 1)) {
    entries.Wait(0);
    left = entries.load();
  }
}

}  // namespace

struct WorkerPool::Queue {
  std::once_flag started;
  WaitWord entries;  // how many have not been taken
  Guarded<std::deque<Call*>> calls;
};

WorkerPool& WorkerPool::Instance() {
  // Never destroyed: threads may be waiting in it when the process ends.
  static WorkerPool* const pool = [] {
    const uint32_t wanted = CurrentExecutionOptions().threads;
    return new WorkerPool(std::max(1u, wanted != 0 ? wanted : std::thread::hardware_concurrency()));
  }();
  return *pool;
}

WorkerPool::WorkerPool(uint32_t workers_count)
    : workers_count_(workers_count), queue_(std::make_unique<Queue>()) {}

void WorkerPool::Run(Grid& grid) {
  if (grid.shape().cooperative) {
    RunTogether(grid);
    return;
  }
  Call call{grid};
  const uint64_t wanted = std::min<uint64_t>(WorkersFor(grid.shape()), grid.blocks_count()) - 1;
  if (wanted > 0) {
    StartThreadsOnce();
    queue_->calls.With([&](auto& calls) { calls.insert(calls.end(), wanted, &call); });
    queue_->entries.word().fetch_add(static_cast<uint32_t>(wanted));
    queue_->entries.TellAll();
  }
  std::unique_ptr<Worker> worker = Borrow();
  worker->Work(grid);
  idle_.With([&](auto& idle) { idle.push_back(std::move(worker)); });
  // Nobody can join from here on; those that have are waited for.
  queue_->calls.With([&](auto& calls) { std::erase(calls, &call); });
  for (uint32_t others = call.others.load(); others != 0; others = call.others.load()) {
    SleepWhile(call.others, others);
  }
}

uint32_t WorkerPool::WorkersFor(const LaunchShape& shape) const {
  if (shape.processors == 0 || shape.processors >= shape.processors_there) {
    return workers_count_;
  }
  const uint64_t part = uint64_t{workers_count_} * shape.processors;
  return static_cast<uint32_t>((part + shape.processors_there - 1) / shape.processors_there);
}

void WorkerPool::RunTogether(Grid& grid) {
  if (grid.blocks_count() > kBlocksTogetherMax) {
    grid.Fail({Fault::kUnsupported, "the cooperative grid has too many blocks to run together"});
    return;
  }
  std::vector<Together> all(grid.blocks_count());
  for (size_t i = 0; i < all.size(); ++i) {
    const auto number = static_cast<uint32_t>(i % workers_count_);
    all[i] = {std::make_unique<Worker>(number, workers_count_), &grid, {}};
    // Before any block runs: they would wait for one that has no room.
    if (const Status ready = all[i].worker->Prepare(grid); !ready.ok()) {
      grid.Fail({Fault::kUnsupported, ready.message()});
      return;
    }
  }
  const SignalsBlocked blocked;
  size_t started = 0;
  while (started < all.size()) {
    if (pthread_create(&all[started].thread, nullptr, Together::Run, &all[started]) != 0) {
      grid.Fail({Fault::kUnsupported, "there are no threads for all blocks of the grid"});
      break;
    }
    started += 1;
  }
  for (size_t i = 0; i < started; ++i) {
    pthread_join(all[i].thread, nullptr);
  }
}

void WorkerPool::StartThreadsOnce() {
  std::call_once(queue_->started, [this] {
    const SignalsBlocked blocked;
    for (uint32_t number = 1; number < workers_count_; ++number) {
      std::thread([this, number] { Serve(number); }).detach();
    }
  });
}

void WorkerPool::Serve(uint32_t number) {
  Worker worker(number, workers_count_);
  for (;;) {
    TakeOne(queue_->entries);
    Call* const call = queue_->calls.With([](auto& calls) -> Call* {
      if (calls.empty()) {
        return nullptr;  // its grid was finished without us
      }
      Call* const first = calls.front();
      calls.pop_front();
      first->others.fetch_add(1);
      return first;
    });
    if (call != nullptr) {
      worker.Work(call->grid);
      // Once the last is gone, so is the call.
      const std::atomic<uint32_t>& others = call->others;
      if (call->others.fetch_sub(1) == 1) {
        WakeAll(others);
      }
    }
  }
}

std::unique_ptr<Worker> WorkerPool::Borrow() {
  return idle_.With([&](auto& idle) {
    if (idle.empty()) {
      return std::make_unique<Worker>(0, workers_count_);
    }
    std::unique_ptr<Worker> worker = std::move(idle.back());
    idle.pop_back();
    return worker;
  });
}

}  // namespace farlane::soft
