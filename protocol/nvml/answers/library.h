// SPDX-License-Identifier: Apache-2.0
// Library is the state of a libnvidia-ml in this process: how often it was initialised, and the
// last report. A report is good for a moment, so that a program that asks a hundred questions about
// each device makes the server answer one.
#pragma once

#include <memory>
#include <mutex>

#include "protocol/nvml/answers/source.h"

namespace farlane::nvml {

using ReportPtr = std::shared_ptr<const Report>;

// Thread: any.
class Library {
 public:
  // How old a report may be.
  static constexpr uint64_t kFreshNs = 500'000'000;

  static Library& Get();

  nvmlReturn_t Init();
  nvmlReturn_t Shutdown();

  // The report as it is now, or as it was a moment ago.
  nvmlReturn_t Look(ReportPtr* report);
  // As Look, but at nothing that is known already.
  nvmlReturn_t LookAgain(ReportPtr* report);

 private:
  Library() = default;

  nvmlReturn_t LookLocked(ReportPtr* report);
  void Forked();

  // Not Guarded: a forked child makes it anew. Held while the source is asked, so that two askers
  // ask once.
  std::mutex mutex_;
  bool watches_forks_ = false;
  int users_ = 0;
  std::unique_ptr<Source> source_;
  ReportPtr last_;
  uint64_t last_ns_ = 0;
};

}  // namespace farlane::nvml
