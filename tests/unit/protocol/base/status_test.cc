// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/status.h"

#include <gtest/gtest.h>

#include "protocol/base/environment.h"
#include "protocol/base/result.h"

namespace farlane {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) {
    return Status(StatusCode::kInvalidArgument, std::to_string(n) + " is odd");
  }
  return n / 2;
}

Result<int> Quarter(int n) {
  FARLANE_ASSIGN(const int half, Half(n).While("halving once"));
  FARLANE_ASSIGN(const int quarter, Half(half).While("halving twice"));
  return quarter;
}

TEST(Status, SuccessHasNoMessage) {
  const Status status = Status::Ok();
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.message(), "");
}

TEST(Status, SaysWhatWeWereAbout) {
  const Status status =
      Status(StatusCode::kCorrupt, "bad magic").While("reading the image").While("loading");
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(status.message(), "while loading: while reading the image: bad magic");
}

TEST(Result, CarriesAValueOrTheFirstFailure) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).error().message(), "while halving twice: 3 is odd");
}

TEST(ParseBytes, KnowsBinarySuffixesAndRefusesTheRest) {
  EXPECT_EQ(ParseBytes("8Gi").value(), 8ull << 30);
  EXPECT_EQ(ParseBytes("512M").value(), 512ull << 20);
  EXPECT_EQ(ParseBytes("77").value(), 77u);
  for (const char* bad : {"", "-1", "8Gib", "x", "99999999999Ti", "1.5G"}) {
    EXPECT_FALSE(ParseBytes(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace farlane
