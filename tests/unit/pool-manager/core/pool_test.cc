// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/pool.h"

#include <gtest/gtest.h>

#include "pool-manager/core/server_orders.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

class PoolTest : public testing::Test {
 protected:
  v1::Inventory Inventory(char digit, const std::string& name, int devices = 1) {
    v1::Inventory inventory;
    inventory.set_server_id(std::string(32, digit));
    inventory.set_name(name);
    inventory.add_addresses("tcp://" + name + ":7450");
    for (int i = 0; i < devices; ++i) {
      v1::Device* const device = inventory.add_devices();
      device->set_uuid("GPU-" + name + std::to_string(i));
      device->set_model("H100");
      device->set_memory_bytes(8ull << 30);
      device->set_compute_major(9);
    }
    return inventory;
  }

  void Attach(char digit, const std::string& name, uint64_t attachment) {
    ASSERT_EQ(pool_.Attach(Inventory(digit, name), attachment, now_), "");
    Hear(digit, attachment, {});
  }

  // The session, or why there is none.
  std::optional<Objection> Create(double share, v1::Session* session = nullptr) {
    v1::CreateSessionRequest request;
    request.mutable_spec()->mutable_slice()->set_share(share);
    request.set_key_digest(std::string(64, 'a'));
    Pool::Grant grant;
    auto objection = pool_.Draft(request, 1, now_, &grant);
    if (!objection.has_value() && session != nullptr) {
      *session = grant.session;
    }
    return objection;
  }

  v1::Load LoadWith(const std::vector<std::string>& sessions) {
    v1::Load load;
    load.add_devices();
    for (const std::string& id : sessions) {
      load.add_sessions()->set_session_id(id);
    }
    return load;
  }

  std::vector<Order> Hear(char digit,
                          uint64_t attachment,
                          const std::vector<std::string>& sessions) {
    changed_.clear();
    return pool_.Hear(std::string(32, digit), attachment, LoadWith(sessions), now_, &changed_);
  }

  v1::Phase PhaseOf(const std::string& id) { return pool_.FindSession(id)->phase(); }

  void Pass(uint64_t seconds) {
    now_.ns += seconds * kSecondNs;
    now_.ms += static_cast<int64_t>(seconds) * 1000;
    changed_.clear();
    pool_.Look(now_, &changed_, &orders_);
  }

