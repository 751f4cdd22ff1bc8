// SPDX-License-Identifier: Apache-2.0
#include "client-shim/kin.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace farlane::shim {
namespace {

class Kin : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/farlane-kin-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }

  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(Kin, AllWhoReadTheSameSecretHaveTheSameKey) {
  const auto first = KinKeyIn(folder_);
  const auto second = KinKeyIn(folder_);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, *second);
  const auto other = KinKeyIn(folder_ + "/other");
  ASSERT_TRUE(other.ok());
  EXPECT_NE(*first, *other);
}

TEST_F(Kin, TheSecretIsItsUsersAlone) {
  ASSERT_TRUE(KinKeyIn(folder_).ok());

  struct stat facts {};

  ASSERT_EQ(stat((folder_ + "/farlane-kin").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_EQ(facts.st_size, 32);
}

TEST_F(Kin, AFolderThatOthersMayEnterIsRefused) {
  chmod(folder_.c_str(), 0755);
  const auto key = KinKeyIn(folder_);
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.error().code(), StatusCode::kRefused);
}

TEST_F(Kin, ALinkIsNotFollowed) {
  std::ofstream(folder_ + "/elsewhere") << std::string(32, 'x');
  std::filesystem::create_symlink(folder_ + "/elsewhere", folder_ + "/farlane-kin");
  EXPECT_FALSE(KinKeyIn(folder_).ok());
}

TEST_F(Kin, HalfASecretIsMadeAnew) {
  std::ofstream(folder_ + "/farlane-kin") << "short";
  const auto first = KinKeyIn(folder_);
  ASSERT_TRUE(first.ok()) << first.error().message();
  EXPECT_EQ(std::filesystem::file_size(folder_ + "/farlane-kin"), 32u);
  EXPECT_EQ(*first, *KinKeyIn(folder_));
}

}  // namespace
}  // namespace farlane::shim
