// SPDX-License-Identifier: Apache-2.0
#include "client-shim/mirror_merge.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace farlane::shim {
namespace {

using Words = std::vector<uint32_t>;

std::byte* Bytes(Words& words) {
  return reinterpret_cast<std::byte*>(words.data());
}

TEST(MergeArrived, EachSideKeepsWhatOnlyItHasChanged) {
  Words known = {1, 2, 3, 4};
  Words now = {1, 20, 3, 4};
  Words arrived = {1, 2, 30, 4};
  MergeArrived(Bytes(now), Bytes(known), Bytes(arrived), 16);

  EXPECT_EQ(now, (Words{1, 20, 30, 4}));
  EXPECT_EQ(known, arrived);
}

// The program's word differs from what is known then, so it is sent next.
TEST(MergeArrived, OfAWordThatBothChangedTheProgramsCounts) {
  Words known = {1, 2};
  Words now = {10, 2};
  Words arrived = {100, 2};
  MergeArrived(Bytes(now), Bytes(known), Bytes(arrived), 8);

  EXPECT_EQ(now, (Words{10, 2}));
  EXPECT_EQ(known, (Words{100, 2}));
}

TEST(MergeArrived, TheLastWordMayBeShort) {
  Words known = {1, 0};
  Words now = {1, 0};
  Words arrived = {1, 0x00334455};
  MergeArrived(Bytes(now), Bytes(known), Bytes(arrived), 6);

  EXPECT_EQ(now, (Words{1, 0x4455}));
  EXPECT_EQ(known, (Words{1, 0x4455}));
}

}  // namespace
}  // namespace farlane::shim