  Pool pool_;
  Pool::Now now_{.ns = kSecondNs, .ms = 1'000'000'000};
  std::vector<v1::Session> changed_;
  std::vector<Order> orders_;
};

TEST_F(PoolTest, AnEmptyPoolSaysSo) {
  const auto objection = Create(0.5);
  ASSERT_TRUE(objection.has_value());
  EXPECT_EQ(objection->kind, Objection::Kind::kNoCapacity);
  EXPECT_FALSE(objection->detail.empty());
}

TEST_F(PoolTest, NobodyIsPromisedWhatAnotherHas) {
  Attach('1', "one", 1);
  v1::Session first;
  ASSERT_FALSE(Create(0.7, &first).has_value());
  const auto objection = Create(0.4);
  ASSERT_TRUE(objection.has_value());
  ASSERT_EQ(objection->explain.size(), 1u);
  EXPECT_TRUE(objection->explain[0].starts_with("one: ")) << objection->explain[0];
  ASSERT_FALSE(Create(0.3).has_value());
  v1::Session released;
  ASSERT_FALSE(pool_.Release(first.id(), now_, &released, &orders_).has_value());
  EXPECT_EQ(orders_.size(), 1u) << "its server is told";
  EXPECT_FALSE(Create(0.7).has_value());
}

TEST_F(PoolTest, PlacesByTheRulesThatItWasGiven) {
  Attach('1', "one", 1);
  Attach('2', "two", 2);
  auto setup = PlacementSetup::Read({.filter = "server.id == '" + std::string(32, '2') + "'"});
  ASSERT_TRUE(setup.ok()) << setup.error().message();
  pool_.SetPlacement(std::move(setup).value());
  v1::Session session;
  ASSERT_FALSE(Create(0.7, &session).has_value());
  EXPECT_EQ(session.server(), "two");
  const auto objection = Create(0.7);
  ASSERT_TRUE(objection.has_value());
  EXPECT_EQ(objection->explain[0], "one: kept out by the policy's filter");
  // Whoever asks what would be may try others.
  v1::CreateSessionRequest request;
  request.mutable_spec()->set_filter("true");
  v1::Placement placement;
  ASSERT_FALSE(pool_.Consider(request, now_, &placement).has_value());
  EXPECT_TRUE(placement.placed());
  EXPECT_EQ(placement.server(), "one");
}

TEST_F(PoolTest, WhatAProjectMayNotHaveIsNotPlacedEither) {
  Attach('1', "one", 1);
  v1::CreateSessionRequest request;
  request.mutable_spec()->set_project("nobody");
  v1::Placement placement;
  EXPECT_TRUE(pool_.Consider(request, now_, &placement).has_value());
}

TEST_F(PoolTest, WhoCanMeasureIsToldWhatBeforeAnythingIsPromised) {
  Attach('1', "one", 1);
  Attach('2', "two", 2);
  v1::CreateSessionRequest request;
  request.mutable_spec()->set_host("lab3");
  request.mutable_spec()->mutable_slice()->set_share(0.6);
  request.set_key_digest(std::string(64, 'a'));
  request.set_may_probe(true);
  Pool::Grant asked;
  ASSERT_FALSE(pool_.Draft(request, 1, now_, &asked).has_value());
  ASSERT_EQ(asked.candidates.size(), 2u);
  EXPECT_TRUE(asked.candidates[0].addresses(0).starts_with("tcp://"));
  EXPECT_TRUE(pool_.Sessions().empty());
  for (const v1::Candidate& candidate : asked.candidates) {
    v1::Measured* const measured = request.add_measured();
    measured->set_server_id(candidate.server_id());
    measured->set_rtt_ms(candidate.server() == "two" ? 0.2 : 30);
    measured->set_bytes_per_s(1e9);
  }
  Pool::Grant granted;
  ASSERT_FALSE(pool_.Draft(request, 1, now_, &granted).has_value());
  EXPECT_TRUE(granted.candidates.empty()) << "that is known now";
  EXPECT_EQ(granted.session.server(), "two");
  // One that does not answer where the program runs is none for it.
  request.mutable_spec()->mutable_slice()->set_share(0.1);
  request.mutable_measured(0)->set_rtt_ms(0);
  const std::string silent = request.measured(0).server_id();
  Pool::Grant other;
  ASSERT_FALSE(pool_.Draft(request, 1, now_, &other).has_value());
  EXPECT_NE(other.session.server_id(), silent);
}

// What was learned of a way keeps nobody from it for longer than it can be relied on: who may
// measure is asked to.
TEST_F(PoolTest, AWayThatWasLongIsMeasuredAgain) {
  Attach('1', "one", 1);
  v1::CreateSessionRequest request;
  request.mutable_spec()->set_host("lab3");
  request.mutable_spec()->mutable_place()->set_region("elsewhere");
  request.mutable_spec()->set_max_rtt_ms(10);
  request.mutable_spec()->mutable_slice()->set_share(0.1);
  request.set_key_digest(std::string(64, 'a'));
  request.set_may_probe(true);
  Pool::Grant unknown;
  ASSERT_FALSE(pool_.Draft(request, 1, now_, &unknown).has_value());
  ASSERT_EQ(unknown.candidates.size(), 1u) << "by its name it is far, but nobody has measured it";
  v1::Measured& way = *request.add_measured();
  way.set_server_id(unknown.candidates[0].server_id());
  way.set_rtt_ms(60);
  way.set_bytes_per_s(1e9);
  Pool::Grant far;
  const auto refused = pool_.Draft(request, 1, now_, &far);
  ASSERT_TRUE(refused.has_value()) << "it was measured a moment ago";
  EXPECT_EQ(refused->reason, "NoServer");
  request.clear_measured();
  now_.ns += 1800 * kSecondNs;
  Pool::Grant stale;
  ASSERT_FALSE(pool_.Draft(request, 1, now_, &stale).has_value());
  ASSERT_EQ(stale.candidates.size(), 1u);
  EXPECT_EQ(stale.candidates[0].server(), "one");
  EXPECT_NEAR(stale.candidates[0].rtt_ms(), 60, 1);
  v1::Measured& again = *request.add_measured();
  again.set_server_id(stale.candidates[0].server_id());
  again.set_rtt_ms(0.5);
  Pool::Grant near;
  ASSERT_FALSE(pool_.Draft(request, 1, now_, &near).has_value());
  EXPECT_EQ(near.session.server(), "one");
  request.clear_measured();
  request.mutable_spec()->set_host("lab4");
  request.set_may_probe(false);
  Pool::Grant blind;
  EXPECT_TRUE(pool_.Draft(request, 1, now_, &blind).has_value())
      << "who cannot measure is not asked";
}

TEST_F(PoolTest, WhatCouldNotBeStoredIsFreeAgain) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(1, &session).has_value());
  pool_.Abandon(session.id());
  EXPECT_EQ(pool_.FindSession(session.id()), nullptr);
  EXPECT_FALSE(Create(1).has_value());
}

