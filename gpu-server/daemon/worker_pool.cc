// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/worker_pool.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu-server/daemon/forked_child.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// A driver that does not start now does not start a millisecond later.
constexpr uint64_t kPauseNs = 1'000'000'000;

constexpr int kRecordsPerLook = 64;

}  // namespace

WorkerPool::WorkerPool(WorkerConfig config, uint32_t warm)
    : config_(std::move(config)), warm_(warm) {}

WorkerPool::~WorkerPool() {
  for (const Worker& worker : workers_) {
    Kill(worker);
  }
  for (const Worker& worker : workers_) {
    while (!worker.process.valid() && waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {
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
  WipeUnusedStack();
  const pid_t pid = fork();
  if (pid < 0) {
    LogError("cannot fork a worker: %s",
             Status::FromErrno(StatusCode::kExhausted, "fork", errno).message().c_str());
    return;
  }
  if (pid == 0) {
    RunWorker(std::move(pair->worker), daemon, config_);
  }
  workers_.push_back(
      {.pid = pid, .control = std::move(pair->daemon), .state = State::kStarting, .process = {}});
  LogDebug("worker %d starts", pid);
}

pid_t WorkerPool::Assign(const Fd& connection, const Fd& pass, const Grant& grant, bool probe) {
  const ControlRecord serve{.kind = ControlRecord::Kind::kServe,
                            .id = probe ? 1u : 0u,
                            .bytes = pass.valid() ? 1u : 0u,
                            .tail = PackGrant(grant)};
  for (Worker& worker : workers_) {
    if (worker.state != State::kReady) {
      continue;
    }
    const int control = worker.control.get();
    if (!SendRecord(control, serve, false, connection.get()) ||
        (pass.valid() &&
         !SendRecord(control, {.kind = ControlRecord::Kind::kPass}, false, pass.get()))) {
      worker.state = State::kLost;  // it is dying; Reap takes it away
      continue;
    }
    worker.state = probe ? State::kProbing : State::kServing;
    return worker.pid;
  }
  return 0;
}

bool WorkerPool::has_ready() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const Worker& one) { return one.state == State::kReady; });
}

void WorkerPool::AppendControls(std::vector<int>* controls) const {
  for (const Worker& worker : workers_) {
    if (worker.control.valid()) {
      controls->push_back(worker.control.get());
    }
  }
}

void WorkerPool::Hear(int control, const HearServing& hear) {
  const auto found = std::find_if(workers_.begin(), workers_.end(), [control](const Worker& one) {
    return one.control.get() == control;
  });
  if (found == workers_.end()) {
    return;
  }
  // Not for ever: a worker that talks without end must not be the only one that is heard.
  for (int i = 0; i < kRecordsPerLook; ++i) {
    ControlRecord record;
    const Received received = ReceiveRecord(control, &record, false);
    if (received == Received::kGone) {
      found->control.Reset();
      found->state = found->state == State::kServing ? State::kServing : State::kLost;
      return;  // Reap takes it away
    }
    if (received == Received::kNothing) {
      return;
    }
    HearOne(*found, record, hear);
  }
}

void WorkerPool::HearOne(Worker& worker, const ControlRecord& record, const HearServing& hear) {
  if (record.kind == ControlRecord::Kind::kFailed) {
    failure_ = record.tail;
    return;
  }
  if (worker.state == State::kServing) {
    if (!hear(worker.pid, record)) {
      LogWarn("worker %d says what no worker says; ending it", worker.pid);
      End(worker.pid);
    }
    return;
  }
  if (record.kind == ControlRecord::Kind::kReady) {
    HearReady(worker, record);
  }
}

// The first worker leaves something behind and looks for it; the next one looks from a process of
// its own. Once something was found, memory is not believed to be zero again.
void WorkerPool::NoteMemory(FreshMemory found) {
  if (found == FreshMemory::kDirty && memory_ != FreshMemory::kDirty) {
    LogWarn("the driver gives memory that is not zero; workers zero all of it themselves");
  } else if (found == FreshMemory::kUnknown && !was_ready_ && config_.tests_memory) {
    LogWarn(
        "it cannot be found out whether the driver gives memory that is zero; workers zero all of "
        "it themselves");
  }
  const bool tells = memory_ != FreshMemory::kDirty && found != FreshMemory::kUnknown;
  memory_ = tells ? found : memory_;
  config_.tests_memory = config_.soils_memory;
  config_.soils_memory = false;
}

void WorkerPool::HearReady(Worker& worker, const ControlRecord& record) {
  Capacity capacity;
  if (!UnpackCapacity(record.tail, &capacity) ||
      (was_ready_ && capacity.total_bytes != device_bytes_)) {
    LogWarn("worker %d finds other devices than the first one did; ending it", worker.pid);
    worker.state = State::kLost;
    End(worker.pid);
    return;
  }
  if (worker.state == State::kStarting) {  // not when it is back from a probe
    NoteMemory(capacity.memory);
  }
  worker.state = State::kReady;
  failure_.clear();
  if (!was_ready_) {
    was_ready_ = true;
    driver_path_ = capacity.driver_path;
    device_bytes_ = capacity.total_bytes;
    devices_ = std::move(capacity.devices);
    // What worked once is what all workers use: the client of one must not find another device.
    std::erase_if(config_.drivers, [this](const DriverCandidate& candidate) {
      return candidate.path != driver_path_;
    });
  }
}

void WorkerPool::Tell(pid_t pid, const ControlRecord& record, int descriptor) {
  for (const Worker& worker : workers_) {
    if (worker.pid == pid && !SendRecord(worker.control.get(), record, false, descriptor)) {
      LogWarn("worker %d does not listen; ending it", pid);
      End(pid);
    }
  }
}

void WorkerPool::Kill(const Worker& worker) {
  if (worker.process.valid()) {
    syscall(SYS_pidfd_send_signal, worker.process.get(), SIGKILL, nullptr, 0);
  } else {
    kill(worker.pid, SIGKILL);
  }
}

void WorkerPool::End(pid_t pid) {
  for (const Worker& worker : workers_) {
    if (worker.pid == pid) {
      Kill(worker);
    }
  }
}

void WorkerPool::Adopt(pid_t pid, Fd control, Fd process) {
  workers_.push_back({.pid = pid,
                      .control = std::move(control),
                      .state = State::kServing,
                      .process = std::move(process)});
}

void WorkerPool::LetGo() {
  std::erase_if(workers_, [](const Worker& worker) { return worker.state == State::kServing; });
}

// One that is no child of this daemon is known to have ended when it hears us no more.
bool WorkerPool::HasEnded(const Worker& worker, int* status) {
  if (!worker.process.valid()) {
    return waitpid(worker.pid, status, WNOHANG) == worker.pid;
  }
  if (worker.control.valid()) {
    return false;
  }
  Kill(worker);
  *status = 0;
  return true;
}

void WorkerPool::Reap(uint64_t now_ns, const std::function<void(pid_t worker)>& gone) {
  std::erase_if(workers_, [&](const Worker& worker) {
    int status = 0;
    if (!HasEnded(worker, &status)) {
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
    if (worker.state == State::kServing) {
      gone(worker.pid);
    }
    return true;
  });
}

}  // namespace farlane::server
