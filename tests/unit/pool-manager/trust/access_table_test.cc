// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/access_table.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

TEST(AccessTable, ThePageShowsWhatHolds) {
  std::ifstream file(FARLANE_SOURCE "/docs/pool-security.md");
  std::ostringstream page;
  page << file.rdbuf();
  std::string head = "| verb |";
  for (const Role role : kRoles) {
    head += std::string(" ") + RoleName(role) + " |";
  }
  EXPECT_NE(page.str().find(head + "\n"), std::string::npos) << head;
  for (const Verb verb : kVerbs) {
    std::string row = std::string("| `") + VerbName(verb) + "` |";
    for (const Role role : kRoles) {
      const Reach reach = ReachOf(role, verb);
      row += std::string(" ") + (reach == Reach::kNone ? "-" : ReachName(reach)) + " |";
    }
    EXPECT_NE(page.str().find(row + "\n"), std::string::npos) << row;
  }
}

TEST(AccessTable, WhatItDoesNotNameIsNotAllowed) {
  EXPECT_EQ(ReachOf(Role::kPoolAdmin, static_cast<Verb>(200)), Reach::kNone);
  EXPECT_EQ(ReachOf(static_cast<Role>(200), Verb::kStatusRead), Reach::kNone);
}

TEST(AccessTable, RolesAndVerbsHaveNames) {
  for (const Role role : kRoles) {
    EXPECT_EQ(ParseRole(RoleName(role)), role);
  }
  EXPECT_FALSE(ParseRole("king").has_value());
  EXPECT_FALSE(ParseRole("").has_value());
}

}  // namespace
}  // namespace farlane::pool
