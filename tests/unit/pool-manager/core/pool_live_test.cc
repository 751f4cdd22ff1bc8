// SPDX-License-Identifier: Apache-2.0
// The part of Pool that follows the sessions that are not over.
#include <gtest/gtest.h>

#include "pool-manager/core/pool.h"
#include "tests/unit/pool-manager/core/one_server.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

// A pool with one server.
class PoolLiveTest : public testing::Test {
 protected:
  static v1::Load LoadWith(const std::string& session) {
    v1::Load load;
    load.add_devices();
    load.add_sessions()->set_session_id(session);
    return load;
  }

  void Hear(const v1::Load& load) { pool_.Hear(std::string(32, '1'), 1, load, now_, &changed_); }

  Pool pool_;
  Pool::Now now_{.ns = kSecondNs, .ms = 1'000'000'000};
  std::vector<v1::Session> changed_;
  std::vector<Order> orders_;
};

TEST_F(PoolLiveTest, ATimeLimitIsCountedByTheServerWhateverTheClockOfWhoLeads) {
  for (const int64_t hours : {-2, 0, 2}) {
    pool_ = Pool();
    ASSERT_EQ(pool_.Attach(OneServer(), 1, now_), "");
    Hear({});
    v1::CreateSessionRequest request;
    request.mutable_spec()->set_time_limit_s(60);
    request.set_key_digest(std::string(64, 'a'));
    Pool::Grant grant;
    ASSERT_FALSE(pool_.Draft(request, 1, now_, &grant).has_value());
    const std::string id = grant.session.id();
    v1::Load load = LoadWith(id);
    load.mutable_sessions(0)->set_age_ms(1000);
    pool_.Hear(std::string(32, '1'), 1, load, now_, &changed_);
    // Another manager takes over, whose clock is hours off.
    std::vector<v1::Session> stored = pool_.Sessions();
    pool_ = Pool();
    pool_.Restore(std::move(stored));
    now_.ms += hours * 3'600'000;
    ASSERT_EQ(pool_.Attach(OneServer(), 2, now_), "");
    std::vector<Order> orders;
    for (const uint64_t age_ms : {30'000u, 59'000u}) {
      load.mutable_sessions(0)->set_age_ms(age_ms);
      pool_.Hear(std::string(32, '1'), 2, load, now_, &changed_);
      pool_.LookAtLimits(now_, &changed_, &orders);
      EXPECT_EQ(pool_.FindSession(id)->phase(), v1::ACTIVE) << hours;
      now_.ms += 29'000;  // and 1 s more than is left, the second time
      now_.ns += 29 * kSecondNs;
    }
    pool_.LookAtLimits(now_, &changed_, &orders);
    EXPECT_EQ(pool_.FindSession(id)->phase(), v1::EXPIRED) << hours;
  }
}

TEST_F(PoolLiveTest, AServerThatIsExpelledIsToldWhatIsToEndThere) {
  ASSERT_EQ(pool_.Attach(OneServer(), 1, now_), "");
  Hear({});
  v1::CreateSessionRequest request;
  request.set_key_digest(std::string(64, 'a'));
  Pool::Grant grant;
  ASSERT_FALSE(pool_.Draft(request, 1, now_, &grant).has_value());
  const v1::Session& there = grant.session;
  Hear(LoadWith(there.id()));
  changed_.clear();
  const Order order =
      pool_.Expel(std::string(32, '1'), "nobody trusts it", now_, &changed_, &orders_);
  EXPECT_EQ(order.attachment, 1u);
  EXPECT_EQ(order.say.expelled().reason(), "nobody trusts it");
  ASSERT_EQ(order.say.expelled().sessions_size(), 1);
  EXPECT_EQ(order.say.expelled().sessions(0), there.id());
  ASSERT_EQ(changed_.size(), 1u);
  EXPECT_EQ(changed_[0].phase(), v1::FAILED);
  EXPECT_NE(changed_[0].reason().find("nobody trusts it"), std::string::npos);
  EXPECT_FALSE(changed_[0].meant()) << "it may be run again elsewhere";
}

TEST_F(PoolLiveTest, AServerThatIsExpelledIsLostUntilItIsTakenAgain) {
  ASSERT_EQ(pool_.Attach(OneServer(), 1, now_), "");
  Hear({});
  pool_.Expel(std::string(32, '1'), "nobody trusts it", now_, &changed_, &orders_);
  const int64_t since_ms = pool_.Servers()[0].since_ms();
  for (const uint64_t silent_ns :
       {ServerBook::kSuspectNs, ServerBook::kUnreachableNs, ServerBook::kLostNs}) {
    now_.ns += silent_ns + 1;
    now_.ms += static_cast<int64_t>(silent_ns / 1'000'000) + 1;
    pool_.Look(now_, &changed_, &orders_);
    const v1::Server server = pool_.Servers()[0];
    EXPECT_EQ(server.state(), v1::LOST) << silent_ns << ": that nothing is heard is no news";
    EXPECT_EQ(server.reason(), "nobody trusts it");
    EXPECT_EQ(server.since_ms(), since_ms);
  }
  ASSERT_EQ(pool_.Attach(OneServer(), 2, now_), "") << "its certificate is looked at before that";
  EXPECT_EQ(pool_.Servers()[0].state(), v1::SUSPECT);
}

}  // namespace
}  // namespace farlane::pool
