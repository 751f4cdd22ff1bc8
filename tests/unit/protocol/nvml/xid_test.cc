// SPDX-License-Identifier: Apache-2.0
#include "protocol/nvml/xid.h"

#include <gtest/gtest.h>

namespace farlane::nvml {
namespace {

TEST(Xid, WhatProgramsBringUponThemselvesNeedsNoReset) {
  for (const uint64_t xid : {13, 31, 43, 45}) {
    EXPECT_FALSE(XidNeedsReset(xid)) << xid;
  }
  for (const uint64_t xid : {48, 64, 79, 95, 119}) {
    EXPECT_TRUE(XidNeedsReset(xid)) << xid;
  }
}

TEST(Xid, OfOthersItIsOnlySaidThatTheyWere) {
  EXPECT_FALSE(XidNeedsReset(9999));
  EXPECT_STREQ(XidMeaning(9999), "an error of the device");
  EXPECT_STRNE(XidMeaning(79), XidMeaning(9999));
}

}  // namespace
}  // namespace farlane::nvml
