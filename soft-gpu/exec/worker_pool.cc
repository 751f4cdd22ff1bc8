// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/worker_pool.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <semaphore>
#include <thread>

#include <pthread.h>
#include <signal.h>

namespace farlane::soft {
namespace {

// A grid that wants help, on the stack of the thread that launched it.
struct Call {
  Grid& grid;
  std::atomic<uint32_t> threads{0};  // at work on it
};

}  // namespace

struct WorkerPool::Queue {
  std::once_flag started;
  std::counting_semaphore<> entries{0};
  Guarded<std::deque<Call*>> calls;
};

WorkerPool& WorkerPool::Instance() {
  // Never destroyed: threads may be waiting in it when the process ends.
  static WorkerPool* const pool = new WorkerPool(std::max(1u, std::thread::hardware_concurrency()));
  return *pool;
}

WorkerPool::WorkerPool(uint32_t workers_count)
    : workers_count_(workers_count), queue_(std::make_unique<Queue>()) {}

void WorkerPool::Run(Grid& grid) {
  Call call{grid};
  const uint64_t wanted = std::min<uint64_t>(workers_count_, grid.blocks_count()) - 1;
  if (wanted > 0) {
    StartThreadsOnce();
    queue_->calls.With([&](auto& calls) { calls.insert(calls.end(), wanted, &call); });
    queue_->entries.release(static_cast<ptrdiff_t>(wanted));
  }
  std::unique_ptr<Worker> worker = Borrow();
  worker->Work(grid);
  idle_.With([&](auto& idle) { idle.push_back(std::move(worker)); });
  // No thread can join from here on; those that have are waited for.
  queue_->calls.With([&](auto& calls) { std::erase(calls, &call); });
  for (uint32_t threads = call.threads.load(); threads != 0; threads = call.threads.load()) {
    call.threads.wait(threads);
  }
}

void WorkerPool::StartThreadsOnce() {
  std::call_once(queue_->started, [this] {
    // The process's own signals are for its own threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
      sigdelset(&all, signal);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t number = 1; number < workers_count_; ++number) {
      std::thread([this, number] { Help(number); }).detach();
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  });
}

void WorkerPool::Help(uint32_t number) {
  Worker worker(number, workers_count_);
  for (;;) {
    queue_->entries.acquire();
    Call* const call = queue_->calls.With([](auto& calls) -> Call* {
      if (calls.empty()) {
        return nullptr;  // its grid was finished without us
      }
      Call* const first = calls.front();
      calls.pop_front();
      first->threads.fetch_add(1);
      return first;
    });
    if (call != nullptr) {
      worker.Work(call->grid);
      call->threads.fetch_sub(1);
      call->threads.notify_all();
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
