// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/reservations.h"

#include <gtest/gtest.h>

#include "pool-manager/core/tenant_book.h"
#include "tests/unit/pool-manager/core/one_server.h"

namespace farlane::pool {
namespace {

// A pool with one GPU.
class ReservationsTest : public testing::Test {
 protected:
  void SetProject(const std::string& name, const std::string& org, double limit, double always) {
    v1::Project project;
    project.set_name(name);
    project.set_org(org);
    project.set_is_org(name == "lab");
    if (limit > 0) {
      project.mutable_quota()->mutable_limit()->set_gpus(limit);
    }
    project.mutable_quota()->mutable_guaranteed()->set_gpus(always);
    ASSERT_FALSE(tenants_.Set(&project, false, now_).has_value());
  }

  // The reservation's id, or why there is none.
  std::string Reserve(const char* project, double gpus, int64_t from_s, uint32_t lasts_s) {
    v1::Reservation wish;
    wish.set_project(project);
    wish.mutable_amount()->set_gpus(gpus);
    wish.set_from_ms(now_.ms + 1000 * from_s);
    wish.set_lasts_s(lasts_s);
    v1::Project stored;
    const auto objection = tenants_.Reserve(&wish, now_, &stored);
    return objection.has_value() ? objection->reason : wish.id();
  }

  Pool pool_;
  TenantBook tenants_{pool_};
  Pool::Now now_{.ns = 1'000'000'000, .ms = 1'000'000'000};
};

TEST_F(ReservationsTest, WhatCannotBeHeldIsNotReserved) {
  ASSERT_EQ(pool_.Attach(OneServer(), 1, now_), "");
  SetProject("lab", "", 0.5, 0);
  SetProject("inside", "lab", 0, 0);
  SetProject("course", "", 0.9, 0.2);
  EXPECT_EQ(Reserve("nobody", 0.1, 10, 10), "NotFound");
  EXPECT_EQ(Reserve("lab", 0.1, 10, 10), "Invalid");
  EXPECT_EQ(Reserve("course", 0, 10, 10), "Invalid");
  EXPECT_EQ(Reserve("course", 0.1, 10, 0), "Invalid");
  EXPECT_EQ(Reserve("course", 0.1, -100, 10), "Invalid") << "it is over already";
  EXPECT_EQ(Reserve("course", 0.8, 10, 10), "NoRoom") << "its limit is 0.9, and 0.2 it has always";
  EXPECT_EQ(Reserve("inside", 0.6, 10, 10), "NoRoom") << "its organisation has no more than 0.5";
  const std::string first = Reserve("course", 0.6, 100, 100);
  ASSERT_EQ(first.size(), 16u);
  EXPECT_EQ(Reserve("inside", 0.3, 150, 10), "NoRoom") << "of the pool, 0.8 is promised then";
  EXPECT_EQ(Reserve("inside", 0.3, 50, 100), "NoRoom") << "... or while it lasts";
  EXPECT_EQ(Reserve("inside", 0.3, 50, 50).size(), 16u) << "it is over just then";
  EXPECT_EQ(Reserve("inside", 0.3, 200, 50).size(), 16u);
  v1::Reservation ended;
  v1::Project stored;
  ASSERT_FALSE(tenants_.EndReservation(first, now_, &ended, &stored).has_value());
  EXPECT_EQ(ended.id(), first);
  EXPECT_EQ(Reserve("inside", 0.3, 150, 10).size(), 16u);
  EXPECT_TRUE(tenants_.EndReservation(first, now_, &ended, &stored).has_value());
  EXPECT_EQ(tenants_.Reservations().size(), 3u);
}

}  // namespace
}  // namespace farlane::pool