TEST_F(PoolTest, WhoeverSetsTheClockEndsNobodysSession) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.5, &session).has_value());
  for (const int64_t jump_ms : {3'600'000, -7'200'000}) {
    now_.ms += jump_ms;
    Pass(1);
    EXPECT_EQ(PhaseOf(session.id()), v1::RESERVED);
  }
  EXPECT_TRUE(Hear('1', 1, {session.id()}).empty());
  EXPECT_EQ(PhaseOf(session.id()), v1::ACTIVE);
}

TEST_F(PoolTest, WhatWasReservedStaysSoUnderTheNextManager) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.7, &session).has_value());
  Pool next;
  next.Restore({session});
  EXPECT_EQ(next.FindSession(session.id())->phase(), v1::RESERVED);
  EXPECT_EQ(next.Reserved(session.server_id()), std::vector<std::string>{session.id()});
  EXPECT_TRUE(next.Reserved(std::string(32, '2')).empty());
}

TEST_F(PoolTest, WhatRunsOnAServerThatWasLostGoesOn) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.7, &session).has_value());
  Hear('1', 1, {session.id()});
  pool_.Detach(std::string(32, '1'), 1, now_);
  for (int i = 0; i < 90; ++i) {
    Pass(1);
  }
  EXPECT_EQ(PhaseOf(session.id()), v1::FAILED);
  Attach('1', "one", 2);
  EXPECT_TRUE(Hear('1', 2, {session.id()}).empty()) << "nobody is told to end it";
  EXPECT_EQ(PhaseOf(session.id()), v1::ACTIVE);
  ASSERT_EQ(changed_.size(), 1u) << "it is stored";
  EXPECT_EQ(changed_[0].ended_ms(), 0);
  EXPECT_TRUE(Create(0.5).has_value()) << "its share is its own again";
  EXPECT_FALSE(Create(0.3).has_value());
}

TEST_F(PoolTest, AServerThatComesBackGetsNothingBeforeItHasSaidWhatRunsThere) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.7, &session).has_value());
  Hear('1', 1, {session.id()});
  pool_.Detach(std::string(32, '1'), 1, now_);
  for (int i = 0; i < 90; ++i) {
    Pass(1);
  }
  ASSERT_EQ(PhaseOf(session.id()), v1::FAILED) << "what it had is free again, as far as is known";
  ASSERT_EQ(pool_.Attach(Inventory('1', "one"), 2, now_), "");
  Pass(0);
  EXPECT_TRUE(Create(0.5).has_value()) << "it would be promised twice";
  EXPECT_EQ(pool_.Status().servers_ready(), 0u);
  EXPECT_FALSE(pool_.IsReady(std::string(32, '1')));
  Hear('1', 2, {session.id()});
  EXPECT_TRUE(pool_.IsReady(std::string(32, '1')));
  EXPECT_TRUE(Create(0.5).has_value());
  EXPECT_FALSE(Create(0.3).has_value());
}

