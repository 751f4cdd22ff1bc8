// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/net_rate.h"

#include <gtest/gtest.h>

namespace farlane {
namespace {

TEST(NetRate, IsASizeInASecond) {
  EXPECT_EQ(ParseNetRate("400M").value(), 400u << 10);
  EXPECT_EQ(ParseNetRate("400M/s").value(), 400u << 10);
  EXPECT_EQ(ParseNetRate("2Gi/s").value(), 2u << 20);
  EXPECT_EQ(ParseNetRate("65536").value(), 64u);
  EXPECT_EQ(ParseNetRate("none").value(), kNetRateNone);
  EXPECT_EQ(NetRateText(400u << 10), "400M/s");
  EXPECT_EQ(NetRateText(1500), "1500K/s");
  EXPECT_EQ(NetRateBytes(100), 102'400u);
}

TEST(NetRate, NoneIsNoRate) {
  for (const NetRate rate : {NetRate{0}, kNetRateNone}) {
    EXPECT_EQ(NetRateText(rate), "-");
    EXPECT_EQ(NetRateBytes(rate), UINT64_MAX);
  }
}

TEST(NetRate, WhatIsNoneIsRefused) {
  for (const char* text : {"", "/s", "fast", "63K", "0", "4M/m", "-1", "99999999G"}) {
    EXPECT_FALSE(ParseNetRate(text).ok()) << text;
  }
}

TEST(NetRate, WhatAPeerSaysIsNeverTooSlow) {
  EXPECT_EQ(NetRateBytes(1), 65'536u);
}

TEST(NetRate, OfSoManyBytesIsALimitWhereThereAreAny) {
  EXPECT_EQ(NetRateOf(0), 0u);
  EXPECT_EQ(NetRateOf(1), kNetRateLeast);
  EXPECT_EQ(NetRateOf(102'399), 99u);
  // Not none, and not what is left of it in fewer bits.
  EXPECT_EQ(NetRateOf(1ull << 42), kNetRateNone - 1);
  EXPECT_EQ(NetRateOf(UINT64_MAX), kNetRateNone - 1);
}

}  // namespace
}  // namespace farlane
