// SPDX-License-Identifier: Apache-2.0
// CaretakerLink is the daemon's side of its conversation with the caretaker. What it has
// heard last is what is known of the devices' health.
#pragma once

#include <string>

#include "gpu-server/daemon/kept_child.h"
#include "protocol/nvml/report.h"

namespace farlane::server {

// Thread: the daemon's main thread, which must be the process's only one.
class CaretakerLink {
 public:
  // Once: which library to load. Does not wait for it.
  void Start(std::string library, uint64_t now_ns);

  // For poll(); -1 while there is none.
  int control() const { return caretaker_.link(); }

  // Hears what there is, and looks whether a caretaker is to be started.
  void Hear(uint64_t now_ns);

  // It has said something, or has had the time to. Before that it is too early to say that nothing
  // is known.
  bool has_settled(uint64_t now_ns) const { return settled_ || now_ns - started_ns_ > kSettleNs; }

  // By UUID; without devices while nothing is known.
  const nvml::Report& health() const { return health_; }

  // How often it has said anything.
  uint64_t looks() const { return looks_; }

 private:
  // A driver's NVML starts within this.
  static constexpr uint64_t kSettleNs = 2'000'000'000;

  // A library that has ended its process once may do so again.
  KeptChild caretaker_{"the process that looks after the devices' health", 10'000'000'000};
  uint64_t started_ns_ = 0;
  bool settled_ = false;
  nvml::Report health_;
  uint64_t looks_ = 0;
};

}  // namespace farlane::server
