// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/tenancy/tenant_tree.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

constexpr uint64_t kGpu = kWholeShare;

Amount Gpus(uint64_t gpus) {
  return Amount::Of(gpus * kGpu, 0, 1);
}

class TenantTreeTest : public testing::Test {
 protected:
  TenantTreeTest() { tree_.SetCapacity(Amount::Of(10 * kGpu, 100, kNoLimit)); }

  uint32_t Add(const std::string& name, const std::string& org, const Quota& quota) {
    const Result<uint32_t> added = tree_.Set({.name = name, .org = org, .quota = quota});
    EXPECT_TRUE(added.ok()) << (added.ok() ? "" : added.error().message());
    return added.ok() ? added.value() : 0;
  }

  uint32_t AddOrg(const std::string& name, const Quota& quota) {
    return tree_.Set({.name = name, .is_org = true, .quota = quota}).value();
  }

  static Quota Limit(uint64_t gpus) {
    return {.limit = Amount::Of(gpus * kGpu, kNoLimit, kNoLimit)};
  }

  static Quota Guaranteed(uint64_t gpus, uint64_t lendable) {
    return {.guaranteed = Amount::Of(gpus * kGpu, 0, 0),
            .lendable = Amount::Of(lendable * kGpu, 0, 0)};
  }

  void Charge(uint32_t project, uint64_t gpus) {
    tree_.Charge(project, Priority::kStandard, Gpus(gpus));
  }

  TenantTree tree_;
};

// What is kept for one project can be more than its organisation may have, when that was changed
// later: then what is used still counts.
TEST_F(TenantTreeTest, WhatIsKeptForSomebodyLetsNobodyOverALimit) {
  AddOrg("org", Limit(4));
  const uint32_t a = Add("a", "org", {});
  const uint32_t b = Add("b", "org", {});
  Charge(b, 2);
  Add("a", "org", Guaranteed(4, 0));
  const auto refusal = tree_.Check(a, Gpus(4));
  ASSERT_TRUE(refusal.has_value()) << "the organisation would have 6 of 4";
  EXPECT_EQ(refusal->used, 2 * kGpu);
  EXPECT_FALSE(tree_.Check(a, Gpus(2)).has_value());
}

TEST_F(TenantTreeTest, WhatSomebodyHasHadOutlivesTheTree) {
  const uint32_t a = Add("a", "", {});
  tree_.SetHalfLife(1000);
  tree_.Age(1000);
  Charge(a, 4);
  tree_.Age(2000);
  tree_.Refund(a, Priority::kStandard, Gpus(4));
  const double had = tree_.Standing(a, {});
  ASSERT_GT(had, 0);
  TenantTree next;
  next.SetCapacity(tree_.capacity());
  next.SetHalfLife(1000);
  const uint32_t again = next.Set({.name = "a"}).value();
  for (const TenantTree::History& history : tree_.Histories()) {
    next.SetHistory(history, 2000);
  }
  next.SetHistory({.tenant = "gone"}, 2000);
  EXPECT_NEAR(next.Standing(again, {}), had, 1e-6);
  next.Age(3000);
  EXPECT_NEAR(next.Standing(again, {}), had / 2, 1e-6) << "it fades from when it was stored";
}

TEST_F(TenantTreeTest, AProjectsLimitAndItsOrganisationsHold) {
  AddOrg("org", Limit(3));
  const uint32_t a = Add("a", "org", Limit(2));
  const uint32_t b = Add("b", "org", {});
  EXPECT_FALSE(tree_.Check(a, Gpus(2)).has_value());
  const auto own = tree_.Check(a, Gpus(3));
  ASSERT_TRUE(own.has_value());
  EXPECT_EQ(own->tenant, a);
  Charge(b, 2);
  const auto above = tree_.Check(a, Gpus(2));
  ASSERT_TRUE(above.has_value());
  EXPECT_EQ(tree_.Text(*above),
            "the limit of organisation \"org\" is 3 GPUs, of which 2 GPUs are in use; 2 GPUs are "
            "wanted");
  EXPECT_FALSE(tree_.Check(a, Gpus(1)).has_value());
  tree_.Refund(b, Priority::kStandard, Gpus(2));
  EXPECT_FALSE(tree_.Check(a, Gpus(2)).has_value());
}

TEST_F(TenantTreeTest, WhatIsGuaranteedAndNotLentIsKept) {
  const uint32_t a = Add("a", "", Guaranteed(6, 2));
  const uint32_t b = Add("b", "", {});
  EXPECT_FALSE(tree_.Check(b, Gpus(6)).has_value());
  const auto refusal = tree_.Check(b, Gpus(7));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->kind, QuotaRefusal::Kind::kCapacity);
  Charge(b, 6);
  EXPECT_FALSE(tree_.Check(a, Gpus(4)).has_value()) << "of what is kept";
  EXPECT_TRUE(tree_.Check(a, Gpus(5)).has_value()) << "lent to b, who would have to give way";
  Charge(a, 4);
  EXPECT_FALSE(tree_.Check(b, Gpus(1)).has_value()) << "nothing is kept; placement has no room";
}

