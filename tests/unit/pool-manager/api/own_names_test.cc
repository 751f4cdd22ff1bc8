// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/own_names.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

TEST(OwnNames, AddressesAndOwnNamesAreGood) {
  const OwnNames names({"Pool.Example.com"});
  for (const char* const good : {"", "127.0.0.1", "127.0.0.1:7443", "10.0.0.1:7443", "[::1]:7443",
                                 "[::1]", "localhost", "localhost:7443", "LOCALHOST.:7443",
                                 "pool.localhost", "pool.example.com:7443", "POOL.example.com"}) {
    EXPECT_TRUE(names.Has(good)) << good;
  }
}

TEST(OwnNames, APagesNameIsNot) {
  const OwnNames names({"pool.example.com"});
  for (const char* const bad :
       {"evil.example", "evil.example:7443", "localhost.evil.example", "127.0.0.1.evil.example",
        "pool.example.com.evil.example", "evil-localhost", "[evil.example]:7443", "[", ":7443",
        "7f000001.evil.example", "0x7f.1"}) {
    EXPECT_FALSE(names.Has(bad)) << bad;
  }
}

}  // namespace
}  // namespace farlane::pool
