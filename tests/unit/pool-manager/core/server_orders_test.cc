// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/server_orders.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

v1::TaintServerRequest Adding(const std::string& key,
                              const std::string& value,
                              const std::string& effect) {
  v1::TaintServerRequest request;
  v1::Taint* const taint = request.add_add();
  taint->set_key(key);
  taint->set_value(value);
  taint->set_effect(effect);
  return request;
}

TEST(ServerOrders, TaintsAreSetAndTakenAway) {
  v1::ServerOrders orders;
  EXPECT_FALSE(SetTaints(&orders, Adding("a", "1", "NoPlace")).has_value());
  EXPECT_FALSE(SetTaints(&orders, Adding("a", "2", "NoPlace")).has_value());
  EXPECT_FALSE(SetTaints(&orders, Adding("b", "", "PreferNoPlace")).has_value());
  const std::vector<Taint> taints = PlacementTaints(orders);
  ASSERT_EQ(taints.size(), 2u);
  EXPECT_EQ(taints[0].value, "2");
  EXPECT_TRUE(taints[0].repels);
  EXPECT_FALSE(taints[1].repels);
  v1::TaintServerRequest removing;
  removing.add_remove("a");
  EXPECT_FALSE(SetTaints(&orders, removing).has_value());
  EXPECT_EQ(orders.taints_size(), 1);
}

TEST(ServerOrders, WhatCannotBeMeantChangesNothing) {
  v1::ServerOrders orders;
  for (const auto& [key, value, effect] : {std::tuple{"", "1", "NoPlace"},
                                           {"a b", "1", "NoPlace"},
                                           {"a", "1:2", "NoPlace"},
                                           {"a", "1", "Fly"},
                                           {"a", "1", ""}}) {
    EXPECT_TRUE(SetTaints(&orders, Adding(key, value, effect)).has_value())
        << key << value << effect;
  }
  v1::TaintServerRequest many;
  for (int i = 0; i < 65; ++i) {
    *many.add_add() = Adding("k" + std::to_string(i), "", "NoPlace").add(0);
  }
  EXPECT_TRUE(SetTaints(&orders, many).has_value());
  EXPECT_EQ(orders.taints_size(), 0);
}

TEST(ServerOrders, UncordonEndsADrain) {
  v1::ServerOrders orders;
  v1::DrainServerRequest request;
  request.set_deadline_seconds(10);
  Drain(&orders, request, 1000);
  EXPECT_TRUE(orders.cordoned());
  EXPECT_EQ(orders.drain_until_ms(), 11'000);
  Uncordon(&orders);
  EXPECT_FALSE(orders.cordoned() || orders.draining());
  EXPECT_EQ(orders.drain_until_ms(), 0);
}

}  // namespace
}  // namespace farlane::pool
