// SPDX-License-Identifier: Apache-2.0
// BusyMeter finds out for how much of each second work of the client is under way on each device,
// and copies are: twenty times a second the dispatch thread is asked to look at the client's
// streams. When nothing has come from the client and nothing was under way, nobody is asked.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "gpu-server/session/busy_share.h"
#include "gpu-server/session/client_session.h"
#include "gpu-server/session/ears.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: one of its own, once started, which never ends; so it must outlive the process's use of
// it, as must the session.
class BusyMeter {
 public:
  // Called there whenever the percentages are others than they were, at most twice a second.
  using Tell = std::function<void(size_t device, uint32_t busy_percent, uint32_t copy_percent)>;

  // Called there after each look, with all the time that devices were busy, added up.
  using TellTotal = std::function<void(uint64_t busy_ns)>;

  BusyMeter(ClientSession& session, const Ears& ears, Tell tell, TellTotal tell_total);

  void Start();

 private:
  struct Device {
    BusyShare busy;
    BusyShare copies;
    uint32_t told_busy = 0;
    uint32_t told_copies = 0;
  };

  void Run();
  void Look();
  void NoteIdle();
  void TellTotalBusy();
  void TellChanges(uint64_t now_ns);

  ClientSession& session_;
  const Ears& ears_;
  const Tell tell_;
  const TellTotal tell_total_;
  std::atomic<bool> looking_{false};  // the dispatch thread has not come to it yet
  std::atomic<bool> idle_{false};     // nothing was under way at the last look
  Guarded<std::vector<Device>> devices_;
  uint64_t told_ns_ = 0;
};

}  // namespace farlane::server
