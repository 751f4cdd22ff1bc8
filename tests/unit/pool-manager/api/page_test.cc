// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/page.h"

#include <set>

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

using Names = std::vector<std::string>;

std::string Same(const std::string& name) {
  return name;
}

HttpAnswer Read(const std::map<std::string, std::string>& query, PageRequest* page) {
  HttpRequest request;
  request.query = query;
  HttpAnswer problem;
  ReadPageRequest(request, page, &problem);
  return problem;
}

TEST(Page, WhatStaysIsSeenOnceWhateverComesAndGoes) {
  std::set<std::string> there;
  for (int i = 0; i < 100; ++i) {
    there.insert("s" + std::to_string(1000 + i));
  }
  const std::set<std::string> at_first = there;
  Names seen;
  PageRequest page{.limit = 7, .after = {}};
  for (int round = 0;; ++round) {
    ASSERT_LT(round, 100);
    Names now(there.rbegin(), there.rend());
    const std::string next = CutPage(page, &now, &Same);
    seen.insert(seen.end(), now.begin(), now.end());
    if (next.empty()) {
      break;
    }
    there.insert("s0" + std::to_string(round));                               // before all
    there.erase(there.find("s1000") == there.end() ? now.front() : "s1000");  // what was seen
    EXPECT_EQ(Read({{"continue", next}}, &page).status, 200u);
  }
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()), at_first);
  EXPECT_EQ(seen.size(), at_first.size());
}

TEST(Page, LimitsAreNumbers) {
  PageRequest page;
  EXPECT_EQ(Read({{"limit", "5000"}}, &page).status, 200u);
  EXPECT_EQ(page.limit, 5000u);
  for (const char* const wrong : {"", "0", "-1", "5001", "7x", "99999999999999999999"}) {
    EXPECT_EQ(Read({{"limit", wrong}}, &page).status, 400u) << wrong;
  }
  for (const char* const wrong : {"/", "A", "%"}) {
    EXPECT_EQ(Read({{"continue", wrong}}, &page).status, 400u) << wrong;
  }
}

TEST(Page, TheLastOneSaysSo) {
  PageRequest page{.limit = 2, .after = {}};
  Names names = {"b", "a"};
  EXPECT_EQ(CutPage(page, &names, &Same), "");
  EXPECT_EQ(names, Names({"a", "b"}));
}

}  // namespace
}  // namespace farlane::pool
