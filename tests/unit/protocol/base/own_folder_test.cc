// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/own_folder.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace farlane {
namespace {

class OwnFolderTest : public testing::Test {
 protected:
  OwnFolderTest() : root_((std::filesystem::temp_directory_path() / "own-XXXXXX").string()) {
    made_ = mkdtemp(root_.data()) != nullptr;
  }

  ~OwnFolderTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  void SetUp() override { ASSERT_TRUE(made_); }

  std::string root_;
  bool made_ = false;
};

TEST_F(OwnFolderTest, WhatIsMadeIsOursAlone) {
  const mode_t before = umask(0);
  const Status made = MakeOwnFolder(root_ + "/a/b/c");
  umask(before);
  ASSERT_TRUE(made.ok());
  for (const char* const name : {"/a", "/a/b", "/a/b/c"}) {
    EXPECT_TRUE(CheckOwnFolder(root_ + name).ok()) << name;
  }
  EXPECT_TRUE(MakeOwnFolder(root_ + "/a/b/c").ok()) << "it is there already";
}

TEST_F(OwnFolderTest, OnesThatOthersCanLookIntoAreRefused) {
  ASSERT_EQ(mkdir((root_ + "/open").c_str(), S_IRWXU), 0);
  ASSERT_EQ(chmod((root_ + "/open").c_str(), S_IRWXU | S_IXGRP), 0);
  EXPECT_EQ(CheckOwnFolder(root_ + "/open").code(), StatusCode::kRefused);
}

TEST_F(OwnFolderTest, AFileIsNoFolder) {
  std::ofstream(root_ + "/file") << "text";
  EXPECT_EQ(CheckOwnFolder(root_ + "/file").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckOwnFolder(root_ + "/none").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeOwnFolder(root_ + "/file/below").code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace farlane
