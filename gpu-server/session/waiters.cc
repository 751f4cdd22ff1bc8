// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/waiters.h"

#include <chrono>
#include <system_error>
#include <thread>

namespace farlane::server {
namespace {

// Longer than the pause between two waits of a busy program, so that it keeps its threads.
constexpr auto kIdle = std::chrono::seconds(2);

}  // namespace

Waiters::~Waiters() {
  std::unique_lock<std::mutex> lock(mutex_);
  closing_ = true;
  work_.notify_all();
  gone_.wait(lock, [this] { return threads_ == 0; });
}

bool Waiters::Run(Job job) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (idle_ > jobs_.size()) {
    jobs_.push_back(std::move(job));
    work_.notify_one();
    return true;
  }
  if (threads_ >= kThreadsMax) {
    return false;
  }
  jobs_.push_back(std::move(job));
  ++threads_;
  std::thread([this] { Loop(); }).detach();
  return true;
}

bool Waiters::AllIdle() {
  std::lock_guard<std::mutex> lock(mutex_);
  return jobs_.empty() && idle_ == threads_;
}

void Waiters::Loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    if (jobs_.empty()) {
      ++idle_;
      const bool woken = work_.wait_for(lock, kIdle, [this] { return closing_ || !jobs_.empty(); });
      --idle_;
      if (jobs_.empty() && (closing_ || !woken)) {
        break;
      }
    }
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
  --threads_;
  gone_.notify_all();
}

}  // namespace farlane::server
