// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/error_log_file.h"

#include <cerrno>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

namespace farlane::abi {
namespace {

class ErrorLogFiles : public testing::Test {
 protected:
  ~ErrorLogFiles() override { unlink(path_.c_str()); }

  std::string Content() const {
    std::ifstream file(path_);
    std::stringstream content;
    content << file.rdbuf();
    return content.str();
  }

  const std::string path_ = testing::TempDir() + "error_log_" + std::to_string(getpid());
};

TEST_F(ErrorLogFiles, AFileIsAddedTo) {
  ErrorLogFile(path_).Write("first");
  ErrorLogFile(path_).Write("second");
  EXPECT_EQ(Content(), "first\nsecond\n");
}

TEST_F(ErrorLogFiles, LinesOfThreadsDoNotMix) {
  const ErrorLogFile file(path_);
  const std::string line(200, 'x');
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) {
        file.Write(line);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::stringstream content(Content());
  int lines = 0;
  for (std::string read; std::getline(content, read); ++lines) {
    EXPECT_EQ(read, line);
  }
  EXPECT_EQ(lines, 400);
}

TEST_F(ErrorLogFiles, TheCallersErrorStays) {
  errno = EDOM;
  ErrorLogFile("/not/there/log").Write("lost");
  EXPECT_EQ(errno, EDOM);
  ErrorLogFile("").Write("lost");
  ErrorLogFile(path_).Write("kept");
  EXPECT_EQ(errno, EDOM);
}

TEST_F(ErrorLogFiles, StandardOutputAndErrorHaveNames) {
  testing::internal::CaptureStdout();
  ErrorLogFile("stdout").Write("one");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "one\n");
  testing::internal::CaptureStderr();
  ErrorLogFile("stderr").Write("two");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "two\n");
}

}  // namespace
}  // namespace farlane::abi
