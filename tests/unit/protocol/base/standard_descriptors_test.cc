// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/standard_descriptors.h"

#include <cerrno>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace farlane {
namespace {

bool IsOpen(int descriptor) {
  return fcntl(descriptor, F_GETFD) >= 0;
}

// Without standard input and error, as what follows finds it.
class WithoutSome : public testing::Test {
 protected:
  WithoutSome() {
    close(STDIN_FILENO);
    close(STDERR_FILENO);
  }

  ~WithoutSome() override {
    dup2(input_.get(), STDIN_FILENO);
    dup2(error_.get(), STDERR_FILENO);
  }

 private:
  const Fd input_{fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10)};
  const Fd error_{fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10)};
};

TEST_F(WithoutSome, WhatIsOpenedMeanwhileGetsOtherNumbers) {
  Fd opened;
  {
    const StandardDescriptors kept_clear;
    opened = Fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  EXPECT_GT(opened.get(), STDERR_FILENO);
  EXPECT_FALSE(IsOpen(STDIN_FILENO));
  EXPECT_TRUE(IsOpen(STDOUT_FILENO));
  EXPECT_FALSE(IsOpen(STDERR_FILENO));
}

TEST(StandardDescriptors, WhereAllAreOpenNothingChanges) {
  const Fd before(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int lowest = before.get();
  const StandardDescriptors kept_clear;
  const Fd after(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(after.get(), lowest + 1);
}

}  // namespace
}  // namespace farlane
