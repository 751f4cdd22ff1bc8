// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/report_pace.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

namespace farlane::agent {
namespace {

constexpr uint64_t kMillisecondNs = 1'000'000;
constexpr uint64_t kLookNs = 1'000 * kMillisecondNs;
// Less than this of a device's busy time, or of its warmth, is no news.
constexpr int kPercentOfNote = 5;
constexpr int kDegreesOfNote = 3;
// Of a new round trip, the part by which the known one follows.
constexpr uint64_t kFollows = 4;

using Sessions = std::map<std::string, const pool::v1::SessionLoad*>;

Sessions ById(const pool::v1::Load& load) {
  Sessions sessions;
  for (const pool::v1::SessionLoad& one : load.sessions()) {
    sessions[one.session_id()] = &one;
  }
  return sessions;
}

// But for its age, which always changes and which the manager can count for itself.
bool IsSame(pool::v1::SessionLoad a, pool::v1::SessionLoad b) {
  a.clear_age_ms();
  b.clear_age_ms();
  return a.SerializeAsString() == b.SerializeAsString();
}

bool Differ(uint32_t a, uint32_t b, int least) {
  return std::abs(static_cast<int64_t>(a) - static_cast<int64_t>(b)) >= least;
}

bool IsSick(const pool::v1::DeviceLoad& before, const pool::v1::DeviceLoad& now) {
  return before.xid_count() != now.xid_count() || before.xid_last() != now.xid_last() ||
         before.ecc_uncorrected() != now.ecc_uncorrected();
}

bool IsNews(const pool::v1::DeviceLoad& before, const pool::v1::DeviceLoad& now) {
  return before.used_bytes() != now.used_bytes() ||
         Differ(before.busy_percent(), now.busy_percent(), kPercentOfNote) ||
         Differ(before.temperature(), now.temperature(), kDegreesOfNote);
}

}  // namespace

void ReportPace::SetBounds(uint32_t least_ms, uint32_t most_ms) {
  least_ns_ = kMillisecondNs * std::clamp(least_ms, kLeastMs, kMostMs);
  most_ns_ = most_ms == 0 ? 0 : std::max(least_ns_, kMillisecondNs * std::min(most_ms, kMostMs));
  quiet_ns_ = std::min(quiet_ns_, kQuiet * ApartNs());
}

uint64_t ReportPace::look_ns() const {
  return std::min(least_ns_, kLookNs);
}

uint64_t ReportPace::ApartNs() const {
  return most_ns_ == 0 ? least_ns_ : std::clamp(kTripsApart * trip_ns_, least_ns_, most_ns_);
}

ReportPace::News ReportPace::Compare(const pool::v1::Load& before, const pool::v1::Load& now) {
  if (before.devices_size() != now.devices_size()) {
    return News::kUrgent;
  }
  News news = News::kNone;
  for (int i = 0; i < now.devices_size(); ++i) {
    if (IsSick(before.devices(i), now.devices(i))) {
      return News::kUrgent;
    }
    news = IsNews(before.devices(i), now.devices(i)) ? News::kSome : news;
  }
  const Sessions were = ById(before);
  const Sessions are = ById(now);
  if (were.size() != are.size()) {
    return News::kUrgent;
  }
  for (const auto& [id, session] : are) {
    const auto was = were.find(id);
    // A session that has lost its last process, or got its first, begins or ends soon.
    if (was == were.end() || (was->second->clients() == 0) != (session->clients() == 0)) {
      return News::kUrgent;
    }
    news = news == News::kNone && !IsSame(*was->second, *session) ? News::kSome : news;
  }
  return news;
}

pool::v1::Load ReportPace::ChangeOf(const pool::v1::Load& before, const pool::v1::Load& now) {
  pool::v1::Load change;
  change.set_is_change(true);
  bool same = before.devices_size() == now.devices_size();
  for (int i = 0; same && i < now.devices_size(); ++i) {
    same = before.devices(i).SerializeAsString() == now.devices(i).SerializeAsString();
  }
  if (!same) {
    *change.mutable_devices() = now.devices();
  }
  Sessions were = ById(before);
  for (const pool::v1::SessionLoad& one : now.sessions()) {
    const auto was = were.find(one.session_id());
    if (was == were.end() || !IsSame(*was->second, one)) {
      *change.add_sessions() = one;
    }
    if (was != were.end()) {
      were.erase(was);
    }
  }
  for (const auto& [id, gone] : were) {
    change.add_left(id);
  }
  return change;
}

// So long after the last report the next one is sent. While that one has not been answered, the way
// has enough to carry: only what is urgent is sent before the time that was promised.
uint64_t ReportPace::DueNs(News news) const {
  if (news == News::kUrgent) {
    return 0;
  }
  if (most_ns_ != 0 && awaited_ != 0) {
    return promised_ns_;
  }
  return news == News::kSome || most_ns_ == 0 ? ApartNs() : quiet_ns_;
}

std::optional<pool::v1::Load> ReportPace::Next(const pool::v1::Load& now, uint64_t now_ns) {
  const bool is_first = said_ns_ == 0;
  const News news = is_first ? News::kUrgent : Compare(said_, now);
  // What is not sent now waits for the next look: half of the time until then is no reason to.
  if (!is_first && now_ns - said_ns_ + look_ns() / 2 < DueNs(news)) {
    return std::nullopt;
  }
  if (most_ns_ == 0) {
    said_ = now;
    said_ns_ = now_ns;
    return now;
  }
  if (awaited_ != 0) {
    trip_ns_ = std::max(trip_ns_, now_ns - awaited_since_ns_);  // at least
  }
  quiet_ns_ = news == News::kNone ? std::min(2 * quiet_ns_, kQuiet * ApartNs()) : ApartNs();
  quiet_ns_ = std::min(quiet_ns_, most_ns_);
  promised_ns_ = quiet_ns_ + ApartNs();
  pool::v1::Load report = number_ == 0 ? now : ChangeOf(said_, now);
  report.set_number(++number_);
  report.set_next_ms(static_cast<uint32_t>(promised_ns_ / kMillisecondNs));
  if (awaited_ == 0) {
    awaited_ = number_;
    awaited_since_ns_ = now_ns;
  }
  said_ = now;
  said_ns_ = now_ns;
  return report;
}

void ReportPace::Heard(uint64_t number, uint64_t now_ns) {
  if (awaited_ == 0 || number < awaited_) {
    return;
  }
  const uint64_t trip_ns = now_ns - awaited_since_ns_;
  trip_ns_ = trip_ns_ == 0 ? trip_ns : trip_ns_ - trip_ns_ / kFollows + trip_ns / kFollows;
  awaited_ = 0;
}

}  // namespace farlane::agent
