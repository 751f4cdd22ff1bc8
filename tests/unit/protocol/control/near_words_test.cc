// SPDX-License-Identifier: Apache-2.0
#include "protocol/control/near_words.h"

#include <gtest/gtest.h>

namespace farlane::control {
namespace {

TEST(NearWords, AreReadWithTheirScope) {
  const auto read = ParseNear("web,db@rack,cache@zone!");
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(read->size(), 3U);
  EXPECT_EQ((*read)[0].group, "web");
  EXPECT_EQ((*read)[0].scope, "server");
  EXPECT_FALSE((*read)[0].required);
  EXPECT_EQ((*read)[1].scope, "rack");
  EXPECT_EQ((*read)[2].group, "cache");
  EXPECT_TRUE((*read)[2].required);
  EXPECT_TRUE(ParseNear("")->empty());
}

TEST(NearWords, WhatIsNoGroupIsRefused) {
  for (const char* text : {"@rack", "web@moon", "!", "web,,db", "web@"}) {
    EXPECT_FALSE(ParseNear(text).ok()) << text;
  }
}

}  // namespace
}  // namespace farlane::control
