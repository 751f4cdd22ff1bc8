// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/tenancy/wait_queue.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

constexpr uint64_t kGpu = kWholeShare;

class WaitQueueTest : public testing::Test {
 protected:
  WaitQueueTest() {
    tree_.SetCapacity(Amount::Of(100 * kGpu, 1000, kNoLimit));
    a_ = tree_.Set({.name = "a"}).value();
    b_ = tree_.Set({.name = "b"}).value();
  }

  void Join(const std::string& id,
            uint32_t project,
            int64_t since_ms = 0,
            Priority priority = Priority::kStandard) {
    ASSERT_TRUE(queue_.Join({.id = id,
                             .project = project,
                             .priority = priority,
                             .amount = Amount::Of(kGpu, 0, 1),
                             .since_ms = since_ms,
                             .asked_ms = since_ms,
                             .until_ms = since_ms + 60'000}));
  }

  // `admit`: each takes what he waits for.
  std::string Order(bool admit = true) {
    std::string order;
    QueueOrder tickets(queue_, tree_);
    while (Ticket* const ticket = tickets.Next()) {
      order += ticket->id;
      if (admit) {
        tickets.Suppose(*ticket);
      }
    }
    return order;
  }

  TenantTree tree_;
  WaitQueue queue_;
  uint32_t a_ = 0;
  uint32_t b_ = 0;
};

TEST_F(WaitQueueTest, InOneProjectWhoCameFirstIsFirst) {
  Join("2", a_, 20);
  Join("1", a_, 10);
  Join("3", a_, 20);
  EXPECT_EQ(Order(), "123");
}

TEST_F(WaitQueueTest, ADeadlineIsNothingToOtherProjects) {
  Join("1", a_, 10);
  Join("2", a_, 11);
  const auto join_due = [this](const std::string& id, uint32_t project, int64_t due_ms) {
    ASSERT_TRUE(queue_.Join({.id = id,
                             .project = project,
                             .amount = Amount::Of(kGpu, 0, 1),
                             .since_ms = 20,
                             .asked_ms = 20,
                             .until_ms = due_ms,
                             .due_ms = due_ms}));
  };
  join_due("x", b_, 5'000);
  join_due("y", b_, 4'000);
  tree_.Charge(b_, Priority::kStandard, Amount::Of(2 * kGpu, 0, 2));
  EXPECT_EQ(Order(), "12yx") << "who has had more comes later, whatever his haste";
}

TEST_F(WaitQueueTest, TheHigherClassIsFirst) {
  Join("s", a_, 1);
  Join("g", a_, 2, Priority::kGuaranteed);
  Join("b", a_, 0, Priority::kBestEffort);
  EXPECT_EQ(Order(), "gsb");
}

TEST_F(WaitQueueTest, WhoHasLeastIsNext) {
  for (const char* id : {"1", "2", "3"}) {
    Join(id, a_, 1);
  }
  for (const char* id : {"x", "y", "z"}) {
    Join(id, b_, 2);
  }
  EXPECT_EQ(Order(), "1x2y3z");
  tree_.Charge(a_, Priority::kStandard, Amount::Of(2 * kGpu, 0, 2));
  EXPECT_EQ(Order(), "xy1z23");
}

TEST_F(WaitQueueTest, WeightsCount) {
  Quota quota;
  quota.weight = 2;
  ASSERT_TRUE(tree_.Set({.name = "b", .quota = quota}).ok());
  for (const char* id : {"1", "2"}) {
    Join(id, a_, 1);
  }
  for (const char* id : {"w", "x", "y", "z"}) {
    Join(id, b_, 2);
  }
  EXPECT_EQ(Order(), "1wx2yz");
}

TEST_F(WaitQueueTest, WhoIsGuaranteedItIsBeforeWhoBorrows) {
  Quota quota;
  quota.guaranteed = Amount::Of(2 * kGpu, 0, 0);
  ASSERT_TRUE(tree_.Set({.name = "b", .quota = quota}).ok());
  tree_.Charge(b_, Priority::kStandard, Amount::Of(kGpu, 0, 1));
  Join("1", a_, 1);
  Join("x", b_, 2);
  Join("y", b_, 3);
  EXPECT_EQ(Order(), "x1y");
}

TEST_F(WaitQueueTest, OrganisationsAreCompared) {
  ASSERT_TRUE(tree_.Set({.name = "org", .is_org = true}).ok());
  const uint32_t c = tree_.Set({.name = "c", .org = "org"}).value();
  const uint32_t d = tree_.Set({.name = "d", .org = "org"}).value();
  Join("1", a_, 5);
  Join("2", a_, 6);
  Join("c", c, 1);
  Join("d", d, 2);
  EXPECT_EQ(Order(), "c1d2") << "two projects are no reason for twice as much";
}

TEST_F(WaitQueueTest, WhoGetsNothingHoldsNobodyUp) {
  Join("1", a_, 1);
  Join("2", a_, 2);
  Join("x", b_, 3);
  EXPECT_EQ(Order(false), "12x");
}

TEST_F(WaitQueueTest, WhoDoesNotAskAgainIsDropped) {
  Join("1", a_, 1000);
  Join("2", a_, 1000);
  queue_.Find("2")->asked_ms = 9000;
  EXPECT_EQ(queue_.Expired(10'000, 5000), std::vector<std::string>({"1"}));
  queue_.Leave("1");
  queue_.Leave("1");
  EXPECT_EQ(queue_.size(), 1u);
  EXPECT_EQ(queue_.Expired(61'001, 1'000'000), std::vector<std::string>({"2"})) << "its time";
}

TEST_F(WaitQueueTest, NobodyStandsThereTwice) {
  Join("1", a_);
  EXPECT_FALSE(queue_.Join({.id = "1", .project = b_}));
  EXPECT_EQ(Order(), "1");
}

}  // namespace
}  // namespace farlane::pool
