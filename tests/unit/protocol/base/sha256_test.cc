// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/sha256.h"

#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace farlane {
namespace {

std::string Hex(const std::string& text) {
  const Sha256Digest digest =
      Sha256(ConstBytes(reinterpret_cast<const std::byte*>(text.data()), text.size()));
  std::string hex;
  for (const uint8_t byte : digest) {
    char two[3];
    snprintf(two, sizeof two, "%02x", byte);
    hex += two;
  }
  return hex;
}

// The messages and digests of FIPS 180-4's published examples.
TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, IsTheSameWithoutInstructionsForIt) {
  std::mt19937 random(4711);
  std::vector<std::byte> data(1000);
  for (std::byte& byte : data) {
    byte = static_cast<std::byte>(random());
  }
  for (size_t bytes = 0; bytes <= data.size(); ++bytes) {
    const ConstBytes part = ConstBytes(data).first(bytes);
    ASSERT_EQ(Sha256(part), Sha256Portable(part)) << bytes;
  }
}

}  // namespace
}  // namespace farlane
