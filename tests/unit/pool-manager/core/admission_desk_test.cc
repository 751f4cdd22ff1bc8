// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/admission_desk.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "pool-manager/core/tenant_book.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

class AdmissionDeskTest : public testing::Test {
 protected:
  void Attach(char digit, int devices = 1) {
    v1::Inventory inventory;
    inventory.set_server_id(std::string(32, digit));
    inventory.set_name(std::string("server") + digit);
    inventory.add_addresses("tcp://server:7450");
    for (int i = 0; i < devices; ++i) {
      v1::Device* const device = inventory.add_devices();
      device->set_uuid(std::string("GPU-") + digit + std::to_string(i));
      device->set_memory_bytes(8ull << 30);
    }
    ASSERT_EQ(pool_.Attach(inventory, static_cast<uint64_t>(digit), now_), "");
    pool_.Hear(inventory.server_id(), static_cast<uint64_t>(digit), {}, now_, &to_.changed);
    pool_.Look(now_, &to_.changed, &to_.orders);
    servers_.push_back(digit);
  }

  void SetProject(const std::string& name, double guaranteed, double limit = -1) {
    v1::Project project;
    project.set_name(name);
    project.mutable_quota()->mutable_guaranteed()->set_gpus(guaranteed);
    if (limit >= 0) {
      project.mutable_quota()->mutable_limit()->set_gpus(limit);
    }
    const auto objection = tenants_.Set(&project, false, now_);
    ASSERT_FALSE(objection.has_value()) << objection->detail;
  }

  struct Asked {
    std::string id{};  // of a session that has a place
    std::string waits{};
    std::string reason{};  // of an objection
    std::string detail{};
    uint32_t position = 0;
  };

  // `key`: whose request it is; the same again is the same request.
  Asked Ask(const std::string& key,
            double share,
            const std::string& project = "",
            uint32_t gpus = 1,
            uint32_t time_limit_s = 0,
            const std::string& priority = "") {
    v1::CreateSessionRequest request;
    request.mutable_spec()->mutable_slice()->set_share(share);
    request.mutable_spec()->mutable_slice()->set_priority(priority);
    request.mutable_spec()->set_project(project);
    request.mutable_spec()->set_gpus(gpus);
    request.mutable_spec()->set_time_limit_s(time_limit_s);
    request.set_idempotency_key(key);
    request.set_key_digest(std::string(64, 'a'));
    request.set_wait_seconds(wait_);
    request.set_await_servers(await_servers_);
    AdmissionDesk::Reply reply;
    const auto objection = desk_->Ask(request, "somebody", 1, now_, &reply, &to_);
    if (objection.has_value()) {
      return {.reason = objection->reason, .detail = objection->detail};
    }
    if (reply.grant.has_value()) {
      EXPECT_EQ(reply.grant->session.phase(), v1::RESERVED);
      return {.id = reply.grant->session.id()};
    }
    return {.waits = reply.waiting.id(), .position = reply.place.position()};
  }

  void Pass(int64_t seconds) {
    for (; seconds > 0; --seconds) {
      now_.ns += kSecondNs;
      now_.ms += 1000;
      for (const char server : servers_) {
        Hear(server);
      }
      pool_.Look(now_, &to_.changed, &to_.orders);
      pool_.LookAtLimits(now_, &to_.changed, &to_.orders);
      tenants_.Look(now_);
      desk_->Look(1, now_, &to_);
    }
  }

  // Everybody who was granted something there has come.
  void Hear(char digit) {
    v1::Load load;
    for (const v1::Session& session : pool_.Sessions()) {
      if (come_ && Pool::IsLive(session) && session.server_id() == std::string(32, digit)) {
        v1::SessionLoad& one = *load.add_sessions();
        one.set_session_id(session.id());
        one.set_gpu_ns(works_ ? static_cast<uint64_t>(now_.ms) : 1);
      }
    }
    pool_.Hear(std::string(32, digit), static_cast<uint64_t>(digit), load, now_, &to_.changed);
  }

  void Release(const std::string& id) {
    v1::Session session;
    ASSERT_FALSE(pool_.Release(id, now_, &session, &to_.orders).has_value());
  }

