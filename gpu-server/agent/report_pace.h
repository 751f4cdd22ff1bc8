// SPDX-License-Identifier: Apache-2.0
// ReportPace decides when a server tells its pool how it is, and how much of it: each second where
// there is something to say, seldom where nothing happens or the way to the manager is weak, and at
// once when a session has come or gone or a device is sick. After the first report of a stream it
// tells only what has changed.
#pragma once

#include <cstdint>
#include <optional>

#include "protocol/control/pool.pb.h"

namespace farlane::agent {

// Thread: caller's.
class ReportPace {
 public:
  // A manager that asks for more, or less, is not obeyed.
  static constexpr uint32_t kLeastMs = 100;
  static constexpr uint32_t kMostMs = 60'000;
  // A report and its answer are to take no more than this part of the time between two.
  static constexpr uint64_t kTripsApart = 20;
  // Where nothing happens, reports are so many times as far apart.
  static constexpr uint64_t kQuiet = 3;

  // A stream begins: all is said again.
  void Begin() { *this = ReportPace(); }

  // How often the manager wants to hear. `most_ms` 0: all there is, each time.
  void SetBounds(uint32_t least_ms, uint32_t most_ms);

  // What is to be sent now, of what there is; nothing: it is not time yet.
  std::optional<pool::v1::Load> Next(const pool::v1::Load& now, uint64_t now_ns);

  // The manager has this report.
  void Heard(uint64_t number, uint64_t now_ns);

  // How often to look: what is urgent waits no longer than this.
  uint64_t look_ns() const;
  // The time between two reports where something changes.
  uint64_t ApartNs() const;

 private:
  enum class News : uint8_t { kNone, kSome, kUrgent };

  static News Compare(const pool::v1::Load& before, const pool::v1::Load& now);
  static pool::v1::Load ChangeOf(const pool::v1::Load& before, const pool::v1::Load& now);
  uint64_t DueNs(News news) const;

  uint64_t least_ns_ = 1'000'000'000;
  uint64_t most_ns_ = 0;
  uint64_t quiet_ns_ = 0;     // the time to the next report if nothing happens
  uint64_t promised_ns_ = 0;  // ... and the manager was told that it comes within this
  uint64_t trip_ns_ = 0;      // from a report to its answer, of late
  uint64_t number_ = 0;
  uint64_t said_ns_ = 0;
  uint64_t awaited_ = 0;  // the report whose answer is not there yet; 0: none
  uint64_t awaited_since_ns_ = 0;
  pool::v1::Load said_;  // all there was, by the last report
};

}  // namespace farlane::agent
