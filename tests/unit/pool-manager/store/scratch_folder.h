// SPDX-License-Identifier: Apache-2.0
// A folder for one test; gone with everything in it when the test is over.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace farlane::pool {

// Thread: the test's.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = testing::TempDir() + "farlane_store_XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }

  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }

  std::string Of(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace farlane::pool
