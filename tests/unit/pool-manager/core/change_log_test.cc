// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/change_log.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

using Objects = std::vector<std::pair<std::string, int>>;
using Log = ChangeLog<Objects::value_type>;

void Refresh(Log& log, const Objects& objects) {
  log.Refresh(
      objects, [](const auto& one) { return one.first; },
      [](const auto& one) { return std::to_string(one.second); });
}

std::string TextOf(const std::optional<std::vector<Log::Change>>& changes) {
  if (!changes.has_value()) {
    return "gone";
  }
  std::string text;
  for (const Log::Change& change : *changes) {
    text += std::string(text.empty() ? "" : " ") + "+~-"[static_cast<int>(change.kind)] +
            change.object->first + std::to_string(change.object->second);
  }
  return text;
}

TEST(ChangeLog, TellsWhatHasComeChangedAndGone) {
  Log log(10);
  Refresh(log, {{"a", 1}, {"b", 1}});
  const uint64_t then = log.version();
  EXPECT_EQ(TextOf(log.After(0, 10)), "+a1 +b1");
  Refresh(log, {{"a", 1}, {"b", 1}});
  EXPECT_EQ(log.version(), then);
  Refresh(log, {{"b", 2}, {"c", 1}});
  EXPECT_EQ(TextOf(log.After(then, 10)), "~b2 +c1 -a1");
  EXPECT_EQ(TextOf(log.After(then + 1, 1)), "+c1");
  EXPECT_EQ(TextOf(log.After(log.version(), 10)), "");
}

TEST(ChangeLog, ForgetsWhatIsOldAndSaysSo) {
  Log log(3);
  for (int i = 0; i < 10; ++i) {
    Refresh(log, {{"a", i}});
  }
  EXPECT_EQ(log.version(), 10u);
  EXPECT_EQ(TextOf(log.After(7, 10)), "~a7 ~a8 ~a9");
  EXPECT_EQ(TextOf(log.After(6, 10)), "gone");
  EXPECT_EQ(TextOf(log.After(11, 10)), "gone") << "another log's version";
}

TEST(ChangeLog, WhoFollowsSeesWhatThereIs) {
  Log log(1000);
  std::map<std::string, int> seen;
  uint64_t at = 0;
  unsigned chance = 1;
  std::map<std::string, int> there;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 3; ++i) {
      chance = chance * 1664525 + 1013904223;
      const std::string name(1, static_cast<char>('a' + (chance >> 20) % 8));
      if ((chance >> 28) % 3 == 0) {
        there.erase(name);
      } else {
        there[name] = static_cast<int>(chance >> 24);
      }
    }
    Refresh(log, Objects(there.begin(), there.end()));
    const auto changes = log.After(at, 1000);
    ASSERT_TRUE(changes.has_value());
    for (const Log::Change& change : *changes) {
      at = change.version;
      if (change.kind == ChangeKind::kDeleted) {
        EXPECT_EQ(seen.erase(change.object->first), 1u);
      } else {
        EXPECT_EQ(seen.contains(change.object->first), change.kind == ChangeKind::kModified);
        seen[change.object->first] = change.object->second;
      }
    }
    ASSERT_EQ(seen, there);
  }
}

}  // namespace
}  // namespace farlane::pool
