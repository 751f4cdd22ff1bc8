// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/join_desk.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/pool-manager/trust/memory_records.h"

namespace farlane::pool {
namespace {

constexpr int64_t kNowMs = 1'700'000'000'000;

class JoinDeskTest : public testing::Test {
 protected:
  v1::CreateJoinKeyResponse Make(const std::string& kind = "", int64_t seconds = 0) {
    v1::CreateJoinKeyRequest wish;
    wish.set_kind(kind);
    wish.set_lifetime_seconds(seconds);
    return desk_->Make(wish, maker_, kNowMs).value();
  }

  void Reopen() { desk_ = JoinDesk::Open(records_).value(); }

  MemoryRecords records_;
  Caller maker_{.user = "admin", .roles = {Role::kPoolAdmin}, .project = "", .token_id = ""};
  std::unique_ptr<JoinDesk> desk_ = JoinDesk::Open(records_).value();
};

TEST_F(JoinDeskTest, AKeyIsForOneWhoMayAskOnceMoreForTheSame) {
  const v1::CreateJoinKeyResponse made = Make();
  EXPECT_TRUE(JoinDesk::IsJoinKey(made.secret()));
  EXPECT_EQ(made.key().kind(), JoinDesk::kServer);
  ASSERT_TRUE(desk_->Use(made.secret(), "one", "a request", kNowMs).ok());
  EXPECT_TRUE(desk_->Use(made.secret(), "one", "a request", kNowMs).ok());
  for (const auto& [by, request] : {std::pair("two", "a request"), std::pair("one", "another")}) {
    const Status again = desk_->Use(made.secret(), by, request, kNowMs);
    EXPECT_EQ(again.code(), StatusCode::kRefused);
    EXPECT_NE(again.message().find("has been used, by one"), std::string::npos);
  }
  Reopen();
  EXPECT_FALSE(desk_->Use(made.secret(), "two", "a request", kNowMs).ok());
  EXPECT_EQ(desk_->List().at(0).used_by(), "one");
}

TEST_F(JoinDeskTest, AKeyThatHasExpiredOrWasRevokedOrIsNoneIsRefused) {
  const v1::CreateJoinKeyResponse brief = Make("manager", 60);
  EXPECT_TRUE(desk_->Recognize(brief.secret(), kNowMs + 59'999).ok());
  EXPECT_FALSE(desk_->Use(brief.secret(), "one", "", kNowMs + 60'000).ok());
  const v1::CreateJoinKeyResponse ended = Make();
  ASSERT_TRUE(desk_->Revoke(ended.key().id()).ok());
  EXPECT_FALSE(desk_->Use(ended.secret(), "one", "", kNowMs).ok());
  EXPECT_EQ(desk_->Revoke(ended.key().id()).error().code(), StatusCode::kNotFound);
  EXPECT_FALSE(desk_->Use("flj1.AAAA", "one", "", kNowMs).ok());
  Reopen();
  EXPECT_FALSE(desk_->Recognize(ended.secret(), kNowMs).ok());
}

TEST_F(JoinDeskTest, NobodyReadsTheSecretInTheStoreOrInALists) {
  const v1::CreateJoinKeyResponse made = Make();
  EXPECT_FALSE(records_.Contains(made.secret()));
  EXPECT_FALSE(records_.Contains(made.secret().substr(5)));
  EXPECT_EQ(desk_->List().at(0).digest(), "");
  EXPECT_EQ(made.key().digest(), "");
}

TEST_F(JoinDeskTest, WhatCannotBeStoredHasNotBeenUsed) {
  const v1::CreateJoinKeyResponse made = Make();
  records_.fails = true;
  EXPECT_FALSE(desk_->Use(made.secret(), "one", "", kNowMs).ok());
  records_.fails = false;
  EXPECT_TRUE(desk_->Use(made.secret(), "two", "", kNowMs).ok());
}

TEST_F(JoinDeskTest, OfManyAtOnceOneJoins) {
  const v1::CreateJoinKeyResponse made = Make();
  std::atomic<int> joined{0};
  std::vector<std::thread> newcomers;
  for (int i = 0; i < 8; ++i) {
    newcomers.emplace_back([&, i] {
      joined += desk_->Use(made.secret(), std::to_string(i), "", kNowMs).ok() ? 1 : 0;
    });
  }
  for (std::thread& one : newcomers) {
    one.join();
  }
  EXPECT_EQ(joined, 1);
}

TEST_F(JoinDeskTest, WishesThatAreWrongAreRefused) {
  v1::CreateJoinKeyRequest wish;
  wish.set_kind("king");
  EXPECT_EQ(desk_->Make(wish, maker_, kNowMs).error().code(), StatusCode::kInvalidArgument);
  wish.set_kind("");
  for (const int64_t seconds : {int64_t{-1}, JoinDesk::kLifetimeSecondsMax + 1}) {
    wish.set_lifetime_seconds(seconds);
    EXPECT_EQ(desk_->Make(wish, maker_, kNowMs).error().code(), StatusCode::kInvalidArgument);
  }
}

TEST_F(JoinDeskTest, OldOnesAreForgotten) {
  Make("", 60);
  v1::CreateJoinKeyRequest wish;
  ASSERT_TRUE(desk_->Make(wish, maker_, kNowMs + 60'000 + JoinDesk::kListedMs + 1).ok());
  EXPECT_EQ(desk_->List().size(), 1u);
  Reopen();
  EXPECT_EQ(desk_->List().size(), 1u);
}

}  // namespace
}  // namespace farlane::pool
