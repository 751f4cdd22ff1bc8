// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/signing_keys.h"

#include <gtest/gtest.h>

#include "tests/unit/pool-manager/daemon/told_keys.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kStartNs = 1'000'000'000;

class SigningKeysTest : public testing::Test {
 protected:
  SigningKeys keys_{token::SigningKey::Make().value()};
};

TEST_F(SigningKeysTest, ServersHearOfANewKeyBeforeItSigns) {
  const std::string before = keys_.Sign({}).value();
  ASSERT_TRUE(keys_.Rotate(token::SigningKey::Make().value(), kStartNs).ok());
  EXPECT_EQ(keys_.Sign({}).value(), before);
  v1::ToServer::Keys told;
  keys_.ListTo(&told);
  EXPECT_EQ(told.keys_size(), 2);
  keys_.Look(kStartNs + SigningKeys::kTellNs - 1);
  EXPECT_EQ(keys_.Sign({}).value(), before);
  keys_.Look(kStartNs + SigningKeys::kTellNs);
  const std::string after = keys_.Sign({}).value();
  EXPECT_NE(after, before);
  EXPECT_TRUE(IsBelieved(keys_, after));
}

TEST_F(SigningKeysTest, TheFormerKeyIsBelievedUntilItsTokensHaveExpired) {
  const std::string before = keys_.Sign({}).value();
  ASSERT_TRUE(keys_.Rotate(token::SigningKey::Make().value(), kStartNs).ok());
  const uint64_t signs_ns = kStartNs + SigningKeys::kTellNs;
  EXPECT_FALSE(keys_.Look(signs_ns));
  EXPECT_FALSE(keys_.Look(signs_ns + SigningKeys::kFormerNs - 1));
  EXPECT_TRUE(IsBelieved(keys_, before));
  EXPECT_TRUE(keys_.Look(signs_ns + SigningKeys::kFormerNs));
  EXPECT_FALSE(IsBelieved(keys_, before));
  EXPECT_TRUE(IsBelieved(keys_, keys_.Sign({}).value()));
  EXPECT_FALSE(keys_.Look(signs_ns + 10 * SigningKeys::kFormerNs));
}

TEST_F(SigningKeysTest, OneChangeAtATime) {
  ASSERT_TRUE(keys_.Rotate(token::SigningKey::Make().value(), kStartNs).ok());
  EXPECT_FALSE(keys_.Rotate(token::SigningKey::Make().value(), kStartNs).ok());
  keys_.Look(kStartNs + SigningKeys::kTellNs);
  EXPECT_TRUE(keys_.Rotate(token::SigningKey::Make().value(), kStartNs).ok());
}

}  // namespace
}  // namespace farlane::pool
