// SPDX-License-Identifier: Apache-2.0
// Waiters are the threads on which everything runs that may wait for the device or take long, so
// that the dispatch thread never does. They come as they are needed and leave when idle.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace farlane::server {

// Thread: any. The destructor waits for all jobs.
class Waiters {
 public:
  using Job = std::function<void()>;

  // More threads than a program blocks at a time: a waiting job must never wait for another job's
  // thread, since what releases it may be that job.
  static constexpr size_t kThreadsMax = 1024;

  Waiters() = default;
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;
  ~Waiters();

  // False: there are too many already, and the job was not taken.
  bool Run(Job job);

  // Whether no job waits or runs at this moment.
  bool AllIdle();

 private:
  void Loop();

  std::mutex mutex_;  // not Guarded: threads wait on a condition with it
  std::condition_variable work_;
  std::condition_variable gone_;
  std::deque<Job> jobs_;
  size_t threads_ = 0;
  size_t idle_ = 0;
  bool closing_ = false;
};

}  // namespace farlane::server