TEST_F(PoolTest, WhatAServerHadLostFromSightGoesOn) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.7, &session).has_value());
  Hear('1', 1, {session.id()});
  Hear('1', 1, {});
  ASSERT_EQ(PhaseOf(session.id()), v1::RELEASED);
  EXPECT_TRUE(Hear('1', 1, {session.id()}).empty()) << "nobody is told to end it";
  EXPECT_EQ(PhaseOf(session.id()), v1::ACTIVE);
  EXPECT_TRUE(Create(0.5).has_value()) << "its share is its own again";
}

TEST_F(PoolTest, WhatIsReservedAtAServerThatIsNotHeardDoesNotExpire) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.7, &session).has_value());
  for (int i = 0; i < 115; ++i) {
    Pass(1);
    Hear('1', 1, {});
  }
  pool_.Detach(std::string(32, '1'), 1, now_);
  for (int i = 0; i < 50; ++i) {
    Pass(1);
  }
  EXPECT_EQ(PhaseOf(session.id()), v1::RESERVED) << "somebody may have come there";
  ASSERT_EQ(pool_.Attach(Inventory('1', "one"), 2, now_), "");
  EXPECT_TRUE(Hear('1', 2, {session.id()}).empty());
  EXPECT_EQ(PhaseOf(session.id()), v1::ACTIVE);
}

TEST_F(PoolTest, SessionsOfAServerThatNeverComesBackAreGivenUp) {
  Attach('1', "one", 1);
  v1::Session runs;
  v1::Session reserved;
  ASSERT_FALSE(Create(0.5, &runs).has_value());
  ASSERT_FALSE(Create(0.3, &reserved).has_value());
  Hear('1', 1, {runs.id()});
  Pool next;
  next.Restore(pool_.Sessions());
  pool_ = std::move(next);
  Pass(1);
  Pass(59);
  EXPECT_EQ(PhaseOf(runs.id()), v1::UNKNOWN);
  EXPECT_EQ(PhaseOf(reserved.id()), v1::RESERVED);
  Pass(3);
  EXPECT_EQ(PhaseOf(runs.id()), v1::FAILED);
  EXPECT_EQ(PhaseOf(reserved.id()), v1::FAILED);
  EXPECT_EQ(changed_.size(), 2u) << "that is stored";
  Attach('1', "one", 1);
  EXPECT_TRUE(Hear('1', 1, {runs.id()}).empty()) << "it runs after all";
  EXPECT_EQ(PhaseOf(runs.id()), v1::ACTIVE);
}

TEST_F(PoolTest, ASessionBeginsAndEndsAsItsServerSays) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.5, &session).has_value());
  Hear('1', 1, {});
  EXPECT_EQ(PhaseOf(session.id()), v1::RESERVED);
  Hear('1', 1, {session.id()});
  EXPECT_EQ(PhaseOf(session.id()), v1::ACTIVE);
  EXPECT_EQ(changed_.size(), 1u);
  Hear('1', 1, {});
  EXPECT_EQ(PhaseOf(session.id()), v1::RELEASED);
  EXPECT_FALSE(Create(1).has_value());
}

TEST_F(PoolTest, WhatNobodyComesForExpires) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(1, &session).has_value());
  for (int i = 0; i < 122; ++i) {
    Hear('1', 1, {});
    Pass(1);
  }
  EXPECT_EQ(PhaseOf(session.id()), v1::EXPIRED);
  EXPECT_FALSE(Create(1).has_value());
}

