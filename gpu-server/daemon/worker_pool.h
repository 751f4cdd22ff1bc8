// SPDX-License-Identifier: Apache-2.0
// WorkerPool makes workers, keeps some of them warm and gives each client one of its own.
// Workers are forked by the thread that calls Keep: it must be the daemon's main thread and its
// only one, since a worker dies with the thread that made it.
//
// There are workers of several kinds where GPUs are divided into MIG instances, since a process
// sees one of those and no more: a *view* is what the workers of one kind see. The server numbers
// the devices of all views through; a worker counts those of its own, from 0. What goes between
// them is translated here and nowhere else.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "gpu-server/daemon/control_record.h"
#include "gpu-server/daemon/seat.h"
#include "gpu-server/daemon/session_book.h"
#include "gpu-server/daemon/worker.h"
#include "protocol/base/fd.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class WorkerPool {
 public:
  // More clients than a GPU host serves well; beyond them newcomers are told so.
  static constexpr size_t kWorkersMax = 512;

  // `views`: what the workers of each kind see, see Survey.
  WorkerPool(WorkerConfig config, uint32_t warm, const std::vector<std::string>& views = {""});
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  // Ends all workers and waits until they are gone.
  ~WorkerPool();

  // Sees to it that there are enough workers for so many clients that wait, and the warm ones. Of
  // an instance one more than the warm ones: who waits may want any of them.
  void Keep(size_t waiting, uint64_t now_ns);

  // Gives a connection to a ready worker, with what its client may have; the worker's pid, or 0
  // when none is ready. `probe`: the worker comes back. `pass`: where the keys of a connection
  // under TLS are to be read; invalid without.
  pid_t Assign(size_t view, const Fd& connection, const Fd& pass, const Grant& grant, bool probe);

  // Whether Assign would find one.
  bool has_ready(size_t view) const;

  // Of whose workers a session is that has these devices.
  size_t ViewOf(const std::vector<size_t>& devices) const;
  // Of a MIG instance, by its UUID; of zeros, of the GPUs that are whole. Nothing if it is not
  // there.
  std::optional<size_t> ViewNamed(const uint8_t (&instance)[16]) const;
  // The UUID of the view's MIG instance, or zeros.
  void NameOf(size_t view, uint8_t (&instance)[16]) const;

  // What a worker of the view has said of each of its devices, of all devices. False if it has
  // spoken of more or fewer than it has.
  bool SpreadOut(size_t view, std::vector<Holding>* holdings) const;

  bool is_full() const { return workers_.size() >= kWorkersMax; }

  // For poll(): the descriptors on which a worker reports or disappears.
  void AppendControls(std::vector<int>* controls) const;
  // One of them has something; `hear` gets what a worker with a client says, and answers whether
  // it may say that.
  using HearServing = std::function<bool(pid_t worker, const ControlRecord& record)>;
  void Hear(int control, const HearServing& hear);
  // Tells a worker something, with a descriptor unless that is -1; one that does not take it is
  // ended.
  void Tell(pid_t pid, const ControlRecord& record, int descriptor = -1);
  // Some child has ended; `gone` gets each that had a client.
  void Reap(uint64_t now_ns, const std::function<void(pid_t worker)>& gone);
  // Ends a worker, whatever it does.
  void End(pid_t pid);

  // Takes over a worker that another daemon has forked; it serves a client. `process` is a pidfd.
  void Adopt(pid_t pid, size_t view, Fd control, Fd process);
  // Workers that serve are not this pool's any more, and outlive it.
  void LetGo();

  // A worker of each view that works has been ready at least once.
  bool was_ready() const { return was_ready_; }

  const std::string& driver_path() const { return driver_path_; }

  // The sizes of the devices, as the first workers that were ready have found them.
  const std::vector<uint64_t>& device_bytes() const { return device_bytes_; }

  // What the devices are, as those workers have found them.
  const nvml::Report& devices() const { return devices_; }

  // Whether every worker that has looked has found the driver's fresh memory to be zero.
  bool memory_is_clean() const;

  // Why the last worker of every view could not start; empty once one could.
  std::string failure() const;

  // The same of one view.
  const std::string& failure_of(size_t view) const { return views_[view].failure; }

 private:
  enum class State : uint8_t { kStarting, kReady, kProbing, kServing, kLost };

  struct Worker {
    pid_t pid = 0;
    size_t view = 0;
    Fd control;
    State state = State::kStarting;
    Fd process{};  // of one that is no child of this daemon
  };

  struct View {
    std::string visible;  // as CUDA_VISIBLE_DEVICES names it; empty: all devices
    bool was_ready = false;
    bool is_out = false;  // has never worked, and is done without
    std::vector<uint64_t> device_bytes{};
    nvml::Report devices{};
    size_t first = 0;  // of all devices, this view's first
    FreshMemory memory = FreshMemory::kUnknown;
    bool soils_memory = false;
    bool tests_memory = false;
    std::string failure{};
    uint64_t not_before_ns = 0;  // after a failure, for a while, no worker is made
  };

  void Fork(size_t view);
  static void Kill(const Worker& worker);
  static bool HasEnded(const Worker& worker, int* status);
  void HearOne(Worker& worker, const ControlRecord& record, const HearServing& hear);
  void HearReady(Worker& worker, const ControlRecord& record);
  void Fail(size_t view, const std::string& why);
  void NumberDevices();
  void NoteMemory(View* view, FreshMemory found) const;
  static bool ToServer(const View& view, ControlRecord* record);
  size_t CountSpare(size_t view) const;

  WorkerConfig config_;
  const uint32_t warm_;
  std::vector<View> views_;
  std::vector<Worker> workers_;
  bool was_ready_ = false;
  std::string driver_path_;
  std::vector<uint64_t> device_bytes_;
  nvml::Report devices_;
};

}  // namespace farlane::server
