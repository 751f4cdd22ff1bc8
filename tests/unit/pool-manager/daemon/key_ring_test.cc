// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/key_ring.h"

#include <gtest/gtest.h>

#include "tests/unit/pool-manager/store/scratch_folder.h"
#include "tests/unit/pool-manager/trust/memory_records.h"

namespace farlane::pool {
namespace {

class KeyRingTest : public testing::Test {
 protected:
  std::string Sealed() { return records_.List(kKeyRingKey).value().at(0).value; }

  static std::string SecretOf(const token::SigningKey& key) {
    const auto secret = key.Secret().value();
    return {secret.begin(), secret.end()};
  }

  ScratchFolder folder_;
  pki::Safe safe_ = pki::Safe::Open(folder_.Of(""), "").value();
  MemoryRecords records_;
};

TEST_F(KeyRingTest, IsMadeOnceAndTheStoreDoesNotShowIt) {
  const KeyRing made = TakeKeyRing(records_, safe_).value();
  const KeyRing again = TakeKeyRing(records_, safe_).value();
  EXPECT_EQ(made.current.public_key(), again.current.public_key());
  EXPECT_FALSE(made.former.has_value());
  EXPECT_FALSE(records_.Contains(SecretOf(made.current)));
  EXPECT_FALSE(records_.Contains(SecretOf(made.current).substr(4, 8)));
}

TEST_F(KeyRingTest, EveryBitThatIsChangedIsFound) {
  ASSERT_TRUE(TakeKeyRing(records_, safe_).ok());
  const std::string sealed = Sealed();
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    ASSERT_TRUE(records_.Commit({Operation::Put(kKeyRingKey, changed)}).ok());
    EXPECT_EQ(TakeKeyRing(records_, safe_).error().code(), StatusCode::kCorrupt) << bit;
  }
}

TEST_F(KeyRingTest, TheKeyOfAManagerOfBeforeBecomesThePools) {
  const token::SigningKey own = token::SigningKey::Make().value();
  ASSERT_TRUE(safe_.Keep("signing.key", SecretOf(own)).ok());
  EXPECT_EQ(TakeKeyRing(records_, safe_).value().current.public_key(), own.public_key());
  EXPECT_FALSE(safe_.Take("signing.key").value().has_value());
  EXPECT_EQ(TakeKeyRing(records_, safe_).value().current.public_key(), own.public_key());
}

TEST_F(KeyRingTest, AChangeKeepsTheOneBefore) {
  const KeyRing first = TakeKeyRing(records_, safe_).value();
  const token::SigningKey second = RotateKeyRing(records_, safe_, 5).value();
  KeyRing taken = TakeKeyRing(records_, safe_).value();
  EXPECT_EQ(taken.current.public_key(), second.public_key());
  ASSERT_TRUE(taken.former.has_value());
  EXPECT_EQ(taken.former->public_key(), first.current.public_key());
  EXPECT_EQ(taken.former_until_ms, 5);
  const token::SigningKey third = RotateKeyRing(records_, safe_, 7).value();
  taken = TakeKeyRing(records_, safe_).value();
  EXPECT_EQ(taken.current.public_key(), third.public_key());
  EXPECT_EQ(taken.former->public_key(), second.public_key());
  EXPECT_EQ(taken.former_until_ms, 7);
}

TEST_F(KeyRingTest, WhatCannotBeStoredIsNotChanged) {
  const KeyRing first = TakeKeyRing(records_, safe_).value();
  records_.fails = true;
  EXPECT_FALSE(RotateKeyRing(records_, safe_, 5).ok());
  records_.fails = false;
  EXPECT_EQ(TakeKeyRing(records_, safe_).value().current.public_key(), first.current.public_key());
}

}  // namespace
}  // namespace farlane::pool