TEST_F(PoolTest, ASilentServerGetsNothingAndItsSessionsStay) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.1, &session).has_value());
  Hear('1', 1, {session.id()});
  Pass(7);
  EXPECT_TRUE(Create(0.1).has_value());
  EXPECT_EQ(PhaseOf(session.id()), v1::ACTIVE);
  Pass(5);
  EXPECT_EQ(PhaseOf(session.id()), v1::UNKNOWN);
  Hear('1', 1, {session.id()});
  EXPECT_EQ(PhaseOf(session.id()), v1::ACTIVE);
  EXPECT_FALSE(Create(0.1).has_value());
  Pass(61);
  EXPECT_EQ(PhaseOf(session.id()), v1::FAILED);
}

TEST_F(PoolTest, OnlyTheLastStreamOfAServerCounts) {
  Attach('1', "one", 1);
  Attach('1', "one", 2);
  v1::Session session;
  ASSERT_FALSE(Create(0.1, &session).has_value());
  Hear('1', 1, {session.id()});
  EXPECT_EQ(PhaseOf(session.id()), v1::RESERVED);
  pool_.Detach(std::string(32, '1'), 1, now_);
  EXPECT_FALSE(Create(0.1).has_value());
  pool_.Detach(std::string(32, '1'), 2, now_);
  EXPECT_TRUE(Create(0.1).has_value());
}

TEST_F(PoolTest, TwoServersDoNotHaveOneName) {
  Attach('1', "one", 1);
  EXPECT_NE(pool_.Attach(Inventory('2', "one"), 2, now_), "");
}

TEST_F(PoolTest, AManagerThatBeginsAnewAdoptsWhatRuns) {
  Attach('1', "one", 1);
  v1::Session runs;
  v1::Session ended;
  ASSERT_FALSE(Create(0.6, &runs).has_value());
  ASSERT_FALSE(Create(0.4, &ended).has_value());
  Hear('1', 1, {runs.id(), ended.id()});
  Pool next;
  next.Restore(pool_.Sessions());
  EXPECT_EQ(next.FindSession(runs.id())->phase(), v1::UNKNOWN);
  ASSERT_EQ(next.Attach(Inventory('1', "one"), 1, now_), "");
  pool_ = std::move(next);
  EXPECT_TRUE(Create(0.1).has_value()) << "it has not said yet what runs there";
  Hear('1', 1, {runs.id()});
  EXPECT_EQ(PhaseOf(runs.id()), v1::ACTIVE);
  EXPECT_EQ(PhaseOf(ended.id()), v1::EXPIRED);
  EXPECT_TRUE(Create(0.5).has_value()) << "it has what it was promised";
  EXPECT_FALSE(Create(0.4).has_value());
}

TEST_F(PoolTest, ASessionThatIsOverAndRunsIsEnded) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.5, &session).has_value());
  std::vector<Order> orders;
  ASSERT_FALSE(pool_.Release(session.id(), now_, &session, &orders).has_value());
  orders = Hear('1', 1, {session.id()});
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].say.end_session().session_id(), session.id());
}

TEST_F(PoolTest, ASickDeviceGetsNothingNew) {
  Attach('1', "one", 1);
  v1::Load load = LoadWith({});
  load.mutable_devices(0)->set_xid_last(79);
  load.mutable_devices(0)->set_xid_count(1);
  pool_.Hear(std::string(32, '1'), 1, load, now_, &changed_);
  const auto objection = Create(0.1);
  ASSERT_TRUE(objection.has_value());
  load.mutable_devices(0)->set_xid_last(13);  // a program's mistake
  pool_.Hear(std::string(32, '1'), 1, load, now_, &changed_);
  EXPECT_FALSE(Create(0.1).has_value());
}

