// SPDX-License-Identifier: Apache-2.0
// Sessions that have to begin within some time, or need not any more.
#include <algorithm>

#include <gtest/gtest.h>

#include "pool-manager/core/admission_desk.h"
#include "pool-manager/core/tenant_book.h"
#include "tests/unit/pool-manager/core/one_server.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

class DeadlineTest : public testing::Test {
 protected:
  DeadlineTest() {
    EXPECT_EQ(pool_.Attach(OneServer(), 1, now_), "");
    Hear();
  }

  // The id of a session that waits, or has a place; who asks again keeps his place.
  std::string Ask(const std::string& key, uint32_t within_s, const std::string& project = "") {
    v1::CreateSessionRequest request;
    request.mutable_spec()->mutable_slice()->set_share(1);
    request.mutable_spec()->set_project(project);
    request.mutable_spec()->set_start_within_s(within_s);
    request.set_idempotency_key(key);
    request.set_key_digest(std::string(64, 'a'));
    request.set_wait_seconds(3600);
    AdmissionDesk::Reply reply;
    static_cast<void>(desk_.Ask(request, "somebody", 1, now_, &reply, &to_));
    place_ = reply.place;
    return reply.grant.has_value() ? reply.grant->session.id() : reply.waiting.id();
  }

  void Pass(int seconds) {
    for (; seconds > 0; --seconds) {
      now_.ns += kSecondNs;
      now_.ms += 1000;
      Hear();
      pool_.Look(now_, &to_.changed, &to_.orders);
      desk_.Look(1, now_, &to_);
    }
  }

  // Everybody who has a place has come.
  void Hear() {
    v1::Load load;
    for (const v1::Session& session : pool_.Sessions()) {
      if (Pool::IsLive(session)) {
        load.add_sessions()->set_session_id(session.id());
      }
    }
    pool_.Hear(OneServer().server_id(), 1, load, now_, &to_.changed);
  }

  static std::string OrderOf(const v1::ListQueueResponse& list) {
    std::string order;
    for (const v1::QueueEntry& entry : list.entries()) {
      order += entry.session().idempotency_key();
    }
    return order;
  }

  // One that has had the only GPU for a while, of which another project, "owner", is guaranteed
  // all.
  std::string AskAlone() {
    v1::Project project;
    project.set_name("owner");
    project.mutable_quota()->mutable_guaranteed()->set_gpus(1);
    EXPECT_FALSE(tenants_.Set(&project, false, now_).has_value());
    std::string id = Ask("h", 0);
    Pass(70);
    return id;
  }

  v1::Phase PhaseOf(const std::string& id) { return pool_.FindSession(id)->phase(); }

  Pool pool_;
  TenantBook tenants_{pool_};
  AdmissionDesk desk_{pool_, {}};
  AdmissionDesk::Consequences to_;
  Pool::Now now_{.ns = kSecondNs, .ms = 1'000'000'000};
  v1::QueuePlace place_;
};

TEST_F(DeadlineTest, WhoHasToBeginFirstIsFirstInHisProject) {
  Ask("h", 0);
  Ask("a", 0);
  Pass(1);
  Ask("b", 3'600);  // more than anybody waits
  Ask("c", 120);
  Ask("d", 60);
  EXPECT_EQ(OrderOf(desk_.List(now_)), "dcab");
}

TEST_F(DeadlineTest, WhoHasToBeginBySomeTimeIsNotWaitedForLonger) {
  Ask("h", 0);
  const std::string waits = Ask("a", 10);
  EXPECT_EQ(
      std::count(place_.reasons().begin(), place_.reasons().end(), "it has to begin within 10 s"),
      1);
  for (int i = 0; i < 10; ++i) {
    Pass(1);
    Ask("a", 10);
  }
  EXPECT_EQ(PhaseOf(waits), v1::PENDING);
  Pass(1);
  EXPECT_EQ(PhaseOf(waits), v1::EXPIRED);
  EXPECT_EQ(pool_.FindSession(waits)->reason(),
            "it should have begun by now, and there was no place");
}

// What it may have from others is taken for it while there is time.
TEST_F(DeadlineTest, RoomIsMadeEarlierForWhoHasLittleTime) {
  const std::string other = AskAlone();
  const std::string waits = Ask("a", 4, "owner");
  Pass(1);
  Ask("a", 4, "owner");
  EXPECT_EQ(PhaseOf(other), v1::PREEMPTED);
  Pass(1);
  Ask("a", 4, "owner");
  Pass(1);
  EXPECT_EQ(PhaseOf(waits), v1::ACTIVE);
}

TEST_F(DeadlineTest, WhoHasTimeWaitsAsLongAsOthersBeforeSomebodyGivesWay) {
  const std::string other = AskAlone();
  Ask("a", 3'600, "owner");
  Pass(4);
  EXPECT_EQ(PhaseOf(other), v1::ACTIVE);
  Pass(2);
  EXPECT_EQ(PhaseOf(other), v1::PREEMPTED);
}

TEST_F(DeadlineTest, TheNextManagerKeepsTheOrder) {
  Ask("h", 0);
  Ask("a", 0);
  Ask("b", 300);
  Ask("c", 200);
  Pool next;
  next.Restore(pool_.Sessions());
  AdmissionDesk desk(next, {});
  now_.ms -= 7'200'000;  // its clock is hours off
  desk.Restore(now_);
  EXPECT_EQ(OrderOf(desk.List(now_)), "cba");
}

}  // namespace
}  // namespace farlane::pool
