// SPDX-License-Identifier: Apache-2.0
#include "protocol/pki/safe.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "protocol/pki/secret_file.h"

namespace farlane::pki {
namespace {

class SafeTest : public testing::Test {
 protected:
  SafeTest() {
    char folder[] = "/dev/shm/farlane_safe_test_XXXXXX";
    folder_ = mkdtemp(folder);
  }

  ~SafeTest() override { std::filesystem::remove_all(folder_); }

  Safe Opened() const { return Safe::Open(folder_, "").value(); }

  std::string FileOf(const std::string& name) const { return folder_ + "/" + name; }

  std::string BytesOf(const std::string& name) const {
    std::ifstream file(FileOf(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  std::string folder_;
};

TEST_F(SafeTest, GivesBackWhatItWasGivenAndShowsNobodyElse) {
  const std::string secret = "a key of somebody's";
  ASSERT_TRUE(Opened().Keep("one.key", secret).ok());
  EXPECT_EQ(Opened().Take("one.key").value(), secret);
  EXPECT_EQ(BytesOf("one.key").find(secret.substr(2, 6)), std::string::npos);
  EXPECT_EQ(Opened().Take("two.key").value(), std::nullopt);
  for (const char* const name : {"one.key", Safe::kKeyFile}) {
    struct stat facts {};

    ASSERT_EQ(stat(FileOf(name).c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777u, 0600u) << name;
  }
}

TEST_F(SafeTest, FindsEveryBitThatIsChanged) {
  ASSERT_TRUE(Opened().Keep("one.key", "secret").ok());
  const std::string sealed = BytesOf("one.key");
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    ASSERT_TRUE(WriteSecretFile(FileOf("one.key"), changed).ok());
    EXPECT_EQ(Opened().Take("one.key").error().code(), StatusCode::kCorrupt) << "bit " << bit;
  }
  ASSERT_TRUE(WriteSecretFile(FileOf("one.key"), sealed.substr(0, sealed.size() - 1)).ok());
  EXPECT_FALSE(Opened().Take("one.key").ok());
}

TEST_F(SafeTest, AFileInAnotherOnesPlaceIsRefused) {
  ASSERT_TRUE(Opened().Keep("one.key", "secret").ok());
  std::filesystem::copy(FileOf("one.key"), FileOf("two.key"));
  EXPECT_FALSE(Opened().Take("two.key").ok());
}

TEST_F(SafeTest, NothingIsOpenedWithAnotherKey) {
  ASSERT_TRUE(WriteSecretFile(FileOf("elsewhere"), std::string(32, 'k')).ok());
  ASSERT_TRUE(Safe::Open(folder_, FileOf("elsewhere")).value().Keep("one.key", "secret").ok());
  EXPECT_FALSE(Opened().Take("one.key").ok());
  EXPECT_EQ(Safe::Open(folder_, FileOf("elsewhere")).value().Take("one.key").value(), "secret");
  EXPECT_FALSE(Safe::Open(folder_, FileOf("nowhere")).ok());
  ASSERT_TRUE(WriteSecretFile(FileOf("short"), "short").ok());
  EXPECT_FALSE(Safe::Open(folder_, FileOf("short")).ok());
}

TEST_F(SafeTest, WhatLayThereBeforeThereWasASealIsSealed) {
  ASSERT_TRUE(WriteSecretFile(FileOf("one.key"), "from before").ok());
  EXPECT_EQ(Opened().Take("one.key").value(), "from before");
  EXPECT_EQ(BytesOf("one.key").find("from before"), std::string::npos);
  EXPECT_EQ(Opened().Take("one.key").value(), "from before");
}

TEST_F(SafeTest, WhatIsUnsealedLaterIsNotTaken) {
  ASSERT_TRUE(Opened().Keep("one.key", "secret").ok());
  ASSERT_TRUE(WriteSecretFile(FileOf("one.key"), "somebody else's").ok());
  EXPECT_EQ(Opened().Take("one.key").error().code(), StatusCode::kCorrupt);
}

TEST_F(SafeTest, WhatIsKeptElsewhereIsOpenedByTheSameKeyAndNameOnly) {
  const std::string sealed = Opened().Seal("one", "secret").value();
  EXPECT_EQ(sealed.find("secret"), std::string::npos);
  EXPECT_EQ(Opened().Unseal("one", sealed).value(), "secret");
  EXPECT_EQ(Opened().Unseal("two", sealed).error().code(), StatusCode::kCorrupt);
  ASSERT_TRUE(WriteSecretFile(FileOf("elsewhere"), std::string(32, 'k')).ok());
  const Safe other = Safe::Open(folder_, FileOf("elsewhere")).value();
  EXPECT_EQ(other.Unseal("one", sealed).error().code(), StatusCode::kCorrupt);
}

TEST_F(SafeTest, WhatIsDroppedIsNotThere) {
  ASSERT_TRUE(Opened().Keep("one.key", "secret").ok());
  Opened().Drop("one.key");
  EXPECT_EQ(Opened().Take("one.key").value(), std::nullopt);
}

TEST_F(SafeTest, AFileThatOthersCanReadIsNotTaken) {
  ASSERT_TRUE(Opened().Keep("one.key", "secret").ok());
  ASSERT_EQ(chmod(FileOf("one.key").c_str(), 0640), 0);
  EXPECT_EQ(Opened().Take("one.key").error().code(), StatusCode::kRefused);
}

}  // namespace
}  // namespace farlane::pki
