// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/releases.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

TEST(Releases, WhoAwaitsThemActsWhenTheLastIsOver) {
  Releases releases;
  int acts = 0;
  releases.Begin();
  releases.Begin();
  releases.Await([&acts] { ++acts; });

  releases.End();
  EXPECT_EQ(acts, 0);
  EXPECT_TRUE(releases.any());
  releases.End();
  EXPECT_EQ(acts, 1);
  EXPECT_FALSE(releases.any());
}

TEST(Releases, WithNoneUnderWayNobodyWaits) {
  Releases releases;
  int acts = 0;

  releases.Await([&acts] { ++acts; });
  EXPECT_EQ(acts, 1);
  releases.Begin();
  releases.End();
  EXPECT_EQ(acts, 1) << "once";
}

}  // namespace
}  // namespace farlane::server
