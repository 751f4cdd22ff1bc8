// SPDX-License-Identifier: Apache-2.0
#include "protocol/token/session_token.h"

#include <gtest/gtest.h>

#include "protocol/token/base64url.h"

namespace farlane::token {
namespace {

SessionToken SomeToken() {
  SessionToken token{.key_id = 7, .epoch = 42, .not_before_s = 1000, .expires_s = 1060};
  token.session.fill(1);
  token.server.fill(2);
  token.key_digest.fill(3);
  token.slice.share = 250'000;
  token.slice.memory_bytes = 64 << 20;
  return token;
}

SigningKey SomeKey() {
  return std::move(SigningKey::Make()).value();
}

TEST(SessionToken, ComesBackAsItWasAndSigned) {
  const SigningKey key = SomeKey();
  const Result<std::string> text = SignToken(SomeToken(), key);
  ASSERT_TRUE(text.ok());
  EXPECT_TRUE(LooksLikeToken(text.value()));
  EXPECT_LT(text.value().size(), 280u) << "it has to fit into the hello";
  const Result<ReadToken> read = ParseToken(text.value());
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read.value().token, SomeToken());
  EXPECT_TRUE(read.value().IsSigned(key.public_key()));
}

TEST(SessionToken, ALimitOfTheNetworkIsSignedToo) {
  const SigningKey key = SomeKey();
  SessionToken token = SomeToken();
  token.net_limit = 20 << 10;
  const std::string text = SignToken(token, key).value();
  EXPECT_LT(text.size(), 280u) << "it has to fit into the hello";
  const Result<ReadToken> read = ParseToken(text);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read.value().token, token);
  EXPECT_TRUE(read.value().IsSigned(key.public_key()));
  // Nobody gets rid of it by saying that there is none, or by making it another one.
  const std::string bytes = *FromBase64Url(text.substr(kTokenPrefix.size()));
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    const Result<ReadToken> other = ParseToken(std::string(kTokenPrefix) + Base64Url(changed));
    EXPECT_FALSE(other.ok() && other.value().IsSigned(key.public_key())) << "bit " << bit;
  }
  std::string without = bytes;
  without[0] = 1;
  without.erase(128, 8);
  const Result<ReadToken> cut = ParseToken(std::string(kTokenPrefix) + Base64Url(without));
  ASSERT_TRUE(cut.ok());
  EXPECT_FALSE(cut.value().IsSigned(key.public_key()));
}

TEST(SessionToken, IsNotSignedByAnotherKey) {
  const Result<std::string> text = SignToken(SomeToken(), SomeKey());
  ASSERT_TRUE(text.ok());
  EXPECT_FALSE(ParseToken(text.value()).value().IsSigned(SomeKey().public_key()));
}

TEST(SessionToken, EveryBitCounts) {
  const SigningKey key = SomeKey();
  const std::string text = SignToken(SomeToken(), key).value();
  const std::string bytes = *FromBase64Url(text.substr(kTokenPrefix.size()));
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    const Result<ReadToken> read = ParseToken(std::string(kTokenPrefix) + Base64Url(changed));
    EXPECT_FALSE(read.ok() && read.value().IsSigned(key.public_key())) << "bit " << bit;
  }
}

TEST(SessionToken, WhatIsNoneIsRefusedWithASentence) {
  const std::string good = SignToken(SomeToken(), SomeKey()).value();
  for (const std::string& text :
       {std::string(), std::string("flt1."), std::string("flt2.") + good.substr(5), good + "A",
        good.substr(0, good.size() - 1), good + "=", "x" + good}) {
    const Result<ReadToken> read = ParseToken(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_FALSE(read.error().message().empty());
  }
}

TEST(SigningKey, IsTheSameFromItsSecret) {
  const SigningKey key = SomeKey();
  const auto secret = key.Secret();
  ASSERT_TRUE(secret.ok());
  const Result<SigningKey> again = SigningKey::FromSecret(secret.value());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again.value().public_key(), key.public_key());
}

// RFC 8032, section 7.1, test 2.
TEST(SigningKey, SignsAsTheStandardSays) {
  const std::array<uint8_t, 32> secret = {0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda,
                                          0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f,
                                          0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24,
                                          0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb};
  const SigningKey key = std::move(SigningKey::FromSecret(secret)).value();
  EXPECT_EQ(key.public_key()[0], 0x3d);
  EXPECT_EQ(key.public_key()[31], 0x0c);
  const std::byte message[] = {std::byte{0x72}};
  const Signature signature = key.Sign(message).value();
  EXPECT_EQ(signature[0], 0x92);
  EXPECT_EQ(signature[63], 0x00);
  EXPECT_TRUE(IsSignedBy(key.public_key(), message, signature));
}

TEST(Base64Url, HasOneTextForEachBytes) {
  EXPECT_EQ(Base64Url(""), "");
  EXPECT_EQ(Base64Url("f"), "Zg");
  EXPECT_EQ(Base64Url("fo"), "Zm8");
  EXPECT_EQ(Base64Url("foobar"), "Zm9vYmFy");
  EXPECT_EQ(FromBase64Url("Zm8"), "fo");
  EXPECT_EQ(FromBase64Url("Zm9"), std::nullopt) << "a bit that nobody wrote";
  EXPECT_EQ(FromBase64Url("Z"), std::nullopt);
  EXPECT_EQ(FromBase64Url("Zm8="), std::nullopt);
  EXPECT_EQ(FromBase64Url("Zm/8"), std::nullopt);
}

}  // namespace
}  // namespace farlane::token
