// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/session_parts.h"

#include <gtest/gtest.h>

#include "pool-manager/core/pool.h"
#include "tests/unit/pool-manager/core/one_server.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

v1::Inventory NumberedServer(char digit) {
  v1::Inventory inventory = OneServer();
  inventory.set_server_id(std::string(32, digit));
  inventory.set_name(std::string("server") + digit);
  inventory.mutable_devices(0)->set_uuid(std::string("GPU-") + digit);
  return inventory;
}

// A pool of two servers with one GPU each, and a session over both.
class SessionPartsTest : public testing::Test {
 protected:
  SessionPartsTest() {
    for (const char server : {'1', '2'}) {
      EXPECT_EQ(pool_.Attach(NumberedServer(server), server, now_), "");
      Report(server, false);
    }
    id_ = Ask(2, 0.5);
    EXPECT_FALSE(id_.empty());
  }

  // Empty: it was refused.
  std::string Ask(uint32_t gpus, double share) {
    v1::CreateSessionRequest request;
    request.mutable_spec()->set_gpus(gpus);
    request.mutable_spec()->set_across_servers(true);
    request.mutable_spec()->mutable_slice()->set_share(share);
    request.set_key_digest(std::string(64, 'a'));
    for (uint32_t part = 0; part < gpus; ++part) {
      request.add_part_key_digests(std::string(64, static_cast<char>('b' + part)));
    }
    Pool::Grant grant;
    if (pool_.Draft(request, 1, now_, &grant).has_value()) {
      return "";
    }
    tokens_ = {grant.token};
    tokens_.insert(tokens_.end(), grant.more_tokens.begin(), grant.more_tokens.end());
    return grant.session.id();
  }

  void Report(char server, bool has_session) {
    v1::Load load;
    load.add_devices();
    if (has_session) {
      load.add_sessions()->set_session_id(id_);
      load.mutable_sessions(0)->set_gpu_ns(5);
    }
    said_ = pool_.Hear(std::string(32, server), server, load, now_, &changed_);
  }

  void Pass(uint64_t seconds) {
    now_.ns += seconds * kSecondNs;
    now_.ms += static_cast<int64_t>(seconds) * 1000;
  }

  const v1::Session& Session() const { return *pool_.FindSession(id_); }

  v1::Phase PhaseAtServer(char server) const { return PhaseAt(Session(), std::string(32, server)); }

  double Promised() const {
    double promised = 0;
    for (const v1::Server& server : pool_.Servers()) {
      promised += server.promised_share();
    }
    return promised;
  }