TEST_F(PoolTest, ADrainedServerGetsNothingNewAndIsEmptyAtTheDeadline) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.5, &session).has_value());
  Hear('1', 1, {session.id()});
  v1::ServerOrders orders = *pool_.OrdersFor("one");
  v1::DrainServerRequest request;
  request.set_deadline_seconds(30);
  Drain(&orders, request, now_.ms);
  pool_.SetOrders(orders, now_);
  EXPECT_TRUE(Create(0.1).has_value());
  EXPECT_EQ(pool_.FindSession(session.id())->reason(),
            "its server is being drained; from then on it has 30 s");
  std::vector<Order> told;
  now_.ms += 29'000;
  pool_.LookAtDrains(now_, &changed_, &told);
  EXPECT_EQ(PhaseOf(session.id()), v1::ACTIVE);
  now_.ms += 1'000;
  pool_.LookAtDrains(now_, &changed_, &told);
  EXPECT_EQ(PhaseOf(session.id()), v1::PREEMPTED);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].say.end_session().session_id(), session.id());
  EXPECT_EQ(pool_.Servers()[0].sessions(), 0u);
  Hear('1', 1, {session.id()});
  EXPECT_EQ(PhaseOf(session.id()), v1::PREEMPTED) << "it is not over yet at its server, but ended";
  EXPECT_TRUE(Create(0.1).has_value()) << "it stays closed";
  Uncordon(&orders);
  pool_.SetOrders(orders, now_);
  EXPECT_FALSE(Create(0.1).has_value());
}

TEST_F(PoolTest, OrdersHoldForAServerThatComesLater) {
  v1::ServerOrders orders;
  orders.set_name("one");
  Cordon(&orders);
  pool_.RestoreOrders({orders});
  Attach('1', "one", 1);
  EXPECT_TRUE(Create(0.1).has_value());
  EXPECT_TRUE(pool_.Servers()[0].cordoned());
  EXPECT_FALSE(pool_.OrdersFor("two").has_value());
}

TEST_F(PoolTest, ATaintKeepsAwayWhoDoesNotTolerateIt) {
  Attach('1', "one", 1);
  v1::ServerOrders orders = *pool_.OrdersFor("one");
  v1::TaintServerRequest taints;
  taints.add_add()->set_key("kind");
  taints.mutable_add(0)->set_value("old");
  taints.mutable_add(0)->set_effect("NoPlace");
  ASSERT_FALSE(SetTaints(&orders, taints).has_value());
  v1::Session session;
  ASSERT_FALSE(Create(0.1, &session).has_value());
  Hear('1', 1, {session.id()});
  pool_.SetOrders(orders, now_);
  EXPECT_TRUE(Create(0.1).has_value());
  EXPECT_EQ(PhaseOf(session.id()), v1::ACTIVE) << "who is there stays";
  v1::CreateSessionRequest request;
  request.set_key_digest(std::string(64, 'a'));
  request.mutable_spec()->add_tolerations()->set_key("kind");
  request.mutable_spec()->mutable_slice()->set_share(0.95);
  Pool::Grant grant;
  EXPECT_TRUE(pool_.Draft(request, 1, now_, &grant).has_value()) << "promises are kept";
  request.mutable_spec()->mutable_slice()->set_share(0.9);
  EXPECT_FALSE(pool_.Draft(request, 1, now_, &grant).has_value());
}

TEST_F(PoolTest, RequestsThatCannotBeMeantAreRefused) {
  Attach('1', "one", 1);
  EXPECT_EQ(Create(1.5)->kind, Objection::Kind::kInvalid);
  EXPECT_EQ(Create(-1)->kind, Objection::Kind::kInvalid);
  v1::CreateSessionRequest request;
  request.set_key_digest("12");
  Pool::Grant grant;
  EXPECT_EQ(pool_.Draft(request, 1, now_, &grant)->kind, Objection::Kind::kInvalid);
}

TEST_F(PoolTest, ASessionIsFoundByTheBeginningOfItsName) {
  Attach('1', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.1, &session).has_value());
  EXPECT_NE(pool_.FindSession(session.id().substr(0, 8)), nullptr);
  EXPECT_EQ(pool_.FindSession(""), nullptr);
  EXPECT_EQ(pool_.FindSession(session.id() + "0"), nullptr);
}

