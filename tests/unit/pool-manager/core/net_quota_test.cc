// SPDX-License-Identifier: Apache-2.0
// What projects may move over the network, as a part of their quotas.
#include <gtest/gtest.h>

#include "pool-manager/core/pool.h"
#include "pool-manager/core/tenant_book.h"
#include "tests/unit/pool-manager/core/one_server.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kMib = 1 << 20;

class NetQuotaTest : public testing::Test {
 protected:
  NetQuotaTest() {
    EXPECT_EQ(pool_.Attach(OneServer(), 1, now_), "");
    std::vector<v1::Session> changed;
    pool_.Hear(OneServer().server_id(), 1, {}, now_, &changed);
  }

  // 0: no limit of that.
  void SetProject(const std::string& name,
                  uint64_t net,
                  uint64_t sessions = 0,
                  const std::string& org = "",
                  bool is_org = false) {
    v1::Project project;
    project.set_name(name);
    project.set_org(org);
    project.set_is_org(is_org);
    v1::Amount& limit = *project.mutable_quota()->mutable_limit();
    if (net != 0) {
      limit.set_net_bytes_per_s(net);
    }
    if (sessions != 0) {
      limit.set_sessions(sessions);
    }
    ASSERT_FALSE(tenants_.Set(&project, false, now_).has_value());
  }

  // The reason why there is none, or an empty text.
  std::string Create(const std::string& project, uint64_t asked = 0) {
    v1::CreateSessionRequest request;
    request.mutable_spec()->mutable_slice()->set_share(0.01);
    request.mutable_spec()->mutable_slice()->set_net_limit_bytes(asked);
    request.mutable_spec()->set_project(project);
    request.set_key_digest(std::string(64, 'a'));
    grant_ = {};
    const auto objection = pool_.Draft(request, 1, now_, &grant_);
    why_ = objection.has_value() ? objection->detail : "";
    return objection.has_value() ? objection->reason : "";
  }

  uint64_t Used(const std::string& project) const {
    return pool_.tenants().Used(*pool_.tenants().Find(project))[3];
  }

  Pool pool_;
  TenantBook tenants_{pool_};
  Pool::Now now_{.ns = 1'000'000'000, .ms = 1'000'000'000};
  Pool::Grant grant_;
  std::string why_;
};

TEST_F(NetQuotaTest, WhatIsAskedForCountsAndIsNeverMoreThanTheLimit) {
  SetProject("vision", 100 * kMib);
  ASSERT_EQ(Create("vision", 60 * kMib), "");
  EXPECT_EQ(grant_.session.net_limit_bytes(), 60 * kMib);
  EXPECT_EQ(grant_.token.net_limit, 60u * 1024) << "its server keeps it";
  const std::string first = grant_.session.id();
  EXPECT_EQ(Used("vision"), 60 * kMib);
  EXPECT_EQ(Create("vision", 50 * kMib), "OverQuota");
  EXPECT_NE(why_.find("100 MiB/s, of which 60 MiB/s are in use; 50 MiB/s are wanted"),
            std::string::npos)
      << why_;
  EXPECT_EQ(Create("vision", 101 * kMib), "OverLimit");
  EXPECT_EQ(Create("vision", 40 * kMib), "");
  v1::Session over;
  std::vector<Order> orders;
  ASSERT_FALSE(pool_.Release(first, now_, &over, &orders).has_value());
  EXPECT_EQ(Used("vision"), 40 * kMib) << "what it had is given back";
  EXPECT_EQ(Create("vision", 50 * kMib), "");
}

TEST_F(NetQuotaTest, WhoSaysNothingGetsAnEqualPart) {
  SetProject("vision", 100 * kMib, 4);
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(Create("vision"), "") << why_;
    EXPECT_EQ(grant_.session.net_limit_bytes(), 25 * kMib);
  }
  EXPECT_EQ(Create("vision"), "OverQuota");
  SetProject("speech", 80 * kMib);
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(Create("speech"), "") << why_;
    EXPECT_EQ(grant_.session.net_limit_bytes(), 10 * kMib);
  }
  EXPECT_EQ(Create("speech"), "OverQuota");
  EXPECT_EQ(Used("speech"), 80 * kMib);
}

TEST_F(NetQuotaTest, WhereNobodyHasALimitNobodyIsHeldBack) {
  ASSERT_EQ(Create("default"), "");
  EXPECT_EQ(grant_.session.net_limit_bytes(), 0u);
  EXPECT_EQ(grant_.token.net_limit, 0u);
  ASSERT_EQ(Create("default", 5 * kMib), "");
  EXPECT_EQ(grant_.token.net_limit, 5u * 1024) << "but as he asks for it";
}

TEST_F(NetQuotaTest, AnOrganisationsLimitHoldsForAllInIt) {
  SetProject("lab", 40 * kMib, 0, "", true);
  SetProject("one", 0, 0, "lab");
  SetProject("two", 30 * kMib, 0, "lab");
  ASSERT_EQ(Create("one"), "");
  EXPECT_EQ(grant_.session.net_limit_bytes(), 5 * kMib);
  ASSERT_EQ(Create("two", 30 * kMib), "");
  EXPECT_EQ(Create("one", 6 * kMib), "OverQuota");
  EXPECT_EQ(Create("one", 5 * kMib), "");
}

TEST_F(NetQuotaTest, ALimitThatIsMoreThanATokenCanSayIsOneAllTheSame) {
  SetProject("vision", 1ull << 42, 1);
  ASSERT_EQ(Create("vision"), "");
  EXPECT_EQ(grant_.token.net_limit, UINT32_MAX - 1);
}

TEST_F(NetQuotaTest, TheNextManagerCountsTheSame) {
  SetProject("vision", 100 * kMib);
  ASSERT_EQ(Create("vision", 60 * kMib), "");
  const v1::Session kept = grant_.session;
  Pool next;
  TenantBook book(next);
  v1::Project project;
  project.set_name("vision");
  project.mutable_quota()->mutable_limit()->set_net_bytes_per_s(100 * kMib);
  ASSERT_FALSE(book.Set(&project, false, now_).has_value());
  next.Restore({kept});
  EXPECT_EQ(next.tenants().Used(*next.tenants().Find("vision"))[3], 60 * kMib);
  EXPECT_EQ(Pool::GrantAgain(kept, 2, now_).token.net_limit, 60u * 1024);
}

TEST_F(NetQuotaTest, WhatIsNoRateIsRefused) {
  EXPECT_EQ(Create("default", 1), "Invalid");
  EXPECT_EQ(Create("default", UINT64_MAX), "Invalid");
}

}  // namespace
}  // namespace farlane::pool
