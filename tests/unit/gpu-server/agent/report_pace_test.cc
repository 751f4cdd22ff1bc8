// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/report_pace.h"

#include <gtest/gtest.h>

namespace farlane::agent {
namespace {

constexpr uint64_t kMs = 1'000'000;

pool::v1::Load Quiet() {
  pool::v1::Load load;
  load.add_devices()->set_used_bytes(100);
  return load;
}

pool::v1::Load With(pool::v1::Load load, const std::string& session, uint64_t gpu_ns) {
  pool::v1::SessionLoad* const one = load.add_sessions();
  one->set_session_id(session);
  one->set_clients(1);
  one->set_gpu_ns(gpu_ns);
  one->set_age_ms(gpu_ns + 17);
  return load;
}

// A server that looks each second at how it is; a manager that answers `trip_ms` later.
class ReportPaceTest : public testing::Test {
 protected:
  void SetUp() override { pace_.SetBounds(1000, 15'000); }

  std::optional<pool::v1::Load> Look(const pool::v1::Load& load, uint64_t trip_ms) {
    now_ns_ += 1000 * kMs;
    if (answer_ns_ != 0 && now_ns_ >= answer_ns_) {
      pace_.Heard(answer_to_, std::exchange(answer_ns_, 0));
    }
    std::optional<pool::v1::Load> report = pace_.Next(load, now_ns_);
    if (report.has_value() && trip_ms != 0 && answer_ns_ == 0) {
      answer_to_ = report->number();
      answer_ns_ = now_ns_ + trip_ms * kMs;
    }
    return report;
  }

  // So many are sent in a minute in which the load is what `of` says.
  template <typename Of>
  int SentInAMinute(uint64_t trip_ms, Of of) {
    int sent = 0;
    for (uint64_t second = 0; second < 60; ++second) {
      sent += Look(of(second), trip_ms).has_value() ? 1 : 0;
    }
    return sent;
  }

  ReportPace pace_;
  uint64_t now_ns_ = 1000 * kMs;
  uint64_t answer_ns_ = 0;
  uint64_t answer_to_ = 0;
};

TEST_F(ReportPaceTest, WhoeverWorksReportsEachSecondAndWhoeverDoesNotSeldom) {
  const auto works = [](uint64_t second) { return With(Quiet(), "a", second); };
  EXPECT_EQ(SentInAMinute(1, works), 60);
  const auto rests = [](uint64_t) { return With(Quiet(), "a", 60); };
  EXPECT_LE(SentInAMinute(1, rests), 22);
  EXPECT_EQ(SentInAMinute(1, works), 60) << "it works again";
}

// Who looks a moment early must not be made to wait for another second.
TEST_F(ReportPaceTest, AClockThatIsNotExactSkipsNoReport) {
  int sent = 0;
  for (uint64_t second = 1; second <= 60; ++second) {
    const uint64_t now_ns = second * 1000 * kMs - (second % 2) * 3 * kMs;
    const auto report = pace_.Next(With(Quiet(), "a", second), now_ns);
    sent += report.has_value() ? 1 : 0;
    if (report.has_value()) {
      pace_.Heard(report->number(), now_ns + kMs);
    }
  }
  EXPECT_EQ(sent, 60);
}

TEST_F(ReportPaceTest, OverAWeakWayReportsAreFarApart) {
  const auto works = [](uint64_t second) { return With(Quiet(), "a", second); };
  // One trip is to be a twentieth of the time: 400 ms, one in eight seconds.
  EXPECT_LE(SentInAMinute(400, works), 9);
  EXPECT_GE(SentInAMinute(400, works), 7);
  // And never rarer than the manager wants.
  EXPECT_GE(SentInAMinute(1900, works), 3);
  EXPECT_EQ(pace_.ApartNs(), 15'000 * kMs);
}

TEST_F(ReportPaceTest, AWayThatAnswersNothingIsGivenNoMoreThanWasPromised) {
  const auto works = [](uint64_t second) { return With(Quiet(), "a", second); };
  ASSERT_TRUE(Look(works(100), 0).has_value());
  const int sent = SentInAMinute(0, works);
  EXPECT_LE(sent, 6);
  EXPECT_GE(sent, 2) << "the manager is told that the server lives";
}

TEST_F(ReportPaceTest, WhatIsUrgentIsSentAtOnce) {
  static_cast<void>(SentInAMinute(1900, [](uint64_t) { return Quiet(); }));
  ASSERT_FALSE(Look(Quiet(), 1900).has_value() && Look(Quiet(), 1900).has_value());
  EXPECT_TRUE(Look(With(Quiet(), "a", 1), 1900).has_value()) << "a session has begun";
  const auto left = Look(Quiet(), 1900);
  ASSERT_TRUE(left.has_value()) << "it has ended";
  ASSERT_EQ(left->left_size(), 1);
  EXPECT_EQ(left->left(0), "a");
  pool::v1::Load sick = Quiet();
  sick.mutable_devices(0)->set_xid_count(1);
  sick.mutable_devices(0)->set_xid_last(79);
  const auto told = Look(sick, 1900);
  ASSERT_TRUE(told.has_value()) << "a device is sick";
  ASSERT_EQ(told->devices_size(), 1);
  EXPECT_EQ(told->devices(0).xid_last(), 79u);
}

TEST_F(ReportPaceTest, OnlyWhatHasChangedIsToldAfterTheFirst) {
  const pool::v1::Load first = With(With(Quiet(), "a", 1), "b", 1);
  const auto all = Look(first, 1);
  ASSERT_TRUE(all.has_value());
  EXPECT_FALSE(all->is_change());
  EXPECT_EQ(all->sessions_size(), 2);
  const auto change = Look(With(With(Quiet(), "a", 1), "b", 2), 1);
  ASSERT_TRUE(change.has_value());
  EXPECT_TRUE(change->is_change());
  EXPECT_EQ(change->devices_size(), 0);
  ASSERT_EQ(change->sessions_size(), 1);
  EXPECT_EQ(change->sessions(0).session_id(), "b");
  pace_.Begin();
  pace_.SetBounds(1000, 15'000);
  const auto anew = Look(first, 1);
  ASSERT_TRUE(anew.has_value());
  EXPECT_FALSE(anew->is_change()) << "a new stream knows nothing of the last one";
}

TEST_F(ReportPaceTest, AnOlderManagerHearsAllOfItEachSecond) {
  pace_.SetBounds(1000, 0);
  for (int i = 0; i < 3; ++i) {
    const auto report = Look(Quiet(), 0);
    ASSERT_TRUE(report.has_value());
    EXPECT_FALSE(report->is_change());
    EXPECT_EQ(report->number(), 0u);
  }
}

TEST_F(ReportPaceTest, TheNextOneComesWithinWhatWasPromised) {
  uint64_t promised_ns = UINT64_MAX;
  uint64_t last_ns = 0;
  for (uint64_t second = 0; second < 600; ++second) {
    const uint64_t trip_ms = second % 97 < 30 ? 1 : 50 * (second % 97);
    const bool works = second % 40 < 20;
    const auto report = Look(With(Quiet(), "a", works ? second : 1), trip_ms);
    if (report.has_value()) {
      // It is looked at each second.
      EXPECT_LE(now_ns_ - last_ns, promised_ns == UINT64_MAX ? now_ns_ : promised_ns + 1000 * kMs);
      promised_ns = report->next_ms() * kMs;
      last_ns = now_ns_;
    }
  }
}

}  // namespace
}  // namespace farlane::agent
