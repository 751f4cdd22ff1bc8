// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/address_list.h"

#include <gtest/gtest.h>

namespace farlane::transport {
namespace {

TEST(AddressList, KeepsTheOrderOfWhatStandsBetweenCommas) {
  const Result<std::vector<Address>> list = ParseAddressList("unix:/run/a,tcp://b:1,c");
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 3u);
  EXPECT_EQ((*list)[0].ToString(), "unix:/run/a");
  EXPECT_EQ((*list)[1].ToString(), "tcp://b:1");
  EXPECT_EQ((*list)[2].ToString(), "tcp://c:7450");
}

TEST(AddressList, OneAddressIsAListOfOne) {
  const Result<std::vector<Address>> list = ParseAddressList("tcp://b:1");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->size(), 1u);
}

TEST(AddressList, RefusesWhatHasAnAddressThatIsNone) {
  for (const char* text :
       {"", "tcp://a:1,", ",tcp://a:1", "tcp://a:1,,tcp://b:1", "tcp://a:1,ftp://b"}) {
    EXPECT_FALSE(ParseAddressList(text).ok()) << text;
  }
}

}  // namespace
}  // namespace farlane::transport
