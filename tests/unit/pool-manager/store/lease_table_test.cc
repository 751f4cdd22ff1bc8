// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/lease_table.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

TEST(LeaseTable, EndsALeaseWhenItsTimeIsOver) {
  LeaseTable leases;
  leases.Add(7, 5, 0);
  EXPECT_EQ(leases.NextNs(), 5 * kSecond);
  EXPECT_TRUE(leases.TakeExpired(5 * kSecond - 1).empty());
  EXPECT_TRUE(leases.Lives(7));
  EXPECT_EQ(leases.TakeExpired(5 * kSecond), std::vector<int64_t>{7});
  EXPECT_FALSE(leases.Lives(7));
}

TEST(LeaseTable, StartsTheTimeOfARenewedLeaseAnew) {
  LeaseTable leases;
  leases.Add(7, 5, 0);
  EXPECT_EQ(leases.Renew(7, 4 * kSecond), 5);
  EXPECT_EQ(leases.NextNs(), 9 * kSecond);
  EXPECT_TRUE(leases.TakeExpired(8 * kSecond).empty());
}

TEST(LeaseTable, RenewsNoneWhoseTimeIsOver) {
  LeaseTable leases;
  leases.Add(7, 5, 0);
  EXPECT_EQ(leases.Renew(7, 5 * kSecond), std::nullopt)
      << "though nobody has asked for expired ones";
  EXPECT_EQ(leases.TakeExpired(5 * kSecond).size(), 1u);
  EXPECT_EQ(leases.Renew(7, 5 * kSecond), std::nullopt);
  EXPECT_EQ(leases.Renew(8, 0), std::nullopt);
}

TEST(LeaseTable, NamesAnExpiredLeaseAgainUntilItIsDropped) {
  LeaseTable leases;
  leases.Add(7, 5, 0);
  EXPECT_EQ(leases.TakeExpired(5 * kSecond).size(), 1u);
  EXPECT_TRUE(leases.TakeExpired(5 * kSecond).empty());
  EXPECT_EQ(leases.NextNs(), 5 * kSecond + LeaseTable::kAgainNs);
  EXPECT_EQ(leases.TakeExpired(5 * kSecond + LeaseTable::kAgainNs).size(), 1u);
  leases.Drop(7);
  EXPECT_EQ(leases.NextNs(), std::nullopt);
}

}  // namespace
}  // namespace farlane::pool
