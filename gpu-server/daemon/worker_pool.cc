// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/worker_pool.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

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

constexpr uint8_t kNoInstance[16] = {};

// What concerns a view's devices of what concerns all.
Grant PartOf(const Grant& grant, size_t first, size_t count) {
  Grant part = grant;
  part.first_device = static_cast<uint32_t>(first);
  const auto at = [first](const auto& all) {
    return all.begin() + static_cast<std::ptrdiff_t>(std::min(first, all.size()));
  };
  const auto end = [first, count](const auto& all) {
    return all.begin() + static_cast<std::ptrdiff_t>(std::min(first + count, all.size()));
  };
  part.quotas.assign(at(grant.quotas), end(grant.quotas));
  part.first_bytes.assign(at(grant.first_bytes), end(grant.first_bytes));
  return part;
}

}  // namespace

WorkerPool::WorkerPool(WorkerConfig config, uint32_t warm, const std::vector<std::string>& views)
    : config_(std::move(config)), warm_(warm) {
  for (const std::string& visible : views) {
    views_.push_back({.visible = visible,
                      .soils_memory = config_.soils_memory,
                      .tests_memory = config_.tests_memory});
  }
}

WorkerPool::~WorkerPool() {
  for (const Worker& worker : workers_) {
    Kill(worker);
  }
  for (const Worker& worker : workers_) {
    while (!worker.process.valid() && waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

size_t WorkerPool::CountSpare(size_t view) const {
  return static_cast<size_t>(
      std::count_if(workers_.begin(), workers_.end(), [view](const Worker& one) {
        return one.view == view && (one.state == State::kStarting || one.state == State::kReady);
      }));
}

void WorkerPool::Keep(size_t waiting, uint64_t now_ns) {
  for (size_t i = 0; i < views_.size(); ++i) {
    View& view = views_[i];
    const size_t more = i == 0 ? waiting : std::min<size_t>(waiting, 1);
    // The first one shows whether there is a driver at all.
    const size_t wanted = std::max<size_t>(warm_ + more, view.was_ready ? 0 : 1);
    while (!view.is_out && CountSpare(i) < wanted && !is_full() && now_ns >= view.not_before_ns) {
      const size_t before = workers_.size();
      Fork(i);
      if (workers_.size() == before) {
        view.not_before_ns = now_ns + kPauseNs;
      }
    }
  }
}

void WorkerPool::Fork(size_t view) {
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
    WorkerConfig config = config_;
    config.visible = views_[view].visible;
    // Of instances a process sees one.
    config.mps.devices_count =
        config.visible.starts_with("MIG-") ? 1 : std::max<size_t>(config.mps.devices_count, 1);
    config.soils_memory = views_[view].soils_memory;
    config.tests_memory = views_[view].tests_memory;
    RunWorker(std::move(pair->worker), daemon, config);
  }
  workers_.push_back({.pid = pid,
                      .view = view,
                      .control = std::move(pair->daemon),
                      .state = State::kStarting,
                      .process = {}});
  LogDebug("worker %d starts", pid);
}

pid_t WorkerPool::Assign(
    size_t view, const Fd& connection, const Fd& pass, const Grant& grant, bool probe) {
  const size_t first = views_[view].first;
  const ControlRecord serve{
      .kind = ControlRecord::Kind::kServe,
      .id = probe ? 1u : 0u,
      .bytes = pass.valid() ? 1u : 0u,
      .tail = PackGrant(PartOf(grant, first, views_[view].device_bytes.size()))};
  for (Worker& worker : workers_) {
    if (worker.state != State::kReady || worker.view != view) {
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

bool WorkerPool::has_ready(size_t view) const {
  return std::any_of(workers_.begin(), workers_.end(), [view](const Worker& one) {
    return one.state == State::kReady && one.view == view;
  });
}

size_t WorkerPool::ViewOf(const std::vector<size_t>& devices) const {
  for (size_t i = 0; !devices.empty() && i < views_.size(); ++i) {
    if (devices.front() >= views_[i].first &&
        devices.front() - views_[i].first < views_[i].device_bytes.size()) {
      return i;
    }
  }
  return 0;
}

void WorkerPool::NameOf(size_t view, uint8_t (&instance)[16]) const {
  const bool is_instance = views_[view].visible.starts_with("MIG-");
  const auto& gpus = views_[view].devices.gpus;
  memcpy(instance, is_instance && !gpus.empty() ? gpus.front().uuid : kNoInstance, sizeof instance);
}

std::optional<size_t> WorkerPool::ViewNamed(const uint8_t (&instance)[16]) const {
  for (size_t i = 0; i < views_.size(); ++i) {
    uint8_t name[16] = {};
    NameOf(i, name);
    if (!views_[i].is_out && memcmp(name, instance, sizeof name) == 0) {
      return i;
    }
  }
  return std::nullopt;
}

bool WorkerPool::SpreadOut(size_t view, std::vector<Holding>* holdings) const {
  if (holdings->size() != views_[view].device_bytes.size()) {
    return false;
  }
  std::vector<Holding> all(device_bytes_.size());
  std::copy(holdings->begin(), holdings->end(),
            all.begin() + static_cast<std::ptrdiff_t>(views_[view].first));
  *holdings = std::move(all);
  return true;
}

bool WorkerPool::memory_is_clean() const {
  return std::all_of(views_.begin(), views_.end(), [](const View& view) {
    return view.is_out || view.memory == FreshMemory::kZero;
  });
}

std::string WorkerPool::failure() const {
  std::string first;
  for (const View& view : views_) {
    if (!view.is_out && view.failure.empty()) {
      return "";
    }
    first = first.empty() ? view.failure : first;
  }
  return first;
}

// Where there are several views, one that does not work from the start is done without.
void WorkerPool::Fail(size_t view, const std::string& why) {
  View& failed = views_[view];
  failed.failure = why;
  if (failed.was_ready || views_.size() == 1 || failed.is_out) {
    return;
  }
  failed.is_out = true;
  LogWarn("no worker can use %s, which is left out: %s", failed.visible.c_str(), why.c_str());
  NumberDevices();
}

// The record as the server counts devices. False if the worker speaks of one that it has not.
bool WorkerPool::ToServer(const View& view, ControlRecord* record) {
  if (record->device >= view.device_bytes.size()) {
    return false;
  }
  record->device += static_cast<uint32_t>(view.first);
  return true;
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
    Fail(worker.view, record.tail);
    return;
  }
  if (worker.state == State::kServing) {
    ControlRecord told = record;
    if (!ToServer(views_[worker.view], &told) || !hear(worker.pid, told)) {
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
void WorkerPool::NoteMemory(View* view, FreshMemory found) const {
  if (found == FreshMemory::kDirty && view->memory != FreshMemory::kDirty) {
    LogWarn("the driver gives memory that is not zero; workers zero all of it themselves");
  } else if (found == FreshMemory::kUnknown && !view->was_ready && view->tests_memory) {
    LogWarn(
        "it cannot be found out whether the driver gives memory that is zero; workers zero all of "
        "it themselves");
  }
  const bool tells = view->memory != FreshMemory::kDirty && found != FreshMemory::kUnknown;
  view->memory = tells ? found : view->memory;
  view->tests_memory = view->soils_memory;
  view->soils_memory = false;
}

// Once every view has shown what it has, the devices are those of the first, then of the next.
void WorkerPool::NumberDevices() {
  const bool settled = std::all_of(views_.begin(), views_.end(),
                                   [](const View& view) { return view.was_ready || view.is_out; });
  if (was_ready_ || !settled) {
    return;
  }
  for (View& view : views_) {
    view.first = device_bytes_.size();
    device_bytes_.insert(device_bytes_.end(), view.device_bytes.begin(), view.device_bytes.end());
    devices_.cuda_version = std::max(devices_.cuda_version, view.devices.cuda_version);
    devices_.gpus.insert(devices_.gpus.end(), view.devices.gpus.begin(), view.devices.gpus.end());
  }
  was_ready_ = !device_bytes_.empty();
}

void WorkerPool::HearReady(Worker& worker, const ControlRecord& record) {
  Capacity capacity;
  View& view = views_[worker.view];
  if (view.is_out || !UnpackCapacity(record.tail, &capacity) ||
      (view.was_ready && capacity.total_bytes != view.device_bytes)) {
    LogWarn("worker %d finds other devices than the first one did; ending it", worker.pid);
    worker.state = State::kLost;
    End(worker.pid);
    return;
  }
  if (worker.state == State::kStarting) {  // not when it is back from a probe
    NoteMemory(&view, capacity.memory);
  }
  worker.state = State::kReady;
  view.failure.clear();
  if (!view.was_ready) {
    view.was_ready = true;
    driver_path_ = capacity.driver_path;
    view.device_bytes = capacity.total_bytes;
    view.devices = std::move(capacity.devices);
    NumberDevices();
    // What worked once is what all workers use: the client of one must not find another device.
    std::erase_if(config_.drivers, [this](const DriverCandidate& candidate) {
      return candidate.path != driver_path_;
    });
  }
}

// What is about no device says 0, which is less than the first one of any view but the first.
void WorkerPool::Tell(pid_t pid, const ControlRecord& record, int descriptor) {
  for (const Worker& worker : workers_) {
    if (worker.pid != pid) {
      continue;
    }
    ControlRecord told = record;
    told.device -= std::min(told.device, static_cast<uint32_t>(views_[worker.view].first));
    if (!SendRecord(worker.control.get(), told, false, descriptor)) {
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

void WorkerPool::Adopt(pid_t pid, size_t view, Fd control, Fd process) {
  workers_.push_back({.pid = pid,
                      .view = view,
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
  std::vector<size_t> never_ready;
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
      views_[worker.view].not_before_ns = now_ns + kPauseNs;
      never_ready.push_back(worker.view);
    }
    if (worker.state == State::kServing) {
      gone(worker.pid);
    }
    return true;
  });
  for (const size_t view : never_ready) {
    if (views_[view].failure.empty()) {
      Fail(view, "a worker ended before it was ready");
    }
  }
}

}  // namespace farlane::server
