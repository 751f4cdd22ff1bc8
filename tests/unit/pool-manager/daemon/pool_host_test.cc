// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/pool_host.h"

#include <map>

#include <gtest/gtest.h>
#include <unistd.h>

#include "pool-manager/core/server_orders.h"
#include "pool-manager/store/state_store.h"
#include "tests/support/silent_line.h"

namespace farlane::pool {
namespace {

// What a store has, and what it says; both as the test wants them.
struct Disk {
  std::map<std::string, v1::Session> sessions;
  std::map<std::string, v1::ServerOrders> orders;
  v1::TenantUse use;
  std::vector<farlane::Status> says;  // the next answers; then all is well
  bool takes_anyway = false;          // also where it says that it does not know
  int saves = 0;
};

class FakeStore : public SessionStore {
 public:
  FakeStore(Disk& disk, uint64_t epoch) : disk_(disk), epoch_(epoch) {}

  const char* kind() const override { return "fake"; }

  uint64_t epoch() const override { return epoch_; }

  Result<std::vector<v1::Session>> Load() override {
    std::vector<v1::Session> sessions;
    for (const auto& [id, session] : disk_.sessions) {
      sessions.push_back(session);
    }
    return sessions;
  }

  Result<std::vector<v1::ServerOrders>> LoadOrders() override {
    std::vector<v1::ServerOrders> orders;
    for (const auto& [name, one] : disk_.orders) {
      orders.push_back(one);
    }
    return orders;
  }

  farlane::Status SaveOrders(const v1::ServerOrders& orders) override {
    disk_.orders[orders.name()] = orders;
    return farlane::Status::Ok();
  }

  Result<std::vector<v1::Profile>> LoadProfiles() override { return std::vector<v1::Profile>(); }

  farlane::Status SaveProfile(const v1::Profile& /*profile*/) override {
    return farlane::Status::Ok();
  }

  Result<v1::TenantUse> LoadUse() override { return disk_.use; }

  farlane::Status SaveUse(const v1::TenantUse& use) override {
    disk_.use = use;
    return farlane::Status::Ok();
  }

  Result<std::vector<v1::Project>> LoadProjects() override { return std::vector<v1::Project>(); }

  farlane::Status SaveProject(const v1::Project& /*project*/) override {
    return farlane::Status::Ok();
  }

  farlane::Status DropProject(const std::string& /*name*/) override {
    return farlane::Status::Ok();
  }

  farlane::Status DropSessions(const std::vector<std::string>& ids) override {
    for (const std::string& id : ids) {
      disk_.sessions.erase(id);
    }
    return farlane::Status::Ok();
  }

  farlane::Status Save(const v1::Session& session) override {
    ++disk_.saves;
    farlane::Status says;
    if (!disk_.says.empty()) {
      says = disk_.says.front();
      disk_.says.erase(disk_.says.begin());
    }
    if (says.ok() || disk_.takes_anyway) {
      disk_.sessions[session.id()] = session;
    }
    return says;
  }

 private:
  Disk& disk_;
  const uint64_t epoch_;
};

// A server's stream that remembers what it was told.
class LastLine : public SilentLine {
 public:
  void Say(v1::ToServer say) override { last = std::move(say); }

  v1::ToServer last;
};

class PoolHostTest : public testing::Test {
 protected:
  PoolHostTest() : key_(token::SigningKey::Make().value()) { Begin(1); }

  void Begin(uint64_t epoch) {
    auto host = PoolHost::Open({.save_use_ns = 0}, std::make_unique<FakeStore>(disk_, epoch), key_);
    ASSERT_TRUE(host.ok());
    host_ = std::move(host).value();
    v1::Inventory inventory;
    inventory.set_server_id(std::string(32, '1'));
    inventory.set_name("one");
    inventory.add_addresses("tcp://one:7450");
    inventory.add_devices()->set_memory_bytes(1ull << 33);
    inventory.mutable_devices(0)->set_model("H100");
    inventory.mutable_devices(0)->set_uuid("GPU-1");
    ASSERT_EQ(host_->Attach(inventory, 1, &line_), "");
    host_->Hear(inventory.server_id(), 1, {});
  }

  std::optional<Objection> Create(const std::string& key, double share = 0.1) {
    v1::CreateSessionRequest request;
    request.mutable_spec()->mutable_slice()->set_share(share);
    request.set_key_digest(std::string(64, 'a'));
    request.set_idempotency_key(key);
    response_.Clear();
    return host_->Create(request, user_, &response_);
  }

