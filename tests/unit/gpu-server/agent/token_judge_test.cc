// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/token_judge.h"

#include <gtest/gtest.h>

namespace farlane::agent {
namespace {

constexpr uint64_t kNow = 1'000'000;

class TokenJudgeTest : public testing::Test {
 protected:
  TokenJudgeTest() {
    server_.fill(9);
    session_.fill(1);
    key_digest_.fill(2);
    judge_.HearEpoch(5);
    judge_.SetKeys({{1, key_.public_key()}});
  }

  token::SessionToken Token() const {
    token::SessionToken token{.key_id = 1,
                              .epoch = 5,
                              .session = session_,
                              .server = server_,
                              .key_digest = key_digest_,
                              .not_before_s = kNow,
                              .expires_s = kNow + 60};
    token.slice.share = 300'000;
    return token;
  }

  // Why it is not taken; empty: it is.
  std::string Judge(const token::SessionToken& token, uint64_t now_s = kNow) {
    const std::string text = token::SignToken(token, key_).value();
    const Result<server::PoolGrant> grant = judge_.Judge(text, session_, key_digest_, now_s);
    return grant.ok() ? "" : grant.error().message();
  }

  token::SigningKey key_ = std::move(token::SigningKey::Make()).value();
  token::Id server_ = [] {
    token::Id id{};
    id.fill(9);
    return id;
  }();
  token::Id session_{};
  Sha256Digest key_digest_{};
  TokenJudge judge_{server_};
};

TEST_F(TokenJudgeTest, TakesWhatIsRightWithItsSlice) {
  const std::string text = token::SignToken(Token(), key_).value();
  const Result<server::PoolGrant> grant = judge_.Judge(text, session_, key_digest_, kNow);
  ASSERT_TRUE(grant.ok()) << grant.error().message();
  EXPECT_EQ(grant.value().slice.share, 300'000u);
}

TEST_F(TokenJudgeTest, ANewcomerWithoutATokenIsSentToThePool) {
  const Result<server::PoolGrant> grant = judge_.Judge("", session_, key_digest_, kNow);
  ASSERT_FALSE(grant.ok());
  EXPECT_NE(grant.error().message().find("FARLANE_POOL"), std::string::npos);
}

TEST_F(TokenJudgeTest, ATokenHasItsTime) {
  EXPECT_EQ(Judge(Token(), kNow + 60 + TokenJudge::kSkewSeconds), "");
  EXPECT_EQ(Judge(Token(), kNow + 61 + TokenJudge::kSkewSeconds), "the token has expired");
  EXPECT_EQ(Judge(Token(), kNow - TokenJudge::kSkewSeconds), "");
  EXPECT_NE(Judge(Token(), kNow - 1 - TokenJudge::kSkewSeconds), "");
  token::SessionToken eternal = Token();
  eternal.expires_s = kNow + 1'000'000;
  EXPECT_EQ(Judge(eternal), "the token has expired") << "nobody signs a token for so long";
}

TEST_F(TokenJudgeTest, ATokenIsForItsServerSessionAndKey) {
  token::SessionToken other = Token();
  other.server.fill(8);
  EXPECT_EQ(Judge(other), "the token is for another server");
  other = Token();
  other.session.fill(7);
  EXPECT_NE(Judge(other).find("another session"), std::string::npos);
  other = Token();
  other.key_digest.fill(7);
  EXPECT_NE(Judge(other).find("another session"), std::string::npos);
}

TEST_F(TokenJudgeTest, OnlyThePoolsKeysSign) {
  token::SessionToken token = Token();
  token.key_id = 2;
  EXPECT_NE(Judge(token).find("not the pool's"), std::string::npos);
  judge_.SetKeys({{1, token::SigningKey::Make().value().public_key()}});
  EXPECT_NE(Judge(Token()).find("signature"), std::string::npos);
  judge_.SetKeys({});
  EXPECT_NE(Judge(Token()).find("not heard from its pool"), std::string::npos);
}

TEST_F(TokenJudgeTest, AManagerThatWasReplacedGrantsNothing) {
  EXPECT_TRUE(judge_.HearEpoch(6));
  EXPECT_FALSE(judge_.HearEpoch(5));
  EXPECT_NE(Judge(Token()).find("replaced"), std::string::npos);
  token::SessionToken token = Token();
  token.epoch = 6;
  EXPECT_EQ(Judge(token), "");
}

TEST_F(TokenJudgeTest, WhatANewLeaderTakesOverStillOpens) {
  const token::SigningKey successors = std::move(token::SigningKey::Make()).value();
  EXPECT_TRUE(judge_.HearEpoch(6));
  judge_.SetKeys({{2, successors.public_key()}});
  EXPECT_NE(Judge(Token()), "");
  token::Id other{};
  judge_.Adopt({other}, kNow);
  EXPECT_NE(Judge(Token()), "") << "another one";
  judge_.Adopt({session_}, kNow);
  EXPECT_EQ(Judge(Token()), "");
  EXPECT_EQ(Judge(Token(), kNow + 149), "") << "its time is of the former leader's clock";
  EXPECT_NE(Judge(Token(), kNow + 150), "");
  // Whose key nobody has ever said was the pool's has not signed anything.
  token::SessionToken token = Token();
  token.key_id = 3;
  EXPECT_NE(Judge(token), "");
}

TEST_F(TokenJudgeTest, ASessionThatIsOverDoesNotOpenAgain) {
  EXPECT_EQ(Judge(Token()), "");
  judge_.SeeSessions({session_}, kNow);
  EXPECT_EQ(Judge(Token()), "");
  judge_.SeeSessions({}, kNow + 1);
  EXPECT_EQ(Judge(Token(), kNow + 2), "the session is over");
}

TEST_F(TokenJudgeTest, ASessionThatWasRevokedDoesNotOpen) {
  judge_.Revoke(session_, kNow);
  EXPECT_EQ(Judge(Token()), "the session is over");
}

}  // namespace
}  // namespace farlane::agent
