// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/caller.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

Caller As(Role role, const std::string& project = "") {
  return {.user = "ann", .roles = {role}, .project = project, .token_id = ""};
}

TEST(Caller, WithoutARoleNothingIsAllowed) {
  for (const Verb verb : kVerbs) {
    EXPECT_FALSE(Caller{}.May(verb)) << VerbName(verb);
    EXPECT_FALSE(Caller{}.MayWith(verb, "", "")) << VerbName(verb);
  }
}

TEST(Caller, EveryVerbHasANameOfItsOwnAndSomebodyWhoMay) {
  for (const Verb verb : kVerbs) {
    EXPECT_EQ(ParseVerb(VerbName(verb)), verb);
    // Joining is for whoever shows a join key, and is all that he may do.
    Caller newcomer;
    newcomer.joins = true;
    const bool joins = verb == Verb::kPoolJoin;
    EXPECT_EQ(As(Role::kPoolAdmin).ReachFor(verb), joins ? Reach::kNone : Reach::kPool)
        << VerbName(verb);
    EXPECT_EQ(newcomer.May(verb), joins) << VerbName(verb);
  }
  EXPECT_FALSE(ParseVerb("?").has_value());
}

TEST(Caller, AUserReachesHisOwn) {
  const Caller ann = As(Role::kUser, "vision");
  EXPECT_TRUE(ann.MayWith(Verb::kSessionEnd, "vision", "ann"));
  EXPECT_FALSE(ann.MayWith(Verb::kSessionEnd, "vision", "bob"));
  EXPECT_FALSE(ann.MayWith(Verb::kSessionEnd, "speech", "ann"));
  EXPECT_TRUE(As(Role::kUser).MayWith(Verb::kSessionEnd, "speech", "ann"));
}

TEST(Caller, ARoleInAProjectEndsWhereTheProjectEnds) {
  for (const Role role : {Role::kProjectAdmin, Role::kUser, Role::kViewer}) {
    for (const Verb verb : kVerbs) {
      const bool common =
          verb == Verb::kStatusRead || verb == Verb::kServerRead || verb == Verb::kAccessRead;
      EXPECT_EQ(As(role, "vision").MayWith(verb, "speech", "ann"), common)
          << RoleName(role) << " " << VerbName(verb);
    }
  }
  EXPECT_TRUE(As(Role::kProjectAdmin, "vision").MayWith(Verb::kSessionEnd, "vision", "bob"));
  EXPECT_FALSE(As(Role::kViewer, "vision").MayWith(Verb::kSessionEnd, "vision", "ann"));
  EXPECT_TRUE(As(Role::kViewer).MayWith(Verb::kSessionRead, "speech", "bob"));
}

TEST(Caller, SeveralRolesGiveWhatTheWidestGives) {
  Caller both = As(Role::kAuditor);
  EXPECT_FALSE(both.May(Verb::kSessionRead));
  both.roles.push_back(Role::kViewer);
  EXPECT_TRUE(both.May(Verb::kSessionRead));
  EXPECT_TRUE(both.May(Verb::kAuditRead));
}

}  // namespace
}  // namespace farlane::pool
