// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/token_desk.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "pool-manager/trust/peer_user.h"
#include "tests/unit/pool-manager/trust/memory_records.h"

namespace farlane::pool {
namespace {

constexpr int64_t kNowMs = 1'700'000'000'000;

Caller Admin() {
  return {.user = "admin", .roles = {Role::kPoolAdmin}, .project = "", .token_id = ""};
}

v1::CreateTokenRequest Wish(const std::string& user,
                            const std::vector<std::string>& roles,
                            const std::string& project = "") {
  v1::CreateTokenRequest wish;
  wish.set_user(user);
  wish.set_project(project);
  for (const std::string& role : roles) {
    wish.add_roles(role);
  }
  return wish;
}

class TokenDeskTest : public testing::Test {
 protected:
  std::unique_ptr<TokenDesk> Open(TokenDesk::Settings settings = {}) {
    return TokenDesk::Open(std::move(settings), store_).value();
  }

  MemoryRecords store_;
};

TEST_F(TokenDeskTest, WhoShowsATokenIsItsUserUntilItExpires) {
  const auto desk = Open();
  v1::CreateTokenRequest wish = Wish("ann", {"user"}, "vision");
  wish.set_lifetime_seconds(60);
  const auto made = desk->Make(wish, Admin(), kNowMs).value();
  const Caller ann = desk->Recognize("Bearer " + made.secret(), {}, kNowMs + 59'999).value();
  EXPECT_EQ(ann.user, "ann");
  EXPECT_EQ(ann.project, "vision");
  EXPECT_EQ(ann.roles, std::vector<Role>{Role::kUser});
  const Result<Caller> late = desk->Recognize("Bearer " + made.secret(), {}, kNowMs + 60'000);
  ASSERT_FALSE(late.ok());
  EXPECT_NE(late.error().message().find("has expired"), std::string::npos);
}

TEST_F(TokenDeskTest, TheSecretIsNowhereKept) {
  const auto desk = Open();
  const auto made = desk->Make(Wish("ann", {"user"}), Admin(), kNowMs).value();
  EXPECT_FALSE(store_.Contains(made.secret()));
  EXPECT_FALSE(store_.Contains(made.secret().substr(5)));
  EXPECT_TRUE(made.token().digest().empty());
  EXPECT_TRUE(desk->List(Admin()).front().digest().empty());
}

TEST_F(TokenDeskTest, ANewLeaderKnowsThemAndARevokedOneIsGoneForAll) {
  const auto made = Open()->Make(Wish("ann", {"user"}), Admin(), kNowMs).value();
  const auto next = Open();
  EXPECT_TRUE(next->Recognize("Bearer " + made.secret(), {}, kNowMs).ok());
  EXPECT_TRUE(next->Revoke(made.token().id(), Admin()).ok());
  EXPECT_FALSE(next->Recognize("Bearer " + made.secret(), {}, kNowMs).ok());
  EXPECT_FALSE(Open()->Recognize("Bearer " + made.secret(), {}, kNowMs).ok());
}

TEST_F(TokenDeskTest, WhatIsNoTokenIsNobodys) {
  const auto desk = Open({.admin_token = "the admin's own"});
  const auto made = desk->Make(Wish("ann", {"user"}), Admin(), kNowMs).value();
  EXPECT_EQ(desk->Recognize("Bearer the admin's own", {}, kNowMs).value().user, "admin");
  for (const std::string& shown :
       {std::string(), std::string("Bearer "), std::string("Bearer the admin's ow"),
        std::string("Basic the admin's own"), "Bearer " + made.secret() + "A",
        "Bearer " + made.secret().substr(0, made.secret().size() - 1), made.secret(),
        std::string("Bearer flp1.")}) {
    EXPECT_FALSE(desk->Recognize(shown, {}, kNowMs).ok()) << shown;
  }
}

TEST_F(TokenDeskTest, EveryBitOfASecretCounts) {
  const auto desk = Open();
  const std::string secret = desk->Make(Wish("ann", {"user"}), Admin(), kNowMs).value().secret();
  for (size_t bit = 0; bit < 8 * secret.size(); ++bit) {
    std::string changed = secret;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(desk->Recognize("Bearer " + changed, {}, kNowMs).ok()) << "bit " << bit;
  }
}

TEST_F(TokenDeskTest, StrangersAreTheAdminOnlyWhereThatIsSaid) {
  EXPECT_FALSE(Open()->Recognize("", {}, kNowMs).ok());
  EXPECT_FALSE(Open()->Recognize("", geteuid(), kNowMs).ok());
  const auto open = Open({.admin_token = "", .strangers = TokenDesk::Strangers::kAdmins});
  EXPECT_EQ(open->Recognize("", {}, kNowMs).value().roles, std::vector<Role>{Role::kPoolAdmin});
  EXPECT_FALSE(open->Recognize("Bearer wrong", {}, kNowMs).ok());
  EXPECT_FALSE(open->Recognize("Bearer ", {}, kNowMs).ok());
}

TEST_F(TokenDeskTest, OnOneMachineTheKernelSaysWhoComes) {
  constexpr uint32_t kNobody = 65'534;
  const auto desk = Open({.admin_token = "", .strangers = TokenDesk::Strangers::kLocalUsers});
  EXPECT_EQ(desk->Recognize("", geteuid(), kNowMs).value().roles,
            std::vector<Role>{Role::kPoolAdmin});
  EXPECT_EQ(desk->Recognize("", 0, kNowMs).value().roles, std::vector<Role>{Role::kPoolAdmin});
  const Caller other = desk->Recognize("", kNobody, kNowMs).value();
  EXPECT_EQ(other.roles, std::vector<Role>{Role::kUser});
  EXPECT_EQ(other.user, UserName(kNobody));
  EXPECT_FALSE(other.May(Verb::kTokenCreate));
  EXPECT_FALSE(desk->Recognize("", {}, kNowMs).ok());
  EXPECT_FALSE(desk->Recognize("Bearer wrong", geteuid(), kNowMs).ok());
}

TEST_F(TokenDeskTest, NobodyGivesMoreThanHeHas) {
  const auto desk = Open();
  const Caller head = {
      .user = "eve", .roles = {Role::kProjectAdmin}, .project = "vision", .token_id = "1"};
  EXPECT_TRUE(desk->Make(Wish("ann", {"user"}, "vision"), head, kNowMs).ok());
  EXPECT_EQ(desk->Make(Wish("ann", {"user"}, "speech"), head, kNowMs).error().code(),
            StatusCode::kRefused);
  EXPECT_EQ(desk->Make(Wish("ann", {"user"}), head, kNowMs).error().code(), StatusCode::kRefused);
  for (const Role role : kRoles) {
    const bool small = role == Role::kProjectAdmin || role == Role::kUser || role == Role::kViewer;
    EXPECT_EQ(desk->Make(Wish("ann", {RoleName(role)}, "vision"), head, kNowMs).ok(), small)
        << RoleName(role);
    EXPECT_FALSE(desk->Make(Wish("ann", {RoleName(role)}), head, kNowMs).ok()) << RoleName(role);
  }
}

TEST_F(TokenDeskTest, EachSeesAndRevokesWhatIsHis) {
  const auto desk = Open();
  const auto ann = desk->Make(Wish("ann", {"user"}, "vision"), Admin(), kNowMs).value();
  const auto bob = desk->Make(Wish("bob", {"user"}, "vision"), Admin(), kNowMs).value();
  const auto eve = desk->Make(Wish("eve", {"user"}, "speech"), Admin(), kNowMs).value();
  const Caller as_ann = desk->Recognize("Bearer " + ann.secret(), {}, kNowMs).value();
  const Caller head = {
      .user = "head", .roles = {Role::kProjectAdmin}, .project = "vision", .token_id = "1"};
  EXPECT_EQ(desk->List(Admin()).size(), 3u);
  EXPECT_EQ(desk->List(head).size(), 2u);
  EXPECT_EQ(desk->List(as_ann).size(), 1u);
  EXPECT_EQ(desk->Revoke(bob.token().id(), as_ann).error().code(), StatusCode::kNotFound);
  EXPECT_EQ(desk->Revoke(eve.token().id(), head).error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(desk->Revoke(bob.token().id(), head).ok());
  EXPECT_TRUE(desk->Revoke(ann.token().id(), as_ann).ok());
}

TEST_F(TokenDeskTest, WishesThatAreWrongAreToldSo) {
  const auto desk = Open();
  v1::CreateTokenRequest endless = Wish("ann", {"user"});
  endless.set_lifetime_seconds(TokenDesk::kLifetimeSecondsMax + 1);
  v1::CreateTokenRequest past = Wish("ann", {"user"});
  past.set_lifetime_seconds(-1);
  for (const v1::CreateTokenRequest& wish :
       {Wish("", {"user"}), Wish("ann", {}), Wish("ann", {"king"}), Wish("a b", {"user"}),
        Wish("ann", {"user"}, "a/b"), Wish(std::string(129, 'a'), {"user"}), endless, past,
        Wish("ann", {"operator"}, "vision"), Wish("ann", {"project-admin"})}) {
    EXPECT_EQ(desk->Make(wish, Admin(), kNowMs).error().code(), StatusCode::kInvalidArgument)
        << wish.ShortDebugString();
  }
}

TEST_F(TokenDeskTest, ATokenThatCannotBeStoredIsNotGiven) {
  const auto desk = Open();
  const auto made = desk->Make(Wish("ann", {"user"}), Admin(), kNowMs).value();
  store_.fails = true;
  EXPECT_FALSE(desk->Make(Wish("bob", {"user"}), Admin(), kNowMs).ok());
  EXPECT_EQ(desk->List(Admin()).size(), 1u);
  EXPECT_FALSE(desk->Revoke(made.token().id(), Admin()).ok());
}

}  // namespace
}  // namespace farlane::pool
