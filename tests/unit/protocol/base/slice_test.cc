// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/slice.h"

#include <gtest/gtest.h>

namespace farlane {
namespace {

TEST(Slice, SharesArePartsOfOneGpu) {
  EXPECT_EQ(ParseShare("0.5").value(), 500'000u);
  EXPECT_EQ(ParseShare("1").value(), 1'000'000u);
  EXPECT_EQ(ParseShare("0.000001").value(), 1u);
  for (const char* const text :
       {"0", "-0.5", "1.000001", "0.0000001", "half", "0.5x", "", " 0.5", "nan", "inf", "1e-1"}) {
    EXPECT_FALSE(ParseShare(text).ok()) << text;
  }
}

TEST(Slice, WhatIsNotSaidIsNotAskedFor) {
  EXPECT_EQ(ParseSlice({}).value(), SliceRequest{});
  const SliceRequest slice =
      ParseSlice({.memory = "8Gi", .share = "0.5", .share_limit = "0.6", .priority = "guaranteed"})
          .value();
  EXPECT_EQ(slice.memory_bytes, uint64_t{8} << 30);
  EXPECT_EQ(slice.share, 500'000u);
  EXPECT_EQ(slice.share_limit, 600'000u);
  EXPECT_EQ(slice.priority, Priority::kGuaranteed);
}

TEST(Slice, AShareAboveItsLimitIsRefused) {
  const SliceWords words{.memory = "", .share = "0.6", .share_limit = "0.5", .priority = ""};
  EXPECT_FALSE(ParseSlice(words).ok());
}

TEST(Slice, PrioritiesHaveNames) {
  for (const Priority one : {Priority::kBestEffort, Priority::kStandard, Priority::kGuaranteed}) {
    EXPECT_EQ(ParsePriority(PriorityName(one)).value(), one);
  }
  EXPECT_FALSE(ParsePriority("high").ok());
  EXPECT_STREQ(PriorityName(Priority::kUnset), "standard");
}

TEST(Slice, SaysHowManyGpusAndHowFarApart) {
  const SliceRequest slice = ParseSlice({.memory = "",
                                         .share = "0.2..0.8",
                                         .share_limit = "",
                                         .priority = "",
                                         .gpus = "2",
                                         .isolation = "scrubbed"})
                                 .value();
  EXPECT_EQ(slice.gpus, 2);
  EXPECT_EQ(slice.isolation, Isolation::kScrubbed);
  EXPECT_EQ(slice.share, kWholeShare / 5);
  EXPECT_EQ(slice.share_max, kWholeShare / 5 * 4);
}

TEST(Slice, RefusesWhatCannotBeMeant) {
  const auto with = [](const char* share, const char* limit, const char* priority, const char* gpus,
                       const char* isolation) {
    return ParseSlice({.memory = "",
                       .share = share,
                       .share_limit = limit,
                       .priority = priority,
                       .gpus = gpus,
                       .isolation = isolation})
        .ok();
  };
  EXPECT_TRUE(with("0.2..0.8", "0.9", "", "1", "mig"));
  EXPECT_FALSE(with("0.8..0.2", "", "", "", ""));
  EXPECT_FALSE(with("0.2..", "", "", "", ""));
  EXPECT_FALSE(with("..0.2", "", "", "", ""));
  EXPECT_FALSE(with("0.2..1.2", "", "", "", ""));
  EXPECT_FALSE(with("0.2..0.8", "0.7", "", "", ""));
  EXPECT_FALSE(with("0.2..0.8", "", "best-effort", "", ""));
  for (const char* gpus : {"0", "-1", "1.5", "257", "99999999999", "x"}) {
    EXPECT_FALSE(with("", "", "", gpus, "")) << gpus;
  }
  EXPECT_FALSE(with("", "", "", "", "none"));
}

TEST(Slice, SaysHowLongToWait) {
  EXPECT_EQ(ParseQueueSeconds("0").value(), 0u);
  EXPECT_EQ(ParseQueueSeconds("86400").value(), 86'400u);
  EXPECT_FALSE(ParseQueueSeconds("86401").ok());
  EXPECT_FALSE(ParseQueueSeconds("").ok());
  EXPECT_FALSE(ParseQueueSeconds("1s").ok());
}

}  // namespace
}  // namespace farlane