  const farlane::Status unknown_{store_error::kUnknown, "no answer"};
  SigningKeys key_;
  Disk disk_;
  LastLine line_;
  std::shared_ptr<PoolHost> host_;
  std::string user_ = "ann";
  v1::CreateSessionResponse response_;
};

TEST_F(PoolHostTest, WhatTenantsHaveHadIsKeptForTheNextManager) {
  ASSERT_FALSE(Create("k", 1).has_value());
  for (int i = 0; i < 3; ++i) {
    host_->Look();
    usleep(20'000);
  }
  host_.reset();  // what is under way is stored
  ASSERT_EQ(disk_.use.tenants_size(), 1);
  EXPECT_EQ(disk_.use.tenants(0).name(), "default");
  EXPECT_GT(disk_.use.tenants(0).had(0), 0);
  const double had = disk_.use.tenants(0).had(0);
  disk_.sessions.clear();
  Begin(2);
  disk_.use.Clear();
  host_->Look();
  host_.reset();
  ASSERT_EQ(disk_.use.tenants_size(), 1) << "the next one goes on with it";
  EXPECT_NEAR(disk_.use.tenants(0).had(0), had, had / 10);
}

TEST_F(PoolHostTest, EachReportThatHasANumberIsAnswered) {
  v1::Load load;
  host_->Hear(std::string(32, '1'), 1, load);
  EXPECT_NE(line_.last.what_case(), v1::ToServer::kHeard);
  load.set_number(7);
  host_->Hear(std::string(32, '1'), 1, load);
  EXPECT_EQ(line_.last.heard(), 7u);
  EXPECT_EQ(line_.last.epoch(), 1u);
}

TEST_F(PoolHostTest, ManyServersAreToldToReportMoreSeldom) {
  constexpr size_t kServers = 2400;
  std::vector<LastLine> lines(kServers);
  for (size_t i = 0; i < kServers; ++i) {
    v1::Inventory inventory;
    inventory.set_server_id("server" + std::to_string(i));
    inventory.set_name("many" + std::to_string(i));
    inventory.add_addresses("tcp://many:7450");
    inventory.add_devices()->set_memory_bytes(1ull << 33);
    inventory.mutable_devices(0)->set_uuid("GPU-" + std::to_string(i));
    ASSERT_EQ(host_->Attach(inventory, 2 + i, &lines[i]), "");
  }
  EXPECT_EQ(lines.back().last.welcome().report_ms(), 2500u);
  EXPECT_EQ(lines.back().last.welcome().report_ms_max(), 15'000u);
  EXPECT_EQ(line_.last.pace().report_ms(), 2500u) << "so are those who were there";
  for (size_t i = 500; i < kServers; ++i) {
    host_->Detach("server" + std::to_string(i), 2 + i);
  }
  EXPECT_EQ(line_.last.pace().report_ms(), 1000u);
}

TEST_F(PoolHostTest, TheSameRequestGetsTheSameSession) {
  ASSERT_FALSE(Create("k").has_value());
  const std::string first = response_.session().id();
  ASSERT_FALSE(Create("k").has_value());
  EXPECT_EQ(response_.session().id(), first);
  EXPECT_FALSE(response_.token().empty());
  EXPECT_EQ(host_->Sessions().size(), 1u);
  ASSERT_FALSE(Create("other").has_value());
  EXPECT_NE(response_.session().id(), first);
  ASSERT_FALSE(Create("").has_value());
  ASSERT_FALSE(Create("").has_value());
  EXPECT_EQ(host_->Sessions().size(), 4u) << "without a key, each request is one of its own";
}

TEST_F(PoolHostTest, AnotherRequestUnderTheSameKeyIsRefused) {
  ASSERT_FALSE(Create("k", 0.1).has_value());
  EXPECT_EQ(Create("k", 0.2)->kind, Objection::Kind::kOtherRequest);
  user_ = "bob";
  EXPECT_FALSE(Create("k", 0.2).has_value()) << "each user has keys of his own";
  EXPECT_EQ(Create("two words")->kind, Objection::Kind::kInvalid);
  EXPECT_EQ(Create(std::string(256, 'k'))->kind, Objection::Kind::kInvalid);
}

TEST_F(PoolHostTest, TheNextManagerKnowsTheKeys) {
  ASSERT_FALSE(Create("k").has_value());
  const std::string first = response_.session().id();
  Begin(2);
  ASSERT_FALSE(Create("k").has_value());
  EXPECT_EQ(response_.session().id(), first);
  EXPECT_EQ(host_->Sessions().size(), 1u);
  EXPECT_EQ(Create("k", 0.2)->kind, Objection::Kind::kOtherRequest);
}

TEST_F(PoolHostTest, ASessionThatIsOverIsNotGrantedAgain) {
  ASSERT_FALSE(Create("k").has_value());
  v1::Session released;
  ASSERT_FALSE(host_->Release(response_.session().id(), &released).has_value());
  const auto objection = Create("k");
  ASSERT_TRUE(objection.has_value());
  EXPECT_EQ(objection->reason, "Over");
}

TEST_F(PoolHostTest, AnUnknownChangeIsAskedForUntilItIsKnown) {
  disk_.says = {unknown_, {store_error::kRetry, "no connection"}, unknown_};
  disk_.takes_anyway = true;
  ASSERT_FALSE(Create("").has_value());
  EXPECT_EQ(disk_.saves, 4);
  EXPECT_EQ(disk_.sessions.size(), 1u);
  EXPECT_EQ(host_->Sessions().size(), 1u);
}

TEST_F(PoolHostTest, WhatStaysUnknownKeepsItsPlaceAndIsFoundAgain) {
  disk_.says.assign(1000, unknown_);
  disk_.takes_anyway = true;
  const auto objection = Create("k");
  ASSERT_TRUE(objection.has_value());
  EXPECT_EQ(objection->kind, Objection::Kind::kUnavailable);
  ASSERT_EQ(disk_.sessions.size(), 1u) << "it is stored, though nobody knows";
  EXPECT_EQ(host_->Sessions().size(), 1u);
  disk_.says.clear();
  ASSERT_FALSE(Create("k").has_value());
  EXPECT_EQ(disk_.sessions.size(), 1u) << "not a second one";
  EXPECT_EQ(response_.session().id(), disk_.sessions.begin()->first);
}

TEST_F(PoolHostTest, WhatIsSurelyNotStoredIsFreeAgain) {
  disk_.says = {{store_error::kRetry, "nothing was done"}};
  ASSERT_TRUE(Create("k", 1).has_value());
  EXPECT_EQ(host_->Sessions().size(), 0u);
  ASSERT_FALSE(Create("k", 1).has_value());
}

TEST_F(PoolHostTest, WhatIsForgottenIsNotInTheStoreAnyMore) {
  for (int i = 0; i < static_cast<int>(Pool::kOverMax) + 3; ++i) {
    v1::Session session;
    session.set_id(Pool::FreshId());
    session.set_phase(v1::RELEASED);
    session.set_ended_ms(host_->NowMs());
    disk_.sessions[session.id()] = session;
  }
  Begin(2);
  host_->Look();
  host_.reset();  // what is left to be done is done
  EXPECT_EQ(disk_.sessions.size(), Pool::kOverMax);
}

TEST_F(PoolHostTest, OrdersHoldUnderTheNextManager) {
  const auto cordon = [](v1::ServerOrders* orders) {
    Cordon(orders);
    return std::nullopt;
  };
  EXPECT_EQ(host_->ChangeOrders("two", cordon)->kind, Objection::Kind::kNotFound);
  ASSERT_FALSE(host_->ChangeOrders("one", cordon).has_value());
  EXPECT_TRUE(Create("").has_value());
  Begin(2);
  EXPECT_TRUE(Create("").has_value());
  ASSERT_FALSE(host_
                   ->ChangeOrders("one",
                                  [](v1::ServerOrders* orders) {
                                    Uncordon(orders);
                                    return std::nullopt;
                                  })
                   .has_value());
  EXPECT_FALSE(Create("").has_value());
}

TEST_F(PoolHostTest, VersionsAreOfOneManager) {
  uint64_t version = 0;
  host_->ListSessions(&version);
  const std::string text = host_->VersionText(version);
  EXPECT_EQ(host_->ParseVersion(text), version);
  for (const char* const wrong : {"", "1", "1-", "1-x", "2-0", "11-0"}) {
    EXPECT_FALSE(host_->ParseVersion(wrong).has_value()) << wrong;
  }
  Begin(2);
  EXPECT_FALSE(host_->ParseVersion(text).has_value());
}

TEST_F(PoolHostTest, ReportsOfLoadAreNoChanges) {
  ASSERT_FALSE(Create("").has_value());
  uint64_t version = 0;
  host_->ListSessions(&version);
  v1::Load load;
  load.add_devices();
  load.add_sessions()->set_session_id(response_.session().id());
  host_->Hear(std::string(32, '1'), 1, load);  // it has become active
  uint64_t after = 0;
  host_->ListSessions(&after);
  EXPECT_EQ(after, version + 1);
  load.mutable_sessions(0)->set_gpu_ns(1000);
  host_->Hear(std::string(32, '1'), 1, load);
  EXPECT_EQ(host_->ListSessions(&after)[0].load().gpu_ns(), 1000u);
  EXPECT_EQ(after, version + 1);
}

}  // namespace
}  // namespace farlane::pool