TEST_F(TenantTreeTest, AnOrganisationKeepsItsGuaranteeForItsProjects) {
  AddOrg("org", Guaranteed(6, 0));
  const uint32_t a = Add("a", "org", Guaranteed(2, 0));
  const uint32_t b = Add("b", "org", {});
  const uint32_t c = Add("c", "", {});
  EXPECT_TRUE(tree_.Check(c, Gpus(5)).has_value());
  EXPECT_FALSE(tree_.Check(b, Gpus(4)).has_value());
  Charge(b, 4);
  Charge(c, 4);
  EXPECT_TRUE(tree_.Check(b, Gpus(1)).has_value()) << "kept for a";
  EXPECT_FALSE(tree_.Check(a, Gpus(2)).has_value());
  EXPECT_TRUE(tree_.IsEntitled(b, Gpus(2))) << "the organisation is guaranteed them";
  EXPECT_FALSE(tree_.IsEntitled(b, Gpus(3)));
  EXPECT_FALSE(tree_.IsEntitled(c, Gpus(1)));
}

TEST_F(TenantTreeTest, MoreIsGuaranteedThanThereIsAndTheirOwnCanStillBeHad) {
  const uint32_t a = Add("a", "", Guaranteed(8, 0));
  const uint32_t b = Add("b", "", Guaranteed(8, 0));
  EXPECT_FALSE(tree_.Check(a, Gpus(8)).has_value());
  EXPECT_FALSE(tree_.Check(b, Gpus(1)).has_value());
  EXPECT_TRUE(tree_.Check(b, Gpus(9)).has_value());
}

TEST_F(TenantTreeTest, SharesOfThePoolAreWeighed) {
  Quota heavy;
  heavy.weight = 2;
  const uint32_t a = Add("a", "", heavy);
  const uint32_t b = Add("b", "", {});
  Charge(a, 4);
  Charge(b, 2);
  EXPECT_DOUBLE_EQ(tree_.DominantShare(a, Priority::kStandard), 0.2);
  EXPECT_DOUBLE_EQ(tree_.DominantShare(b, Priority::kStandard), 0.2);
  tree_.Charge(b, Priority::kStandard, Amount::Of(0, 50, 0));
  EXPECT_DOUBLE_EQ(tree_.DominantShare(b, Priority::kStandard), 0.5) << "of memory";
  EXPECT_DOUBLE_EQ(tree_.DominantShare(b, Priority::kGuaranteed), 0);
}

TEST_F(TenantTreeTest, WhatWasHadWeighsHalfAfterAHalfLife) {
  const uint32_t a = Add("a", "", {});
  tree_.SetHalfLife(1000);
  tree_.Age(1);
  Charge(a, 4);
  tree_.Age(1'000'001);
  tree_.Refund(a, Priority::kStandard, Gpus(4));
  EXPECT_NEAR(tree_.Standing(a, {}), 0.4, 1e-6);
  tree_.Age(1'001'001);
  EXPECT_NEAR(tree_.Standing(a, {}), 0.2, 1e-6);
}

TEST_F(TenantTreeTest, TenantsThatCannotBeAreRefused) {
  AddOrg("org", {});
  Add("a", "org", {});
  const auto refused = [this](const Tenant& tenant) { return !tree_.Set(tenant).ok(); };
  EXPECT_TRUE(refused({.name = ""}));
  EXPECT_TRUE(refused({.name = "a b"}));
  EXPECT_TRUE(refused({.name = "x", .org = "nobody"}));
  EXPECT_TRUE(refused({.name = "x", .org = "a"})) << "a project is no organisation";
  EXPECT_TRUE(refused({.name = "x", .org = "org", .is_org = true}));
  EXPECT_TRUE(refused({.name = "a", .is_org = true}));
  EXPECT_TRUE(refused({.name = "a"})) << "it does not move";
  Quota odd;
  odd.weight = 0;
  EXPECT_TRUE(refused({.name = "x", .quota = odd}));
  odd = Limit(1);
  odd.guaranteed = Amount::Of(2 * kGpu, 0, 0);
  EXPECT_TRUE(refused({.name = "x", .quota = odd}));
}

TEST_F(TenantTreeTest, OnlyWhoHasNothingIsRemoved) {
  AddOrg("org", {});
  const uint32_t a = Add("a", "org", Guaranteed(6, 0));
  EXPECT_FALSE(tree_.Remove("org").ok());
  Charge(a, 1);
  EXPECT_FALSE(tree_.Remove("a").ok());
  tree_.Refund(a, Priority::kStandard, Gpus(1));
  EXPECT_TRUE(tree_.Remove("a").ok());
  EXPECT_TRUE(tree_.Remove("org").ok());
  EXPECT_FALSE(tree_.Remove("org").ok());
  const uint32_t b = Add("b", "", {});
  EXPECT_FALSE(tree_.Check(b, Gpus(10)).has_value()) << "what was kept is kept no more";
}

}  // namespace
}  // namespace farlane::pool
