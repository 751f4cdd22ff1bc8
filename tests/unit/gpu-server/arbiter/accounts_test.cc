// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/accounts.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kNowNs = 1'000 * kMs;

SliceRequest Share(double share) {
  SliceRequest slice{};
  slice.share = static_cast<uint32_t>(share * kWholeShare);
  return slice;
}

// By how much of its own time on the device somebody with this share is behind another one who has
// worked for ten seconds, when it comes to work itself.
int64_t SavedNs(double share) {
  ShareAccounts accounts;
  accounts.Enter(1, Share(1 - share), kNowNs);
  accounts.Enter(2, Share(share), kNowNs);
  accounts.NoteWants(1, true);
  accounts.Charge(1, 10'000 * kMs);
  accounts.NoteWants(2, true);
  const std::vector<SessionView> views = accounts.Views();
  const int64_t behind_ns = views[0].virtual_ns - views[1].virtual_ns;
  return behind_ns * static_cast<int64_t>(views[1].weight) / static_cast<int64_t>(kWholeShare);
}

TEST(ShareAccounts, WhoWasIdleHasSavedTwentyMillisecondsAtMost) {
  EXPECT_NEAR(static_cast<double>(SavedNs(0.5)), 20.0 * kMs, 1000);
  EXPECT_NEAR(static_cast<double>(SavedNs(0.2)), 20.0 * kMs, 1000);
}

// Else one whose due is a hundredth would have the device for 20 ms at once, its due of two
// seconds, while all others wait.
TEST(ShareAccounts, WhoWasIdleHasSavedNoMoreThanItsDueOfAFifthOfASecond) {
  EXPECT_NEAR(static_cast<double>(SavedNs(0.05)), 10.0 * kMs, 1000);
  EXPECT_NEAR(static_cast<double>(SavedNs(0.01)), 2.0 * kMs, 1000);
}

}  // namespace
}  // namespace farlane::server
