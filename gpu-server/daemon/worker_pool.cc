// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/worker_pool.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include "gpu-server/daemon/descriptor_passing.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// A driver that does not start now does not start a millisecond later.
constexpr uint64_t kPauseNs = 1'000'000'000;

}  // namespace

WorkerPool::WorkerPool(WorkerConfig config, uint32_t warm)
    : config_(std::move(config)), warm_(warm) {}

WorkerPool::~WorkerPool() {
  for (const Worker& worker : workers_) {
    kill(worker.pid, SIGKILL);
  }
  for (const Worker& worker : workers_) {
    while (waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

size_t WorkerPool::CountSpare() const {
  return static_cast<size_t>(std::count_if(workers_.begin(), workers_.end(), [](const Worker& one) {
    return one.state == State::kStarting || one.state == State::kReady;
  }));
}

void WorkerPool::Keep(size_t waiting, uint64_t now_ns) {
  // The first one shows whether there is a driver at all.
  const size_t wanted = std::max<size_t>(warm_ + waiting, was_ready_ ? 0 : 1);
  while (CountSpare() < wanted && !is_full() && now_ns >= not_before_ns_) {
    const size_t before = workers_.size();
    Fork();
    if (workers_.size() == before) {
      not_before_ns_ = now_ns + kPauseNs;
    }
  }
}

void WorkerPool::Fork() {
  Result<SocketPair> pair = MakeSocketPair();
  if (!pair.has_value()) {
    LogError("%s", pair.error().message().c_str());
    return;
  }
  const pid_t daemon = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    LogError("cannot fork a worker: %s",
             Status::FromErrno(StatusCode::kExhausted, "fork", errno).message().c_str());
    return;
  }
  if (pid == 0) {
    RunWorker(std::move(pair->worker), daemon, config_);
  }
  workers_.push_back({.pid = pid, .control = std::move(pair->daemon)});
  LogDebug("worker %d starts", pid);
}

bool WorkerPool::Assign(const Fd& connection, bool probe) {
  for (Worker& worker : workers_) {
    if (worker.state != State::kReady) {
      continue;
    }
    if (!SendDescriptor(worker.control.get(), connection.get())) {
      worker.state = State::kLost;  // it is dying; Reap takes it away
      continue;
    }
    worker.state = probe ? State::kProbing : State::kServing;
    if (!probe) {
      worker.control.Reset();
    }
    return true;
  }
  return false;
}

void WorkerPool::AppendControls(std::vector<int>* controls) const {
  for (const Worker& worker : workers_) {
    if (worker.control.valid()) {
      controls->push_back(worker.control.get());
    }
  }
}

void WorkerPool::Hear(int control) {
  const auto found = std::find_if(workers_.begin(), workers_.end(), [control](const Worker& one) {
    return one.control.get() == control;
  });
  WorkerReport report;
  if (found == workers_.end()) {
    return;
  }
  if (!ReceiveReport(control, &report)) {
    found->control.Reset();
    found->state = State::kLost;  // Reap takes it away
    return;
  }
  if (report.kind == WorkerReport::Kind::kFailed) {
    failure_ = report.text;
    return;
  }
  found->state = State::kReady;
  failure_.clear();
  if (!was_ready_) {
    was_ready_ = true;
    driver_path_ = report.text;
    // What worked once is what all workers use: the client of one must not find another device.
    std::erase_if(config_.drivers, [this](const DriverCandidate& candidate) {
      return candidate.path != driver_path_;
    });
  }
}

void WorkerPool::Reap(uint64_t now_ns) {
  std::erase_if(workers_, [this, now_ns](const Worker& worker) {
    int status = 0;
    if (waitpid(worker.pid, &status, WNOHANG) != worker.pid) {
      return false;
    }
    if (WIFSIGNALED(status)) {
      LogWarn("worker %d was ended by signal %d", worker.pid, WTERMSIG(status));
    } else {
      LogDebug("worker %d ended with %d", worker.pid, WEXITSTATUS(status));
    }
    if (worker.state == State::kStarting || worker.state == State::kLost) {
      not_before_ns_ = now_ns + kPauseNs;
      failure_ = failure_.empty() ? "a worker ended before it was ready" : failure_;
    }
    return true;
  });
}

}  // namespace farlane::server
