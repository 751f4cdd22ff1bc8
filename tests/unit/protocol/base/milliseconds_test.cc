// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/milliseconds.h"

#include <gtest/gtest.h>

namespace farlane {
namespace {

TEST(Milliseconds, AreReadWithTheirUnit) {
  EXPECT_DOUBLE_EQ(*ParseMilliseconds("5"), 5);
  EXPECT_DOUBLE_EQ(*ParseMilliseconds("5ms"), 5);
  EXPECT_DOUBLE_EQ(*ParseMilliseconds("300us"), 0.3);
  EXPECT_DOUBLE_EQ(*ParseMilliseconds("1.5s"), 1500);
}

TEST(Milliseconds, OtherTextIsRefusedAndNamed) {
  for (const char* text : {"", "ms", "5 ms", "-1", "0", "nan", "inf", "5m", "1e9s", "0x5"}) {
    const Result<double> read = ParseMilliseconds(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_NE(read.error().message().find(text), std::string::npos);
  }
}

}  // namespace
}  // namespace farlane