  std::set<std::string> Waiting() const {
    std::set<std::string> ids;
    for (const v1::Session& session : pool_.Sessions()) {
      if (session.phase() == v1::PENDING) {
        ids.insert(session.id());
      }
    }
    return ids;
  }

  size_t ComeAndGo(const std::vector<std::string>& projects);

  v1::Phase PhaseOf(const std::string& id) { return pool_.FindSession(id)->phase(); }

  Pool pool_;
  TenantBook tenants_{pool_};
  std::unique_ptr<AdmissionDesk> desk_ =
      std::make_unique<AdmissionDesk>(pool_, AdmissionDesk::Settings{});
  AdmissionDesk::Consequences to_;
  Pool::Now now_{.ns = kSecondNs, .ms = 1'000'000'000};
  std::vector<char> servers_;
  uint32_t wait_ = 600;
  bool works_ = true;
  bool come_ = true;
  bool await_servers_ = false;
};

TEST_F(AdmissionDeskTest, WhoWaitsForANearerServerMayMeasureAgain) {
  Attach('1');
  v1::CreateSessionRequest request;
  request.mutable_spec()->set_host("laptop");
  request.mutable_spec()->set_max_rtt_ms(10);
  request.set_idempotency_key("far");
  request.set_key_digest(std::string(64, 'a'));
  request.set_wait_seconds(wait_);
  v1::Measured& way = *request.add_measured();
  way.set_server_id(std::string(32, '1'));
  way.set_rtt_ms(60);
  const auto ask = [&] {
    AdmissionDesk::Reply reply;
    EXPECT_FALSE(desk_->Ask(request, "somebody", 1, now_, &reply, &to_).has_value());
    return reply.grant.has_value();
  };
  EXPECT_FALSE(ask());
  Pass(3);
  EXPECT_FALSE(ask()) << "as far as it was";
  way.set_rtt_ms(1);
  bool is_there = false;
  for (int i = 0; i < 20 && !is_there; ++i) {
    is_there = ask();
    Pass(3);
  }
  EXPECT_TRUE(is_there);
}

// When one leaves only those are looked at whom that concerns: nobody else could have come in. Of
// those that come in so, how many there were.
size_t AdmissionDeskTest::ComeAndGo(const std::vector<std::string>& projects) {
  constexpr double kShares[] = {1, 0.5, 0.25, 0.1};
  std::mt19937 random(7);
  std::vector<std::string> running;
  size_t let_in = 0;
  for (int i = 0; i < 300; ++i) {
    now_.ms += 1;
    const std::string key = std::to_string(i);
    const Asked asked =
        Ask(key, kShares[random() % 4], projects[random() % projects.size()],
            static_cast<uint32_t>(1 + random() % 2), 0, random() % 4 == 0 ? "guaranteed" : "");
    if (!asked.id.empty()) {
      running.push_back(asked.id);
    }
    if (desk_->waiting() <= 60 || running.empty()) {
      continue;
    }
    std::swap(running[random() % running.size()], running.back());
    Release(running.back());
    running.pop_back();
    Ask(key, 0.1);  // something else under a key that is known: it changes nothing
    const std::set<std::string> before = Waiting();
    desk_->Look(1, now_, &to_);  // everybody is looked at
    EXPECT_EQ(Waiting(), before) << "in step " << i;
    for (const v1::Session& session : pool_.Sessions()) {
      const bool is_new = session.phase() == v1::RESERVED &&
                          std::find(running.begin(), running.end(), session.id()) == running.end();
      let_in += is_new ? 1 : 0;
      if (is_new) {
        running.push_back(session.id());
      }
    }
  }
  return let_in;
}

TEST_F(AdmissionDeskTest, WhoLeavesLetsInAllForWhomThereIsRoom) {
  for (const char digit : {'1', '2', '3', '4'}) {
    Attach(digit, 2);
  }
  SetProject("small", 0, 2);
  SetProject("large", 2, 5);
  EXPECT_GT(ComeAndGo({"small", "large", ""}), 60u);
}

TEST_F(AdmissionDeskTest, WhoLeavesLetsInAllWhomALimitHasKeptOut) {
  for (const char digit : {'1', '2', '3', '4', '5', '6', '7', '8', '9'}) {
    Attach(digit, 2);
  }
  SetProject("small", 0, 2);
  SetProject("large", 2, 5);
  EXPECT_GT(ComeAndGo({"small", "large"}), 60u);
}

TEST_F(AdmissionDeskTest, WhatNoServerCanEverTakeIsRefusedAtOnce) {
  Attach('1', 2);
  EXPECT_FALSE(Ask("early", 1, "", 3).waits.empty()) << "other servers may still come back";
  Pass(11);
  const Asked never = Ask("never", 1, "", 3);
  EXPECT_EQ(never.reason, "NeverFits");
  EXPECT_EQ(never.detail,
            "no server of the pool can ever take it: it wants 3 GPUs of one server, and the most "
            "that one has is 2 (of 1 server, 1 has the rest)");
  EXPECT_FALSE(Ask("1", 1).id.empty());
  EXPECT_FALSE(Ask("2", 1, "", 2).waits.empty()) << "it only has to wait";
  await_servers_ = true;
  EXPECT_FALSE(Ask("later", 1, "", 3).waits.empty()) << "it waits for a new server";
  Attach('2', 8);  // two came before
  EXPECT_FALSE(Ask("later", 1, "", 3).id.empty());
}

TEST_F(AdmissionDeskTest, ThoseWhoWaitComeInTheirOrder) {
  Attach('1');
  const std::string first = Ask("1", 1).id;
  ASSERT_FALSE(first.empty());
  const Asked second = Ask("2", 1);
  EXPECT_FALSE(second.waits.empty());
  EXPECT_EQ(second.position, 1u);
  EXPECT_EQ(Ask("3", 1).position, 2u);
  EXPECT_EQ(PhaseOf(second.waits), v1::PENDING);
  Release(first);
  EXPECT_EQ(Ask("3", 1).position, 1u) << "the place was the other's";
  EXPECT_EQ(Ask("2", 1).id, second.waits) << "it is the same session";
  EXPECT_EQ(Ask("2", 1).id, second.waits) << "... however often it is asked";
}

TEST_F(AdmissionDeskTest, WhoWaitsIsNotSentAwayByAManagerWhoseClockIsWrong) {
  for (const int64_t hours : {-2, 2}) {
    pool_ = Pool();
    servers_.clear();
    desk_ = std::make_unique<AdmissionDesk>(pool_, AdmissionDesk::Settings{});
    Attach('1');
    const std::string first = Ask("1", 1).id;
    const std::string second = Ask("2", 1).waits;
    std::vector<v1::Session> stored = pool_.Sessions();
    pool_ = Pool();
    servers_.clear();
    pool_.Restore(std::move(stored));
    desk_ = std::make_unique<AdmissionDesk>(pool_, AdmissionDesk::Settings{});
    now_.ms += hours * 3'600'000;
    desk_->Restore(now_);
    Attach('1');
    Pass(1);
    EXPECT_EQ(Ask("2", 1).waits, second) << hours;
    now_.ms += 1;
    Ask("3", 1);
    EXPECT_EQ(Ask("2", 1).position, 1u) << "who came before is before";
    // It waits for as long as it wanted, and not for ever.
    for (uint32_t i = 0; i <= wait_; ++i) {
      Ask("2", 1);
      Pass(1);
    }
    EXPECT_EQ(PhaseOf(second), v1::EXPIRED) << hours;
  }
}

// To count all places costs as much as there are who wait: not each time that somebody comes.
TEST_F(AdmissionDeskTest, InALongQueuePlacesAreToldAsTheyWereAMomentAgo) {
  Attach('1');
  Ask("first", 1);
  for (int i = 0; i < 600; ++i) {
    Ask(std::to_string(i), 1);
  }
  const auto position = [this](const char* key) {
    return Ask(key, 1, "", 1, 0, "guaranteed").position;
  };
  EXPECT_EQ(position("urgent"), 601u) << "it is counted later";
  now_.ms += 501;
  EXPECT_EQ(position("urgent"), 1u);
}

TEST_F(AdmissionDeskTest, WhatIsReservedIsFreeWhenItsTimeHasCome) {
  Attach('1');
  SetProject("course", 0);
  v1::Reservation reservation;
  reservation.set_project("course");
  reservation.mutable_amount()->set_gpus(0.5);
  reservation.set_from_ms(now_.ms + 600'000);
  reservation.set_lasts_s(60);
  v1::Project stored;
  ASSERT_FALSE(tenants_.Reserve(&reservation, now_, &stored).has_value());
  ASSERT_EQ(stored.reservations_size(), 1);
  EXPECT_EQ(reservation.until_ms(), reservation.from_ms() + 60'000);
  EXPECT_EQ(reservation.id().size(), 16u);
  // Until then others have it.
  const std::string other = Ask("1", 1).id;
  ASSERT_FALSE(other.empty());
  Pass(601);
  EXPECT_EQ(PhaseOf(other), v1::ACTIVE) << "nobody has come for it yet";
  const std::string student = Ask("2", 0.5, "course").waits;
  Pass(8);
  EXPECT_EQ(PhaseOf(student), v1::ACTIVE) << "who was there has given way";
  Release(student);
  Pass(1);
  const std::string third = Ask("3", 0.4).waits;
  EXPECT_FALSE(third.empty()) << "nobody borrows what is reserved";
  for (int i = 0; i < 60; ++i) {
    Pass(1);
    Ask("3", 0.4);
  }
  EXPECT_TRUE(tenants_.Reservations().empty());
  EXPECT_TRUE(Pool::IsLive(*pool_.FindSession(third))) << "it is over";
}

TEST_F(AdmissionDeskTest, NobodyOvertakesBecauseHeDoesNotWait) {
  Attach('1');
  const std::string first = Ask("1", 1).id;
  Ask("2", 1);
  Release(first);
  wait_ = 0;
  EXPECT_EQ(Ask("3", 1).reason, "NoServer");
}

TEST_F(AdmissionDeskTest, WhoDoesNotAskAgainLosesHisPlace) {
  Attach('1');
  const std::string first = Ask("1", 1).id;
  const std::string second = Ask("2", 1).waits;
  Ask("3", 1);
  for (int i = 0; i < 20; ++i) {
    Pass(1);
    Ask("3", 1);
  }
  EXPECT_EQ(PhaseOf(second), v1::EXPIRED);
  EXPECT_EQ(Ask("3", 1).position, 1u);
  Release(first);
  EXPECT_FALSE(Ask("3", 1).id.empty());
}

TEST_F(AdmissionDeskTest, APlaceThatNobodyComesForIsGivenToTheNext) {
  Attach('1');
  const std::string first = Ask("1", 1).id;
  const std::string second = Ask("2", 1).waits;
  const std::string third = Ask("3", 1).waits;
  come_ = false;
  Release(first);
  Pass(1);
  EXPECT_EQ(PhaseOf(second), v1::RESERVED);
  for (int i = 0; i < 20; ++i) {
    Ask("3", 1);
    Pass(1);
  }
  EXPECT_EQ(PhaseOf(second), v1::EXPIRED);
  EXPECT_EQ(Ask("3", 1).id, third);
}

TEST_F(AdmissionDeskTest, ALimitIsKeptAndSaid) {
  Attach('1', 4);
  SetProject("small", 0, 1);
  ASSERT_FALSE(Ask("1", 1, "small").id.empty());
  wait_ = 0;
  const Asked refused = Ask("2", 0.5, "small");
  EXPECT_EQ(refused.reason, "OverQuota");
  EXPECT_EQ(refused.detail,
            "the limit of project \"small\" is 1 GPUs, of which 1 GPUs are in use; 0.5 GPUs are "
            "wanted");
  EXPECT_EQ(Ask("3", 1, "small", 2).reason, "OverLimit") << "it could never be";
  EXPECT_EQ(Ask("4", 1, "nobody").reason, "NoProject");
  EXPECT_FALSE(Ask("5", 1).id.empty()) << "others have none";
}

TEST_F(AdmissionDeskTest, WhatIsGuaranteedIsTakenBack) {
  Attach('1', 2);
  SetProject("owner", 1);
  const std::string one = Ask("1", 1).id;
  const std::string two = Ask("2", 1).id;
  Pass(70);
  const std::string waits = Ask("3", 1, "owner").waits;
  ASSERT_FALSE(waits.empty());
  for (int i = 0; i < 8; ++i) {
    Ask("3", 1, "owner");
    Pass(1);
  }
  EXPECT_EQ(Ask("3", 1, "owner").reason, "InUse") << "it has come to it";
  EXPECT_EQ(PhaseOf(waits), v1::ACTIVE);
  EXPECT_EQ((PhaseOf(one) == v1::PREEMPTED) + (PhaseOf(two) == v1::PREEMPTED), 1);
  EXPECT_FALSE(to_.orders.empty()) << "its server is told";
}

TEST_F(AdmissionDeskTest, WhoIsMadeSlowerGetsItBack) {
  Attach('1');
  SetProject("owner", 0.5);
  const std::string other = Ask("1", 1).id;
  Pass(70);
  const std::string waits = Ask("2", 0.5, "owner").waits;
  for (int i = 0; i < 8; ++i) {
    Ask("2", 0.5, "owner");
    Pass(1);
  }
  EXPECT_EQ(PhaseOf(other), v1::ACTIVE);
  EXPECT_EQ(pool_.FindSession(other)->spec().slice().share(), 0.5);
  ASSERT_EQ(PhaseOf(waits), v1::ACTIVE);
  ASSERT_TRUE(to_.orders.back().say.has_resize_session());
  Release(waits);
  Pass(10);
  EXPECT_EQ(pool_.FindSession(other)->spec().slice().share(), 1);
  EXPECT_EQ(pool_.FindSession(other)->share_wanted(), 0);
}

TEST_F(AdmissionDeskTest, WhoWaitsForMuchIsNotPassedForEver) {
  Attach('1', 2);
  const std::string one = Ask("1", 1).id;
  std::string wide = Ask("wide", 1, "", 2).waits;
  ASSERT_FALSE(wide.empty());
  ASSERT_FALSE(Ask("2", 1).id.empty()) << "meanwhile others may";
  for (int i = 0; i < 40; ++i) {
    Ask("wide", 1, "", 2);
    Pass(1);
  }
  Release(one);
  EXPECT_FALSE(Ask("3", 1).waits.empty()) << "the server is held";
  EXPECT_EQ(PhaseOf(wide), v1::PENDING);
  for (const v1::Session& session : pool_.Sessions()) {
    if (session.phase() == v1::ACTIVE) {
      Release(session.id());
    }
  }
  EXPECT_EQ(Ask("wide", 1, "", 2).id, wide);
}

TEST_F(AdmissionDeskTest, WhoIsDoneInTimeMayGoBefore) {
  Attach('1', 2);
  const std::string one = Ask("1", 1).id;
  ASSERT_FALSE(Ask("2", 1, "", 1, 1000).id.empty());
  Pass(1);
  Ask("wide", 1, "", 2);
  for (int i = 0; i < 40; ++i) {
    Ask("wide", 1, "", 2);
    Pass(1);
  }
  Release(one);
  for (int i = 0; i < 8; ++i) {
    Ask("wide", 1, "", 2);
    Pass(1);
  }
  EXPECT_FALSE(Ask("3", 1).waits.empty());
  EXPECT_FALSE(Ask("4", 1, "", 1, 100).id.empty()) << "it is over before the other is";
}

TEST_F(AdmissionDeskTest, TheQueueOutlivesItsManager) {
  Attach('1');
  const std::string first = Ask("1", 1).id;
  const std::string second = Ask("2", 1).waits;
  now_.ms += 1;  // who comes in the same millisecond comes in any order
  const std::string third = Ask("3", 1).waits;
  std::vector<v1::Session> stored = pool_.Sessions();
  pool_ = Pool();
  servers_.clear();
  pool_.Restore(std::move(stored));
  desk_ = std::make_unique<AdmissionDesk>(pool_, AdmissionDesk::Settings{});
  desk_->Restore(now_);
  EXPECT_EQ(desk_->waiting(), 2u);
  Attach('1');
  Pass(1);
  const Asked again = Ask("3", 1);
  EXPECT_EQ(again.waits, third);
  EXPECT_EQ(again.position, 2u);
  Release(first);
  EXPECT_EQ(Ask("2", 1).id, second);
}

TEST_F(AdmissionDeskTest, AGrantThatNobodyHeardIsMadeAgain) {
  Attach('1');
  come_ = false;
  const std::string id = Ask("1", 1).id;
  std::vector<v1::Session> stored = pool_.Sessions();
  pool_ = Pool();
  pool_.Restore(std::move(stored));
  desk_ = std::make_unique<AdmissionDesk>(pool_, AdmissionDesk::Settings{});
  desk_->Restore(now_);
  servers_.clear();
  const Asked again = Ask("1", 1);
  EXPECT_EQ(again.id, "") << "the next manager knows of it, and its server not of that one";
  EXPECT_EQ(again.reason, "Retry");
  Attach('1');
  EXPECT_EQ(Ask("1", 1).id, id);
  EXPECT_EQ(PhaseOf(id), v1::RESERVED);
}

TEST_F(AdmissionDeskTest, TimeLimitsAndIdlenessEndASession) {
  Attach('1', 3);
  SetProject("strict", 0);
  v1::Project project = *tenants_.Find("strict");
  project.set_idle_limit_s(20);
  ASSERT_FALSE(tenants_.Set(&project, false, now_).has_value());
  const std::string limited = Ask("1", 1, "", 1, 10).id;
  const std::string idle = Ask("2", 1, "strict").id;
  const std::string other = Ask("3", 1).id;
  Pass(8);
  EXPECT_EQ(PhaseOf(limited), v1::ACTIVE);
  works_ = false;
  Pass(8);
  EXPECT_EQ(PhaseOf(limited), v1::EXPIRED);
  EXPECT_EQ(PhaseOf(idle), v1::ACTIVE);
  Pass(20);
  EXPECT_EQ(PhaseOf(idle), v1::EXPIRED);
  EXPECT_EQ(PhaseOf(other), v1::ACTIVE);
}

TEST_F(AdmissionDeskTest, OneKeyIsOneRequest) {
  Attach('1', 2);
  const std::string id = Ask("1", 0.5).id;
  EXPECT_EQ(Ask("1", 0.5).id, id);
  EXPECT_NE(Ask("2", 0.5).id, id);
  wait_ = 10;
  EXPECT_EQ(Ask("", 1, "", 2).reason, "Invalid") << "who waits says who he is";
}

TEST_F(AdmissionDeskTest, SomethingElseUnderOneKeyIsRefused) {
  Attach('1');
  ASSERT_FALSE(Ask("1", 1).id.empty());
  EXPECT_EQ(Ask("1", 0.5).reason, "KeyReused");
  const std::string waits = Ask("2", 1).waits;
  ASSERT_FALSE(waits.empty());
  EXPECT_EQ(Ask("2", 0.5).reason, "KeyReused");
  EXPECT_EQ(Ask("2", 1).waits, waits) << "he waits on";
  EXPECT_EQ(Ask("a key", 1).reason, "Invalid");
}

TEST_F(AdmissionDeskTest, WhoDidNotAskInTimeMayWaitAgain) {
  Attach('1');
  Ask("1", 1);
  const std::string waits = Ask("2", 1).waits;
  Pass(20);
  ASSERT_EQ(PhaseOf(waits), v1::EXPIRED);
  const Asked again = Ask("2", 1);
  EXPECT_FALSE(again.waits.empty());
  EXPECT_NE(again.waits, waits);
}

TEST_F(AdmissionDeskTest, WhoWaitsCanStop) {
  Attach('1');
  Ask("1", 1);
  const std::string waits = Ask("2", 1).waits;
  v1::Session session;
  EXPECT_TRUE(desk_->Cancel(waits, now_, &session));
  EXPECT_EQ(PhaseOf(waits), v1::RELEASED);
  EXPECT_EQ(desk_->List(now_).entries_size(), 0);
  EXPECT_EQ(Ask("2", 1).reason, "Over") << "who asks on does not wait again";
  EXPECT_FALSE(desk_->Cancel(waits, now_, &session));
}

}  // namespace
}  // namespace farlane::pool