  Pool pool_;
  Pool::Now now_{.ns = kSecondNs, .ms = 1'000'000'000};
  std::vector<v1::Session> changed_;
  std::vector<Order> orders_;
  std::vector<Order> said_;
  std::vector<token::SessionToken> tokens_;
  std::string id_;
};

TEST_F(SessionPartsTest, EachServersTokenIsItsOwn) {
  ASSERT_EQ(Session().parts_size(), 2);
  ASSERT_EQ(tokens_.size(), 2u);
  EXPECT_NE(tokens_[0].server, tokens_[1].server);
  EXPECT_NE(tokens_[0].key_digest, tokens_[1].key_digest);
  EXPECT_EQ(tokens_[0].session, tokens_[1].session);
  EXPECT_EQ(tokens_[0].slice.gpus + tokens_[1].slice.gpus, 2);
  // Also for who has not heard the answer, of a leader that has come since.
  const Pool::Grant again = Pool::GrantAgain(Session(), 7, now_);
  ASSERT_EQ(again.more_tokens.size(), 1u);
  EXPECT_EQ(again.token.key_digest, tokens_[0].key_digest);
  EXPECT_EQ(again.more_tokens[0].key_digest, tokens_[1].key_digest);
  EXPECT_EQ(again.token.epoch, 7u);
  EXPECT_EQ(again.more_tokens[0].epoch, 7u);
}

TEST_F(SessionPartsTest, WhatCannotBeHadWholeTakesNothing) {
  EXPECT_EQ(Promised(), 1.0);
  EXPECT_EQ(Ask(2, 0.6), "");
  EXPECT_EQ(Ask(3, 0.1), "");
  EXPECT_EQ(Promised(), 1.0);
  EXPECT_NE(Ask(2, 0.5), "");
  EXPECT_EQ(Promised(), 2.0);
}

TEST_F(SessionPartsTest, ALostServerFailsAllOfItAndTheOtherIsTold) {
  Report('1', true);
  Report('2', true);
  for (int i = 0; i < 70; ++i) {
    Pass(1);
    Report('1', true);
    pool_.Look(now_, &changed_, &orders_);
  }
  EXPECT_EQ(Session().phase(), v1::FAILED);
  EXPECT_NE(Session().reason().find("server2"), std::string::npos) << Session().reason();
  EXPECT_FALSE(Session().meant());
  EXPECT_EQ(Promised(), 0);
  bool told = false;
  for (const Order& order : orders_) {
    told |= order.attachment == '1' && order.say.end_session().session_id() == id_;
  }
  EXPECT_TRUE(told);
  // It comes back, and still runs its part: that is over, too.
  EXPECT_EQ(pool_.Attach(NumberedServer('2'), '3', now_), "");
  v1::Load load;
  load.add_devices();
  load.add_sessions()->set_session_id(id_);
  const auto orders = pool_.Hear(std::string(32, '2'), '3', load, now_, &changed_);
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].say.end_session().session_id(), id_);
  EXPECT_EQ(Session().phase(), v1::FAILED);
}

TEST_F(SessionPartsTest, APartThatNobodyComesToEndsTheRest) {
  for (int i = 0; i < 150; ++i) {
    Pass(1);
    Report('1', Pool::IsLive(Session()));
    Report('2', false);
    pool_.Look(now_, &changed_, &orders_);
  }
  EXPECT_EQ(Session().phase(), v1::EXPIRED);
  EXPECT_NE(Session().reason().find("server2"), std::string::npos) << Session().reason();
  EXPECT_EQ(Promised(), 0);
}

TEST_F(SessionPartsTest, WhoHasLeftOneServerGoesOnAtTheOther) {
  Report('1', true);
  Report('2', true);
  EXPECT_EQ(Session().load().gpu_ns(), 10u);
  Report('2', false);
  EXPECT_EQ(Session().phase(), v1::ACTIVE);
  EXPECT_EQ(PhaseAtServer('2'), v1::RELEASED);
  EXPECT_EQ(Promised(), 1.0) << "it keeps what it has until it is gone";
  Report('1', false);
  EXPECT_EQ(Session().phase(), v1::RELEASED);
  EXPECT_EQ(Promised(), 0);
}

TEST_F(SessionPartsTest, TheNextManagerAdoptsItServerByServer) {
  Report('1', true);
  Report('2', true);
  std::vector<v1::Session> stored = pool_.Sessions();
  pool_ = Pool();
  pool_.Restore(std::move(stored));
  EXPECT_EQ(Session().phase(), v1::UNKNOWN);
  for (const char server : {'1', '2'}) {
    EXPECT_EQ(Session().phase(), v1::UNKNOWN);
    EXPECT_EQ(pool_.Attach(NumberedServer(server), server, now_), "");
    Report(server, true);
  }
  EXPECT_EQ(Session().phase(), v1::ACTIVE);
  EXPECT_EQ(Session().reason(), "");
  EXPECT_EQ(Promised(), 1.0);
  EXPECT_EQ(Ask(2, 0.6), "");
  EXPECT_NE(Ask(2, 0.5), "");
}

TEST_F(SessionPartsTest, WhatEndsItIsToldToAllOfItsServers) {
  v1::Session released;
  std::vector<Order> orders;
  ASSERT_FALSE(pool_.Release(id_, now_, &released, &orders).has_value());
  EXPECT_EQ(orders.size(), 2u);
  EXPECT_EQ(Promised(), 0);
}

}  // namespace
}  // namespace farlane::pool
