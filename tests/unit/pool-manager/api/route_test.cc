// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/route.h"

#include <set>

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

using Names = std::vector<std::string>;

TEST(PathMatches, TakesNamesOutOfAPath) {
  Names names;
  EXPECT_TRUE(PathMatches("/v1/servers", "/v1/servers", &names));
  EXPECT_EQ(names, Names());
  EXPECT_TRUE(PathMatches("/v1/servers/{name}:cordon", "/v1/servers/gpu1:cordon", &names));
  EXPECT_EQ(names, Names({"gpu1"}));
  EXPECT_TRUE(PathMatches("/v1/a/{x}/b/{y}", "/v1/a/1/b/2", &names));
  EXPECT_EQ(names, Names({"1", "2"}));
}

TEST(PathMatches, RefusesWhatIsLongerShorterOrOther) {
  Names names;
  for (const char* path :
       {"", "/", "/v1/server", "/v1/servers/", "/v1/servers/a/b", "/v1/servers/a:b",
        "/v1/servers/a:", "/v1/servers/:cordon", "/v2/servers/a"}) {
    EXPECT_FALSE(PathMatches("/v1/servers/{name}", path, &names)) << path;
  }
  EXPECT_FALSE(PathMatches("/v1/servers/{name}:cordon", "/v1/servers/a", &names));
  EXPECT_FALSE(PathMatches("/v1/servers/{name}:cordon", "/v1/servers/a:cordons", &names));
}

TEST(AllRoutes, AreWhole) {
  std::set<std::pair<std::string, std::string>> places;
  std::set<std::string> verbs;
  for (const Route& route : AllRoutes()) {
    EXPECT_TRUE(places.emplace(route.method, route.path).second) << route.path;
    EXPECT_TRUE(verbs.emplace(route.verb).second) << route.verb;
    EXPECT_NE(route.answer, nullptr) << route.path;
    EXPECT_STRNE(route.summary, "") << route.path;
    for (const std::string message : {route.takes, route.gives}) {
      const bool known = v1::Session::descriptor()->file()->FindMessageTypeByName(message) ||
                         v1::JoinKey::descriptor()->file()->FindMessageTypeByName(message);
      EXPECT_TRUE(message.empty() || known) << message;
    }
  }
}

}  // namespace
}  // namespace farlane::pool
