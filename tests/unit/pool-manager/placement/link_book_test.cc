// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/link_book.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

TEST(LinkBook, IsSurerTheMoreItHasSeen) {
  LinkBook book;
  EXPECT_EQ(book.Find("a>b", 0).evidence, Evidence::kNone);
  book.Note("a>b", {.rtt_s = 1e-3}, 0);
  const double once = book.Find("a>b", 0).error;
  for (int i = 0; i < 20; ++i) {
    book.Note("a>b", {.rtt_s = i % 2 == 0 ? 0.7e-3 : 1.3e-3}, 0);
  }
  const LinkEstimate link = book.Find("a>b", 60);
  EXPECT_LT(link.error, once);
  EXPECT_NEAR(link.rtt_s, 1e-3, 0.1e-3);
  EXPECT_DOUBLE_EQ(link.age_s, 60);
}

TEST(LinkBook, FollowsAWayThatHasChanged) {
  LinkBook book;
  for (int i = 0; i < 1000; ++i) {
    book.Note("a>b", {.rtt_s = 1e-3}, i);
  }
  for (int i = 0; i < 20; ++i) {
    book.Note("a>b", {.rtt_s = 5e-3}, 3000 + i);
  }
  EXPECT_GT(book.Find("a>b", 3020).rtt_s, 3.5e-3);
}

TEST(LinkBook, ForgetsAndIgnoresNonsense) {
  LinkBook book;
  book.Note("a>b", {.rtt_s = -1}, 0);
  EXPECT_EQ(book.ways_count(), 0U);
  book.Note("a>b", {.rtt_s = 1e-3}, 0);
  EXPECT_EQ(book.Find("a>b", 4000).evidence, Evidence::kNone);
  book.Forget(4000);
  EXPECT_EQ(book.ways_count(), 0U);
}

}  // namespace
}  // namespace farlane::pool