TEST_F(PoolTest, AServerThatComesBackHearsWhatWasEndedMeanwhile) {
  Attach('a', "one", 1);
  v1::Session session;
  ASSERT_FALSE(Create(0.5, &session).has_value());
  EXPECT_TRUE(pool_.EndedLately(std::string(32, 'a'), now_).empty());
  std::vector<Order> orders;
  v1::Session ended;
  ASSERT_FALSE(pool_.Release(session.id(), now_, &ended, &orders).has_value());
  EXPECT_EQ(pool_.EndedLately(std::string(32, 'a'), now_), std::vector<std::string>{session.id()});
  EXPECT_TRUE(pool_.EndedLately(std::string(32, 'b'), now_).empty());
  // By then its token has expired, whatever the server knows.
  now_.ms += 4 * Pool::kTokenMs;
  EXPECT_TRUE(pool_.EndedLately(std::string(32, 'a'), now_).empty());
}

TEST_F(PoolTest, WhatIsOverIsForgottenAfterAWhile) {
  Attach('1', "one", 1);
  pool_.SetKeepEnded(60'000);
  v1::Session first;
  v1::Session second;
  v1::Session runs;
  std::vector<Order> orders;
  ASSERT_FALSE(Create(0.1, &first).has_value());
  ASSERT_FALSE(Create(0.1, &second).has_value());
  ASSERT_FALSE(Create(0.1, &runs).has_value());
  ASSERT_FALSE(pool_.Release(first.id(), now_, &first, &orders).has_value());
  Hear('1', 1, {second.id(), runs.id()});
  Pass(5);
  Hear('1', 1, {runs.id()});  // the second one has ended
  Pass(56);
  EXPECT_EQ(pool_.FindSession(first.id()), nullptr);
  EXPECT_EQ(pool_.TakeForgotten(), std::vector<std::string>{first.id()});
  EXPECT_EQ(PhaseOf(second.id()), v1::RELEASED);
  Pass(5);
  EXPECT_EQ(pool_.FindSession(second.id()), nullptr);
  EXPECT_EQ(pool_.TakeForgotten(), std::vector<std::string>{second.id()});
  EXPECT_NE(pool_.FindSession(runs.id()), nullptr) << "it is not over";
}

TEST_F(PoolTest, NoMoreThanSoManyAreKeptThatAreOver) {
  std::vector<v1::Session> stored(Pool::kOverMax + 5);
  for (size_t i = 0; i < stored.size(); ++i) {
    stored[i].set_id(Pool::FreshId());
    stored[i].set_phase(v1::RELEASED);
    stored[i].set_ended_ms(now_.ms - static_cast<int64_t>(i));
  }
  const std::string oldest = stored.back().id();
  const std::string newest = stored.front().id();
  pool_.Restore(std::move(stored));
  Pass(1);
  EXPECT_EQ(pool_.Sessions().size(), Pool::kOverMax);
  EXPECT_EQ(pool_.TakeForgotten().size(), 5u);
  EXPECT_EQ(pool_.FindSession(oldest), nullptr);
  EXPECT_NE(pool_.FindSession(newest), nullptr);
}

TEST_F(PoolTest, WhoComesBackIsNotForgotten) {
  Attach('1', "one", 1);
  pool_.SetKeepEnded(600'000);
  v1::Session session;
  ASSERT_FALSE(Create(0.1, &session).has_value());
  Hear('1', 1, {session.id()});
  pool_.Detach(std::string(32, '1'), 1, now_);
  for (int i = 0; i < 30; ++i) {
    Pass(10);
  }
  ASSERT_EQ(PhaseOf(session.id()), v1::FAILED);
  Attach('1', "one", 2);
  Hear('1', 2, {session.id()});
  ASSERT_EQ(PhaseOf(session.id()), v1::ACTIVE);
  for (int i = 0; i < 70; ++i) {
    Pass(10);
    Hear('1', 2, {session.id()});
  }
  ASSERT_NE(pool_.FindSession(session.id()), nullptr);
  EXPECT_TRUE(pool_.TakeForgotten().empty());
}

}  // namespace
}  // namespace farlane::pool
