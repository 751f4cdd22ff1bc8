// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/md2.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

std::string Hex(const Md2Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string DigestOf(std::string_view message) {
  Md2 md2;
  md2.Add(std::as_bytes(std::span(message)));
  return Hex(md2.Finish());
}

TEST(Md2, GivesTheDigestsPublishedInRfc1319) {
  EXPECT_EQ(DigestOf(""), "8350e5a3e24c153df2275c9f80692773");
  EXPECT_EQ(DigestOf("a"), "32ec01ec4a6dac72c0ab96fb34c0b5d1");
  EXPECT_EQ(DigestOf("abc"), "da853b0d3f88d99b30283a69e6ded6bb");
  EXPECT_EQ(DigestOf("message digest"), "ab4f496bfb2a530b219ff33031fe06b0");
  EXPECT_EQ(DigestOf("abcdefghijklmnopqrstuvwxyz"), "4e8ddff3650292ab5a4108c3aa47940b");
  EXPECT_EQ(DigestOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
            "da33def2a42df13975352846c30338cd");
  EXPECT_EQ(DigestOf("1234567890123456789012345678901234567890"
                     "1234567890123456789012345678901234567890"),
            "d5976f79d83d3a0dc9806c3c66f3efd8");
}

TEST(Md2, DoesNotCareHowTheMessageIsCut) {
  const std::string message(100, 'x');
  for (size_t cut = 0; cut <= message.size(); ++cut) {
    Md2 md2;
    md2.Add(std::as_bytes(std::span(message).first(cut)));
    md2.Add(std::as_bytes(std::span(message).subspan(cut)));
    EXPECT_EQ(Hex(md2.Finish()), DigestOf(message)) << cut;
  }
}

// Expected values come from another implementation, written in another language.
TEST(HmacMd2, AgreesWithAnIndependentImplementation) {
  const std::array<uint8_t, kMd2Bytes> jefe = {'J', 'e', 'f', 'e'};
  const std::string_view question = "what do ya want for nothing?";
  EXPECT_EQ(Hex(HmacMd2(jefe, std::as_bytes(std::span(question)))),
            "292f9d34f9e311846de86c495d7adfa2");

  std::array<uint8_t, kMd2Bytes> key;
  std::array<uint8_t, 48> message;
  for (uint8_t i = 0; i < message.size(); ++i) {
    message[i] = i;
    key[i % key.size()] = i % key.size();
  }
  EXPECT_EQ(Hex(HmacMd2(key, std::as_bytes(std::span(message)))),
            "c4b3a1147e309a2a80a6629938c7e71f");
}

}  // namespace
}  // namespace farlane::abi
